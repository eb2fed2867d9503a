/**
 * Delayed messages of a partition: which wait, until when, and where their bytes lie.
 *
 * Holds: a number names one delayed message of the partition for ever; the earliest due is known at once, whatever waits;
 * an id that waits is found exactly. What became of those that were due last is remembered, for producers that repeat
 * themselves. It is made by entries alone (machine.ts). Sections hold 1,024 numbers each, and are written when one of them
 * changed.
 * Elsewhere: accepting them (delay.ts), giving them their sequences (due.ts), keeping their bytes (retain.ts).
 */
import { decode, encode, list, number, optional, struct, text } from '../entry/codec.ts';
import { isPlanted } from '../faults.ts';
import { Heap } from '../heap.ts';

export interface Delayed {
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly due: number;
  readonly accepted: number;
  /** Index of the entry that holds it, and which of its records it is. */
  index: number;
  place: number;
  /** Of its record. */
  readonly bytes: number;
  readonly id: string | undefined;
}

/** Places of messages that are delayed are told from sequences by this: their number is added to it. */
export const SCHEDULED_PLACE = 2 ** 52;
/** Of those that were due, so many are remembered with their sequence. */
const ENDED_MAX = 10_000;
const CHUNK = 1_024;

const chunkLayout = struct({
  items: list(struct({ number, due: number, accepted: number, index: number, place: number, bytes: number, id: optional(text) })),
});
const endedLayout = struct({ next: number, ended: list(struct({ number, sequence: number })) });

interface Chunk {
  readonly items: Map<number, Delayed>;
  /** No index of them is lower. */
  least: number;
}

export class Schedule {
  /** The number that the next one gets. */
  next = 1;
  bytes = 0;
  /** By number, in chunks of neighbours, so that what was accepted or ended does not have all others looked at. */
  readonly #chunks = new Map<number, Chunk>();
  #count = 0;
  readonly #byId = new Map<string, Delayed>();
  readonly #ended = new Map<number, number>();
  /** By due time, then number; what has ended is passed over when it comes up. */
  readonly #heap = new Heap<Delayed>((a, b) => a.due < b.due || (a.due === b.due && a.number < b.number));
  readonly #dirty = new Set<number>();
  #isEndedDirty = false;

  get count(): number {
    return this.#count;
  }

  get(number: number): Delayed | undefined {
    return this.#chunks.get(chunkOf(number))?.items.get(number);
  }

  byId(id: string): Delayed | undefined {
    return this.#byId.get(id);
  }

  /** The sequence that it got when it was due; undefined where it waits, was cancelled, or is not remembered. */
  sequenceOf(number: number): number | undefined {
    return this.#ended.get(number);
  }

  *all(): Iterable<Delayed> {
    for (const { items } of this.#chunks.values()) yield* items.values();
  }

  /** Those whose bytes lie in entries below `floor`. */
  below(floor: number): Delayed[] {
    const found: Delayed[] = [];
    for (const chunk of this.#chunks.values()) {
      if (chunk.least >= floor) continue;
      chunk.least = Infinity;
      for (const delayed of chunk.items.values()) {
        chunk.least = Math.min(chunk.least, delayed.index);
        if (delayed.index < floor) found.push(delayed);
      }
    }
    return found;
  }

  /** When the next one is due; Infinity when none waits. */
  get earliest(): number {
    return this.#first()?.due ?? Infinity;
  }

  /** Up to `count` that are due at `now`, in order. */
  due(now: number, count: number): Delayed[] {
    const due: Delayed[] = [];
    for (let first = this.#first(); first !== undefined && first.due <= now && due.length < count; first = this.#first()) {
      due.push(first);
      this.#heap.pop();
    }
    // They stay until their entry says that they have ended.
    for (const each of due) this.#heap.push(each);
    return due;
  }

  #first(): Delayed | undefined {
    for (;;) {
      const first = this.#heap.least;
      if (first === undefined || this.get(first.number) === first) return first;
      this.#heap.pop();
    }
  }

  /** A new one, or one whose bytes were carried forward. */
  put(delayed: Delayed): void {
    const known = this.get(delayed.number);
    this.#dirty.add(chunkOf(delayed.number));
    if (known !== undefined) {
      known.index = delayed.index;
      known.place = delayed.place;
      const chunk = this.#chunks.get(chunkOf(delayed.number))!;
      chunk.least = Math.min(chunk.least, delayed.index);
      return;
    }
    this.next = Math.max(this.next, delayed.number + 1);
    this.#isEndedDirty = true;
    this.#add(delayed);
  }

  #add(delayed: Delayed): void {
    const number = chunkOf(delayed.number);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = { items: new Map(), least: Infinity };
      this.#chunks.set(number, chunk);
    }
    chunk.items.set(delayed.number, delayed);
    chunk.least = Math.min(chunk.least, delayed.index);
    this.#count++;
    this.bytes += delayed.bytes;
    if (delayed.id !== undefined) this.#byId.set(delayed.id, delayed);
    this.#heap.push(delayed);
  }

  /** @param first sequence of the first of them; 0 where they were cancelled */
  end(numbers: readonly number[], first: number): void {
    numbers.forEach((number, i) => {
      const chunk = this.#chunks.get(chunkOf(number));
      const delayed = chunk?.items.get(number);
      if (chunk === undefined || delayed === undefined) return;
      chunk.items.delete(number);
      if (chunk.items.size === 0) this.#chunks.delete(chunkOf(number));
      this.#count--;
      this.bytes -= delayed.bytes;
      if (delayed.id !== undefined) this.#byId.delete(delayed.id);
      this.#dirty.add(chunkOf(number));
      if (first > 0) this.#remember(number, first + i);
    });
  }

  #remember(number: number, sequence: number): void {
    this.#isEndedDirty = true;
    this.#ended.set(number, sequence);
    if (this.#ended.size > ENDED_MAX) for (const [oldest] of this.#ended) return void this.#ended.delete(oldest);
  }

  /** What changed since the last call: sections to write, and (null) to remove. */
  takeSections(): [string, Uint8Array | null][] {
    const changed: [string, Uint8Array | null][] = [];
    if (this.#dirty.size > 0 && !isPlanted('delayed-sections-forgotten')) {
      for (const number of [...this.#dirty].sort((a, b) => a - b)) {
        const chunk = this.#chunks.get(number);
        changed.push([`delayed:${number}`, chunk === undefined ? null : encode(chunkLayout, { items: [...chunk.items.values()] })]);
      }
      this.#dirty.clear();
    }
    if (this.#isEndedDirty) {
      this.#isEndedDirty = false;
      const ended = [...this.#ended].map(([number, sequence]) => ({ number, sequence }));
      changed.push(['delayed', encode(endedLayout, { next: this.next, ended })]);
    }
    return changed;
  }

  /** Entries lie elsewhere; all is written again. */
  move(indexOf: (index: number) => number): void {
    for (const [number, chunk] of this.#chunks) {
      chunk.least = Infinity;
      for (const delayed of chunk.items.values()) {
        delayed.index = indexOf(delayed.index);
        chunk.least = Math.min(chunk.least, delayed.index);
      }
      this.#dirty.add(number);
    }
    this.#isEndedDirty = this.next > 1;
  }

  /** Sections come in any order. */
  load(name: string, body: Uint8Array): void {
    if (name === 'delayed') {
      const { next, ended } = decode(endedLayout, body);
      this.next = Math.max(this.next, next);
      for (const { number, sequence } of ended) this.#ended.set(number, sequence);
      return;
    }
    for (const item of decode(chunkLayout, body).items) this.#add({ ...item });
  }
}

function chunkOf(number: number): number {
  return Math.floor(number / CHUNK);
}
