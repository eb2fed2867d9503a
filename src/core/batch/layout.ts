/**
 * The numbers of `WSR1` (FORMAT.md), and its two fixed-size reads and writes. Little endian on every machine.
 */

/** magic (4) · flags u8 · count u32 · length u32 */
export const HEADER_BYTES = 13;
export const CRC_BYTES = 4;
/** A record's length u32 and attrs u16; also the size of the smallest record. */
export const RECORD_HEAD_BYTES = 6;

/** `WSR1`, as the u32 that its four bytes are. */
export const MAGIC = 0x31525357;
/** The one flag: a CRC follows the records. */
export const FLAG_CRC = 1;

/** Which fields a record has, in the order in which they lie in it. */
export const HAS_KEY = 1;
export const HAS_ID = 2;
export const HAS_CONTENT_TYPE = 4;
export const HAS_HEADERS = 8;
export const HAS_DELAY = 16;
export const HAS_EXPIRES = 32;
export const ATTRS_KNOWN = HAS_KEY | HAS_ID | HAS_CONTENT_TYPE | HAS_HEADERS | HAS_DELAY | HAS_EXPIRES;

/** @returns 0 to 2^32−1 */
export function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Writes the 13 bytes before the records at the start of `bytes`. */
export function putHeader(bytes: Uint8Array, flags: number, count: number, recordBytes: number): void {
  putU32(bytes, 0, MAGIC);
  bytes[4] = flags;
  putU32(bytes, 5, count);
  putU32(bytes, 9, recordBytes);
}
