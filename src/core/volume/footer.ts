/**
 * The footer of a sealed segment: each actor's packed table, a list of where they lie, and a trailer at the end of the file.
 *
 * Holds: it says what is in the segment, dead or alive: a trim that came later is not its business. The tables and the list
 * have CRCs of their own, so that damage to one costs that one; all of it can be built again by scanning the blocks.
 * Elsewhere: when it is written (sealing.ts), reading a table (tables.ts).
 */
import type { Crc32c } from '../crc32c.ts';
import type { ActorKey } from '../ports.ts';
import { actorKey } from '../ports.ts';
import type { Range } from './actors.ts';
import {
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  encodeBlockHeader,
  encodeTrailer,
  getU48,
  getWhole,
  pad8,
  setU48,
  setWhole,
  TRAILER_BYTES,
  viewOf,
} from './format.ts';
import type { Segment } from './segment.ts';
import type { EntryTable } from './table.ts';
import { packRows } from './table.ts';

/** What the list says of one actor's entries. */
export interface RangeNote {
  readonly key: ActorKey;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly dataBytes: number;
  readonly stateBytes: number;
  readonly sequence: number;
  readonly time: number;
  readonly at: number;
  readonly bytes: number;
  readonly crc: number;
}

const NOTE_BYTES = 68;
const RANGES_A_STEP = 256;

export interface Footer {
  readonly bytes: Uint8Array;
  /** In the order of the ranges that were given. */
  readonly notes: readonly RangeNote[];
}

/** Yields when it has worked for a while. @param ranges all that were begun in the segment, dead ones too */
export function* buildFooter(
  segment: Segment,
  epoch: number,
  table: EntryTable,
  ranges: readonly Range[],
  crc32c: Crc32c,
): Generator<void, Footer> {
  const { id, seed, base, end } = segment;
  const notes: RangeNote[] = [];
  const tables: Uint8Array[] = [];
  let at = end + BLOCK_HEADER_BYTES;
  for (const range of ranges) {
    const rows = range.rows ?? [];
    const packed = yield* packRows({ table, rows, count: rows.length });
    let dataBytes = 0;
    let stateBytes = 0;
    for (const row of rows) {
      if (table.data[row] === 1) dataBytes += table.bytes(row);
      else stateBytes += table.bytes(row);
    }
    const { first, last, count, sequence, time } = range;
    notes.push({
      key: range.actor.key,
      first,
      last,
      count,
      dataBytes,
      stateBytes,
      sequence,
      time,
      at,
      bytes: packed.length,
      crc: crc32c(packed),
    });
    tables.push(packed);
    at += packed.length;
    if (tables.length % RANGES_A_STEP === 0) yield;
  }
  const listAt = pad8(at);
  const listBytes = notes.length * NOTE_BYTES;
  const total = pad8(listAt + listBytes) + TRAILER_BYTES - end;
  const bytes = new Uint8Array(total);
  tables.forEach((packed, nth) => {
    bytes.set(packed, notes[nth]!.at - end);
  });
  const view = viewOf(bytes);
  notes.forEach((note, nth) => {
    encodeNote(view, listAt - end + nth * NOTE_BYTES, note, ranges[nth]!);
  });
  const listCrc = crc32c(bytes, listAt - end, listAt - end + listBytes);
  encodeBlockHeader(view, bytes, 0, end, seed, {
    id,
    type: BLOCK_FOOTER,
    length: total - BLOCK_HEADER_BYTES,
    epoch,
    known: { segment: 0, offset: 0 },
  });
  bytes.set(encodeTrailer({ id, base, end, listAt, listBytes, listCrc }, end + total), total - TRAILER_BYTES);
  return { bytes, notes };
}

function encodeNote(view: DataView, at: number, note: RangeNote, range: Range): void {
  view.setUint32(at, range.actor.namespace, true);
  setU48(view, at + 4, range.actor.station);
  view.setUint16(at + 10, range.actor.partition, true);
  setWhole(view, at + 12, note.first);
  setWhole(view, at + 20, note.last);
  view.setUint32(at + 28, note.count, true);
  view.setUint32(at + 32, note.dataBytes, true);
  view.setUint32(at + 36, note.stateBytes, true);
  view.setUint32(at + 40, note.at, true);
  view.setUint32(at + 44, note.bytes, true);
  view.setUint32(at + 48, note.crc, true);
  view.setFloat64(at + 52, note.sequence, true);
  view.setFloat64(at + 60, note.time, true);
}

/** The list was checked against its CRC before. */
export function decodeNotes(list: Uint8Array): RangeNote[] {
  const view = viewOf(list);
  const notes: RangeNote[] = [];
  for (let at = 0; at + NOTE_BYTES <= list.length; at += NOTE_BYTES) {
    notes.push({
      key: actorKey(view.getUint32(at, true), getU48(view, at + 4), view.getUint16(at + 10, true)),
      first: getWhole(view, at + 12),
      last: getWhole(view, at + 20),
      count: view.getUint32(at + 28, true),
      dataBytes: view.getUint32(at + 32, true),
      stateBytes: view.getUint32(at + 36, true),
      sequence: view.getFloat64(at + 52, true),
      time: view.getFloat64(at + 60, true),
      at: view.getUint32(at + 40, true),
      bytes: view.getUint32(at + 44, true),
      crc: view.getUint32(at + 48, true),
    });
  }
  return notes;
}
