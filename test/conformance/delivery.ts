/** Which messages a group is given, in which order, and when: keys, filters, expiry, pauses, bounds, backoff; delays; sums. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { texts } from './station.ts';

const keyed = (...names: string[]) => names.map((text) => ({ text, key: text[0] }));
const YEAR_MS = 365 * 24 * 3600 * 1000;

export const delivery: readonly Check[] = [
  {
    name: 'order key: one message of a key at a time, the others at once; a nack holds back its own key alone',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ order: 'key' });
      await s.batch(keyed('a1', 'a2', 'b1', 'a3'));
      const [a1, b1] = await g.take(2);
      equal(texts([a1!, b1!]), ['a1', 'b1'], 'the first of each key');
      await g.isDry('the others, while those are out');
      await g.settle('nack', a1!, { delayMs: 400 });
      await s.batch(keyed('b2'));
      await g.ack(b1!);
      equal(texts(await g.take(1)), ['b2'], 'another key goes on');
      for (const text of ['a1', 'a2', 'a3']) {
        const next = await g.takeOne();
        equal(next.text, text, 'in turn');
        await g.ack(next);
      }
    },
  },
  {
    name: 'a filter: only what matches is delivered, the rest is counted; a bad one is refused with its place',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ filter: 'key == "a" && !exists(header.test)' });
      await s.batch([
        { text: '1', key: 'a' },
        { text: '2', key: 'b' },
        { text: '3', key: 'a', headers: { test: 'x' } },
        { text: '4', key: 'a' },
      ]);
      equal(texts(await g.take(2)), ['1', '4'], 'what matches');
      await g.isDry('the rest');
      has(await g.info(), { unread: 0, unreadIsUpperBound: true, filter: 'key == "a" && !exists(header.test)' }, 'the group');
      has((await t.get(`${g.path}/audit`)).json, { produced: 4, filtered: 2, inFlight: 2, balanced: true }, 'the sum');
      const bad = await t.put(`${s.path}/groups/h`, { json: { filter: 'key = "a"' } });
      refused(bad, 400, 'INVALID_REQUEST');
      ok(bad.json.detail.includes('character 5'), 'the place is named', bad.json.detail);
      const terms = Array.from({ length: 10_000 }, () => 'exists(key)').join('||');
      refused(await t.put(`${s.path}/groups/h`, { json: { filter: terms } }), 400, 'INVALID_REQUEST', '10,000 terms');
    },
  },
  {
    name: 'paused: nothing comes, what is out is settled; resumed, who waits is served',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(2);
      const first = await g.takeOne();
      status(await t.patch(g.path, { json: { paused: true } }), 200);
      await g.isDry('anything while it is paused');
      await g.ack(first);
      const waiting = g.fetch({ waitMs: 5_000 });
      status(await t.patch(g.path, { json: { paused: false } }), 200);
      equal(texts(await waiting), ['m2'], 'the message');
    },
  },
  {
    name: 'a consumer has at most maxInFlightPerConsumer out',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ maxInFlightPerConsumer: 2 });
      await s.fill(3);
      equal((await g.fetch({ consumer: 'one' })).length, 2, 'of one');
      equal((await g.fetch({ consumer: 'one' })).length, 0, 'of one, again');
      equal(texts(await g.fetch({ consumer: 'two' })), ['m3'], 'of another');
    },
  },
  {
    name: 'backoff: a message that comes back waits as the group says, unless the nack does',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ backoff: [600] });
      await s.fill(1);
      await g.settle('nack', await g.takeOne());
      await g.isDry('at once');
      const again = await g.takeOne();
      equal(again.deliveries, 2, 'deliveries');
      await g.settle('nack', again, { delayMs: 1 });
      equal((await g.takeOne({ waitMs: 400 })).deliveries, 3, 'deliveries, sooner');
      for (const backoff of [[], [0], [YEAR_MS + 1], { minMs: 2, maxMs: 1 }, { minMs: 1 }, 'x'])
        refused(await t.put(`${s.path}/groups/h`, { json: { backoff } }), 400, 'INVALID_REQUEST', JSON.stringify(backoff));
    },
  },
  {
    name: 'last:N: where a group begins, where it is moved to; past the ends is at the ends',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(4);
      await g.make({ startAt: 'last:2' });
      equal(texts(await g.take(2)), ['m3', 'm4'], 'the last two');
      for (const [to, wanted] of [
        ['last:1', ['m4']],
        ['last:99', ['m1', 'm2', 'm3', 'm4']],
        [1_000_000, []],
      ] as const) {
        status(await g.ask('seek', { to }), 204);
        equal(texts(await g.fetch()), wanted, `moved to ${to}`);
      }
      refused(await g.ask('seek', { to: 'last:0' }), 400, 'INVALID_REQUEST');
    },
  },
  {
    name: 'expired: delivered to no group; a dead letter where the station says so',
    async run(t) {
      const s = await t.station({ deadLetter: { expired: true } });
      const g = s.group();
      await g.make();
      await s.produce('short', { 'message-expires-ms': '50' });
      await s.produce('long', { 'message-expires-ms': '60000' });
      await t.pause(120);
      equal(texts(await g.take(1)), ['long'], 'what lives');
      has((await s.letters('?reason=expired'))[0], { reason: 'expired', group: 'g', deliveries: 0 }, 'the letter');
      for (const bad of ['0', `${YEAR_MS + 1}`]) refused(await s.send('x', { 'message-expires-ms': bad }), 400, 'INVALID_REQUEST', bad);
    },
  },
  {
    name: 'delayed: listed, cancelled once, due later; not above a year, not with an expected sequence',
    async run(t) {
      const s = await t.station();
      const { scheduleId, dueAt } = status(await s.send('late', { 'message-delay-ms': '60000', 'message-key': 'k' }), 202).json;
      status(await s.send('soon', { 'message-delay-ms': '300' }), 202);
      const { items } = status(await t.get(`${s.path}/schedules`), 200).json;
      equal(items.length, 2, 'how many wait');
      has(items[1], { scheduleId, dueAt, key: 'k', partition: 0 }, 'the later one');
      equal((await s.info()).scheduled, 2, 'scheduled');
      status(await t.delete(`${s.path}/schedules/${scheduleId}`), 204);
      refused(await t.delete(`${s.path}/schedules/${scheduleId}`), 404, 'NOT_FOUND', 'cancelled again');
      await t.until('the message', async () => (await s.info()).messages === 1);
      await s.stored(['soon']);
      refused(await s.send('x', { 'message-delay-ms': `${10 * YEAR_MS}` }), 400, 'INVALID_REQUEST', 'ten years');
      refused(await s.send('x', { 'message-delay-ms': '5', 'expected-sequence': '2' }), 400, 'INVALID_REQUEST', 'an expected sequence');
    },
  },
  {
    name: 'delayed in a batch: each has its own; a repeat of an id has the same schedule',
    async run(t) {
      const s = await t.station();
      const messages = [{ text: 'a', id: 'x', delayMs: 60_000 }, { text: 'b' }];
      const [first, now] = status(await s.sendBatch(messages), 201).json.results;
      ok(typeof first.scheduleId === 'string' && first.durability !== undefined, 'a schedule', first);
      has(now, { sequence: 1 }, 'the one that is not delayed');
      has(
        status(await s.send('again', { 'idempotency-key': 'x' }), 202).json,
        { scheduleId: first.scheduleId, dueAt: first.dueAt },
        'a repeat',
      );
    },
  },
  {
    name: 'the sum: acked, dead, in flight, pending, skipped and trimmed add up to what was produced',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(6);
      await g.make({ startAt: 2 });
      const [two, three] = await g.take(3);
      await g.ack(two!);
      await g.settle('reject', three!);
      has(
        status(await t.get(`${g.path}/audit`), 200).json,
        { produced: 6, skipped: 1, acknowledged: 1, dead: 1, inFlight: 1, pending: 2, balanced: true },
        'the sum',
      );
      status(await t.post(`${s.path}/purge`, { json: { upTo: 5 } }), 200);
      has((await t.get(`${g.path}/audit`)).json, { trimmed: 2, inFlight: 0, pending: 1, balanced: true }, 'the sum, purged');
    },
  },
  {
    name: 'dead letters: found by key and time; to all groups as new messages, to another station once',
    async run(t) {
      const s = await t.station();
      const target = await t.station();
      const g = s.group();
      await s.batch(keyed('a1', 'b1', 'a2'));
      await g.settle('reject', await g.take(3));
      equal((await s.letters('?key=a')).length, 2, 'by key');
      equal((await s.letters(`?until=${Date.now() - 3_600_000}`)).length, 0, 'by time');
      const redrive = (json: object) => t.post(`${s.path}/dead-letters/redrive`, { json });
      has(status(await redrive({ match: { key: 'b' }, to: 'groups' }), 200).json, { redriven: 1 }, 'to all groups');
      has(await g.takeOne(), { text: 'b1', sequence: 4 }, 'a new message');
      refused(await redrive({ all: true, to: { station: t.name() } }), 404, 'STATION_NOT_FOUND');
      has(status(await redrive({ all: true, to: { station: target.name } }), 200).json, { redriven: 2 }, 'to another station');
      has(status(await redrive({ all: true, to: { station: target.name } }), 200).json, { redriven: 0 }, 'again');
      await t.until('both in the other station', async () => (await target.info()).messages === 2);
      equal(texts(await target.all()), ['a1', 'a2'], 'the messages');
      equal(await s.letters(), [], 'letters left');
      await t.until('nothing on its way', async () => (await s.info()).outbox === 0);
    },
  },
];
