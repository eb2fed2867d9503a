/**
 * The one pass over a record batch (`WSR1`, FORMAT.md) in which the broker decides whether to take it.
 *
 * Holds: what `checkBatch` lets through is well-formed to the last byte and has exactly one encoding, so every later
 * reader trusts it; nothing is allocated for a record, unless the record is refused; `bytes` is neither changed nor copied.
 * Leaves to others: what a message means (partition/), the same batch twice (dedup), delays that are too long.
 */
import type { Crc32c } from '../crc32c.ts';
import { crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { RecordCursor } from './cursor.ts';
import {
  ATTRS_KNOWN,
  CRC_BYTES,
  FLAG_CRC,
  HAS_CONTENT_TYPE,
  HAS_DELAY,
  HAS_EXPIRES,
  HAS_HEADERS,
  HAS_ID,
  HAS_KEY,
  HEADER_BYTES,
  MAGIC,
  RECORD_HEAD_BYTES,
  u32At,
} from './layout.ts';
import { isUtf8 } from './utf8.ts';
import { readVarint, varintBytes } from './varint.ts';

export { RecordCursor } from './cursor.ts';
export { HAS_CONTENT_TYPE, HAS_DELAY, HAS_EXPIRES, HAS_HEADERS, HAS_ID, HAS_KEY, HEADER_BYTES } from './layout.ts';

/** A block whose records can be walked: `new RecordCursor(bytes, recordsStart, recordsEnd)`. */
export interface BlockView {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly recordsStart: number;
  /** Exclusive. The stored form is `bytes` up to here. */
  readonly recordsEnd: number;
  /** CRC-32C of everything before it, where `bytes` holds it. */
  readonly crc: number | undefined;
}

/** A batch that passed `checkBatch`. */
export interface BatchView extends BlockView {
  readonly crc: number;
  /** Whether any record has the field: what none has need not be looked for. */
  readonly anyKey: boolean;
  readonly anyId: boolean;
  readonly anyHeaders: boolean;
  readonly anyDelay: boolean;
  readonly anyExpires: boolean;
  /** The well-formed records that pass a limit, by rising `i`. The others may be stored without them. */
  readonly refused: readonly RefusedRecord[] | undefined;
}

/** @property i the record's index in the batch, from 0 */
export interface RefusedRecord {
  readonly i: number;
  readonly code: 'MESSAGE_TOO_LARGE';
  readonly detail: string;
}

export type BatchLimits = Pick<
  Limits,
  'messageBytesMax' | 'batchBytesMax' | 'batchCountMax' | 'headerBytesMax' | 'keyBytesMax' | 'idBytesMax'
>;

/** The CRC of a batch that stands behind its records, for one that was checked before or just made by this process. */
export function trustedCrc(bytes: Uint8Array, _start = 0, end = bytes.length): number {
  return u32At(bytes, end);
}

/**
 * Checks a producer's batch: frame, limits, CRC, and every byte of every record.
 *
 * @param bytes exactly one batch; the view keeps them, so nobody may change them after
 * @param crcOf a host's faster CRC-32C; the core's unless given
 * @throws INVALID_RECORDS no batch, or damaged; `extra.index` names the record where it is one
 * @throws BATCH_TOO_LARGE more than `batchCountMax` records or `batchBytesMax` bytes, decided before walking
 */
export function checkBatch(bytes: Uint8Array, limits: BatchLimits, crcOf: Crc32c = crc32c): BatchView {
  const count = checkHeader(bytes, limits);
  const recordsEnd = bytes.length - CRC_BYTES;
  const crc = u32At(bytes, recordsEnd);
  if (crcOf(bytes, 0, recordsEnd) !== crc) refuse('The CRC does not match: the batch was damaged on its way. Send it again.');

  // What no limit can refuse is passed with two comparisons.
  const plainBytesMax = Math.min(limits.keyBytesMax, limits.idBytesMax, limits.headerBytesMax);
  let refused: RefusedRecord[] | undefined;
  let seen = 0;
  let at = HEADER_BYTES;
  let index = 0;
  for (; at < recordsEnd; index++) {
    const end = checkHead(bytes, at, recordsEnd, index);
    const attrs = bytes[at + 4]! | (bytes[at + 5]! << 8);
    const fields = at + RECORD_HEAD_BYTES;
    let payload = fields;
    if (attrs !== 0) {
      seen |= attrs;
      payload = checkFields(bytes, fields, end, attrs, index);
    }
    if (end - payload > limits.messageBytesMax || payload - fields > plainBytesMax) {
      const detail = passedLimit(bytes, at, end, limits);
      if (detail !== undefined) {
        refused ??= [];
        refused.push({ i: index, code: 'MESSAGE_TOO_LARGE', detail });
      }
    }
    at = end;
  }
  if (index !== count) refuse(`The batch holds ${index} records, its count says ${count}.`);
  return viewOf(bytes, count, recordsEnd, crc, seen, refused);
}

/**
 * A view of what was checked when it came in, by its header alone: a stored block, whose CRC lies in its entry, or a
 * delivered one, with or without CRC.
 *
 * @throws CORRUPTION the bytes do not begin with a header, or are not as long as it says
 */
export function viewStored(bytes: Uint8Array): BlockView {
  const recordsEnd = bytes.length < HEADER_BYTES ? -1 : HEADER_BYTES + u32At(bytes, 9);
  const withCrc = bytes.length === recordsEnd + CRC_BYTES;
  if (u32At(bytes, 0) !== MAGIC || !(withCrc || bytes.length === recordsEnd)) {
    throw new WaysideError('CORRUPTION', `A stored batch of ${bytes.length} bytes is not what its header says.`);
  }
  return { bytes, count: u32At(bytes, 5), recordsStart: HEADER_BYTES, recordsEnd, crc: withCrc ? u32At(bytes, recordsEnd) : undefined };
}

/**
 * The offset after `n` records, by their lengths alone.
 *
 * @param start where a record begins; the caller knows that n follow
 */
export function skip(bytes: Uint8Array, start: number, n: number): number {
  let at = start;
  for (let left = n; left > 0; left--) at += 4 + u32At(bytes, at);
  return at;
}

/**
 * How many whole records from `start` fit.
 *
 * @param end where the records end; exclusive
 * @param maxCount records at most
 * @param maxBytes record bytes at most, but the first record always fits: a consumer with too small a limit would starve
 * @returns their number, and the offset after them
 */
export function take(bytes: Uint8Array, start: number, end: number, maxCount: number, maxBytes: number): { count: number; end: number } {
  let count = 0;
  let at = start;
  while (at < end && count < maxCount) {
    const next = at + 4 + u32At(bytes, at);
    if (next - start > maxBytes && count > 0) break;
    at = next;
    count++;
  }
  return { count, end: at };
}

/** @returns the count, which the records may still contradict */
function checkHeader(bytes: Uint8Array, limits: BatchLimits): number {
  if (bytes.length < HEADER_BYTES + CRC_BYTES) refuse(`${bytes.length} bytes are too few for a batch.`);
  if (u32At(bytes, 0) !== MAGIC) refuse('A batch begins with WSR1.');
  if (bytes[4] !== FLAG_CRC) refuse(`The flags are ${bytes[4]}; a producer sends 1, and the CRC after the records.`);
  const count = u32At(bytes, 5);
  const length = u32At(bytes, 9);
  if (HEADER_BYTES + length + CRC_BYTES !== bytes.length) {
    refuse(`The length says ${length} bytes of records, there are ${bytes.length - HEADER_BYTES - CRC_BYTES}.`);
  }
  if (bytes.length > limits.batchBytesMax) {
    throw new WaysideError(
      'BATCH_TOO_LARGE',
      `The batch has ${bytes.length} bytes; ${limits.batchBytesMax} are taken. Send fewer messages at once.`,
    );
  }
  // A count that the bytes cannot hold is damage, and not a batch that is too large.
  if (count === 0 || count > length / RECORD_HEAD_BYTES) refuse(`The count says ${count} records; ${length} bytes cannot hold them.`);
  if (count > limits.batchCountMax) {
    throw new WaysideError('BATCH_TOO_LARGE', `The batch has ${count} messages; ${limits.batchCountMax} are taken. Send fewer at once.`);
  }
  return count;
}

/** @returns where the record ends */
function checkHead(bytes: Uint8Array, at: number, recordsEnd: number, index: number): number {
  const room = recordsEnd - at;
  const size = room < RECORD_HEAD_BYTES ? 0 : 4 + u32At(bytes, at);
  if (size < RECORD_HEAD_BYTES || size > room) refuse('its length does not fit into the batch', index);
  if ((bytes[at + 4]! & ~ATTRS_KNOWN) !== 0 || bytes[at + 5] !== 0) refuse('it has unknown attributes', index);
  return at + size;
}

/** @returns where the payload begins */
function checkFields(bytes: Uint8Array, from: number, end: number, attrs: number, index: number): number {
  let at = from;
  if (attrs & HAS_KEY) at = checkText(bytes, at, end, index, 'key');
  if (attrs & HAS_ID) at = checkText(bytes, at, end, index, 'id');
  if (attrs & HAS_CONTENT_TYPE) at = checkText(bytes, at, end, index, 'content type');
  if (attrs & HAS_HEADERS) {
    const count = readVarint(bytes, at, end);
    // A header takes two bytes at least: a count beyond that needs no loop to be found out.
    if (count < 0 || count > (end - at) / 2) refuse('its number of headers is not valid', index);
    at += varintBytes(count);
    for (let i = 0; i < count; i++) {
      at = checkText(bytes, at, end, index, 'header name');
      at = checkText(bytes, at, end, index, 'header value');
    }
  }
  if (attrs & HAS_DELAY) at = checkNumber(bytes, at, end, index, 'delay');
  if (attrs & HAS_EXPIRES) at = checkNumber(bytes, at, end, index, 'expiry');
  return at;
}

/** @returns the offset after the text */
function checkText(bytes: Uint8Array, at: number, end: number, index: number, what: string): number {
  const length = readVarint(bytes, at, end);
  if (length < 0) refuse(`the length of its ${what} is not valid`, index);
  const start = at + varintBytes(length);
  if (length > end - start) refuse(`its ${what} ends after it`, index);
  if (!isUtf8(bytes, start, start + length)) refuse(`its ${what} is not UTF-8`, index);
  return start + length;
}

function checkNumber(bytes: Uint8Array, at: number, end: number, index: number, what: string): number {
  const value = readVarint(bytes, at, end);
  if (value < 0) refuse(`its ${what} is not valid`, index);
  return at + varintBytes(value);
}

/** Which limit a well-formed record passes, if any; each counts bytes of the record. */
function passedLimit(bytes: Uint8Array, at: number, end: number, limits: BatchLimits): string | undefined {
  const record = new RecordCursor(bytes, at, end);
  record.next();
  const passed = (what: string, size: number, max: number) => (size > max ? `The ${what} has ${size} bytes; ${max} are taken.` : undefined);
  return (
    passed('payload', record.payloadEnd - record.payloadStart, limits.messageBytesMax) ??
    passed('key', record.keyEnd - record.keyStart, limits.keyBytesMax) ??
    passed('id', record.idEnd - record.idStart, limits.idBytesMax) ??
    passed('content type', record.contentTypeEnd - record.contentTypeStart, limits.headerBytesMax) ??
    passed('header block', record.headersEnd - record.headersStart, limits.headerBytesMax)
  );
}

function viewOf(
  bytes: Uint8Array,
  count: number,
  recordsEnd: number,
  crc: number,
  seen: number,
  refused: RefusedRecord[] | undefined,
): BatchView {
  return {
    bytes,
    count,
    recordsStart: HEADER_BYTES,
    recordsEnd,
    crc,
    anyKey: (seen & HAS_KEY) !== 0,
    anyId: (seen & HAS_ID) !== 0,
    anyHeaders: (seen & HAS_HEADERS) !== 0,
    anyDelay: (seen & HAS_DELAY) !== 0,
    anyExpires: (seen & HAS_EXPIRES) !== 0,
    refused,
  };
}

function refuse(what: string, index?: number): never {
  if (index === undefined) throw new WaysideError('INVALID_RECORDS', what);
  throw new WaysideError('INVALID_RECORDS', `Record ${index}: ${what}.`, { index });
}
