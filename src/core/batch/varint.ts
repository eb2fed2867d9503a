/**
 * Unsigned LEB128: seven bits a byte, the least first, the high bit says that another byte follows.
 *
 * Holds: a value is 0 to 2^53−1 and has exactly one encoding, of 1 to 8 bytes. Longer forms of the same value
 * (0x80 0x00 for 0) are refused, so that a batch has one form and the length of a varint follows from its value.
 */

/**
 * The value at `at`.
 *
 * @param end exclusive; no byte at or after it is read
 * @returns 0 to 2^53−1, or −1 where there is none: cut off, not the shortest form, or beyond 2^53−1
 */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const first = bytes[at]!;
  return first < 0x80 ? first : readLong(bytes, at, end);
}

/** How many bytes a value takes, 1 to 8; so also where the one just read ended. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  let bytes = 4;
  for (let rest = value / 0x10000000; rest >= 1; rest /= 0x80) bytes++;
  return bytes;
}

/**
 * Writes a value; the caller has made room for `varintBytes(value)`.
 *
 * @param value a whole number, 0 to 2^53−1: the caller's to check
 * @returns the offset after it
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  // By division, since `>>>` sees 32 bits only.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[to++] = (rest % 0x80) | 0x80;
  bytes[to] = rest;
  return to + 1;
}

const BYTES_MAX = 8;

function readLong(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(end, at + BYTES_MAX);
  let value = 0;
  let scale = 1;
  for (let from = at; from < last; from++) {
    const byte = bytes[from]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return byte === 0 || value > Number.MAX_SAFE_INTEGER ? -1 : value;
    scale *= 0x80;
  }
  return -1;
}
