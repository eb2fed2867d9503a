/**
 * One timer for all that is due some time: actors say when, and are called then.
 *
 * Holds: the host's timer is set for the earliest of all; what was put off or taken back is passed over when it comes up.
 */
import { Heap } from '../heap.ts';
import type { Timers } from '../ports.ts';
import type { Time } from './time.ts';

interface Item {
  readonly at: number;
  readonly key: string;
}

/** A host's timer must not be asked for longer than this (setTimeout takes 2^31 − 1 ms). */
const AHEAD_MS_MAX = 12 * 60 * 60 * 1000;
/** Timers that ring at nearly the same time are taken together. */
const GRAIN_MS = 5;
/** Items that nobody wants any more, beside as many as are wanted. */
const KEPT_MAX = 64;

export class Alarms {
  readonly #timers: Timers;
  readonly #time: Time;
  readonly #ring: (key: string) => void;
  /** What each key waits for now. */
  readonly #wanted = new Map<string, number>();
  /** By time, with items that are no longer wanted in it. */
  readonly #heap = new Heap<Item>((a, b) => a.at < b.at);
  #armed = Infinity;
  #stopped = false;
  #disarm: () => void = () => undefined;

  constructor(timers: Timers, time: Time, ring: (key: string) => void) {
    this.#timers = timers;
    this.#time = time;
    this.#ring = ring;
  }

  /** @param at ms since 1970; Infinity takes it back */
  set(key: string, at: number): void {
    if (at === Infinity) {
      this.#wanted.delete(key);
      return;
    }
    if (this.#stopped || this.#wanted.get(key) === at) return;
    this.#wanted.set(key, at);
    this.#heap.push({ at, key });
    if (this.#heap.size > 2 * this.#wanted.size + KEPT_MAX) this.#tidy();
    this.#arm();
  }

  /** Items held, wanted or not. */
  get size(): number {
    return this.#heap.size;
  }

  stop(): void {
    this.#stopped = true;
    this.#wanted.clear();
    this.#heap.clear();
    this.#disarm();
    this.#armed = Infinity;
  }

  #arm(): void {
    const at = this.#heap.least?.at ?? Infinity;
    if (at >= this.#armed) return;
    this.#disarm();
    this.#armed = at;
    const ms = Math.min(AHEAD_MS_MAX, Math.max(GRAIN_MS, at - this.#time.now()));
    const ring = () => {
      this.#armed = Infinity;
      this.#due();
    };
    this.#disarm = this.#timers.wake?.(ms, ring) ?? this.#timers.after(ms, ring);
  }

  #due(): void {
    const now = this.#time.now();
    const due: string[] = [];
    for (let item = this.#heap.least; item !== undefined && item.at <= now; item = this.#heap.least) {
      this.#heap.pop();
      if (this.#wanted.get(item.key) !== item.at) continue;
      this.#wanted.delete(item.key);
      due.push(item.key);
    }
    // Rung only now: one that is due again at once waits for the next timer like any other.
    for (const key of due) this.#ring(key);
    this.#arm();
  }

  /** Only what is still wanted: what was put off for long would lie there until its time. */
  #tidy(): void {
    this.#heap.clear();
    for (const [key, at] of this.#wanted) this.#heap.push({ at, key });
  }
}
