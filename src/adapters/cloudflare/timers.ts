/**
 * Time in a Durable Object: timers while somebody waits, the object's one alarm for everything else.
 *
 * Holds: what is due some time keeps no object awake; an alarm is set only when the earliest moves forward, since each setting is
 * billed; one that rings although nothing is due costs a call and harms nothing. What was to be done is in memory alone: an instance
 * that the alarm has woken finds out by opening what is due.
 */
import type { Timers } from '../../core/ports.ts';

/** What is nearly due rings together. */
const GRAIN_MS = 5;

interface Waiting {
  readonly at: number;
  readonly run: () => void;
}

export class ObjectTimers implements Timers {
  readonly #timers: Timers;
  readonly #setAlarm: (at: number) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  readonly #waiting = new Set<Waiting>();
  #armed = Infinity;

  /**
   * @param timers for whoever waits
   * @param failed is told when the alarm could not be set
   */
  constructor(timers: Timers, setAlarm: (at: number) => Promise<void>, failed: (error: unknown) => void) {
    this.#timers = timers;
    this.#setAlarm = setAlarm;
    this.#failed = failed;
  }

  endOfTurn(run: () => void): void {
    this.#timers.endOfTurn(run);
  }

  after(ms: number, run: () => void): () => void {
    return this.#timers.after(ms, run);
  }

  wake(ms: number, run: () => void): () => void {
    const waiting = { at: Date.now() + ms, run };
    this.#waiting.add(waiting);
    this.#arm(waiting.at);
    return () => this.#waiting.delete(waiting);
  }

  /** The alarm has rung: runs what is due, and sets it again for the rest. */
  rang(): void {
    this.#armed = Infinity;
    const now = Date.now() + GRAIN_MS;
    for (const waiting of [...this.#waiting]) {
      if (waiting.at > now || !this.#waiting.delete(waiting)) continue;
      waiting.run();
    }
    let least = Infinity;
    for (const { at } of this.#waiting) least = Math.min(least, at);
    if (least < Infinity) this.#arm(least);
  }

  #arm(at: number): void {
    if (at >= this.#armed) return;
    this.#armed = at;
    this.#setAlarm(Math.ceil(at)).catch((error: unknown) => {
      this.#armed = Infinity;
      this.#failed(error);
    });
  }
}
