/**
 * Applying a record that is in the log: at opening, and when blocks are appended again after a failure.
 *
 * Holds: replaying the directory of a segment and the records after it gives the same state as committing them did.
 * Elsewhere: commits that come in (commit.ts), which segments are read (opening.ts).
 */
import { isPlanted } from '../faults.ts';
import type { ActorKey } from '../ports.ts';
import { actorKey } from '../ports.ts';
import { decodeDirectory } from './directory.ts';
import type { RecordHeader } from './format.ts';
import {
  FLAG_COPIED,
  FLAG_DATA,
  FLAG_NONE,
  RECORD_DIRECTORY,
  RECORD_DROP,
  RECORD_DUE,
  RECORD_ENTRY,
  RECORD_REMOVE,
  RECORD_SECTION,
  RECORD_TRIM,
  recordBytes,
  sectionName,
} from './format.ts';
import { Segment } from './segment.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';

/** @throws CORRUPTION it does not follow from what came before */
export function replay(store: Store, segment: Segment, record: RecordHeader, body: Uint8Array, offset: number): void {
  const { actors } = store;
  const unfit = (what: string): Error => corruption(segment.name, offset, offset + recordBytes(record.bodyBytes), what);
  switch (record.type) {
    case RECORD_ENTRY: {
      const actor = actors.get(keyOf(record));
      const copied = (record.flags & FLAG_COPIED) !== 0;
      const fits = copied ? record.index <= actor.last : record.index === actor.last + 1;
      if (!fits) throw unfit(`entry ${record.index} of actor ${actor.key} follows entry ${actor.last}`);
      actors.entry(actor, segment, addEntry(segment, record, offset));
      return;
    }
    case RECORD_SECTION: {
      const actor = actors.get(keyOf(record));
      const name = sectionName(record, body);
      const gone = (record.flags & FLAG_NONE) !== 0;
      actors.section(
        actor,
        name,
        gone ? undefined : { actor, name, asOf: record.index, bytes: body.length - name.length, crc: record.crc, segment, offset },
      );
      return;
    }
    case RECORD_TRIM:
      actors.trim(actors.get(keyOf(record)), record.index, record.first);
      return;
    case RECORD_DUE:
      actors.get(keyOf(record)).due = (record.flags & FLAG_NONE) !== 0 ? null : record.time;
      return;
    case RECORD_REMOVE:
      if (isPlanted('removed-actor-comes-back')) return;
      actors.remove(actors.get(keyOf(record)));
      return;
    case RECORD_DROP: {
      const dropped = store.segments.get(record.count);
      if (!dropped) return;
      if (dropped.sections.size > 0) throw unfit(`segment ${record.count} is dropped but a section lives in it`);
      dropped.dropped = true;
      store.segments.delete(record.count);
      return;
    }
    case RECORD_DIRECTORY:
      applyDirectory(store, body, unfit);
      return;
  }
}

/** The head of an entry of a segment that is scanned, in its table. @returns the row */
export function addEntry(segment: Segment, record: RecordHeader, offset: number): number {
  const { index, kind, version, epoch, first, count, time, crc, bodyBytes } = record;
  return segment.table!.add(offset, index, kind, version, epoch, first, count, time, (record.flags & FLAG_DATA) !== 0, crc, bodyBytes);
}

export const keyOf = (record: RecordHeader): ActorKey => actorKey(record.namespace, record.station, record.partition);

function applyDirectory(store: Store, body: Uint8Array, unfit: (what: string) => Error): void {
  const { segments, actors } = decodeDirectory(body);
  for (const { number, id, end } of segments) {
    const segment = new Segment(number, id, { segment: 0, offset: 0 });
    segment.end = end;
    store.segments.set(number, segment);
  }
  for (const note of actors) {
    const actor = store.actors.get(note.key);
    actor.last = note.last;
    actor.data = note.data;
    actor.state = note.state;
    actor.due = note.due;
    for (const { segment: number, ...rest } of note.sections) {
      const segment = store.segments.get(number);
      if (!segment) throw unfit(`the directory names segment ${number}, which it does not list`);
      store.actors.section(actor, rest.name, { ...rest, actor, segment });
    }
  }
}
