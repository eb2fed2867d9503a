/**
 * Cutting a block out of a stored one: what a read or a delivery sends.
 *
 * Holds: the records are copied as they lie, never encoded again; the result is a `WSR1` block of its own.
 * Leaves to the caller: which records (`take`, in walk.ts), and that the stored block was checked when it came in.
 */
import type { Crc32c } from '../crc32c.ts';
import { crc32c } from '../crc32c.ts';
import { CRC_BYTES, FLAG_CRC, HEADER_BYTES, putHeader, putU32 } from './layout.ts';
import { skip } from './walk.ts';

/** With `crc` the block carries one, of the core's CRC-32C unless `crcOf` is given. */
export interface CutOptions {
  readonly crc: boolean;
  readonly crcOf?: Crc32c | undefined;
}

/**
 * `count` records from the one with index `fromIndex`, as a block of their own.
 *
 * @param recordsStart where record 0 begins
 * @param fromIndex from 0; `fromIndex + count` is at most the stored block's count, the caller's to keep
 * @throws RangeError the records named reach beyond `recordsEnd`
 */
export function slice(
  bytes: Uint8Array,
  recordsStart: number,
  recordsEnd: number,
  fromIndex: number,
  count: number,
  options: CutOptions,
): Uint8Array<ArrayBuffer> {
  const start = skip(bytes, recordsStart, fromIndex);
  const end = skip(bytes, start, count);
  if (!(end <= recordsEnd)) throw new RangeError(`Records ${fromIndex} to ${fromIndex + count} reach beyond their block.`);
  return cut(bytes, start, end, count, options);
}

/** The `count` records that lie in `start` up to `end`, as a block of their own: for offsets that a walk has found. */
export function cut(bytes: Uint8Array, start: number, end: number, count: number, options: CutOptions): Uint8Array<ArrayBuffer> {
  const recordsEnd = HEADER_BYTES + end - start;
  const block = new Uint8Array(recordsEnd + (options.crc ? CRC_BYTES : 0));
  putHeader(block, options.crc ? FLAG_CRC : 0, count, end - start);
  block.set(bytes.subarray(start, end), HEADER_BYTES);
  if (options.crc) putU32(block, recordsEnd, (options.crcOf ?? crc32c)(block, 0, recordsEnd));
  return block;
}

/**
 * A stored block as it came, its known CRC behind it: no byte is hashed again.
 *
 * @param stored header and records, with flag 0 set and without the CRC
 * @param crc of all of `stored`; 0 to 2^32−1
 */
export function whole(stored: Uint8Array, crc: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(stored.length + CRC_BYTES);
  block.set(stored);
  putU32(block, stored.length, crc);
  return block;
}
