/**
 * Finding and reading entries and sections: from memory in the same turn where they are there, else from the files.
 *
 * Holds: what comes from a file is checked twice, its head against the table and its body against its CRC; damage is
 * reported with its range and never served. The same entry in two ranges (a leftover being copied) is given once. A
 * segment that was dropped while it was read is no error: what lives has moved, and is looked for again.
 * Elsewhere: which ranges there are (actors.ts), the cache (arena.ts, tables.ts).
 */
import { isPlanted } from '../faults.ts';
import type { ActorKey, EntryHead, Soon, StoredEntry } from '../ports.ts';
import type { Actor, Range, Section } from './actors.ts';
import type { RecordHeader } from './format.ts';
import { decodeRecordHeader, RECORD_ENTRY, RECORD_HEADER_BYTES, RECORD_SECTION, recordBytes, viewOf } from './format.ts';
import type { Segment } from './segment.ts';
import type { Store } from './store.ts';
import { corruption, Dropped } from './store.ts';
import type { Rows } from './table.ts';
import { placeOf, rowAt } from './table.ts';
import type { Tables } from './tables.ts';

/** An entry found: its row, and the segment that holds it. */
interface Found {
  readonly segment: Segment;
  readonly rows: Rows;
  readonly row: number;
}

/** Tables loaded for one question: those it needs together may be more than are kept for all. */
type Held = Map<Range, Rows>;

/** Neighbours in a file are read at once if no more than this lies between them, and no more than this altogether. */
const GAP_BYTES = 64 * 1024;
const SPAN_BYTES = 4 * 1024 * 1024;

export class Reading {
  readonly #store: Store;
  readonly #tables: Tables;

  constructor(store: Store, tables: Tables) {
    this.#store = store;
    this.#tables = tables;
  }

  read(key: ActorKey, from: number, bytesMax: number, what: 'all' | 'data'): Soon<readonly StoredEntry[]> {
    const actor = this.#store.actors.byKey.get(key);
    if (!actor) return [];
    const now = this.#collect(actor, from, bytesMax, Number.MAX_SAFE_INTEGER, what);
    const entries = Array.isArray(now) ? this.#fromMemory(now) : undefined;
    return entries ?? this.#again(() => this.#readLater(actor, from, bytesMax, what));
  }

  entry(key: ActorKey, index: number): StoredEntry | undefined {
    const actor = this.#store.actors.byKey.get(key);
    const found = actor && this.#collect(actor, index, 0, 1, 'data');
    const [entry] = (Array.isArray(found) ? this.#fromMemory(found) : undefined) ?? [];
    return entry?.index === index ? entry : undefined;
  }

  heads(key: ActorKey, from: number, countMax: number, what: 'all' | 'data'): Soon<readonly EntryHead[]> {
    const actor = this.#store.actors.byKey.get(key);
    if (!actor || countMax < 1) return [];
    const now = this.#collect(actor, from, Number.MAX_SAFE_INTEGER, countMax, what);
    if (Array.isArray(now)) return now.map(headOf);
    return this.#again(async () => (await this.#found(actor, from, Number.MAX_SAFE_INTEGER, countMax, what)).map(headOf));
  }

  find(key: ActorKey, by: 'sequence' | 'time', value: number): Soon<number> {
    const actor = this.#store.actors.byKey.get(key);
    if (!actor) return 1;
    const now = this.#find(actor, by, value);
    if (typeof now === 'number') return now;
    return this.#again(async () => {
      const held: Held = new Map();
      for (;;) {
        // Looked for anew each time: what was missing may have moved meanwhile.
        const missing = this.#find(actor, by, value, held);
        if (typeof missing === 'number') return missing;
        held.set(missing, await this.#tables.load(missing));
      }
    });
  }

  async section(key: ActorKey, name: string): Promise<Uint8Array | undefined> {
    return this.#again(async () => {
      const section = this.#store.actors.byKey.get(key)?.sections?.get(name);
      if (!section) return undefined;
      return (await this.sectionBody(section)).body.subarray(name.length);
    });
  }

  /** The record of a section as it lies there; the body begins with the name. */
  async sectionBody(section: Section): Promise<{ record: RecordHeader; body: Uint8Array }> {
    const { segment, offset } = section;
    const bytes = RECORD_HEADER_BYTES + section.name.length + section.bytes;
    const held = this.#store.arena.find(segment, offset, bytes);
    if (!held && !segment.file && !segment.sealed) throw new Dropped();
    const found = held ?? (await this.#store.reading(segment, (file) => file.read(offset, bytes)));
    const record = this.#record(segment, offset, found, 0);
    const body = found.subarray(RECORD_HEADER_BYTES, bytes);
    const matches = record?.type === RECORD_SECTION && record.crc === section.crc && body.length === record.bodyBytes;
    if (!matches || this.#store.ports.crc32c(body) !== section.crc)
      throw this.#damaged(segment, offset, bytes, `the section ${section.name} is damaged`);
    return { record, body };
  }

  /** The entries of rows of one segment, in their order. */
  async bodies(segment: Segment, found: readonly { readonly rows: Rows; readonly row: number }[]): Promise<StoredEntry[]> {
    return this.#fromFiles(found.map(({ rows, row }) => ({ segment, rows, row })));
  }

  async #readLater(actor: Actor, from: number, bytesMax: number, what: 'all' | 'data'): Promise<StoredEntry[]> {
    const found = await this.#found(actor, from, bytesMax, Number.MAX_SAFE_INTEGER, what);
    return this.#fromMemory(found) ?? this.#fromFiles(found);
  }

  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#store.check();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Dropped)) throw error;
      }
    }
  }

  async #found(actor: Actor, from: number, bytesMax: number, countMax: number, what: 'all' | 'data'): Promise<Found[]> {
    const held: Held = new Map();
    for (;;) {
      const found = this.#collect(actor, from, bytesMax, countMax, what, held);
      if (Array.isArray(found)) return found;
      held.set(found, await this.#tables.load(found));
    }
  }

  /** The living entries from `from` on, in the order of their index; or a range whose table is needed first. */
  #collect(actor: Actor, from: number, bytesMax: number, countMax: number, what: 'all' | 'data', held?: Held): Found[] | Range {
    const found: Found[] = [];
    const { ranges } = actor;
    const cursors: { range: Range; rows: Rows; at: number }[] = [];
    let next = 0;
    let bytes = 0;
    for (;;) {
      // The cursor with the lowest index; a range that begins below it has to be looked at first.
      let lowest: (typeof cursors)[number] | undefined;
      for (const cursor of cursors) if (cursor.at < cursor.rows.count && (!lowest || indexAt(cursor) < indexAt(lowest))) lowest = cursor;
      const range = ranges[next];
      if (range && (!lowest || range.first <= indexAt(lowest))) {
        next++;
        if (range.last < from || (what === 'data' && range.dataBytes === 0)) continue;
        const rows = held?.get(range) ?? this.#tables.now(range);
        if (!rows) return range;
        cursors.push({ range, rows, at: placeOf(rows, from) });
        continue;
      }
      if (!lowest) return found;
      const { rows } = lowest;
      const row = rowAt(rows, lowest.at++);
      const { table } = rows;
      const index = table.index[row]!;
      const data = table.data[row] === 1;
      const before = found.at(-1);
      if (index < (data ? actor.data : actor.state) || (what === 'data' && !data)) continue;
      if (before && before.rows.table.index[before.row] === index) continue;
      bytes += table.bodyBytes[row]!;
      if (found.length > 0 && bytes > bytesMax) return found;
      found.push({ segment: lowest.range.segment, rows, row });
      if (found.length >= countMax) return found;
    }
  }

  #find(actor: Actor, by: 'sequence' | 'time', value: number, held?: Held): number | Range {
    let best = actor.last + 1;
    for (const range of actor.ranges) {
      if (range.first >= best) break;
      if (range.last < actor.data || (by === 'sequence' ? range.sequence : range.time) < value) continue;
      const rows = held?.get(range) ?? this.#tables.now(range);
      if (!rows) return range;
      const place = firstReaching(rows, placeOf(rows, actor.data), by, value);
      if (place < rows.count) best = Math.min(best, rows.table.index[rowAt(rows, place)]!);
    }
    return best;
  }

  #fromMemory(found: readonly Found[]): StoredEntry[] | undefined {
    const entries: StoredEntry[] = [];
    for (const { segment, rows, row } of found) {
      const head = rows.table.head(row);
      const body = this.#store.arena.find(segment, rows.table.offset[row]! + RECORD_HEADER_BYTES, head.bodyBytes);
      if (!body) return undefined;
      entries.push({ ...head, body });
    }
    return entries;
  }

  async #fromFiles(found: readonly Found[]): Promise<StoredEntry[]> {
    const entries: StoredEntry[] = [];
    for (let at = 0; at < found.length; ) {
      const { segment } = found[at]!;
      const from = offsetOf(found[at]!);
      let to = from;
      let until = at;
      // What is in memory may not be in the file yet, so a read from the file ends before it.
      for (; until < found.length && !this.#held(found[until]!); until++) {
        const next = found[until]!;
        const offset = offsetOf(next);
        const end = offset + next.rows.table.bytes(next.row);
        if (until > at && (next.segment !== segment || offset < to || offset - to > GAP_BYTES || end - from > SPAN_BYTES)) break;
        to = end;
      }
      if (until === at) {
        entries.push(this.#checked(found[at]!, this.#held(found[at]!)!, from));
        at++;
        continue;
      }
      if (!segment.file && !segment.sealed) throw new Dropped();
      const bytes = await this.#store.reading(segment, (file) => file.read(from, to - from));
      for (; at < until; at++) entries.push(this.#checked(found[at]!, bytes, from));
    }
    return entries;
  }

  #held({ segment, rows, row }: Found): Uint8Array | undefined {
    return this.#store.arena.find(segment, rows.table.offset[row]!, rows.table.bytes(row));
  }

  #checked(found: Found, bytes: Uint8Array, from: number): StoredEntry {
    const { segment, rows, row } = found;
    const head = rows.table.head(row);
    const offset = rows.table.offset[row]!;
    const record = this.#record(segment, offset, bytes, offset - from);
    const at = offset - from + RECORD_HEADER_BYTES;
    const body = bytes.subarray(at, at + head.bodyBytes);
    const matches =
      record?.type === RECORD_ENTRY && record.index === head.index && record.crc === head.crc && body.length === head.bodyBytes;
    if (!matches || (this.#store.ports.crc32c(body) !== head.crc && !isPlanted('forget-body-crc-check'))) {
      throw this.#damaged(segment, offset, recordBytes(head.bodyBytes), `entry ${head.index} is damaged`);
    }
    return { ...head, body };
  }

  #record(segment: Segment, offset: number, bytes: Uint8Array, at: number): RecordHeader | undefined {
    const record = decodeRecordHeader(viewOf(bytes), bytes, at, offset, segment.seed);
    return record === 'newer' ? undefined : record;
  }

  #damaged(segment: Segment, offset: number, bytes: number, what: string): Error {
    return segment.dropped ? new Dropped() : corruption(segment.name, offset, offset + bytes, what);
  }
}

const offsetOf = ({ rows, row }: Found): number => rows.table.offset[row]!;

const headOf = ({ rows, row }: Found): EntryHead => rows.table.head(row);

const indexAt = (cursor: { readonly rows: Rows; readonly at: number }): number => cursor.rows.table.index[rowAt(cursor.rows, cursor.at)]!;

/**
 * The first place from `from` on whose data entry reaches `value`, or the number of rows. Only data entries with messages
 * are in the order of what is looked for: halving steps over the others to the next that is.
 */
function firstReaching(rows: Rows, from: number, by: 'sequence' | 'time', value: number): number {
  const { table } = rows;
  const counts = (place: number): boolean => {
    const row = rowAt(rows, place);
    return table.data[row] === 1 && table.messages[row]! > 0;
  };
  const reached = (place: number): number => {
    const row = rowAt(rows, place);
    return by === 'time' ? table.time[row]! : table.first[row]! + table.messages[row]! - 1;
  };
  let low = from;
  let high = rows.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let place = middle;
    while (place < high && !counts(place)) place++;
    if (place < high && reached(place) < value) low = place + 1;
    else high = middle;
  }
  while (low < rows.count && !counts(low)) low++;
  return low;
}
