/**
 * HalfSipHash: 64 bits of a text from one pass over it, which nobody can foresee who does not know the key.
 *
 * Holds: both halves of the result depend on every byte, and each on the key in its own way: what collides in one half does
 * not for that reason collide in the other.
 * Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), section 2; its 32-bit variant, and the test
 * vectors, from the reference implementation (veorq/SipHash). With one round a word and three at the end, as is usual for tables.
 */

/**
 * @param bytes what lies in `start` up to `end` is hashed
 * @param key two words
 * @param out gets the halves at `at` and `at + 1`, so that nothing is allocated
 */
export function halfSip(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: Uint32Array,
  out: Uint32Array,
  at = 0,
  wordRounds = 1,
  lastRounds = 3,
): void {
  const [first, second] = [key[0]!, key[1]!];
  let a = first;
  let b = second ^ 0xee;
  let c = 0x6c796765 ^ first;
  let d = 0x74656462 ^ second;
  const words = (end - start) >>> 2;
  // All words, the one that holds the rest and the length, and the two halves: one loop, so that the round is here once.
  for (let step = 0; step < words + 3; step++) {
    const word = step < words ? wordAt(bytes, start + 4 * step) : step === words ? lastWord(bytes, start, end) : 0;
    if (step === words + 1) c ^= 0xee;
    if (step === words + 2) {
      out[at] = b ^ d;
      b ^= 0xdd;
    }
    d ^= word;
    for (let rounds = step <= words ? wordRounds : lastRounds; rounds > 0; rounds--) {
      a = (a + b) | 0;
      b = rotate(b, 5) ^ a;
      a = rotate(a, 16);
      c = (c + d) | 0;
      d = rotate(d, 8) ^ c;
      a = (a + d) | 0;
      d = rotate(d, 7) ^ a;
      c = (c + b) | 0;
      b = rotate(b, 13) ^ c;
      c = rotate(c, 16);
    }
    a ^= word;
  }
  out[at + 1] = b ^ d;
}

function lastWord(bytes: Uint8Array, start: number, end: number): number {
  let word = (end - start) << 24;
  for (let i = start + ((end - start) & ~3), shift = 0; i < end; i++, shift += 8) word |= bytes[i]! << shift;
  return word;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Little endian on every machine, which a typed array over the same bytes would not be. */
function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
