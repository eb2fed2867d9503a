/** §4: a producer that counts is stored once and in order, however often it sends; a newer epoch fences the older ones. */

import type { Check } from './checks.ts';
import type { Answer } from './client.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import type { Station } from './station.ts';
import { upTo } from './station.ts';
import { batchOf } from './wsr1.ts';

function by(sequence: number, epoch = 1, id = 'p'): Record<string, string> {
  return { 'producer-id': id, 'producer-epoch': `${epoch}`, 'producer-sequence': `${sequence}` };
}

/** `texts` as one batch, or one message alone. */
function send(s: Station, texts: readonly string[] | string, sequence: number, epoch?: number, id?: string): Promise<Answer> {
  const headers = by(sequence, epoch, id);
  if (typeof texts === 'string') return s.send(texts, headers);
  return s.t.post(`${s.path}/messages/batch`, { json: { messages: texts.map((text) => ({ text })) }, headers });
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
function results(answer: Answer, expected = 201): any[] {
  return status(answer, expected).json.results;
}

export const producers: Check[] = [
  {
    name: 'one by one: in order, repeated with the place of the first time, refused where one is missing',
    async run(t) {
      const s = await t.station();
      for (const n of upTo(3)) has(status(await send(s, `m${n}`, n), 201).json, { sequence: n, duplicate: false }, `message ${n}`);
      for (const n of upTo(3)) has(status(await send(s, `m${n}`, n), 200).json, { sequence: n, duplicate: true }, `message ${n}, again`);
      const gap = await send(s, 'm5', 5);
      refused(gap, 409, 'PRODUCER_GAP');
      equal(gap.json.expected, 4, 'the sequence that is next');
      await s.stored(['m1', 'm2', 'm3']);
    },
  },
  {
    name: 'a batch counts its messages; one that partly repeats stores the rest',
    async run(t) {
      const s = await t.station();
      results(await send(s, ['a', 'b', 'c'], 1));
      const told = results(await send(s, ['b', 'c', 'd', 'e'], 2)).map(({ sequence, duplicate }) => [sequence, duplicate]);
      equal(
        told,
        [
          [2, true],
          [3, true],
          [4, false],
          [5, false],
        ],
        'places',
      );
      has(status(await send(s, 'f', 6), 201).json, { sequence: 6 }, 'what comes after it');
      await s.stored(['a', 'b', 'c', 'd', 'e', 'f']);
    },
  },
  {
    name: 'records tell repeats by their place in the batch',
    async run(t) {
      const s = await t.station();
      const records = batchOf([{ payload: 'a' }, { payload: 'b' }]);
      const post = (sequence: number) => t.post(`${s.path}/messages/batch`, { records, headers: by(sequence) });
      has(status(await post(1), 201).json, { ranges: [[0, 1, 2]], duplicates: [] }, 'the first time');
      const again = {
        ranges: [],
        duplicates: [
          [0, 0, 1],
          [1, 0, 2],
        ],
        errors: [],
      };
      has(status(await post(1), 201).json, again, 'the second time');
    },
  },
  {
    name: 'many of one batch at once: stored once, and all are told the same places',
    async run(t) {
      const s = await t.station();
      const answers = await Promise.all(upTo(20).map(() => send(s, ['a', 'b'], 1)));
      const told = answers.map((answer) => results(answer).map(({ sequence }) => sequence));
      for (const places of told) equal(places, [1, 2], 'places');
      equal(answers.filter((answer) => results(answer).every(({ duplicate }) => !duplicate)).length, 1, 'those that stored it');
      await s.stored(['a', 'b']);
    },
  },
  {
    name: 'a refused message of a batch uses its sequence; sent again it is refused again',
    async run(t) {
      const s = await t.station({ maxMessageBytes: 8 });
      for (const round of [1, 2]) {
        const told = results(await send(s, ['a', 'much too long', 'b'], 1), 207).map(({ sequence, code }) => sequence ?? code);
        equal(told, [1, 'MESSAGE_TOO_LARGE', 2], `round ${round}`);
      }
      has(status(await send(s, 'c', 4), 201).json, { sequence: 3 }, 'what comes after it');
      await s.stored(['a', 'b', 'c']);
    },
  },
  {
    name: 'what is refused as a whole uses no sequence: alone, atomic, another expected sequence, no room',
    async run(t) {
      const s = await t.station({ maxMessageBytes: 8, retention: { maxMessages: 2, discard: 'refuse' } });
      refused(await send(s, 'much too long', 1), 413, 'MESSAGE_TOO_LARGE');
      has(status(await send(s, 'a', 1), 201).json, { sequence: 1 }, 'the next one, with the same sequence');
      refused(await s.send('b', { ...by(2), 'expected-sequence': '9' }), 409, 'SEQUENCE_MISMATCH');
      const json = { messages: [{ text: 'b' }, { text: 'much too long' }], atomic: true };
      refused(await t.post(`${s.path}/messages/batch`, { json, headers: by(2) }), 413, 'MESSAGE_TOO_LARGE');
      status(await send(s, 'b', 2), 201);
      refused(await send(s, 'c', 3), 429, 'LIMIT_EXCEEDED');
      status(await t.post(`${s.path}/purge`, { json: {} }), 200);
      has(status(await send(s, 'c', 3), 201).json, { sequence: 3 }, 'once there is room');
    },
  },
  {
    name: 'a newer epoch begins at 1, and the older one is fenced, its repeats too',
    async run(t) {
      const s = await t.station();
      for (const n of upTo(2)) await send(s, `old ${n}`, n);
      const gap = await send(s, 'new', 3, 2);
      refused(gap, 409, 'PRODUCER_GAP');
      equal(gap.json.expected, 1, 'where an epoch begins');
      status(await send(s, 'old 3', 3), 201, 'the older epoch, after that');
      status(await send(s, 'new', 1, 2), 201);
      for (const sequence of [1, 4]) {
        const zombie = await send(s, 'zombie', sequence);
        refused(zombie, 409, 'PRODUCER_FENCED');
        equal(zombie.json.epoch, 2, 'the epoch that counts');
      }
      await s.stored(['old 1', 'old 2', 'old 3', 'new']);
    },
  },
  {
    name: 'epochs that race: one order, and nothing of the older after the newer',
    async run(t) {
      const s = await t.station();
      await send(s, 'e1', 1);
      const older = upTo(20).map((n) => send(s, 'e1', n + 1));
      const answers = await Promise.all([...older, send(s, 'e2', 1, 2)]);
      for (const answer of answers.slice(0, -1))
        if (answer.status !== 201)
          ok(['PRODUCER_FENCED', 'PRODUCER_GAP'].includes(answer.json.code), 'fenced, or behind one that was', String(answer));
      const stored = (await s.all()).map(({ text }) => text);
      equal(stored.lastIndexOf('e1') < stored.indexOf('e2'), true, `the order of ${stored.join(' ')}`);
      equal(stored.filter((text) => text === 'e2').length, 1, 'messages of the newer');
    },
  },
  {
    name: 'an id within a counted batch is a duplicate as ever, and uses its sequence',
    async run(t) {
      const s = await t.station();
      await s.produce('a', { 'idempotency-key': 'k' });
      has(status(await s.send('other', { ...by(1), 'idempotency-key': 'k' }), 200).json, { sequence: 1, duplicate: true }, 'the duplicate');
      has(status(await send(s, 'b', 2), 201).json, { sequence: 2 }, 'what comes after it');
      await s.stored(['a', 'b']);
    },
  },
  {
    name: 'producers are told apart by their whole name, and count in each partition for themselves',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      for (const id of ['p', 'P', 'p.', '__proto__', 'constructor', 'x'.repeat(128)])
        for (const partition of [0, 1]) status(await s.send(id, by(1, 1, id), `?partition=${partition}`), 201, `${id} in ${partition}`);
      refused(await s.send('a', by(2)), 400, 'INVALID_REQUEST', 'without a partition');
      equal((await s.info()).messages, 12, 'messages');
    },
  },
  {
    name: 'names that are none, and numbers that are none, are refused',
    async run(t) {
      const s = await t.station();
      for (const id of ['.p', 'a b', 'a/b', 'x'.repeat(129)]) refused(await s.send('a', by(1, 1, id)), 400, 'INVALID_NAME', id);
      for (const bad of ['0', '-1', '1.5', '01', '9007199254740992', 'x']) {
        refused(await s.send('a', { ...by(1), 'producer-epoch': bad }), 400, 'INVALID_REQUEST', `epoch ${bad}`);
        refused(await s.send('a', { ...by(1), 'producer-sequence': bad }), 400, 'INVALID_REQUEST', `sequence ${bad}`);
      }
      equal((await s.info()).messages, 0, 'messages');
    },
  },
  {
    name: 'a purge, or trimming, makes nobody forget what was produced',
    async run(t) {
      const s = await t.station();
      results(await send(s, ['a', 'b'], 1));
      status(await t.post(`${s.path}/purge`, { json: {} }), 200);
      equal(
        results(await send(s, ['a', 'b'], 1)).map(({ sequence, duplicate }) => [sequence, duplicate]),
        [
          [1, true],
          [2, true],
        ],
        'places',
      );
      has(status(await send(s, 'c', 3), 201).json, { sequence: 3 }, 'what comes after it');
      await s.stored(['c']);
    },
  },
  {
    name: 'a station made again knows nothing of the producers of the old one',
    async run(t) {
      const s = await t.station();
      status(await send(s, 'old', 1, 7), 201);
      await s.remove();
      await s.make();
      refused(await send(s, 'b', 2, 7), 409, 'PRODUCER_GAP');
      has(status(await send(s, 'a', 1, 3), 201).json, { sequence: 1 }, 'an older epoch begins');
    },
  },
  {
    name: 'crashes and restarts: what was answered is a repeat, what is fenced stays so',
    needs: ['servers'],
    async run(t) {
      const own = await t.own();
      const s = await own.station({ maxMessageBytes: 8 });
      let next = 1;
      for (const end of ['crash', 'restart', 'crash'] as const) {
        const texts = [`a${next}`, 'much too long', `b${next}`];
        const first = results(await send(s, texts, next), 207);
        await own.server[end]();
        const again = results(await send(s, texts, next), 207);
        equal(
          again.map(({ sequence }) => sequence),
          first.map(({ sequence }) => sequence),
          `places after a ${end}`,
        );
        next += 3;
      }
      status(await send(s, 'new', 1, 2), 201);
      await own.server.crash();
      refused(await send(s, 'old', next), 409, 'PRODUCER_FENCED');
      await s.stored(['a1', 'b1', 'a4', 'b4', 'a7', 'b7', 'new']);
    },
  },
];
