/** A number has one encoding, and nothing else is read as a number. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readVarint, varintBytes, writeVarint } from '../../src/core/batch/varint.ts';
import { hex } from './_batches.ts';

const NUMBERS: [number, string][] = [
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [624_485, 'e58e26'],
  [2 ** 32, '8080808010'],
  [2 ** 49 - 1, 'ffffffffffff7f'],
  [2 ** 49, '8080808080808001'],
  [2 ** 53 - 1, 'ffffffffffffff0f'],
];

const encoded = (value: number): Uint8Array => {
  const bytes = new Uint8Array(varintBytes(value));
  expect(writeVarint(bytes, 0, value)).toBe(bytes.length);
  return bytes;
};

test.each(NUMBERS)('%d is %s', (value, expected) => {
  expect(hex(encoded(value))).toBe(expected);
  expect(readVarint(encoded(value), 0, 8)).toBe(value);
});

test('around every power of two the value comes back, and its length says where it ends', () => {
  for (let bits = 0; bits <= 53; bits++) {
    for (const value of [2 ** bits - 1, 2 ** bits, 2 ** bits + 1].filter(Number.isSafeInteger)) {
      const bytes = encoded(value);
      expect(bytes.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)));
      expect(readVarint(bytes, 0, bytes.length)).toBe(value);
      for (let end = 0; end < bytes.length; end++) expect(readVarint(bytes, 0, end)).toBe(-1);
    }
  }
});

test.each([
  ['no bytes', []],
  ['zero in two bytes', [0x80, 0]],
  ['one in two bytes', [0x81, 0]],
  ['127 in eight bytes', [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]],
  ['2^53', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
  ['2^56 − 1', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ['nine bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]],
  ['no end', Array(12).fill(0xff)],
])('refused: %s', (_, bytes) => {
  expect(readVarint(Uint8Array.from(bytes), 0, bytes.length)).toBe(-1);
});

test('any bytes are refused or are the encoding of what was read', () => {
  const bytes = fc.array(fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)), { maxLength: 10 });
  fc.assert(
    fc.property(bytes, (list) => {
      const given = Uint8Array.from(list);
      const value = readVarint(given, 0, given.length);
      if (value >= 0) expect(hex(encoded(value))).toBe(hex(given.subarray(0, varintBytes(value))));
    }),
    { numRuns: 5000, seed: 1 },
  );
});
