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

export class Schedule {
  /** The number that the next one gets. */
  next = 1;
  bytes = 0;
  readonly #waiting = new Map<number, Delayed>();
  readonly #byId = new Map<string, Delayed>();
  readonly #ended = new Map<number, number>();
  /** By due time, then number; what has ended is passed over when it comes up. */
  readonly #heap = new Heap<Delayed>((a, b) => a.due < b.due || (a.due === b.due && a.number < b.number));
  readonly #dirty = new Set<number>();
  #isEndedDirty = false;

  get count(): number {
    return this.#waiting.size;
  }

  get(number: number): Delayed | undefined {
    return this.#waiting.get(number);
  }

  byId(id: string): Delayed | undefined {
    return this.#byId.get(id);
  }

  /** The sequence that it got when it was due; undefined where it waits, was cancelled, or is not remembered. */
  sequenceOf(number: number): number | undefined {
    return this.#ended.get(number);
  }

  all(): Iterable<Delayed> {
    return this.#waiting.values();
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
      if (first === undefined || this.#waiting.get(first.number) === first) return first;
      this.#heap.pop();
    }
  }

  /** A new one, or one whose bytes were carried forward. */
  put(delayed: Delayed): void {
    const known = this.#waiting.get(delayed.number);
    this.#dirty.add(Math.floor(delayed.number / CHUNK));
    if (known !== undefined) {
      known.index = delayed.index;
      known.place = delayed.place;
      return;
    }
    this.next = Math.max(this.next, delayed.number + 1);
    this.#isEndedDirty = true;
    this.#add(delayed);
  }

  #add(delayed: Delayed): void {
    this.#waiting.set(delayed.number, delayed);
    this.bytes += delayed.bytes;
    if (delayed.id !== undefined) this.#byId.set(delayed.id, delayed);
    this.#heap.push(delayed);
  }

  /** @param first sequence of the first of them; 0 where they were cancelled */
  end(numbers: readonly number[], first: number): void {
    numbers.forEach((number, i) => {
      const delayed = this.#waiting.get(number);
      if (delayed === undefined) return;
      this.#waiting.delete(number);
      this.bytes -= delayed.bytes;
      if (delayed.id !== undefined) this.#byId.delete(delayed.id);
      this.#dirty.add(Math.floor(number / CHUNK));
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
      const items = new Map([...this.#dirty].sort((a, b) => a - b).map((chunk) => [chunk, [] as Delayed[]]));
      this.#dirty.clear();
      for (const delayed of this.#waiting.values()) items.get(Math.floor(delayed.number / CHUNK))?.push(delayed);
      for (const [chunk, list] of items)
        changed.push([`delayed:${chunk}`, list.length === 0 ? null : encode(chunkLayout, { items: list })]);
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
    for (const delayed of this.#waiting.values()) {
      delayed.index = indexOf(delayed.index);
      this.#dirty.add(Math.floor(delayed.number / CHUNK));
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
