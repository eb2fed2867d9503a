/** §5: what a group cannot take is kept, with why, and goes again when asked. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { texts, upTo } from './station.ts';

export const deadLetters: Check[] = [
  {
    name: 'rejected: a letter with the reason, the group, the consumer and the message as it was',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.produce('poison', { 'message-key': 'k', 'idempotency-key': 'i', 'message-header-a': 'b' });
      await g.settle('reject', await g.takeOne({ consumer: 'me' }), { reason: 'cannot parse <b>' });
      await g.isDry('it is dead');
      has(await g.info(), { unread: 0, inFlight: 0, dead: 1 }, 'the group');
      const [letter] = await s.letters();
      has(letter, { reason: 'rejected', error: 'cannot parse <b>', group: 'g', consumer: 'me', deliveries: 1 }, 'the letter');
      has(letter.message, { text: 'poison', key: 'k', id: 'i', headers: { a: 'b' }, sequence: 1 }, 'its message');
      equal(status(await t.get(`${s.path}/dead-letters/${letter.id}`), 200).json, letter, 'the letter alone');
    },
  },
  {
    name: "maxDeliveries: after the last one a letter, with the last nack's reason and the history",
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ maxDeliveries: 2 });
      await s.produce('a');
      await g.settle('nack', await g.takeOne(), { reason: 'first' });
      await g.settle('nack', await g.takeOne(), { reason: 'second' });
      const [letter] = await t.until('a dead letter', async () => (await s.letters()).length > 0 && s.letters());
      has(letter, { reason: 'max-deliveries', error: 'second', deliveries: 2 }, 'the letter');
      ok(letter.history.length >= 2, 'a history', letter.history);
      await g.isDry('it is dead');
    },
  },
  {
    name: 'a lease that runs out the last time makes a letter too',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ maxDeliveries: 1 });
      await s.produce('a');
      await g.takeOne({ leaseMs: 1_000 });
      await t.until('a dead letter', async () => (await s.letters()).length === 1);
    },
  },
  {
    name: 'dead in one group is alive in another',
    async run(t) {
      const s = await t.station();
      await s.produce('a');
      await s.group('a').settle('reject', await s.group('a').takeOne());
      equal(texts(await s.group('b').take(1)), ['a'], 'the other group');
      equal([(await s.letters('?group=a')).length, (await s.letters('?group=b')).length], [1, 0], 'letters by group');
    },
  },
  {
    name: 'redrive to the group: delivered again, once, the letter is gone, the others stay',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(3);
      await g.settle('reject', await g.take(3));
      const letters = await s.letters();
      const chosen = letters.find(({ message }) => message.text === 'm2');
      equal(
        status(await t.post(`${s.path}/dead-letters/redrive`, { json: { ids: [chosen.id] } }), 200).json,
        { redriven: 1, kept: 0, left: 0 },
        'how many',
      );
      const again = await g.takeOne();
      equal(again.text, 'm2', 'the message');
      await g.ack(again);
      await g.isDry('nothing more');
      equal((await s.letters()).map(({ message }) => message.text).sort(), ['m1', 'm3'], 'letters');
      equal(
        status(await t.post(`${s.path}/dead-letters/redrive`, { json: { all: true } }), 200).json,
        { redriven: 2, kept: 0, left: 0 },
        'the rest',
      );
      equal(texts(await g.take(2)).sort(), ['m1', 'm3'], 'the rest, delivered');
      equal(await s.letters(), [], 'letters');
    },
  },
  {
    name: 'removed: gone for good; an id that is none is 404',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.produce('a');
      await g.settle('reject', await g.takeOne());
      const [letter] = await s.letters();
      status(await t.delete(`${s.path}/dead-letters/${letter.id}`), 204);
      refused(await t.get(`${s.path}/dead-letters/${letter.id}`), 404, 'DEAD_LETTER_NOT_FOUND');
      refused(await t.delete(`${s.path}/dead-letters/${letter.id}`), 404, 'DEAD_LETTER_NOT_FOUND');
      for (const id of ['x', '0', '../../x'.replaceAll('/', '%2f'), '%00', 'x'.repeat(300)])
        refused(await t.get(`${s.path}/dead-letters/${id}`), 404, 'DEAD_LETTER_NOT_FOUND', id);
      has(await g.info(), { dead: 0 }, 'the group');
    },
  },
  {
    name: 'a letter keeps its message when the station trims it; redriven it is delivered all the same',
    async run(t) {
      const s = await t.station({ retention: { maxMessages: 1 } });
      const g = s.group();
      await s.produce('kept', { 'message-header-a': 'b' });
      await g.settle('reject', await g.takeOne());
      await s.fill(3);
      await t.until('the message to be trimmed', async () => (await s.one(1)).status === 410);
      has((await s.letters())[0]?.message, { text: 'kept', headers: { a: 'b' } }, 'the letter');
      status(await t.post(`${s.path}/dead-letters/redrive`, { json: { all: true } }), 200);
      ok(texts(await g.take(2)).includes('kept'), 'delivered again');
    },
  },
  {
    name: 'listed page by page, each once',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const g = s.group();
      await s.batch(upTo(11).map((n) => ({ text: `m${n}`, key: `k${n}` })));
      await g.settle('reject', await g.take(11));
      const seen: string[] = [];
      for (let query = '?limit=4'; ; ) {
        const { items, next } = status(await t.get(`${s.path}/dead-letters${query}`), 200).json;
        seen.push(...items.map(({ message }: { message: { text: string } }) => message.text));
        if (next === null) break;
        query = `?limit=4&after=${encodeURIComponent(next)}`;
      }
      equal(
        seen.sort(),
        upTo(11)
          .map((n) => `m${n}`)
          .sort(),
        'letters',
      );
    },
  },
];
