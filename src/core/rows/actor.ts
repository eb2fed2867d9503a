/**
 * An actor of a volume over rows: what is in memory of it, and its record at rest.
 *
 * Holds: `tail` has every entry from `tailFrom` on, written or not; what is older is in rows. The record is as of its last
 * writing: rows with a higher index come after it.
 */
import type { Of } from '../entry/codec.ts';
import { bytes, list, number, optional, struct, text } from '../entry/codec.ts';
import type { ActorInfo, ActorKey, EntryHead, RowMark, StoredEntry } from '../ports.ts';

/** An entry in memory, with how far the messages of its actor had come with it. */
export interface Item {
  readonly entry: StoredEntry;
  readonly sequence: number;
  readonly time: number;
  /** Where it became durable; 0 for what was read. */
  readonly position: number;
}

export interface Section {
  readonly slot: number;
  readonly asOf: number;
  readonly bytes: number;
  readonly crc: number;
  /** Small ones lie in the actor's record. */
  readonly inline: Uint8Array | undefined;
}

/** Bytes of one of an actor's tables, as its rows count them. */
export interface Extent {
  begin: number;
  end: number;
}

export class Actor {
  readonly id: number;
  readonly key: ActorKey;
  last = 0;
  data = 0;
  state = 0;
  due: number | null = null;
  readonly sections = new Map<string, Section>();
  tailFrom = 1;
  readonly tail: Item[] = [];
  /** Items at the beginning of `tail` that are out of it already. */
  #gone = 0;
  /** How far the messages had come, with all entries, and before the tail. */
  sequence = 0;
  time = 0;
  beforeTail = { sequence: 0, time: 0 };
  readonly extents: Record<'data' | 'state', Extent> = { data: { begin: 0, end: 0 }, state: { begin: 0, end: 0 } };
  /** Entries have come since its sections were written. */
  unsettled = false;
  /** Flushes with entries that its sections do not hold. */
  flushesSinceSettled = 0;
  /** Where the last search in rows ended: all before `index` has not come beyond `below`. */
  hint: { readonly by: 'sequence' | 'time'; readonly below: number; readonly index: number } | undefined;
  /** Heads of data that were read last: all there are in rows with `from` ≤ index < `to`, asked for `bytes` at once. */
  noted: { readonly from: number; readonly to: number; readonly heads: readonly EntryHead[]; readonly bytes: number } | undefined;
  /** A row of data may hold state too. */
  isMixed = false;

  constructor(id: number, key: ActorKey) {
    this.id = id;
    this.key = key;
  }

  get info(): ActorInfo {
    const { key, last, data, state, due } = this;
    return { key, last, data, state, due, sections: [...this.sections].map(([name, { asOf, bytes }]) => ({ name, asOf, bytes })) };
  }

  isLiving({ index, data }: EntryHead): boolean {
    return index >= (data ? this.data : this.state);
  }

  push(entry: StoredEntry, position: number): void {
    this.last = entry.index;
    if (entry.data && entry.count > 0) {
      this.sequence = Math.max(this.sequence, entry.first + entry.count - 1);
      this.time = Math.max(this.time, entry.time);
    }
    this.tail.push({ entry, sequence: this.sequence, time: this.time, position });
  }

  /** The oldest in memory. */
  get oldest(): Item | undefined {
    return this.tail[this.#gone];
  }

  shift(): void {
    const item = this.tail[this.#gone++]!;
    this.tailFrom = item.entry.index + 1;
    this.beforeTail = { sequence: item.sequence, time: item.time };
    if (this.#gone < 1_024 && this.#gone < this.tail.length) return;
    this.tail.splice(0, this.#gone);
    this.#gone = 0;
  }

  /** Nothing is in memory: what comes next begins at `index`. */
  skipTo(index: number): void {
    this.tailFrom = index;
    this.last = index - 1;
    this.beforeTail = { sequence: this.sequence, time: this.time };
  }

  /** The place in `tail` of the first item for which `isAt`, which is false and then true along it. */
  place(isAt: (item: Item) => boolean): number {
    let low = this.#gone;
    let high = this.tail.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAt(this.tail[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** How far the messages had come with an entry that is in memory. */
  marksAt(index: number): { readonly sequence: number; readonly time: number } {
    return this.tail[this.place(({ entry }) => entry.index >= index)] ?? this;
  }

  get liveBytes(): number {
    const { data, state } = this.extents;
    let sum = data.end - data.begin + state.end - state.begin;
    for (const { bytes } of this.sections.values()) sum += bytes;
    return sum;
  }

  /** The first rows that are left of each; none where nothing is. */
  trimmedTo(data: RowMark | undefined, state: RowMark | undefined): void {
    this.extents.data.begin = data?.begin ?? this.extents.data.end;
    this.extents.state.begin = state?.begin ?? this.extents.state.end;
  }

  takeMarks(table: 'data' | 'state', first: RowMark | undefined, last: RowMark | undefined): void {
    this.extents[table] = { begin: first?.begin ?? 0, end: last?.end ?? 0 };
  }
}

const recordLayout = struct({
  layout: number,
  key: text,
  last: number,
  data: number,
  state: number,
  due: optional(number),
  sections: list(struct({ name: text, slot: number, asOf: number, bytes: number, crc: number, inline: optional(bytes) })),
});

export type ActorRecord = Of<typeof recordLayout>;
export const RECORD_LAYOUT = 1;
export { recordLayout };

export function recordOf({ key, last, data, state, due, sections }: Actor): ActorRecord {
  const noted = [...sections].map(([name, section]) => ({ name, ...section }));
  return { layout: RECORD_LAYOUT, key, last, data, state, due: due ?? undefined, sections: noted };
}
