/**
 * Walking the blocks of a file: how far they are valid, and whether what is not was once synced.
 *
 * Holds: a block counts only as a whole: its header, every record's header and body, and the zeros between them are checked
 * before any of its records is given out. Nothing is changed.
 * Elsewhere: what damage means (opening.ts), what the records do (replay.ts).
 */
import type { Crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { FileId, Place, RecordHeader } from './format.ts';
import {
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  decodeBlockHeader,
  decodeRecordHeader,
  isAbove,
  RECORD_HEADER_BYTES,
  recordBytes,
  seedOf,
  viewOf,
} from './format.ts';

/** @param offset of the record in its file */
export type Visit = (record: RecordHeader, body: Uint8Array, offset: number) => void;

/**
 * Gives the records of all valid blocks from `from` on.
 *
 * @param until no block that ends above it is looked at
 * @param told what each block says was synced before it
 * @returns the end of the last valid block
 * @throws UNAVAILABLE a newer version wrote it
 */
export function scanBlocks(
  name: string,
  bytes: Uint8Array,
  id: FileId,
  from: number,
  until: number,
  crc32c: Crc32c,
  visit: Visit,
  told: (known: Place) => void = () => {},
): number {
  const view = viewOf(bytes);
  const seed = seedOf(id);
  let at = from;
  for (;;) {
    const block = decodeBlockHeader(view, bytes, at, at, id);
    if (block === 'newer') throw newer(name);
    if (!block || block.type === BLOCK_FOOTER) return at;
    const start = at + BLOCK_HEADER_BYTES;
    const end = start + block.length;
    if (end > until || end > bytes.length) return at;
    const records = checkedRecords(name, view, bytes, start, end, seed, crc32c);
    if (!records) return at;
    told(block.known);
    let offset = start;
    for (const record of records) {
      visit(record, bytes.subarray(offset + RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES + record.bodyBytes), offset);
      offset += recordBytes(record.bodyBytes);
    }
    at = end;
  }
}

function checkedRecords(
  name: string,
  view: DataView,
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: number,
  crc32c: Crc32c,
): RecordHeader[] | undefined {
  const records: RecordHeader[] = [];
  let at = start;
  while (at < end) {
    const record = decodeRecordHeader(view, bytes, at, at, seed);
    if (record === 'newer') throw newer(name);
    if (!record) return undefined;
    const body = at + RECORD_HEADER_BYTES;
    const next = at + recordBytes(record.bodyBytes);
    if (next > end || crc32c(bytes, body, body + record.bodyBytes) !== record.crc) return isPlanted('half-commit') ? records : undefined;
    for (let pad = body + record.bodyBytes; pad < next; pad++) if (bytes[pad] !== 0) return undefined;
    records.push(record);
    at = next;
  }
  return at === end ? records : undefined;
}

export interface Evidence {
  /** Where the block that tells lies. */
  readonly at: number;
  readonly epoch: number;
}

/**
 * Looks for a block at or after `from` that was written when everything below `bad` (and more) was synced: then what is
 * broken at `bad` is damage, and no torn tail.
 *
 * @param id where it is known; without it, blocks of any file that lie at their place count
 */
export function findEvidence(bytes: Uint8Array, from: number, bad: Place, id?: FileId): Evidence | undefined {
  const view = viewOf(bytes);
  for (let at = from; at + BLOCK_HEADER_BYTES <= bytes.length; at += 8) {
    if (view.getUint32(at, true) !== BLOCK_MAGIC) continue;
    const block = decodeBlockHeader(view, bytes, at, at, id);
    if (block && block !== 'newer' && isAbove(block.known, bad.segment, bad.offset)) return { at, epoch: block.epoch };
  }
  return undefined;
}

export function newer(name: string): WaysideError {
  return new WaysideError(
    'UNAVAILABLE',
    `${name} was written by a newer version of Wayside. Open it with that version or a later one; nothing was changed.`,
  );
}
