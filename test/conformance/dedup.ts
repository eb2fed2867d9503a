/** §4: an id is stored once within its window, whatever happens meanwhile. */
import type { Check } from './checks.ts';
import { equal, has, refused, status } from './expect.ts';
import { upTo } from './station.ts';
import { batchOf } from './wsr1.ts';

export const dedup: Check[] = [
  {
    name: "an id sent again is 200 with the first one's place, also with other bytes",
    async run(t) {
      const s = await t.station();
      const first = await s.produce('a', { 'idempotency-key': 'k' });
      await s.produce('between');
      const again = status(await s.send('other', { 'idempotency-key': 'k' }), 200).json;
      equal(again, { ...first, duplicate: true }, 'the answer');
      await s.stored(['a', 'between']);
    },
  },
  {
    name: 'an id sent by thirty at once is stored once',
    async run(t) {
      const s = await t.station({ partitions: 3 });
      const answers = await Promise.all(upTo(30).map((n) => s.send(`m${n}`, { 'idempotency-key': 'same' })));
      equal(answers.map((answer) => answer.status).sort(), [...Array(29).fill(200), 201], 'statuses');
      equal(new Set(answers.map(({ json }) => `${json.partition}.${json.sequence}`)).size, 1, 'places told');
      equal((await s.info()).messages, 1, 'messages');
    },
  },
  {
    name: "across the forms: single, JSON and records know each other's ids; within a batch too",
    async run(t) {
      const s = await t.station();
      await s.produce('a', { 'idempotency-key': 'one' });
      const json = await s.batch([
        { text: 'x', id: 'one' },
        { text: 'b', id: 'two' },
        { text: 'y', id: 'two' },
      ]);
      equal(
        json.map(({ sequence, duplicate }) => [sequence, duplicate]),
        [
          [1, true],
          [2, false],
          [2, true],
        ],
        'as JSON',
      );
      const records = status(
        await s.sendRecords(
          batchOf([
            { id: 'two', payload: 'z' },
            { id: 'three', payload: 'c' },
          ]),
        ),
        201,
      ).json;
      has(records, { ranges: [[0, 3, 1]], duplicates: [[0, 0, 2]] }, 'as records');
      has(status(await s.send('w', { 'idempotency-key': 'three' }), 200).json, { sequence: 3 }, 'alone');
      await s.stored(['a', 'b', 'c']);
    },
  },
  {
    name: 'an id is remembered after its message was purged',
    async run(t) {
      const s = await t.station();
      await s.produce('a', { 'idempotency-key': 'k' });
      status(await t.post(`${s.path}/purge`), 200);
      has(status(await s.send('a', { 'idempotency-key': 'k' }), 200).json, { sequence: 1, duplicate: true }, 'the answer');
      equal((await s.info()).messages, 0, 'messages');
    },
  },
  {
    name: 'after the window an id is new; a window of 0 remembers none',
    async run(t) {
      const s = await t.station({ dedupWindowMs: 400 });
      await s.produce('a', { 'idempotency-key': 'k' });
      await t.pause(700);
      has(await s.produce('b', { 'idempotency-key': 'k' }), { sequence: 2, duplicate: false }, 'after the window');
      const none = await t.station({ dedupWindowMs: 0 });
      await none.produce('a', { 'idempotency-key': 'k' });
      has(await none.produce('b', { 'idempotency-key': 'k' }), { duplicate: false }, 'without a window');
    },
  },
  {
    name: 'ids are compared exactly, in their partition: letters, spaces, names of JavaScript',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const ids = ['a', 'A', 'a ', '__proto__', 'constructor', 'ä', 'a\u0308', '\u0000', ''.padEnd(1024, 'x')];
      const first = await s.batch(ids.map((id) => ({ text: id, id })));
      equal(
        first.some(({ duplicate }) => duplicate),
        false,
        'all are new',
      );
      const again = await s.batch(ids.map((id) => ({ text: 'again', id })));
      equal(
        again,
        first.map((placed) => ({ ...placed, duplicate: true })),
        'all are known',
      );
      equal((await s.sendBatch([{ text: '', id: 'x'.repeat(1025) }])).json.results[0].code, 'MESSAGE_TOO_LARGE', 'an id that is too long');
      refused(await s.send('', { 'idempotency-key': 'x'.repeat(1025) }), 413, 'MESSAGE_TOO_LARGE', 'the same, alone');
    },
  },
  {
    name: 'a repeat of an id wins over Expected-Sequence',
    async run(t) {
      const s = await t.station();
      await s.produce('a', { 'idempotency-key': 'k', 'expected-sequence': '1' });
      has(
        status(await s.send('a', { 'idempotency-key': 'k', 'expected-sequence': '1' }), 200).json,
        { sequence: 1, duplicate: true },
        'the answer',
      );
    },
  },
];
