/** `checkBatch`: what it refuses and with which code, what it says of a good batch; `skip`, `take`, the cursor. */
import { describe, expect, test } from 'vitest';
import { checkBatch, HEADER_BYTES, RecordCursor, skip, take, viewStored } from '../../src/core/batch/walk.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { batchOf, frame, join, record, utf8 } from './_batches.ts';

const ONE = record(0, utf8('x'));
const LIMITS = {
  ...DEFAULT_LIMITS,
  messageBytesMax: 10,
  keyBytesMax: 4,
  idBytesMax: 5,
  headerBytesMax: 20,
  batchCountMax: 3,
  batchBytesMax: 500,
};
const refusal = (bytes: Uint8Array, limits = DEFAULT_LIMITS as typeof LIMITS): WaysideError => {
  try {
    checkBatch(bytes, limits);
  } catch (error) {
    if (error instanceof WaysideError) return error;
    throw error;
  }
  return expect.fail('the batch was taken');
};

describe('INVALID_RECORDS', () => {
  const good = frame(1, ONE);
  test.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array(0)],
    ['a header only', good.subarray(0, HEADER_BYTES)],
    ['another magic', join(utf8('WSR2'), good.subarray(4))],
    ['no flags', frame(1, ONE, { flags: 0 })],
    ['an unknown flag', frame(1, ONE, { flags: 3 })],
    ['a wrong CRC', join(good.subarray(0, -1), [good.at(-1)! ^ 1])],
    ['no CRC', good.subarray(0, -4)],
    ['bytes after the CRC', join(good, [0])],
    ['no records', frame(0, new Uint8Array(0))],
    ['a count of 0 and a record', frame(0, ONE)],
    ['a count too high', frame(2, ONE)],
    ['a count too high, though its bytes would do', frame(2, record(0, Array(20).fill(0)))],
    ['a count too low', frame(1, join(ONE, ONE))],
    ['a count beyond every limit', frame(0xffffffff, ONE)],
    ['a length too high', frame(1, ONE, { length: ONE.length + 1 })],
    ['a length beyond every limit', frame(1, ONE, { length: 0xffffffff })],
    ['a record of no bytes', frame(1, join([0, 0, 0, 0], [0, 0]))],
    ['a record of one byte', frame(1, join([1, 0, 0, 0], [0, 0]))],
    ['a record of 4 GiB', frame(1, join([255, 255, 255, 255], ONE.subarray(4)))],
    ['five bytes after the last record', frame(1, join(ONE, [0, 0, 0, 0, 0]))],
    ['a key that ends after its record', frame(1, record(1, [50], utf8('short')))],
    ['a key that ends in the next record', frame(2, join(record(1, [3, 97]), ONE))],
    ['a key of 2^53 bytes', frame(1, record(1, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]))],
    ['a key of 2^53 − 1 bytes', frame(1, record(1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]))],
    ['a key whose length is not the shortest form', frame(1, record(1, [0x81, 0, 97]))],
    ['a key cut inside a letter', frame(1, record(1, [1, 0xc3, 0xb6]))],
    ['an id that is not UTF-8', frame(1, record(2, [2, 0xc0, 0x80]))],
    ['a content type with a surrogate', frame(1, record(4, [3, 0xed, 0xa0, 0x80]))],
    ['no bytes for any field', frame(1, record(63))],
    ['a million headers', frame(1, record(8, [0xc0, 0x84, 0x3d]))],
    ['a header without a value', frame(1, record(8, [1, 1, 97]))],
    ['a header name that is not UTF-8', frame(1, record(8, [1, 1, 0xff, 1, 97]))],
    ['a header value that is not UTF-8', frame(1, record(8, [1, 1, 97, 1, 0xff]))],
    ['a delay without an end', frame(1, record(16, Array(12).fill(255)))],
    ['an expiry of 2^53', frame(1, record(32, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]))],
    ...Array.from({ length: 10 }, (_, bit): [string, Uint8Array] => [`attribute bit ${bit + 6}`, frame(1, record(1 << (bit + 6), [0]))]),
  ])('%s', (_, bytes) => {
    expect(refusal(bytes).code).toBe('INVALID_RECORDS');
  });

  test('names the record and what is wrong in it', () => {
    const error = refusal(frame(3, join(ONE, ONE, record(1, [50]))));
    expect(error.message).toBe('Record 2: its key ends after it.');
    expect(error.extra).toEqual({ index: 2 });
  });
});

describe('limits', () => {
  const payload = (size: number) => ({ payload: new Uint8Array(size) });

  test('count and bytes at the limit are taken; one above is BATCH_TOO_LARGE', () => {
    expect(checkBatch(batchOf(Array(3).fill(payload(1))), LIMITS).count).toBe(3);
    expect(refusal(batchOf(Array(4).fill(payload(1))), LIMITS).code).toBe('BATCH_TOO_LARGE');
    const room = LIMITS.batchBytesMax - HEADER_BYTES - 4 - 6;
    expect(checkBatch(batchOf([payload(room)]), LIMITS).bytes.length).toBe(LIMITS.batchBytesMax);
    expect(refusal(batchOf([payload(room + 1)]), LIMITS).code).toBe('BATCH_TOO_LARGE');
  });

  test('a batch that is too large is refused before any byte is hashed', () => {
    expect(() => checkBatch(batchOf(Array(4).fill(payload(1))), LIMITS, () => expect.fail('hashed'))).toThrow(WaysideError);
  });

  test('each field at its limit is taken, though together they are more than any', () => {
    const view = checkBatch(
      batchOf([
        { key: 'öö', id: 'ididi', contentType: 'x'.repeat(20), headers: [['12345678', '1234567890']], payload: new Uint8Array(10) },
      ]),
      LIMITS,
    );
    expect(view.refused).toBeUndefined();
  });

  test.each<[string, object]>([
    ['payload', { payload: new Uint8Array(11) }],
    ['key', { key: 'ööö' }],
    ['id', { id: 'ididid' }],
    ['content type', { contentType: 'x'.repeat(21) }],
    ['header block', { headers: [['12345678', '12345678901']] }],
  ])('a record whose %s is too large is refused alone', (what, fields) => {
    const view = checkBatch(batchOf([payload(1), { payload: new Uint8Array(0), ...fields }, payload(2)]), LIMITS);
    expect(view.count).toBe(3);
    expect(view.refused).toEqual([
      { i: 1, code: 'MESSAGE_TOO_LARGE', detail: expect.stringMatching(new RegExp(`^The ${what} has \\d+ bytes; \\d+ are taken`)) },
    ]);
  });

  test('every refused record is listed', () => {
    const view = checkBatch(batchOf([payload(11), payload(10), payload(12)]), LIMITS);
    expect(view.refused?.map(({ i }) => i)).toEqual([0, 2]);
  });
});

describe('the view', () => {
  test('says which fields occur anywhere', () => {
    const none = { anyKey: false, anyId: false, anyHeaders: false, anyDelay: false, anyExpires: false };
    const seen = (fields: object) => checkBatch(batchOf([{ payload: utf8('a') }, { ...fields, payload: utf8('b') }]), DEFAULT_LIMITS);
    expect(seen({})).toMatchObject(none);
    expect(seen({ contentType: '' })).toMatchObject(none);
    expect(seen({ key: '' })).toMatchObject({ ...none, anyKey: true });
    expect(seen({ id: '' })).toMatchObject({ ...none, anyId: true });
    expect(seen({ headers: [] })).toMatchObject({ ...none, anyHeaders: true });
    expect(seen({ delayMs: 0 })).toMatchObject({ ...none, anyDelay: true });
    expect(seen({ expiresMs: 0 })).toMatchObject({ ...none, anyExpires: true });
  });

  test('a batch inside a larger buffer is seen as it is alone', () => {
    const batch = batchOf([{ key: 'k', payload: utf8('a') }]);
    const inside = join([9, 9, 9], batch, [9, 9]).subarray(3, 3 + batch.length);
    expect({ ...checkBatch(inside, DEFAULT_LIMITS), bytes: 0 }).toEqual({ ...checkBatch(batch, DEFAULT_LIMITS), bytes: 0 });
  });

  test('the CRC of the host is used where one is given', () => {
    const batch = batchOf([{ payload: utf8('a') }]);
    const calls: unknown[] = [];
    checkBatch(batch, DEFAULT_LIMITS, (bytes, start, end) => {
      calls.push([start, end]);
      return crc32c(bytes, start, end);
    });
    expect(calls).toEqual([[0, batch.length - 4]]);
  });

  test('viewStored takes a block with its CRC, without it, and refuses one that is cut', () => {
    const batch = batchOf([{ payload: utf8('a') }]);
    const { crc, recordsEnd } = checkBatch(batch, DEFAULT_LIMITS);
    expect(viewStored(batch)).toMatchObject({ count: 1, recordsStart: 13, recordsEnd, crc });
    expect(viewStored(batch.subarray(0, recordsEnd))).toMatchObject({ count: 1, recordsStart: 13, recordsEnd, crc: undefined });
    for (const cut of [0, 12, 13, recordsEnd - 1, recordsEnd + 1, recordsEnd + 3]) {
      expect(() => viewStored(batch.subarray(0, cut)), `${cut} bytes`).toThrow(expect.objectContaining({ code: 'CORRUPTION' }));
    }
    expect(() => viewStored(join(utf8('XSR1'), batch.subarray(4)))).toThrow(WaysideError);
  });
});

describe('the cursor', () => {
  const messages = [
    {
      key: 'ä',
      id: 'i',
      contentType: 't',
      headers: [
        ['a', '1'],
        ['a', '2'],
        ['__proto__', 'p'],
      ] as [string, string][],
      delayMs: 2 ** 53 - 1,
      expiresMs: 7,
      payload: utf8('1'),
    },
    { payload: utf8('22') },
    { key: '', headers: [] as [string, string][], payload: new Uint8Array(0) },
  ];
  const open = () => {
    const bytes = batchOf(messages);
    const { recordsStart, recordsEnd } = viewStored(bytes);
    return new RecordCursor(bytes, recordsStart, recordsEnd);
  };

  test('gives each field, headers repeated and __proto__ too', () => {
    const cursor = open();
    cursor.next();
    expect(cursor).toMatchObject({
      index: 0,
      key: 'ä',
      id: 'i',
      contentType: 't',
      headers: messages[0]?.headers,
      delayMs: 2 ** 53 - 1,
      expiresMs: 7,
    });
    expect(cursor.payload).toEqual(utf8('1'));
  });

  test('forgets what the record before had', () => {
    const cursor = open();
    cursor.next();
    cursor.next();
    expect(cursor).toMatchObject({ index: 1, attrs: 0, key: undefined, id: undefined, contentType: undefined, headers: undefined });
    expect(cursor).toMatchObject({
      keyStart: -1,
      keyEnd: -1,
      idStart: -1,
      contentTypeStart: -1,
      headersStart: -1,
      headersCount: -1,
      delayMs: -1,
      expiresMs: -1,
    });
    cursor.next();
    expect(cursor).toMatchObject({ index: 2, key: '', id: undefined, headers: [], headersCount: 0 });
    expect(cursor.payload.length).toBe(0);
  });

  test('after the last record it stays there', () => {
    const cursor = open();
    expect([cursor.next(), cursor.next(), cursor.next(), cursor.next(), cursor.next()]).toEqual([true, true, true, false, false]);
    expect(cursor).toMatchObject({ index: 2, key: '', end: cursor.stop });
  });
});

describe('skip and take', () => {
  const bytes = batchOf([3, 0, 5].map((size) => ({ payload: new Uint8Array(size) })));
  const { recordsStart: start, recordsEnd: end } = viewStored(bytes);

  test('skip goes by lengths', () => {
    expect([0, 1, 2, 3].map((n) => skip(bytes, start, n) - start)).toEqual([0, 9, 15, 26]);
    expect(skip(bytes, start, 3)).toBe(end);
  });

  test.each([
    [10, 1000, 3, 26],
    [2, 1000, 2, 15],
    [10, 15, 2, 15],
    [10, 14, 1, 9],
    [10, 25, 2, 15],
    [10, 26, 3, 26],
    [10, 0, 1, 9],
    [0, 1000, 0, 0],
  ])('at most %i records of %i bytes: %i, to offset %i', (maxCount, maxBytes, count, offset) => {
    expect(take(bytes, start, end, maxCount, maxBytes)).toEqual({ count, end: start + offset });
  });

  test('nothing is taken where nothing is', () => {
    expect(take(bytes, end, end, 5, 5)).toEqual({ count: 0, end });
  });
});
