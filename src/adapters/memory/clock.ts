/**
 * Time that a test moves: the broker and its clients live in it, and a lease of 30 seconds is over at once.
 *
 * Holds: time never goes back, and moves only in `advance` and `run`; timers run by (time, order of asking); between two
 * of them everything that follows from the first has happened; what is random comes from the seed. So a test that is run
 * twice goes the same way twice.
 * Elsewhere: what lives in it (embed.ts); chance (random.ts).
 */
import type { Clock, Random, Timers } from '../../core/ports.ts';
import { seededRandom } from './random.ts';
import { gatherTurns } from './timers.ts';
import { turnOver } from './turn.ts';

/** Where virtual time and chance begin. */
export interface VirtualClockOptions {
  /** The time at the beginning, in ms since 1970; 2030-01-01 (UTC) unless said. */
  readonly start?: number;
  /** What all chance comes from, a whole number; 1 unless said. */
  readonly seed?: number;
}

/** How far `run` goes. */
export interface RunOptions {
  /** How much virtual time may pass, in ms; one day unless said. */
  readonly withinMs?: number;
  /** What is waited for, as the error should name it. */
  readonly what?: string;
}

/**
 * A clock that stands still until a test moves it. What needs no time (a produce, a fetch of what is there) happens while
 * it stands; a lease, a long poll, a backoff, a retention needs `advance` or `run`.
 */
export interface VirtualClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `run` once, `ms` of virtual time from now. Returns how to take it back. For code under test that has timers of its own. */
  after(ms: number, run: () => void): () => void;
  /** 0 ≤ number < 1, from the seed. */
  random(): number;
  /** When the next timer is due, in ms since 1970; undefined when there is none. */
  next(): number | undefined;
  /** Resolves when everything that is due now has happened, and what follows from it. Time stands still. */
  settle(): Promise<void>;
  /**
   * Moves the clock `ms` ahead: runs whatever falls due meanwhile, in order and at its own time, and lets everything that
   * follows from one finish before the next.
   *
   * @throws what a timer threw; TypeError where `ms` is no number from 0
   */
  advance(ms: number): Promise<void>;
  /**
   * Moves the clock from timer to timer until `work` has settled, and gives what it gave: for whatever needs time that a
   * test does not want to count. What waits for something real (a file, a socket) should be awaited apart from it: virtual
   * time would run away meanwhile.
   *
   * @param work a promise, or a function that is called and may give one
   * @throws what `work` threw; Error when it has not settled within `withinMs`, or nothing is left that could happen
   */
  run<T>(work: PromiseLike<T> | (() => T | PromiseLike<T>), options?: RunOptions): Promise<T>;
}

/** A clock for `embed({ clock })`, and for everything else in the same test. */
export function virtualClock({ start = START_MS, seed = 1 }: VirtualClockOptions = {}): VirtualClock {
  if (!Number.isSafeInteger(start) || start < 0) throw new TypeError(`start is ${start}; it must be a whole number of ms since 1970.`);
  if (!Number.isSafeInteger(seed)) throw new TypeError(`seed is ${seed}; it must be a whole number.`);
  return new Timeline(start, seed);
}

const START_MS = Date.UTC(2030, 0, 1);
const WITHIN_MS = 86_400_000;
/** Turns without any sign of life after which nothing more is expected. Some promises of a runtime take a turn of their own. */
const QUIET_TURNS = 2;
/** Turns at one and the same time, above which something is going round in circles. */
const TURNS_MAX = 1_000_000;

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** What `virtualClock` makes, with the ports that a broker takes. */
export class Timeline implements VirtualClock, Clock, Timers {
  #now: number;
  readonly #start: number;
  readonly #seed: number;
  readonly #random: Random;
  /** By (time, order). */
  readonly #timers: Timer[] = [];
  readonly #endOfTurn = gatherTurns();
  /** Whatever is asked of the clock counts: while it rises, something is happening. */
  #asked = 0;
  #brokers = 0;
  #advancing = 0;

  constructor(start: number, seed: number) {
    this.#now = start;
    this.#start = start;
    this.#seed = seed;
    this.#random = seededRandom(seed, 'clock');
  }

  now(): number {
    return Math.floor(this.#now);
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  random(): number {
    return this.#random.u32() / 2 ** 32;
  }

  /** Chance for one broker more, apart from what others draw. */
  brokerRandom(): Random {
    return seededRandom(this.#seed, `broker ${++this.#brokers}`);
  }

  endOfTurn(run: () => void): void {
    this.#asked++;
    this.#endOfTurn(run);
  }

  after(ms: number, run: () => void): () => void {
    this.#asked++;
    if (Number.isNaN(ms)) throw new TypeError('A timer wants a number of milliseconds.');
    if (ms <= 0) return this.#soon(run);
    const timer: Timer = { at: this.#now + ms, order: this.#asked, run };
    this.#timers.splice(this.#place(timer), 0, timer);
    return () => {
      const place = this.#place(timer);
      if (this.#timers[place] === timer) this.#timers.splice(place, 1);
    };
  }

  /** Needs no time, so it happens although the clock stands. */
  #soon(run: () => void): () => void {
    let wanted = true;
    this.#endOfTurn(() => {
      if (wanted) run();
    });
    return () => {
      wanted = false;
    };
  }

  next(): number | undefined {
    return this.#timers[0]?.at;
  }

  async settle(): Promise<void> {
    let seen = this.#asked;
    for (let turns = 0, quiet = 0; quiet < QUIET_TURNS; turns++) {
      await turnOver();
      quiet = seen === this.#asked ? quiet + 1 : 0;
      seen = this.#asked;
      if (turns === TURNS_MAX) throw new Error(`Something asks for a timer of 0 ms again and again, at ${this.#shown()}.`);
    }
  }

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw new TypeError(`advance takes a number of milliseconds from 0, not ${ms}.`);
    const target = this.#now + ms;
    this.#advancing++;
    try {
      await this.settle();
      for (let at = this.next(); at !== undefined && at <= target; at = this.next()) {
        this.#step();
        await this.settle();
      }
      this.#now = Math.max(this.#now, target);
    } finally {
      this.#advancing--;
    }
  }

  async run<T>(work: PromiseLike<T> | (() => T | PromiseLike<T>), options: RunOptions = {}): Promise<T> {
    const { withinMs = WITHIN_MS, what = 'what was given to run()' } = options;
    const end = this.#now + withinMs;
    let settled = false;
    const promise = (async () => (typeof work === 'function' ? work() : work))().finally(() => {
      settled = true;
    });
    // Nobody may be left to hear of it, should this give up first.
    promise.catch(() => undefined);
    for (;;) {
      await this.settle();
      if (settled) return promise;
      // What is run may move the clock itself, by a time of its own choice.
      if (this.#advancing > 0) continue;
      const at = this.next();
      if (at === undefined || at > end) throw new Error(this.#overdue(what, at, withinMs));
      this.#step();
    }
  }

  /** Goes to the next timer, and runs it. */
  #step(): void {
    const timer = this.#timers.shift();
    if (timer === undefined) return;
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
  }

  /** Where in the list a timer is, or belongs. */
  #place({ at, order }: Timer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const timer = this.#timers[middle]!;
      if (timer.at < at || (timer.at === at && timer.order < order)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #overdue(what: string, next: number | undefined, withinMs: number): string {
    const still = `At ${this.#shown()} of virtual time, ${what} has not settled, and`;
    return next === undefined
      ? `${still} no timer is left that could change it. It waits for something that nobody does, or for something real, which must be awaited apart.`
      : `${still} the next of ${this.#timers.length} timers would be beyond the ${withinMs} ms that it may take. If it needs more, give withinMs.`;
  }

  #shown(): string {
    return new Date(this.#now).toISOString();
  }
}
