/**
 * One commit: checked as a whole, then copied into the arena and applied to the directory in memory.
 *
 * Holds: a refused commit has changed nothing. Every body is copied once, and hashed at most once: not at all where the
 * caller gives its CRC, since the record's header covers it.
 * Elsewhere: writing it (writer.ts), reading it back after a crash (replay.ts).
 */
import { isPlanted } from '../faults.ts';
import type { Write } from '../ports.ts';
import type { Actor, Range } from './actors.ts';
import { checkWrites } from './check.ts';
import type { RecordHeader } from './format.ts';
import {
  BLOCK_HEADER_BYTES,
  decodeRecordHeader,
  encodeRecordHeader,
  FLAG_COPIED,
  FLAG_DATA,
  FLAG_NONE,
  pad8,
  RECORD_DIRECTORY,
  RECORD_DROP,
  RECORD_DUE,
  RECORD_ENTRY,
  RECORD_HEADER_BYTES,
  RECORD_REMOVE,
  RECORD_SECTION,
  RECORD_TRIM,
  recordBytes,
  sectionName,
} from './format.ts';
import { replay } from './replay.ts';
import type { Store } from './store.ts';
import type { Block, Slot, Writer } from './writer.ts';

/** A segment's offsets are 32-bit numbers, and its footer comes behind. */
const COMMIT_BYTES_MAX = 2 ** 31;
const NO_PARTS: readonly Uint8Array[] = [];

/** @throws TypeError names the write and what is wrong with it */
export function commitWrites(store: Store, writer: Writer, writes: readonly Write[]): number {
  checkWrites(writes, (key) => store.actors.byKey.get(key)?.last);
  const slot = writer.reserve(lengthOf(writes));
  let { at, offset } = slot;
  for (const write of writes) {
    const bytes = put(store, slot, at, offset, write);
    at += bytes;
    offset += bytes;
  }
  return writer.commit();
}

/** An entry or a section as it lies in a segment that is to go: copied with all it says of itself. */
export interface Leftover {
  readonly actor: Actor;
  /** Where an entry is copied from. */
  readonly range?: Range;
  readonly record: RecordHeader;
  readonly body: Uint8Array;
}

export function commitLeftovers(store: Store, writer: Writer, leftovers: readonly Leftover[]): number {
  let length = 0;
  for (const { body } of leftovers) length += recordBytes(body.length);
  const slot = writer.reserve(length);
  let { at, offset } = slot;
  for (const { actor, range, record, body } of leftovers) {
    putRecord(slot, at, offset, actor, { ...record, flags: record.flags | FLAG_COPIED }, [body]);
    if (record.type === RECORD_ENTRY) {
      const { index, kind, version, epoch, first, count, time, crc } = record;
      const row = slot.segment.table!.add(
        offset,
        index,
        kind,
        version,
        epoch,
        first,
        count,
        time,
        (record.flags & FLAG_DATA) !== 0,
        crc,
        body.length,
      );
      store.actors.entry(actor, slot.segment, row);
      if (range) store.actors.moved(range, (record.flags & FLAG_DATA) !== 0, recordBytes(body.length));
    } else {
      const name = sectionName(record, body);
      const { index: asOf, crc } = record;
      store.actors.section(actor, name, { actor, name, asOf, bytes: body.length - name.length, crc, segment: slot.segment, offset });
    }
    const bytes = recordBytes(body.length);
    at += bytes;
    offset += bytes;
  }
  return writer.commit(false);
}

/** Segments that are gone: nothing in them lives, and their files may be removed once this is synced. */
export function commitDrops(writer: Writer, numbers: readonly number[]): number {
  const slot = writer.reserve(numbers.length * RECORD_HEADER_BYTES);
  numbers.forEach((number, nth) => {
    putRecord(
      slot,
      slot.at + nth * RECORD_HEADER_BYTES,
      slot.offset + nth * RECORD_HEADER_BYTES,
      undefined,
      { ...EMPTY, type: RECORD_DROP, count: number },
      NO_PARTS,
    );
  });
  return writer.commit(false);
}

/** What a block of a failed life holds, at a new place; what that life said of its segments is not repeated. */
export function commitAgain(store: Store, writer: Writer, block: Block): void {
  const { chunk, segment: before } = block;
  const records: { record: RecordHeader; body: Uint8Array }[] = [];
  let length = 0;
  for (let at = BLOCK_HEADER_BYTES; at < block.bytes; ) {
    const record = decodeRecordHeader(chunk.view, chunk.bytes, block.at + at, block.offset + at, before.seed);
    if (!record || record === 'newer') throw new TypeError('A block in memory does not parse.');
    const from = block.at + at + RECORD_HEADER_BYTES;
    const bytes = recordBytes(record.bodyBytes);
    at += bytes;
    if (record.type === RECORD_DIRECTORY || record.type === RECORD_DROP) continue;
    records.push({ record, body: chunk.bytes.subarray(from, from + record.bodyBytes) });
    length += bytes;
  }
  if (records.length === 0) return;
  const slot = writer.reserve(length);
  let { at, offset } = slot;
  for (const { record, body } of records) {
    putRecord(slot, at, offset, undefined, record, [body]);
    replay(store, slot.segment, record, body, offset);
    at += recordBytes(record.bodyBytes);
    offset += recordBytes(record.bodyBytes);
  }
  writer.commit(false);
}

export function commitDirectory(store: Store, writer: Writer, body: Uint8Array): void {
  const slot = writer.reserve(recordBytes(body.length));
  const crc = store.ports.crc32c(body);
  putRecord(slot, slot.at, slot.offset, undefined, { ...EMPTY, type: RECORD_DIRECTORY, bodyBytes: body.length, crc }, [body]);
  writer.commit(false);
}

const EMPTY = {
  type: 0,
  kind: 0,
  version: 0,
  flags: 0,
  bodyBytes: 0,
  crc: 0,
  namespace: 0,
  station: 0,
  partition: 0,
  epoch: 0,
  index: 0,
  first: 0,
  count: 0,
  time: 0,
};

/** What a commit takes in the log, the heads of its records included. */
function lengthOf(writes: readonly Write[]): number {
  let length = 0;
  for (const write of writes) {
    length += RECORD_HEADER_BYTES;
    if (write.do === 'append') {
      let bytes = 0;
      for (const part of write.body) bytes += part.length;
      length += pad8(bytes);
    } else if (write.do === 'section') {
      length += pad8(write.name.length + (write.body?.length ?? 0));
    }
  }
  if (length > COMMIT_BYTES_MAX) throw new TypeError(`The commit takes ${length} bytes; ${COMMIT_BYTES_MAX} is the most.`);
  return length;
}

/** Encodes one write at its place and applies it. @returns the bytes that it took */
function put(store: Store, slot: Slot, at: number, offset: number, write: Write): number {
  const { actors, epoch } = store;
  const { segment } = slot;
  const actor = actors.get(write.actor);
  switch (write.do) {
    case 'append': {
      let bodyBytes = 0;
      for (const part of write.body) bodyBytes += part.length;
      const { index, kind, version, first, count, time } = write;
      const crc = write.crc ?? crcOf(store, write.body);
      const flags = write.data ? FLAG_DATA : 0;
      putRecord(
        slot,
        at,
        offset,
        actor,
        { ...EMPTY, type: RECORD_ENTRY, kind, version, flags, bodyBytes, crc, epoch, index, first, count, time },
        write.body,
      );
      actors.entry(actor, segment, segment.table!.add(offset, index, kind, version, epoch, first, count, time, write.data, crc, bodyBytes));
      return recordBytes(bodyBytes);
    }
    case 'section': {
      const { name, asOf } = write;
      const body = write.body ? [letters(name), write.body] : [letters(name)];
      const bytes = write.body?.length ?? 0;
      const crc = crcOf(store, body);
      const flags = write.body ? 0 : FLAG_NONE;
      const bodyBytes = name.length + bytes;
      putRecord(
        slot,
        at,
        offset,
        actor,
        {
          ...EMPTY,
          type: RECORD_SECTION,
          kind: name.length,
          flags,
          bodyBytes,
          crc,
          epoch,
          index: isPlanted('section-asof-off-by-one') ? asOf + 1 : asOf,
        },
        body,
      );
      actors.section(actor, name, write.body ? { actor, name, asOf, bytes, crc, segment, offset } : undefined);
      return recordBytes(bodyBytes);
    }
    case 'trim':
      putRecord(slot, at, offset, actor, { ...EMPTY, type: RECORD_TRIM, epoch, index: write.data, first: write.state }, NO_PARTS);
      actors.trim(actor, write.data, write.state);
      return RECORD_HEADER_BYTES;
    case 'due':
      putRecord(
        slot,
        at,
        offset,
        actor,
        { ...EMPTY, type: RECORD_DUE, epoch, flags: write.at === null ? FLAG_NONE : 0, time: write.at ?? 0 },
        NO_PARTS,
      );
      actor.due = write.at;
      return RECORD_HEADER_BYTES;
    case 'remove':
      putRecord(slot, at, offset, actor, { ...EMPTY, type: RECORD_REMOVE, epoch }, NO_PARTS);
      actors.remove(actor);
      return RECORD_HEADER_BYTES;
  }
}

/** Lays one record down at its place. @param actor whose it is; the record's own otherwise */
export function putRecord(
  slot: Slot,
  at: number,
  offset: number,
  actor: Actor | undefined,
  record: RecordHeader,
  body: readonly Uint8Array[],
): void {
  const { bytes, view } = slot.chunk;
  let to = at + RECORD_HEADER_BYTES;
  for (const part of body) {
    bytes.set(part, to);
    to += part.length;
  }
  // A chunk may be used anew, so what pads a body is not zero by itself.
  bytes.fill(0, to, at + recordBytes(to - at - RECORD_HEADER_BYTES));
  const owned = actor ? { ...record, namespace: actor.namespace, station: actor.station, partition: actor.partition } : record;
  encodeRecordHeader(view, bytes, at, offset, slot.segment.seed, owned);
}

function crcOf(store: Store, parts: readonly Uint8Array[]): number {
  let crc = 0;
  for (const part of parts) crc = store.ports.crc32c(part, 0, part.length, crc);
  return crc;
}

function letters(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let at = 0; at < name.length; at++) bytes[at] = name.charCodeAt(at);
  return bytes;
}
