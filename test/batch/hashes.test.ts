/** CRC-32C, XXH32 and HalfSipHash against published vectors and against the plainest code that computes them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/core/crc32c.ts';
import { halfSip } from '../../src/core/half-sip.ts';
import { SLOTS, slotOf, xxh32 } from '../../src/core/xxh32.ts';
import { hex, join, Random, u32, utf8 } from './_batches.ts';

describe('crc32c', () => {
  test.each([
    ['32 bytes of zeros', new Uint8Array(32), 'aa36918a'],
    ['32 bytes of ones', new Uint8Array(32).fill(255), '43aba862'],
    ['32 rising bytes', Uint8Array.from({ length: 32 }, (_, i) => i), '4e79dd46'],
    ['32 falling bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), '5cdb3f11'],
    [
      'an iSCSI read command',
      join(
        [0x01, 0xc0, 0, 0],
        Array(12).fill(0),
        u32(0x14),
        [0, 0, 4, 0],
        [0, 0, 0, 0x14],
        [0, 0, 0, 0x18],
        [0x28],
        Array(7).fill(0),
        [2],
        Array(7).fill(0),
      ),
      '563a96d9',
    ],
  ])('RFC 3720 B.4, in the order of the wire: %s', (_, bytes, wire) => {
    expect(hex(join(u32(crc32c(bytes))))).toBe(wire);
  });

  test('123456789, the check value of every CRC catalogue, and nothing at all', () => {
    expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  test('every length up to 2,100 at every alignment equals bit by bit', () => {
    const bytes = new Random(1).bytes(2200);
    const states = plainStates(bytes.subarray(5));
    for (let length = 0; length <= 2100; length++) {
      if (crc32c(bytes, 5, 5 + length) !== states[length]) expect.fail(`length ${length}`);
    }
    for (let start = 0; start < 16; start++) {
      for (const length of [0, 7, 16, 1023, 1024, 1025, 1040, 2000]) {
        const span = [start, start + length] as const;
        expect(crc32c(bytes.subarray(3), ...span), `${span}`).toBe(crc32c(bytes.slice(3 + start, 3 + start + length)));
      }
    }
  });

  test('continues from an earlier result', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(), (bytes, at) => {
        const cut = bytes.length === 0 ? 0 : at % bytes.length;
        return crc32c(bytes, cut, bytes.length, crc32c(bytes, 0, cut)) === crc32c(bytes);
      }),
    );
  });
});

describe('xxh32', () => {
  test.each([
    ['', 0, 0x02cc5d05],
    ['', 0x9e3779b1, 0x36b78ae7],
    ['a', 0, 0x550d7456],
    ['abc', 0, 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0, 0xe2293b2f],
  ])('%j with seed %i', (text, seed, expected) => {
    expect(xxh32(utf8(text), seed)).toBe(expected);
  });

  test("the xxHash project's own sanity vectors", () => {
    const buffer = sanityBuffer(222);
    const prime = 0x9e3779b1;
    for (const [length, seed, expected] of SANITY)
      expect(xxh32(buffer, seed === 1 ? prime : 0, 0, length), `${length} bytes`).toBe(expected);
  });

  test('a span of a longer buffer is hashed as the span alone', () => {
    const bytes = new Random(2).bytes(100);
    for (let start = 0; start < 20; start++)
      for (let end = start; end <= 100; end++) {
        expect(xxh32(bytes, 7, start, end)).toBe(xxh32(bytes.slice(start, end), 7));
      }
  });

  test('a slot is the hash with seed 0, modulo 4096', () => {
    expect(SLOTS).toBe(4096);
    expect(slotOf(utf8('abc'))).toBe(0x32d153ff % 4096);
    expect(slotOf(utf8('xabcx'), 1, 4)).toBe(0x32d153ff % 4096);
  });
});

/** length, seed (1: PRIME32_1), hash. Source: Cyan4973/xxHash, tests/sanity_test_vectors.h. */
const SANITY: readonly [number, 0 | 1, number][] = [
  [0, 0, 0x02cc5d05],
  [0, 1, 0x36b78ae7],
  [1, 0, 0xcf65b03e],
  [1, 1, 0xb4545aa4],
  [14, 0, 0x1208e7e2],
  [14, 1, 0x6af1d1fe],
  [222, 0, 0x5bd11dbd],
  [222, 1, 0x58803c5f],
];

/** The buffer of that test: bytes 56 to 63 of a 64-bit generator. */
function sanityBuffer(length: number): Uint8Array {
  let state = 2654435761n;
  return Uint8Array.from({ length }, () => {
    const byte = Number(state >> 56n);
    state = (state * 11400714785074694797n) & 0xffffffffffffffffn;
    return byte;
  });
}

/** The CRC of each prefix, a bit at a time. */
function plainStates(bytes: Uint8Array): number[] {
  let crc = 0xffffffff;
  const states = [0];
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    states.push(~crc >>> 0);
  }
  return states;
}

describe('halfSip', () => {
  const key = Uint32Array.of(0x03020100, 0x07060504);
  const rising = Uint8Array.from({ length: 300 }, (_, i) => i);
  const out = new Uint32Array(4);
  const of = (bytes: Uint8Array, start: number, end: number, ...rounds: [number, number] | []) => {
    halfSip(bytes, start, end, key, out, 1, ...rounds);
    return hex(join(u32(out[1]!), u32(out[2]!)));
  };

  test.each([
    [0, '218d1f59b9b83cc8'],
    [1, 'be552412f8387315'],
    [2, '064f39ef7c50eb57'],
    [3, 'ce0f1a45f7060679'],
    [4, 'd5e78a175be52ea1'],
    [7, 'ff202728b07bc684'],
    [8, 'edfee820bce4858c'],
    [15, '217d0bcb4e81c902'],
    [16, '7336aad25f7bf3b5'],
    [36, '86d67a40ec4276dc'],
    [63, '2ea63c71bf326087'],
  ])('%i rising bytes, with two rounds and four, as the reference implementation has it', (length, wanted) => {
    expect(of(rising, 0, length, 2, 4)).toBe(wanted);
  });

  test('wherever the bytes lie, and nothing beside its two words is written', () => {
    for (let start = 1; start < 20; start++) {
      for (const length of [0, 3, 4, 17, 36, 260]) {
        expect(of(rising, start, start + length)).toBe(of(rising.slice(start, start + length), 0, length));
      }
    }
    expect([out[0], out[3]]).toEqual([0, 0]);
  });

  test('each bit of the text and of the key changes about half of the bits', () => {
    const bytes = rising.slice(0, 36);
    const base = new Uint32Array(2);
    halfSip(bytes, 0, 36, key, base);
    let changed = 0;
    const compare = (other: Uint32Array) => {
      halfSip(bytes, 0, 36, other, out);
      for (let half = 0; half < 2; half++) for (let bits = base[half]! ^ out[half]!; bits !== 0; bits &= bits - 1) changed++;
    };
    for (let bit = 0; bit < 36 * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      compare(key);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let bit = 0; bit < 64; bit++) {
      const other = key.slice();
      other[bit >> 5]! ^= 1 << (bit & 31);
      compare(other);
    }
    expect(Math.abs(changed / (36 * 8 + 64) / 64 - 0.5)).toBeLessThan(0.02);
  });
});
