/** §5: a group gets every message, whatever its consumers do; a lease is one consumer's at a time. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import type { Delivered } from './station.ts';
import { sequences, texts, upTo } from './station.ts';

export const groups: Check[] = [
  {
    name: 'the first fetch makes the group at the start; a message brings its place, time, receipt and count',
    async run(t) {
      const s = await t.station();
      await s.produce('a', { 'message-key': 'k' });
      const message = await s.group().takeOne();
      has(message, { partition: 0, sequence: 1, deliveries: 1, text: 'a', key: 'k' }, 'the message');
      ok(/^0\.1\.[A-Za-z0-9_-]{1,40}$/.test(message.receipt), 'PARTITION.SEQUENCE.LEASE', message.receipt);
      ok(Number.isInteger(message.producedAt), 'a time', message);
    },
  },
  {
    name: 'startAt: a sequence, the end, a time; it counts once only',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      for (const n of upTo(3)) await s.produce(`m${n}`, {}, '?partition=0');
      equal(texts(await s.group('from-2').fetch({ startAt: 2 })), ['m2', 'm3'], 'from 2');
      const end = s.group('end');
      equal(await end.fetch({ startAt: 'end' }), [], 'from the end');
      await s.produce('later', {}, '?partition=1');
      equal(texts(await end.fetch({ startAt: 'start', waitMs: 1_000 })), ['later'], 'a second startAt does not count');
    },
  },
  {
    name: 'leased: not for another consumer; acked: never again; the numbers say so',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(4);
      const mine = await g.take(3);
      has(await g.info(), { unread: 1, inFlight: 3 }, 'the numbers');
      equal(texts(await g.fetch({ consumer: 'other' })), ['m4'], 'another consumer');
      await g.ack(mine);
      await g.ack(mine);
      has(await g.info(), { unread: 0, inFlight: 1, dead: 0 }, 'the numbers after the ack');
      await g.isDry('nothing more');
    },
  },
  {
    name: 'a fetch waits for a message, and for a lease that ends',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      const waiting = g.fetch({ waitMs: 10_000 });
      await t.pause(20);
      await s.produce('now');
      equal(texts(await waiting), ['now'], 'what was waited for');
      const h = s.group('h');
      await h.takeOne({ leaseMs: 1_000 });
      has(await h.takeOne({ waitMs: 8_000 }), { text: 'now', deliveries: 2 }, 'the second delivery');
    },
  },
  {
    name: 'a later lease ends the earlier receipt; until then it counts',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(2);
      const first = await g.take(2, { leaseMs: 1_000 });
      const again = await g.takeOne({ max: 1, leaseMs: 30_000 });
      const answer = status(await g.ask('ack', { receipts: sequencesFirst(first, again) }), 207).json;
      equal(
        answer.failed.map(({ code }: { code: string }) => code),
        ['LEASE_EXPIRED'],
        'the codes',
      );
      equal(answer.failed[0].receipt, first.find(({ sequence }) => sequence === again.sequence)!.receipt, 'the receipt that failed');
      await g.ack(again);
      await t.pause(1_200);
      await g.isDry('both are acked');
    },
  },
  {
    name: 'nack: again, at once or after a delay, with the count one higher',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.produce('a');
      await g.settle('nack', await g.takeOne());
      const second = await g.takeOne();
      equal(second.deliveries, 2, 'deliveries');
      await g.settle('nack', second, { delayMs: 600 });
      equal(await g.fetch({ waitMs: 100 }), [], 'not before the delay');
      has(await g.takeOne(), { text: 'a', deliveries: 3 }, 'after it');
    },
  },
  {
    name: 'extend: a lease lasts from now; the receipt stays the same',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.produce('a');
      const message = await g.takeOne({ leaseMs: 1_000 });
      await g.settle('extend', message, { leaseMs: 20_000 });
      await t.pause(1_300);
      await g.isDry('still leased');
      const [lease] = status(await t.get(`${g.path}/pending`), 200).json.items;
      has(lease, { partition: 0, sequence: 1, consumer: 'c', deliveries: 1, receipt: message.receipt }, 'the lease in the list');
      await g.ack(message);
    },
  },
  {
    name: 'groups do not know of each other; a group removed and made again begins anew',
    async run(t) {
      const s = await t.station();
      await s.fill(2);
      await s.group('a').ack(await s.group('a').take(2));
      equal(texts(await s.group('b').take(2)), ['m1', 'm2'], 'the other group');
      status(await t.delete(s.group('a').path), 204);
      refused(await t.get(s.group('a').path), 404, 'GROUP_NOT_FOUND');
      equal(texts(await s.group('a').take(2)), ['m1', 'm2'], 'the group, anew');
    },
  },
  {
    name: 'made by hand: 201, 200, and 409 for another; patched with null back to the default',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ leaseMs: 5_000, maxDeliveries: 3 });
      status(await t.put(g.path, { json: { leaseMs: 5_000, maxDeliveries: 3 } }), 200);
      refused(await t.put(g.path, { json: { leaseMs: 6_000 } }), 409, 'GROUP_EXISTS');
      const patched = status(await t.patch(g.path, { json: { maxDeliveries: null } }), 200).json;
      has(patched, { leaseMs: 5_000, maxDeliveries: 10, version: 2 }, 'the group');
    },
  },
  {
    name: 'maxInFlight bounds what is out, in each partition, and acks make room',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ maxInFlight: 2 });
      await s.fill(5);
      const out = await g.fetch();
      equal(out.length, 2, 'out at once');
      equal(await g.fetch(), [], 'no more');
      await g.ack(out[0]!);
      equal(texts(await g.fetch()), ['m3'], 'one more');
    },
  },
  {
    name: 'acks given with a fetch count; those that do not are named',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(2);
      const [first] = await g.fetch({ max: 1 });
      const answer = status(await g.ask('fetch', { consumer: 'c', max: 1, ack: [first!.receipt, 'nonsense'] }), 200).json;
      equal([texts(answer.messages), answer.failed.map(({ code }: { code: string }) => code)], [['m2'], ['INVALID_RECEIPT']], 'the answer');
      has(await g.info(), { unread: 0, inFlight: 1 }, 'the numbers');
    },
  },
  {
    name: 'next: one message raw, with its receipt; 204 where there is none',
    async run(t) {
      const s = await t.station();
      await s.produce('raw', { 'content-type': 'text/x' });
      const g = s.group();
      const answer = status(await t.post(`${g.path}/next?consumer=c`), 200);
      equal([answer.text, answer.type, answer.header('message-deliveries')], ['raw', 'text/x', '1'], 'the message');
      status(await g.ask('ack', { receipts: [answer.header('message-receipt')] }), 200);
      status(await t.post(`${g.path}/next?consumer=c`), 204);
    },
  },
  {
    name: 'seek: back to the start, ahead to the end, to a sequence; receipts from before count no more',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(4);
      const [first] = await g.take(4);
      status(await g.ask('seek', { to: 'start' }), 204);
      equal(status(await g.ask('ack', { receipts: [first!.receipt] }), 207).json.failed.length, 1, 'receipts that failed');
      equal(texts(await g.take(4)), ['m1', 'm2', 'm3', 'm4'], 'from the start');
      status(await g.ask('seek', { to: 3 }), 204);
      equal(texts(await g.take(2)), ['m3', 'm4'], 'from 3');
      status(await g.ask('seek', { to: 'end' }), 204);
      await g.isDry('from the end');
    },
  },
  {
    name: 'ten consumers at once share 400 messages of four partitions: each once, none missing',
    async run(t) {
      const s = await t.station({ partitions: 4 });
      const g = s.group();
      await s.batch(upTo(400).map((n) => ({ text: `m${n}`, key: `k${n}` })));
      const seen: Delivered[] = [];
      await Promise.all(
        upTo(10).map(async (n) => {
          for (
            let got = await g.fetch({ consumer: `c${n}`, max: 9 });
            got.length > 0;
            got = await g.fetch({ consumer: `c${n}`, max: 9, waitMs: 200 })
          ) {
            seen.push(...got);
            await g.ack(got);
          }
        }),
      );
      equal([seen.length, new Set(texts(seen)).size], [400, 400], 'deliveries, and different ones');
      has(await g.info(), { unread: 0, inFlight: 0 }, 'the numbers');
    },
  },
  {
    name: 'a caller that has gone takes no message with it',
    needs: ['leaving'],
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.fetch();
      const gone = new AbortController();
      const waiting = t.client
        .call('POST', `${g.path}/fetch`, { json: { consumer: 'gone', waitMs: 20_000 }, signal: gone.signal })
        .catch(() => 'gone');
      await t.pause(100);
      gone.abort();
      equal(await waiting, 'gone', 'the caller');
      await t.pause(100);
      await s.produce('a');
      has(await g.takeOne(), { text: 'a' }, 'the message');
    },
  },
  {
    name: 'produce, consume and nack at once: everything is acked in the end, in every group',
    async run(t) {
      const s = await t.station({ partitions: 3 });
      const wanted = upTo(150).map((n) => `m${n}`);
      const consume = async (name: string): Promise<string[]> => {
        const g = s.group(name);
        const done: string[] = [];
        let turn = 0;
        while (done.length < wanted.length) {
          for (const message of await g.take(1, { max: 8 })) {
            turn += 1;
            if (turn % 5 === 0 && message.deliveries < 3) await g.settle('nack', message);
            else {
              await g.ack(message);
              done.push(message.text!);
            }
          }
        }
        return done;
      };
      const results = Promise.all([consume('a'), consume('b')]);
      for (const text of wanted) await s.produce(text);
      for (const done of await results) equal([...done].sort(), [...wanted].sort(), 'what was acked');
    },
  },
  {
    name: 'order "partition": one lease at a time in each partition, in order, also after a nack',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const g = s.group();
      await g.make({ order: 'partition' });
      for (const partition of [0, 1]) for (const n of upTo(3)) await s.produce(`${partition}.${n}`, {}, `?partition=${partition}`);
      const [first] = await g.fetch({ max: 1 });
      const other = await g.fetch({ max: 1 });
      equal([first?.partition, other[0]?.partition].sort(), [0, 1], 'a lease in each partition');
      equal(await g.fetch({ consumer: 'other' }), [], 'nothing more');
      await g.settle('nack', first!);
      equal((await g.take(1, { max: 1 }))[0]?.text, first!.text, 'the same one again, before the ones after it');
    },
  },
  {
    name: 'what a group cannot do in this version is refused, never left out: order by key, filters, backoff; or it is kept',
    async run(t) {
      const s = await t.station();
      for (const [name, setting] of Object.entries({ order: 'key', filter: { key: 'a' }, backoff: { firstMs: 1_000 } })) {
        const answer = await t.put(`${s.path}/groups/${name}`, { json: { [name]: setting } });
        if (answer.status === 201) equal(answer.json[name], setting, name);
        else refused(answer, 400, 'INVALID_REQUEST', name);
      }
    },
  },
  {
    name: 'members: who has fetched, and how much each has',
    async run(t) {
      const s = await t.station();
      await s.fill(3);
      const g = s.group();
      await g.fetch({ consumer: 'one', max: 2 });
      await g.fetch({ consumer: 'two', max: 1 });
      const { members } = await g.info();
      equal(
        members.map(({ consumer, inFlight }: { consumer: string; inFlight: number }) => `${consumer} ${inFlight}`).sort(),
        ['one 2', 'two 1'],
        'members',
      );
      equal(sequences(status(await t.get(`${g.path}/pending?limit=2`), 200).json.items).length, 2, 'a page of leases');
    },
  },
];

/** The receipts of the first round, the one that has been followed by a later lease among them. */
function sequencesFirst(first: readonly Delivered[], again: Delivered): string[] {
  ok(
    first.some(({ sequence }) => sequence === again.sequence),
    'delivered a second time',
    again,
  );
  return first.map(({ receipt }) => receipt);
}
