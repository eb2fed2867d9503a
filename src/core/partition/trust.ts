/**
 * Whether what is too old by the clock may go. A clock that is wrong when the broker starts (by years, after an empty battery)
 * would have everything go at once; such a clock is set right within minutes, as a rule.
 *
 * Holds: where entries are of a time more than a day ahead (the clock was wrong then) nothing goes by age; after a step of more
 * than a day since the partition's last entry neither does, until the broker has been up for `clockTrustMs` and the wall clock
 * still says so.
 * What goes by number or bytes is not concerned.
 */
import type { ActorLog } from '../actor/log.ts';
import type { Time } from '../actor/time.ts';
import { isPlanted } from '../faults.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export class Trust {
  readonly #log: Pick<ActorLog, 'sleptMs' | 'now'>;
  readonly #time: Time;
  readonly #trustMs: number;
  #isGiven = false;

  constructor(log: Pick<ActorLog, 'sleptMs' | 'now'>, time: Time, trustMs: number) {
    this.#log = log;
    this.#time = time;
    this.#trustMs = trustMs;
  }

  /** May what is too old go now? */
  get isGiven(): boolean {
    this.#isGiven ||=
      Math.abs(this.#log.sleptMs) <= DAY_MS ||
      isPlanted('clock-trusted-at-once') ||
      (this.#log.sleptMs > 0 && this.#time.upMs >= this.#trustMs && this.#time.wasAheadMs <= DAY_MS);
    return this.#isGiven;
  }

  /** When something of that age is to be looked at. @param due when it gets too old */
  due(due: number): number {
    if (due === Infinity || this.isGiven) return due;
    const wait = this.#time.upMs < this.#trustMs ? this.#trustMs - this.#time.upMs : this.#trustMs;
    return Math.max(due, this.#log.now + Math.ceil(wait));
  }
}
