/**
 * Base64 (RFC 4648, section 4), both ways, on bytes: no runtime's own is on all of them, and `btoa` wants a text first.
 *
 * Holds: strict on the way in: the standard alphabet, padding, no white space, no bits left over; so one text per bytes.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CODES = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 64; value++) VALUES[CODES[value]!] = value;
const PAD = 0x3d;

/** How many letters `length` bytes take. */
export function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}

/** Writes the letters of a span at `to`, where there is room; @returns the offset after them. */
export function writeBase64(target: Uint8Array, to: number, bytes: Uint8Array, start: number, end: number): number {
  let out = to;
  let at = start;
  for (; at + 2 < end; at += 3) {
    const three = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    target[out] = CODES[three >>> 18]!;
    target[out + 1] = CODES[(three >>> 12) & 63]!;
    target[out + 2] = CODES[(three >>> 6) & 63]!;
    target[out + 3] = CODES[three & 63]!;
    out += 4;
  }
  if (at === end) return out;
  const two = (bytes[at]! << 8) | (at + 1 < end ? bytes[at + 1]! : 0);
  target[out] = CODES[two >>> 10]!;
  target[out + 1] = CODES[(two >>> 4) & 63]!;
  target[out + 2] = at + 1 < end ? CODES[(two << 2) & 63]! : PAD;
  target[out + 3] = PAD;
  return out + 4;
}

/** @returns undefined where the text is no base64 */
export function fromBase64(text: string): Uint8Array | undefined {
  const { length } = text;
  if (length % 4 !== 0) return undefined;
  const pads = length === 0 || text.charCodeAt(length - 1) !== PAD ? 0 : text.charCodeAt(length - 2) !== PAD ? 1 : 2;
  const bytes = new Uint8Array((length / 4) * 3 - pads);
  const letters = length - pads;
  let held = 0;
  let bits = 0;
  let to = 0;
  for (let at = 0; at < letters; at++) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? VALUES[code]! : -1;
    if (value < 0) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[to++] = (held >>> bits) & 255;
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
