/** The SDK's msgpack beside the library that the broker uses; and bytes that are none. */
import { Decoder, Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMsgpack, MsgpackEncoder } from '../../src/client/frames/msgpack.ts';

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.integer({ min: -40_000, max: 70_000 }),
  fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
);
/** The library refuses `__proto__`. */
const name = fc.string({ maxLength: 40 }).filter((text) => text !== '__proto__');
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('any'), { maxLength: 40 }),
    fc.dictionary(name, tie('any'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).any;

test('what it encodes, the library reads, and the other way round', () => {
  const encoder = new MsgpackEncoder();
  fc.assert(
    fc.property(value, (given) => {
      expect(new Decoder().decode(encoder.encode(given))).toEqual(given);
      expect(decodeMsgpack(new Encoder().encode(given))).toEqual(given);
    }),
    { numRuns: 2_000, seed: 14 },
  );
});

test.each([
  0x7f,
  0x80,
  0xff,
  0x100,
  0xffff,
  0x10000,
  2 ** 32 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  -1,
  -32,
  -33,
  -129,
  -32_769,
  -(2 ** 31) - 1,
  Number.MIN_SAFE_INTEGER,
  1.5,
])('the number %d comes back from both', (number) => {
  expect(new Decoder().decode(new MsgpackEncoder().encode(number))).toBe(number);
  expect(decodeMsgpack(new Encoder().encode(number))).toBe(number);
});

test.each([15, 16, 31, 32, 255, 256, 65_535, 65_536])('texts, bytes, lists and maps of %d come back from both', (size) => {
  const fields = Object.fromEntries(Array.from({ length: size }, (_, index) => [`f${index}`, index]));
  for (const given of ['x'.repeat(size), new Uint8Array(size), new Array(size).fill(1), fields]) {
    expect(new Decoder().decode(new MsgpackEncoder().encode(given))).toEqual(given);
    expect(decodeMsgpack(new Encoder().encode(given))).toEqual(given);
  }
});

test('what is undefined is left out, as in JSON', () => {
  expect(new Decoder().decode(new MsgpackEncoder().encode({ a: undefined, b: 1 }))).toEqual({ b: 1 });
});

test('a field named __proto__ is a field, and nobody’s prototype', () => {
  const given = JSON.parse('{"headers":{"__proto__":{"admin":true},"constructor":"x"}}') as object;
  const read = decodeMsgpack(new MsgpackEncoder().encode(given)) as { headers: { admin?: unknown } };
  expect(JSON.stringify(read)).toBe(JSON.stringify(given));
  expect(read.headers.admin).toBeUndefined();
  expect(Object.getPrototypeOf(read.headers)).toBe(Object.prototype);
});

describe('bytes that are none', () => {
  test.each([
    ['nothing', []],
    ['cut off', [0x92, 1]],
    ['left over', [1, 1]],
    ['never used', [0xc1]],
    ['an extension', [0xd4, 1, 1]],
    ['a list of 2^32−1', [0xdd, 255, 255, 255, 255]],
    ['a map of 2^32−1', [0xdf, 255, 255, 255, 255]],
    ['bytes of 2^32−1', [0xc6, 255, 255, 255, 255]],
    ['nested deep', new Array(100_000).fill(0x91)],
  ])('%s', (_, bytes) => {
    expect(() => decodeMsgpack(Uint8Array.from(bytes))).toThrow(RangeError);
  });

  test('any others are refused as such, or read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeMsgpack(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 5_000, seed: 14 },
    );
  });
});
