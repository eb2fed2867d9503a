/**
 * Journal entries in rows: the layout of a row, and how entries are laid into rows.
 *
 * Layout: a row is entries one after another, each a head of 52 bytes (little endian) and its body:
 *
 *     0  u32  bytes of the body in this row; 0 where it lies in parts
 *     4  u8   kind      5  u8  version      6  u8  flags: 1 data, 2 in parts      7  u8  0
 *     8  f64  index    16  f64 first sequence    24  u32 count    28  f64 time
 *    36  u32  epoch    40  u32 bytes of the body  44  u32 CRC-32C of the body  48  u32 CRC-32C of the head before
 *
 * Holds: whatever is read was checked against both CRCs, a head alone against its own. A body too long for a row lies in parts, which have rows of their own.
 * Elsewhere: what rows there are (volume.ts, FORMAT.md).
 */
import { joined } from '../bytes.ts';
import { crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import type { StoredEntry } from '../ports.ts';

export const HEAD_BYTES = 52;
const IS_DATA = 1;
const IN_PARTS = 2;

/** An entry as a row has it: without its body where that lies in parts. */
export interface RowEntry {
  readonly entry: StoredEntry;
  readonly inParts: boolean;
}

/** A body from here on is kept as it was given, where hardly more memory hangs on it than it has itself. */
const KEPT_FROM = 4 * 1024;
const SLACK = 1.25;

/** A body's parts as one, which nobody changes any more. */
export function bodyOf(parts: readonly Uint8Array[], given = false): Uint8Array {
  const [only] = parts;
  const isKept = given && parts.length === 1 && only !== undefined && only.length >= KEPT_FROM && isTight(only);
  return isKept ? only : joined(parts);
}

/** Whether the memory that the bytes lie in is not much larger than they are. */
function isTight({ length, buffer }: Uint8Array): boolean {
  return buffer.byteLength <= length * SLACK;
}

/** Entries as the parts of a row: bodies are not copied. */
export function encodeRow(entries: readonly RowEntry[]): Uint8Array[] {
  const heads = new Uint8Array(entries.length * HEAD_BYTES);
  const view = new DataView(heads.buffer);
  const parts: Uint8Array[] = [];
  for (const [i, { entry, inParts }] of entries.entries()) {
    const at = i * HEAD_BYTES;
    view.setUint32(at, inParts ? 0 : entry.bodyBytes, true);
    view.setUint8(at + 4, entry.kind);
    view.setUint8(at + 5, entry.version);
    view.setUint8(at + 6, (entry.data ? IS_DATA : 0) | (inParts ? IN_PARTS : 0));
    view.setFloat64(at + 8, entry.index, true);
    view.setFloat64(at + 16, entry.first, true);
    view.setUint32(at + 24, entry.count, true);
    view.setFloat64(at + 28, entry.time, true);
    view.setUint32(at + 36, entry.epoch, true);
    view.setUint32(at + 40, entry.bodyBytes, true);
    view.setUint32(at + 44, entry.crc, true);
    view.setUint32(at + 48, crc32c(heads, at, at + 48), true);
    parts.push(heads.subarray(at, at + HEAD_BYTES));
    if (!inParts) parts.push(entry.body);
  }
  return parts;
}

/** @param headsOnly bodies are not checked. @throws CORRUPTION; bodies in parts are empty, and not checked yet */
export function decodeRow(bytes: Uint8Array, where: string, headsOnly = false): RowEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: RowEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + HEAD_BYTES > bytes.length || crc32c(bytes, at, at + 48) !== view.getUint32(at + 48, true)) throw damaged(where);
    const length = view.getUint32(at, true);
    const flags = view.getUint8(at + 6);
    const inParts = (flags & IN_PARTS) !== 0;
    const start = at + HEAD_BYTES;
    const crc = view.getUint32(at + 44, true);
    const body = bytes.subarray(start, start + length);
    if (start + length > bytes.length || (!inParts && !headsOnly && crc32c(body) !== crc)) throw damaged(where);
    entries.push({
      inParts,
      entry: {
        index: view.getFloat64(at + 8, true),
        kind: view.getUint8(at + 4),
        version: view.getUint8(at + 5),
        epoch: view.getUint32(at + 36, true),
        first: view.getFloat64(at + 16, true),
        count: view.getUint32(at + 24, true),
        time: view.getFloat64(at + 28, true),
        data: (flags & IS_DATA) !== 0,
        crc,
        bodyBytes: view.getUint32(at + 40, true),
        body,
      },
    });
    at = start + length;
  }
  return entries;
}

export function damaged(where: string): WaysideError {
  return new WaysideError('CORRUPTION', `${where} is damaged: its checksum does not fit.`);
}
