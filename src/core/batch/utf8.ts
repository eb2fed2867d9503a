/**
 * Is a span of bytes UTF-8? Decided on the bytes themselves: a TextDecoder costs an object and a text a call.
 *
 * Holds: strict, as RFC 3629 section 4 has it: no surrogates, no overlong forms, nothing above U+10FFFF, nothing cut off.
 * A byte order mark is an ordinary character.
 */

/** Whether the bytes from `start` up to `end` are UTF-8. Reads no other byte; no bytes at all are fine. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    // Nearly all keys, ids and headers are ASCII: four bytes a look.
    while (at + 4 <= end && (bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!) < 0x80) at += 4;
    while (at < end && bytes[at]! < 0x80) at++;
    if (at === end) return true;
    const size = sequenceBytes(bytes, at, end);
    if (size === 0) return false;
    at += size;
  }
  return true;
}

/** The size of the well-formed sequence at `at`, whose first byte is not ASCII; 0 where it is not well-formed. */
function sequenceBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // C0 and C1 could only begin overlong forms; below them are bytes that continue; F5 and up lie beyond U+10FFFF.
  if (lead < 0xc2 || lead > 0xf4 || at + size > end) return 0;
  const second = bytes[at + 1]!;
  // The second byte alone decides on overlong forms (E0, F0), surrogates (ED) and the upper bound (F4).
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  if (size > 2 && (bytes[at + 2]! & 0xc0) !== 0x80) return 0;
  if (size > 3 && (bytes[at + 3]! & 0xc0) !== 0x80) return 0;
  return size;
}
