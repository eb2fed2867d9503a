/** Builder and slices: what goes in comes out, in one form; what cannot be encoded leaves no trace. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NewMessage } from '../../src/core/batch/build.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { cut, slice, whole } from '../../src/core/batch/slice.ts';
import { checkBatch, RecordCursor, skip, viewStored } from '../../src/core/batch/walk.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { batchOf, hex, messagesOf, utf8 } from './_batches.ts';

const text = fc.string({ unit: 'binary', maxLength: 80 });
const time = fc.maxSafeNat();
const message: fc.Arbitrary<NewMessage> = fc.record(
  {
    key: text,
    id: text,
    contentType: text,
    headers: fc.array(fc.tuple(text, text), { maxLength: 4 }),
    delayMs: time,
    expiresMs: time,
    payload: fc.uint8Array({ maxLength: 300 }),
  },
  { requiredKeys: ['payload'], noNullPrototype: true },
);
const messages = fc.array(message, { minLength: 1, maxLength: 12 });

describe('BatchBuilder', () => {
  test('any messages: the batch is taken, read back the same, and built again to the same bytes', () => {
    fc.assert(
      fc.property(messages, (list) => {
        const bytes = batchOf(list);
        expect(checkBatch(bytes, DEFAULT_LIMITS)).toMatchObject({ count: list.length, refused: undefined });
        const read = messagesOf(bytes);
        expect(read).toEqual(list);
        expect(hex(batchOf(read))).toBe(hex(bytes));
      }),
      { numRuns: 400 },
    );
  });

  test('records copied one by one are the same batch', () => {
    fc.assert(
      fc.property(messages, (list) => {
        const bytes = batchOf(list);
        const view = viewStored(bytes);
        const cursor = new RecordCursor(bytes, view.recordsStart, view.recordsEnd);
        const copy = new BatchBuilder(0);
        while (cursor.next()) copy.appendRecord(bytes, cursor.offset, cursor.end);
        expect(hex(copy.finish())).toBe(hex(bytes));
      }),
    );
  });

  test('byteLength is the length of what finish gives, with every capacity', () => {
    for (let capacity = 0; capacity < 60; capacity++) {
      const builder = new BatchBuilder(capacity);
      for (let i = 0; i < 4; i++) {
        builder.append({ key: 'ключ', headers: [['a', '日本語']], delayMs: 2 ** 40, payload: utf8('payload') });
        expect(builder.finish().length).toBe(builder.byteLength);
      }
      expect(messagesOf(builder.finish())).toHaveLength(4);
    }
  });

  test('finish gives bytes that later appends leave alone; the builder goes on, and reset begins anew', () => {
    const builder = new BatchBuilder();
    builder.append({ payload: utf8('a') });
    const first = builder.finish();
    builder.append({ payload: utf8('b') });
    expect(messagesOf(builder.finish())).toHaveLength(2);
    builder.reset();
    expect(builder).toMatchObject({ count: 0, byteLength: 17 });
    builder.append({ payload: utf8('c') });
    expect(builder.finish()).toEqual(batchOf([{ payload: utf8('c') }]));
    expect(first).toEqual(batchOf([{ payload: utf8('a') }]));
  });

  test.each<[string, Partial<NewMessage>]>([
    ['a high surrogate at the end of a key', { key: 'a\ud800' }],
    ['a low surrogate alone in an id', { id: '\udc00a' }],
    ['two high surrogates', { contentType: '\ud800\ud800' }],
    ['a surrogate pair turned round', { key: '\udc00\ud800' }],
    ['half a pair in a header name', { headers: [['\ud83d', '']] }],
    [
      'half a pair in a header value',
      {
        headers: [
          ['a', '1'],
          ['b', '\ud83d'],
        ],
      },
    ],
    ['a delay below zero', { delayMs: -1 }],
    ['half a millisecond', { delayMs: 0.5 }],
    ['an expiry of 2^53', { expiresMs: 2 ** 53 }],
    ['an expiry that is no number', { expiresMs: Number.NaN }],
  ])('refused, and nothing is left of it: %s', (_, fields) => {
    const builder = new BatchBuilder(0);
    builder.append({ key: 'k', payload: utf8('before') });
    const before = hex(builder.finish());
    expect(() => builder.append({ key: 'x'.repeat(100), payload: utf8('p'), ...fields })).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    );
    expect(builder.count).toBe(1);
    expect(hex(builder.finish())).toBe(before);
    builder.append({ payload: utf8('after') });
    expect(messagesOf(builder.finish())).toEqual([{ key: 'k', payload: utf8('before') }, { payload: utf8('after') }]);
  });
});

describe('slice', () => {
  test('any run of records is the batch of those messages', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(), (list, a, b) => {
        const bytes = batchOf(list);
        const { recordsStart, recordsEnd } = viewStored(bytes);
        const from = a % list.length;
        const count = 1 + (b % (list.length - from));
        const expected = batchOf(list.slice(from, from + count));
        const stored = bytes.subarray(0, recordsEnd);
        expect(hex(slice(stored, recordsStart, recordsEnd, from, count, { crc: true }))).toBe(hex(expected));
        const bare = slice(stored, recordsStart, recordsEnd, from, count, { crc: false });
        expect(viewStored(bare)).toMatchObject({ count, crc: undefined });
        expect(bare[4]).toBe(0);
        expect(messagesOf(bare)).toEqual(list.slice(from, from + count));
      }),
    );
  });

  test('beyond its block: RangeError', () => {
    const bytes = batchOf([{ payload: utf8('a') }, { payload: utf8('b') }]);
    const { recordsStart, recordsEnd } = viewStored(bytes);
    expect(() => slice(bytes, recordsStart, recordsEnd, 1, 2, { crc: false })).toThrow(RangeError);
    expect(() => slice(bytes.subarray(0, recordsEnd), recordsStart, recordsEnd, 0, 9, { crc: false })).toThrow(RangeError);
  });

  test('cut takes offsets, and the host’s CRC', () => {
    const bytes = batchOf([{ payload: utf8('a') }, { payload: utf8('b') }]);
    const { recordsStart, recordsEnd } = viewStored(bytes);
    const block = cut(bytes, skip(bytes, recordsStart, 1), recordsEnd, 1, { crc: true, crcOf: () => 7 });
    expect(viewStored(block)).toMatchObject({ count: 1, crc: 7 });
  });

  test('whole puts the known CRC behind the stored form', () => {
    const bytes = batchOf([{ payload: utf8('a') }]);
    const { recordsEnd, crc } = checkBatch(bytes, DEFAULT_LIMITS);
    expect(whole(bytes.subarray(0, recordsEnd), crc)).toEqual(bytes);
  });
});
