/**
 * What the volume knows of each actor: the directory in memory.
 *
 * Holds: O(segments × actors in them), never O(entries). An actor's ranges are sorted by their first index; copies of
 * leftovers may overlap them, and the same index in two ranges is the same entry. `live` of the whole and of each segment
 * count exactly what is not dead, except for ranges in `stale`, which a trim has cut inside a sealed segment: they
 * are counted as before until `settle` is given their table.
 * Elsewhere: the bytes (format.ts, directory.ts), finding an entry in a range (reading.ts).
 */
import { isPlanted } from '../faults.ts';
import type { ActorInfo, ActorKey, SectionInfo } from '../ports.ts';
import { actorParts } from '../ports.ts';
import { recordBytes } from './format.ts';
import type { Segment } from './segment.ts';
import type { EntryTable, Rows } from './table.ts';
import { placeOf, rowAt } from './table.ts';

export interface Section {
  readonly actor: Actor;
  readonly name: string;
  readonly asOf: number;
  /** Of its bytes, without the name. */
  readonly bytes: number;
  readonly crc: number;
  readonly segment: Segment;
  /** Of its record. */
  readonly offset: number;
}

/** The entries of one actor in one segment. */
export interface Range {
  readonly actor: Actor;
  readonly segment: Segment;
  first: number;
  last: number;
  count: number;
  /** Living bytes of data entries and of state entries. */
  dataBytes: number;
  stateBytes: number;
  /** Highest last sequence and time of its data entries that hold messages; −1 where there are none. */
  sequence: number;
  time: number;
  /** Rows of the segment's table, by index; undefined once the segment is sealed. */
  rows: number[] | undefined;
  /** Where the footer holds its table. */
  at: number;
  bytes: number;
  crc: number;
}

export class Actor {
  readonly key: ActorKey;
  readonly namespace: number;
  readonly station: number;
  readonly partition: number;
  last = 0;
  data = 0;
  state = 0;
  due: number | null = null;
  removed = false;
  ranges: Range[] = [];
  sections: Map<string, Section> | undefined;

  constructor(key: ActorKey) {
    this.key = key;
    [this.namespace, this.station, this.partition] = actorParts(key);
  }

  info(): ActorInfo {
    const sections: SectionInfo[] = [];
    if (this.sections) for (const { name, asOf, bytes } of this.sections.values()) sections.push({ name, asOf, bytes });
    return { key: this.key, last: this.last, data: this.data, state: this.state, sections, due: this.due };
  }
}

export const sectionRecordBytes = (section: Section): number => recordBytes(section.name.length + section.bytes);

export class Actors {
  readonly byKey = new Map<ActorKey, Actor>();
  /** Living bytes of the whole volume. */
  live = 0;
  /** Sealed ranges that a trim has cut and whose living bytes are to be counted anew. */
  readonly stale = new Set<Range>();

  *infos(): Iterable<ActorInfo> {
    for (const actor of this.byKey.values()) yield actor.info();
  }

  get(key: ActorKey): Actor {
    let actor = this.byKey.get(key);
    if (!actor) {
      actor = new Actor(key);
      this.byKey.set(key, actor);
    }
    return actor;
  }

  /** An entry was added as `row` of the table of `segment`; a copied leftover is counted wherever its index lies. */
  entry(actor: Actor, segment: Segment, row: number): void {
    const table = segment.table!;
    const range = this.#rangeIn(actor, segment, table.index[row]!);
    addRow(range, table, row);
    const index = table.index[row]!;
    if (index > actor.last) actor.last = index;
    const data = table.data[row] === 1;
    if (index < (data ? actor.data : actor.state)) return;
    const bytes = table.bytes(row);
    if (data) range.dataBytes += bytes;
    else range.stateBytes += bytes;
    this.#count(segment, bytes);
  }

  /** A sealed segment's range, as its footer tells; its bytes are counted as if all lived and then cut by the floors. */
  adopt(range: Range): void {
    const { actor, segment } = range;
    insertRange(actor, range);
    segment.ranges.add(range);
    this.#count(segment, range.dataBytes + range.stateBytes);
    this.#cut(range, 0, 0);
  }

  trim(actor: Actor, data: number, state: number): void {
    const [dataBefore, stateBefore] = [actor.data, actor.state];
    actor.data = Math.max(isPlanted('trim-too-much') ? data + 1 : data, actor.data);
    actor.state = Math.max(state, actor.state);
    actor.last = Math.max(actor.last, Math.min(data, state) - 1);
    const highest = Math.max(actor.data, actor.state);
    for (const range of [...actor.ranges]) {
      if (range.first >= highest) break;
      this.#cut(range, dataBefore, stateBefore);
    }
  }

  section(actor: Actor, name: string, section: Section | undefined): void {
    const before = actor.sections?.get(name);
    if (before) {
      before.segment.sections.delete(before);
      this.#count(before.segment, -sectionRecordBytes(before));
    }
    if (section) {
      actor.sections ??= new Map();
      actor.sections.set(name, section);
      section.segment.sections.add(section);
      this.#count(section.segment, sectionRecordBytes(section));
    } else {
      actor.sections?.delete(name);
      if (actor.sections?.size === 0) actor.sections = undefined;
    }
  }

  remove(actor: Actor): void {
    for (const name of [...(actor.sections?.keys() ?? [])]) this.section(actor, name, undefined);
    for (const range of [...actor.ranges]) this.detach(range);
    actor.removed = true;
    this.byKey.delete(actor.key);
  }

  /** An entry of the range now lies elsewhere too, and is counted there. */
  moved(range: Range, data: boolean, bytes: number): void {
    if (data) range.dataBytes -= bytes;
    else range.stateBytes -= bytes;
    this.#count(range.segment, -bytes);
  }

  /** Nothing of the range is needed any more: it is dead, or all that lives in it has been copied. */
  detach(range: Range): void {
    this.#count(range.segment, -(range.dataBytes + range.stateBytes));
    range.dataBytes = 0;
    range.stateBytes = 0;
    this.stale.delete(range);
    range.segment.ranges.delete(range);
    const at = range.actor.ranges.indexOf(range);
    if (at >= 0) range.actor.ranges.splice(at, 1);
  }

  /** Counts a stale range anew, now that its table is there. */
  settle(range: Range, rows: Rows, isCopied: (index: number) => boolean): void {
    if (!this.stale.delete(range)) return;
    const [data, state] = livingBytes(range.actor, rows, isCopied);
    this.#count(range.segment, data + state - range.dataBytes - range.stateBytes);
    range.dataBytes = data;
    range.stateBytes = state;
    if (data + state === 0) this.detach(range);
  }

  /** Takes from a range what the actor's floors have passed; `from` are the floors before. */
  #cut(range: Range, dataFrom: number, stateFrom: number): void {
    const { actor, segment } = range;
    const before = range.dataBytes + range.stateBytes;
    if (range.last < actor.data) range.dataBytes = 0;
    if (range.last < actor.state) range.stateBytes = 0;
    const cutsData = range.dataBytes > 0 && range.first < actor.data && dataFrom < actor.data;
    const cutsState = range.stateBytes > 0 && range.first < actor.state && stateFrom < actor.state;
    if (range.rows && segment.table) {
      const rows = { table: segment.table, rows: range.rows, count: range.rows.length };
      if (cutsData) range.dataBytes -= bytesBetween(rows, dataFrom, actor.data, 1);
      if (cutsState) range.stateBytes -= bytesBetween(rows, stateFrom, actor.state, 0);
    } else if (cutsData || cutsState) {
      this.stale.add(range);
    }
    this.#count(segment, range.dataBytes + range.stateBytes - before);
    if (range.dataBytes + range.stateBytes === 0) this.detach(range);
  }

  #count(segment: Segment, bytes: number): void {
    segment.live += bytes;
    this.live += bytes;
  }

  #rangeIn(actor: Actor, segment: Segment, index: number): Range {
    // The segment being written is mostly the last range, so look from the end.
    for (let at = actor.ranges.length - 1; at >= 0; at--) {
      const range = actor.ranges[at]!;
      if (range.segment !== segment) continue;
      if (index < range.first) {
        actor.ranges.splice(at, 1);
        range.first = index;
        insertRange(actor, range);
      }
      return range;
    }
    const range = newRange(actor, segment);
    range.first = index;
    range.rows = [];
    segment.begun.push(range);
    segment.ranges.add(range);
    insertRange(actor, range);
    return range;
  }
}

export function newRange(actor: Actor, segment: Segment): Range {
  return {
    actor,
    segment,
    first: Number.MAX_SAFE_INTEGER,
    last: 0,
    count: 0,
    dataBytes: 0,
    stateBytes: 0,
    sequence: -1,
    time: -1,
    rows: undefined,
    at: 0,
    bytes: 0,
    crc: 0,
  };
}

/** Adds a row to what a range says of itself, except its living bytes. */
export function addRow(range: Range, table: EntryTable, row: number): void {
  const index = table.index[row]!;
  const rows = range.rows!;
  if (index >= range.last) rows.push(row);
  else rows.splice(placeOf({ table, rows, count: rows.length }, index), 0, row);
  if (index < range.first) range.first = index;
  if (index > range.last) range.last = index;
  range.count++;
  if (table.data[row] === 1 && table.messages[row]! > 0) {
    range.sequence = Math.max(range.sequence, table.first[row]! + table.messages[row]! - 1);
    range.time = Math.max(range.time, table.time[row]!);
  }
}

function insertRange(actor: Actor, range: Range): void {
  let at = actor.ranges.length;
  while (at > 0 && actor.ranges[at - 1]!.first > range.first) at--;
  actor.ranges.splice(at, 0, range);
}

/** Bytes of the entries of one class (1 data, 0 state) with `from <= index < to`. */
function bytesBetween(rows: Rows, from: number, to: number, data: number): number {
  let bytes = 0;
  for (let at = placeOf(rows, from); at < rows.count; at++) {
    const row = rowAt(rows, at);
    if (rows.table.index[row]! >= to) break;
    if (rows.table.data[row] === data) bytes += rows.table.bytes(row);
  }
  return bytes;
}

function livingBytes(actor: Actor, rows: Rows, isCopied: (index: number) => boolean): [data: number, state: number] {
  const bytes: [number, number] = [0, 0];
  for (let at = placeOf(rows, Math.min(actor.data, actor.state)); at < rows.count; at++) {
    const row = rowAt(rows, at);
    const data = rows.table.data[row] === 1;
    const index = rows.table.index[row]!;
    if (index >= (data ? actor.data : actor.state) && !isCopied(index)) bytes[data ? 0 : 1] += rows.table.bytes(row);
  }
  return bytes;
}
