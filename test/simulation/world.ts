/**
 * The deterministic world: one clock, one queue of events, one source of chance. A broker that is given nothing else
 * runs the same way for the same seed, on every machine.
 *
 * Holds: events run by (time, order of asking); between two events every microtask of the first has run; whatever is
 * random is drawn from the seed; a killed process never gets a turn again.
 * Elsewhere: what fails and how (faults/); what is done and checked (volume.ts and its kin).
 */

import type { Clock, Journal, Random, Timers } from '../../src/core/ports.ts';

export class World {
  readonly seed: number;
  readonly chance: Chance;
  /** Milliseconds of virtual time since the world began; with a fraction. */
  time = 0;
  /** Events that have run. */
  turns = 0;

  readonly #queue = new EventQueue();
  readonly #lines: string[] = [];
  #hash = 0xcbf29ce4;
  #driven: ((error: unknown) => void) | undefined;
  #driving = false;

  constructor(seed: number) {
    this.seed = seed;
    this.chance = new Chance(seed, 'world');
  }

  /** Runs `run` as an event, `ms` from now, unless `owner` is dead by then. Returns how to take it back. */
  at(ms: number, run: () => void, owner?: Process): () => void {
    const event: Event = { time: this.time + ms, order: this.#queue.next(), run, owner, off: false };
    this.#queue.push(event);
    if (this.#driven !== undefined && !this.#driving) this.#drive();
    return () => {
      event.off = true;
    };
  }

  process(name: string): Process {
    return new Process(this, name);
  }

  /**
   * Runs events until `until` holds; it is asked between events, when all microtasks have run.
   *
   * @throws when nothing is left to happen, or `turnsMax` events did not suffice: whatever is waited for never comes
   */
  run(until: () => boolean, turnsMax = 1_000_000): Promise<void> {
    const end = this.turns + turnsMax;
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (until()) {
            resolve();
            return;
          }
          if (this.turns >= end) throw new Error(`Nothing came of ${turnsMax} events.`);
          if (!this.#step()) throw new Error('Nothing is left to happen, and what was waited for has not come.');
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        hop(turn);
      };
      hop(turn);
    });
  }

  /** Lets `ms` of virtual time pass. */
  async pass(ms: number): Promise<void> {
    let over = false;
    this.at(ms, () => {
      over = true;
    });
    await this.run(() => over);
  }

  /** Runs events until `promise` has settled, and gives what it gave. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.run(() => settled);
    return promise;
  }

  /**
   * Runs events on its own for as long as there are any, for code that awaits and knows of no world. What an event
   * throws goes to `failed`. Returns how to stop it.
   */
  drive(failed: (error: unknown) => void): () => void {
    this.#driven = failed;
    this.#drive();
    return () => {
      this.#driven = undefined;
    };
  }

  #drive(): void {
    this.#driving = true;
    const turn = (): void => {
      if (this.#driven === undefined) {
        this.#driving = false;
        return;
      }
      try {
        if (!this.#step()) {
          this.#driving = false;
          return;
        }
      } catch (error) {
        this.#driven(error);
      }
      hop(turn);
    };
    hop(turn);
  }

  #step(): boolean {
    for (;;) {
      const event = this.#queue.pop();
      if (event === undefined) return false;
      if (event.off || event.owner?.dead === true) continue;
      this.time = Math.max(this.time, event.time);
      this.turns += 1;
      this.#fold(event.order);
      this.#fold(Math.round(this.time * 1000));
      event.run();
      return true;
    }
  }

  /** Folds `text` into the hash of this run, and keeps the last lines for whoever looks for the cause of a failure. */
  trace(text: string): void {
    for (let at = 0; at < text.length; at += 1) this.#fold(text.charCodeAt(at));
    this.#lines.push(`${this.time.toFixed(3)} ${text}`);
    if (this.#lines.length > 2 * LINES_KEPT) this.#lines.splice(0, LINES_KEPT);
  }

  /** Two runs of one seed have the same, or something outside of the world has had a say. */
  get hash(): string {
    return `${this.turns}-${(this.#hash >>> 0).toString(16).padStart(8, '0')}`;
  }

  get lines(): readonly string[] {
    return this.#lines.slice(-LINES_KEPT);
  }

  /** One step of FNV-1a, on 32 bits at a time. */
  #fold(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0) ^ (this.#hash >>> 15), 0x01000193);
  }
}

/** What one process (one life of a broker) sees of the world: the four ports. Killed, it has no more turns. */
export class Process implements Clock, Timers, Random, Journal {
  readonly name: string;
  dead = false;
  /** Added to the wall clock; set it to let the clock jump. `monotonic` never sees it. */
  wallOffset = 0;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #born: number;

  constructor(world: World, name: string) {
    this.name = name;
    this.#world = world;
    this.#chance = world.chance.fork(name);
    this.#born = world.time;
  }

  now(): number {
    return Math.floor(EPOCH_MS + this.#world.time + this.wallOffset);
  }

  monotonic(): number {
    return this.#world.time - this.#born;
  }

  u32(): number {
    return this.#chance.u32();
  }

  /** An event of the present time: after all that is at hand already, in the order of asking. */
  endOfTurn(run: () => void): void {
    this.#world.at(0, run, this);
  }

  after(ms: number, run: () => void): () => void {
    return this.#world.at(ms, run, this);
  }

  info(text: string): void {
    this.#world.trace(`${this.name} info: ${text}`);
  }

  warn(text: string): void {
    this.#world.trace(`${this.name} warn: ${text}`);
  }

  error(text: string): void {
    this.#world.trace(`${this.name} error: ${text}`);
  }

  kill(): void {
    this.dead = true;
  }
}

/**
 * sfc32 (Chris Doty-Humphrey's Small Fast Counting generator, of PractRand): 128 bits of state, fine for tests, no secrets.
 * A part that has its own `fork` draws the same numbers whatever other parts draw.
 */
export class Chance implements Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;
  readonly #seed: number;
  readonly #label: string;

  constructor(seed: number, label = '') {
    this.#seed = seed;
    this.#label = label;
    let hash = 0x811c9dc5;
    for (let at = 0; at < label.length; at += 1) hash = Math.imul(hash ^ label.charCodeAt(at), 0x01000193);
    this.#a = hash | 0;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 12; round += 1) this.u32();
  }

  fork(label: string): Chance {
    return new Chance(this.#seed, `${this.#label}/${label}`);
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 ≤ fraction < 1. */
  fraction(): number {
    return this.u32() / 2 ** 32;
  }

  /** A whole number from 0 to `count` − 1. */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in a share `odds` of all calls. */
  happens(odds: number): boolean {
    return odds > 0 && this.fraction() < odds;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 1) {
      // One draw serves four bytes: large bodies are common.
      if ((at & 3) === 0) this.#word = this.u32();
      bytes[at] = this.#word & 255;
      this.#word >>>= 8;
    }
    return bytes;
  }

  #word = 0;
}

interface Event {
  readonly time: number;
  readonly order: number;
  readonly run: () => void;
  readonly owner: Process | undefined;
  off: boolean;
}

/** A binary heap by (time, order). */
class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;

  next(): number {
    this.#order += 1;
    return this.#order;
  }

  push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(one: Event, other: Event): boolean {
  return one.time < other.time || (one.time === other.time && one.order < other.order);
}

/** 2030-01-01, so that virtual times look like times. */
export const EPOCH_MS = 1_893_456_000_000;
const LINES_KEPT = 400;

/**
 * Runs `run` when all microtasks have run. `setImmediate` costs about a microsecond; a MessageChannel, where there is no
 * other way, about five. A fixed number of awaits would not do: nobody knows how long the longest chain is.
 */
const hop: (run: () => void) => void = makeHop();

function makeHop(): (run: () => void) => void {
  const immediate = (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate;
  if (immediate !== undefined) return immediate;
  const channel = new MessageChannel();
  const waiting: (() => void)[] = [];
  (channel.port1 as unknown as { onmessage: () => void }).onmessage = () => waiting.shift()?.();
  return (run) => {
    waiting.push(run);
    channel.port2.postMessage(0);
  };
}
