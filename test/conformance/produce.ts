/** §4: what goes in comes out, byte for byte, whichever way it was sent. */
import { encode } from '@msgpack/msgpack';
import type { Check } from './checks.ts';
import type { Answer } from './client.ts';
import { RECORDS_TYPE } from './client.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { sequences, texts, upTo } from './station.ts';
import { batchOf } from './wsr1.ts';

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);

export const produce: Check[] = [
  {
    name: 'one message: every byte value, its type, key, id and headers come back raw',
    async run(t) {
      const s = await t.station();
      const headers = {
        'content-type': 'application/x-thing; v=1',
        'message-key': 'k 1',
        'idempotency-key': 'id-1',
        'message-header-Trace-Id': 'gr%C3%BC%C3%9Fe',
      };
      has(await s.produce(EVERY_BYTE, headers), { partition: 0, sequence: 1, duplicate: false }, 'the answer');
      const answer = status(await s.one(1), 200);
      equal(answer.bytes, EVERY_BYTE, 'the bytes');
      const given = ['content-type', 'message-key', 'idempotency-key', 'message-header-trace-id', 'message-partition', 'message-sequence'];
      equal(
        given.map((name) => answer.header(name)),
        ['application/x-thing; v=1', 'k 1', 'id-1', 'gr%C3%BC%C3%9Fe', '0', '1'],
        'the headers',
      );
      const message = (await s.read()).messages[0];
      has(message, { key: 'k 1', id: 'id-1', headers: { 'trace-id': 'grüße' } }, 'the message as JSON');
      ok(message?.base64 !== undefined, 'bytes that are no text come as base64', message);
    },
  },
  {
    name: 'an empty body is a message of no bytes',
    async run(t) {
      const s = await t.station();
      await s.produce('');
      equal((await s.one(1)).bytes.length, 0, 'bytes');
    },
  },
  {
    name: 'JSON is kept and given back letter by letter: large numbers, spaces, field order, twice the same field',
    async run(t) {
      const s = await t.station();
      const body = '{ "b":1, "a":12345678901234567890, "b":1.0, "__proto__":{"x":1} }';
      await s.produce(body, { 'content-type': 'application/json' });
      equal((await s.one(1)).text, body, 'raw');
      const page = status(await t.get(`${s.path}/messages?from=start`), 200).text;
      ok(page.includes(`"payload":${body}`), 'verbatim in a page', page);
    },
  },
  {
    name: 'sequences count from 1 in each partition, without gaps',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      for (const _ of upTo(3)) for (const partition of [0, 1]) await s.produce('a', {}, `?partition=${partition}`);
      for (const partition of [0, 1])
        equal(sequences(await s.all(`from=start&partition=${partition}`)), [1, 2, 3], `partition ${partition}`);
    },
  },
  {
    name: 'a key always leads to one partition: the one of its slot (XXH32), singly and in every kind of batch',
    async run(t) {
      const s = await t.station({ partitions: 4 });
      const { slots } = await s.info();
      for (const [key, hash] of [
        ['', 0x02cc5d05],
        ['a', 0x550d7456],
        ['abc', 0x32d153ff],
      ] as const) {
        const partition = slots.find(([first, last]: number[]) => hash % 4096 >= first! && hash % 4096 <= last!)[2];
        if (key !== '') equal((await s.produce('x', { 'message-key': key })).partition, partition, `${key}, alone`);
        equal((await s.batch([{ text: 'x', key }]))[0]?.partition, partition, `'${key}', as JSON`);
        equal(status(await s.sendRecords(batchOf([{ key }])), 201).json.ranges[0][0], partition, `'${key}', as records`);
      }
    },
  },
  {
    name: 'a batch as JSON: payload, text and base64, with keys, ids, headers and types',
    async run(t) {
      const s = await t.station();
      const results = await s.batch([
        { payload: { n: [1, null, 'ü'] }, key: 'k', id: 'i', headers: { a: '1' } },
        { text: 'plain' },
        { base64: 'AP+A', contentType: 'image/x' },
      ]);
      equal(
        results.map(({ sequence, duplicate }) => [sequence, duplicate]),
        [
          [1, false],
          [2, false],
          [3, false],
        ],
        'the results',
      );
      const [json, text, binary] = (await s.read()).messages;
      has(json, { payload: { n: [1, null, 'ü'] }, key: 'k', id: 'i', headers: { a: '1' }, contentType: 'application/json' }, 'the payload');
      has(text, { text: 'plain', contentType: 'text/plain' }, 'the text');
      has(binary, { base64: 'AP+A', contentType: 'image/x' }, 'the bytes');
    },
  },
  {
    name: 'a batch as msgpack, with bytes as payload',
    async run(t) {
      const s = await t.station();
      const body = Uint8Array.from(encode({ messages: [{ payload: EVERY_BYTE }, { payload: { a: 1 }, key: 'k' }, { text: 'x' }] }));
      status(await t.post(`${s.path}/messages/batch`, { body, headers: { 'content-type': 'application/msgpack' } }), 201);
      equal((await s.one(1)).bytes, EVERY_BYTE, 'the bytes');
      has((await s.read()).messages[1], { payload: { a: 1 }, key: 'k' }, 'the object');
      equal((await s.one(3)).text, 'x', 'the text');
    },
  },
  {
    name: 'a batch as records: ranges, by partition in the order sent, and the messages as they were',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const batch = batchOf([
        { key: 'a', payload: 'one', headers: [['h', 'v']] },
        { payload: EVERY_BYTE.join(' ') },
        { id: 'i', payload: [0, 255], contentType: 'x/y' },
      ]);
      const told = status(await s.sendRecords(batch, '?partition=1'), 201).json;
      has(told, { ranges: [[1, 1, 3]], duplicates: [], errors: [], scheduled: [] }, 'the answer');
      has((await s.all('from=start&partition=1'))[0], { key: 'a', text: 'one', headers: { h: 'v' } }, 'the first message');
      equal((await s.one(3, 1)).bytes, Uint8Array.of(0, 255), 'the bytes of the third');
    },
  },
  {
    name: 'a batch that spans partitions: every message once, in its own partition, results in the order sent',
    async run(t) {
      const s = await t.station({ partitions: 3 });
      const results = await s.batch(upTo(60).map((n) => ({ text: `m${n}`, key: `k${n % 7}` })));
      for (const [index, { partition, sequence }] of results.entries())
        equal((await s.one(sequence, partition)).text, `m${index + 1}`, `message ${index + 1}`);
      equal((await s.info()).messages, 60, 'messages');
    },
  },
  {
    name: 'what one message of a batch does wrong is its own affair: 207, the others are stored',
    async run(t) {
      const s = await t.station({ maxMessageBytes: 10 });
      const answer = status(await s.sendBatch([{ text: 'small' }, { text: 'x'.repeat(50) }, { text: 'tiny' }]), 207);
      equal(
        answer.json.results.map(({ code, sequence }: { code?: string; sequence?: number }) => code ?? sequence),
        [1, 'MESSAGE_TOO_LARGE', 2],
        'the results',
      );
      await s.stored(['small', 'tiny']);
      const records = status(await s.sendRecords(batchOf([{ payload: 'x'.repeat(50) }, { payload: 'ok' }])), 207).json;
      has(records, { errors: [[0, 'MESSAGE_TOO_LARGE']], ranges: [[0, 3, 1]] }, 'the same as records');
    },
  },
  {
    name: 'atomic: all or nothing, with the code and index of the first that failed; over partitions it is 400',
    async run(t) {
      const s = await t.station({ maxMessageBytes: 10 });
      const answer = await s.sendBatch([{ text: 'a' }, { text: 'x'.repeat(50) }], { atomic: true });
      refused(answer, 413, 'MESSAGE_TOO_LARGE');
      equal(answer.json.index, 1, 'the index');
      await s.stored([]);
      const many = await t.station({ partitions: 8 });
      refused(
        await many.sendBatch(
          upTo(40).map((n) => ({ text: 'a', key: `k${n}` })),
          { atomic: true },
        ),
        400,
        'INVALID_REQUEST',
      );
      equal((await many.info()).messages, 0, 'messages');
    },
  },
  {
    name: 'Expected-Sequence: of many at once exactly one is stored',
    async run(t) {
      const s = await t.station();
      const answers = await Promise.all(upTo(12).map((n) => s.send(`m${n}`, { 'expected-sequence': '1' })));
      equal(answers.filter((answer) => answer.status === 201).length, 1, 'stored');
      for (const answer of answers.filter((one: Answer) => one.status !== 201)) refused(answer, 409, 'SEQUENCE_MISMATCH');
      refused(await s.send('ahead', { 'expected-sequence': '3' }), 409, 'SEQUENCE_MISMATCH');
      has(await s.produce('next', { 'expected-sequence': '2' }), { sequence: 2 }, 'the next');
    },
  },
  {
    name: 'Expected-Sequence needs a partition where there are several (400)',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      refused(await s.send('a', { 'expected-sequence': '1' }), 400, 'INVALID_REQUEST');
      has(await s.produce('a', { 'expected-sequence': '1' }, '?partition=1'), { partition: 1, sequence: 1 }, 'with one');
      refused(await s.send('a', {}, '?partition=2'), 400, 'INVALID_REQUEST');
    },
  },
  {
    name: 'a message of the largest size is taken, one byte more is 413; with and without a length',
    async run(t) {
      const s = await t.station();
      const largest = new Uint8Array(1024 * 1024).fill(7);
      await s.produce(largest);
      equal((await s.one(1)).bytes, largest, 'the bytes');
      const larger = new Uint8Array(1024 * 1024 + 1);
      refused(await s.send(larger), 413, 'MESSAGE_TOO_LARGE', 'with a length');
      refused(await t.post(`${s.path}/messages`, { body: new Blob([larger]).stream() }), 413, 'MESSAGE_TOO_LARGE', 'without');
      equal((await s.info()).messages, 1, 'messages');
    },
  },
  {
    name: 'the largest number of messages in a batch is taken, one more is 413',
    async run(t) {
      const s = await t.station();
      const messages = upTo(10_000).map(() => ({ text: '' }));
      equal((await s.batch(messages)).length, 10_000, 'results');
      refused(await s.sendBatch([...messages, { text: '' }]), 413, 'BATCH_TOO_LARGE');
      equal((await s.info()).messages, 10_000, 'messages');
    },
  },
  {
    name: 'produced by many at once: each once, and each answer tells its own place',
    async run(t) {
      const s = await t.station();
      const placed = await Promise.all(upTo(100).map((n) => s.produce(`m${n}`)));
      const stored = texts(await s.all());
      equal(
        [...stored].sort(),
        upTo(100)
          .map((n) => `m${n}`)
          .sort(),
        'what is stored',
      );
      for (const [index, { sequence }] of placed.entries()) equal(stored[sequence - 1], `m${index + 1}`, 'the place told');
    },
  },
  {
    name: 'what this version cannot do is refused, never left out: delays and expiry, or they work',
    async run(t) {
      const s = await t.station();
      const answers = [await s.send('a', { 'message-delay-ms': '60000' }), await s.send('a', { 'message-expires-ms': '60000' })];
      for (const answer of answers)
        ok(
          [201, 202].includes(answer.status) || (answer.status === 400 && answer.json.code === 'INVALID_REQUEST'),
          'done, or refused',
          String(answer),
        );
      const stored = answers.filter((answer) => answer.status === 201).length;
      equal((await s.info()).messages, stored, 'messages');
    },
  },
  {
    name: 'a records body under another name is a batch of nothing known (415)',
    async run(t) {
      const s = await t.station();
      const records = batchOf([{ payload: 'a' }]);
      for (const type of ['application/octet-stream', 'text/plain', '']) {
        refused(
          await t.post(`${s.path}/messages/batch`, { body: records, headers: type === '' ? {} : { 'content-type': type } }),
          415,
          'UNSUPPORTED_MEDIA_TYPE',
          type,
        );
      }
      status(await t.post(`${s.path}/messages/batch`, { body: records, headers: { 'content-type': `${RECORDS_TYPE}; v=1` } }), 201);
    },
  },
];
