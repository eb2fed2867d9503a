/**
 * When a partition trims, and one trim after another.
 *
 * Holds: trims follow each other, a slice at a time, so that what else the partition does comes between; a trim that the
 * retention asks for waits a little, to be done for many messages at once, and is tried again later where it failed.
 * Elsewhere: what goes, and a slice of it (retain.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import type { Limits } from '../limits.ts';
import type { Journal } from '../ports.ts';
import type { Goal } from './retain.ts';
import { retentionGoal, trimSlice } from './retain.ts';
import type { PartitionState } from './state.ts';
import type { Stored } from './stored.ts';
import type { Trust } from './trust.ts';

/** Least time between two trims by number or bytes. */
const TRIM_EVERY_MS = 100;
/** Until trimming is tried again after it failed. */
const TRIM_AGAIN_MS = 60_000;

export class Trimming {
  readonly #log: ActorLog;
  readonly #stored: Stored;
  readonly #state: PartitionState;
  readonly #limits: Limits;
  readonly #journal: Journal;
  readonly #trust: Trust;
  /** What is due may be another now. */
  readonly #changed: () => void;
  /** The last trim that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  #at = Infinity;
  #isRetaining = false;
  #isStopped = false;

  constructor(
    log: ActorLog,
    stored: Stored,
    state: PartitionState,
    { limits, journal }: { limits: Limits; journal: Journal },
    trust: Trust,
    changed: () => void,
  ) {
    this.#log = log;
    this.#stored = stored;
    this.#state = state;
    this.#limits = limits;
    this.#journal = journal;
    this.#trust = trust;
    this.#changed = changed;
  }

  /** When the retention is to be looked after. @param ageDue when the oldest message gets too old */
  due(ageDue: number): number {
    if (this.#isRetaining) return Infinity;
    const { now } = this.#log;
    if (this.#at === Infinity && retentionGoal(this.#state, now, this.#trust.isGiven) !== undefined) this.#at = now + TRIM_EVERY_MS;
    return this.#at === Infinity ? ageDue : this.#at;
  }

  isDue(ageDue: number): boolean {
    return Math.min(this.#at, ageDue) <= this.#log.now;
  }

  /** Trims until what the station's retention asks for is met. */
  retain(): void {
    if (this.#isRetaining) return;
    this.#at = Infinity;
    if (this.#goal === undefined) return;
    this.#isRetaining = true;
    this.#after(() => this.#retain())
      .catch((error: unknown) => {
        if (this.#log.closed !== undefined) return;
        this.#journal.error(`Partition ${this.#log.key} cannot trim: ${error instanceof Error ? error.message : String(error)}`);
        this.#at = this.#log.now + TRIM_AGAIN_MS;
      })
      .finally(() => {
        this.#isRetaining = false;
        this.#changed();
      });
  }

  get #goal(): Goal | undefined {
    return retentionGoal(this.#state, this.#log.now, this.#trust.isGiven);
  }

  async #retain(): Promise<void> {
    for (let goal = this.#goal; goal !== undefined && !this.#isStopped; goal = this.#goal) await this.#slices(goal);
  }

  /** Trims up to a goal. @returns index of the entry that the answer rests on; 0 where the partition was removed meanwhile */
  towards(goal: Goal): Promise<number> {
    return this.#after(() => this.#slices(goal));
  }

  async #slices(goal: Goal): Promise<number> {
    let last = 0;
    for (let isDone = false; !isDone && !this.#isStopped; ) {
      const { index, more } = await trimSlice(this.#log, this.#stored, this.#state, goal, this.#limits);
      last = index;
      isDone = !more;
    }
    this.#changed();
    return last;
  }

  #after<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#last.then(run);
    this.#last = done.catch(() => undefined);
    return done;
  }

  stop(): void {
    this.#isStopped = true;
  }
}
