/**
 * XXH32, and the slot that a message's key falls into.
 *
 * Holds: the same number on every runtime and in every SDK, since a producer may choose the partition itself.
 * Leaves to the catalog: which slots are which partition's.
 *
 * Source: the xxHash specification, "XXH32 algorithm description" (Cyan4973/xxHash, doc/xxhash_spec.md).
 */

/** How many slots keys are spread over. Fixed for ever: partitions are ranges of slots. */
export const SLOTS = 4096;

/**
 * The slot of a key: XXH32 with seed 0, modulo 4096.
 *
 * @param bytes the key as UTF-8 in `start` up to `end`, so that it can be hashed where it lies in a batch
 * @returns 0 to 4095
 */
export function slotOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return xxh32(bytes, 0, start, end) % SLOTS;
}

/**
 * XXH32 of `bytes` from `start` up to `end`.
 *
 * @param seed 0 to 2^32−1
 * @returns 0 to 2^32−1
 */
export function xxh32(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  const length = end - start;
  let at = start;
  let hash = (seed + PRIME_5) | 0;
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0;
    let b = (seed + PRIME_2) | 0;
    let c = seed | 0;
    let d = (seed - PRIME_1) | 0;
    for (; at <= end - 16; at += 16) {
      a = round(a, wordAt(bytes, at));
      b = round(b, wordAt(bytes, at + 4));
      c = round(c, wordAt(bytes, at + 8));
      d = round(d, wordAt(bytes, at + 12));
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + length) | 0;
  for (; at <= end - 4; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(wordAt(bytes, at), PRIME_3)) | 0, 17), PRIME_4);
  }
  for (; at < end; at++) {
    hash = Math.imul(rotate((hash + Math.imul(bytes[at]!, PRIME_5)) | 0, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Little endian on every machine, which a typed array over the same bytes would not be. */
function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
