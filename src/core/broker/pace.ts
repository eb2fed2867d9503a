/** How fast a call may go on: at most so many a second, and not for ever. */
import type { Time } from '../actor/time.ts';
import { whole } from '../config.ts';
import type { Timers } from '../ports.ts';

/** A call answers after this, whatever is left. */
const CALL_MS = 30_000;
const LOOK_MS = 50;

export class Pace {
  readonly #perSecond: number;
  readonly #time: Time;
  readonly #timers: Timers;
  readonly #begun: number;
  #spent = 0;

  /** @param perSecond undefined: as fast as it goes. @throws INVALID_REQUEST */
  constructor(perSecond: number | undefined, time: Time, timers: Timers) {
    this.#perSecond = perSecond === undefined ? Infinity : whole('ratePerSecond', perSecond, 1, 1_000_000);
    this.#time = time;
    this.#timers = timers;
    this.#begun = time.now();
  }

  /** How much may be done at once, `wanted` at most. */
  now(wanted: number): number {
    // The first ones at once, and none ahead of its time.
    const allowed = this.#perSecond === Infinity ? Infinity : 1 + Math.floor((this.#perSecond * this.#passed) / 1_000);
    return Math.max(0, Math.min(wanted, allowed - this.#spent));
  }

  /** Waits until something may be done. @returns how much, `wanted` at most; 0 when the call's time is over */
  async most(wanted: number): Promise<number> {
    for (;;) {
      const most = this.now(wanted);
      if (most > 0 || this.#passed >= CALL_MS) return most;
      await new Promise<void>((resolve) => {
        this.#timers.after(LOOK_MS, resolve);
      });
    }
  }

  get #passed(): number {
    return this.#time.now() - this.#begun;
  }

  spent(count: number): void {
    this.#spent += count;
  }
}
