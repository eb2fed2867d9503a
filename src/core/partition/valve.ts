/**
 * Stops what leaves a partition for others, for whoever looks at several partitions at a time.
 *
 * Holds: several may hold it, each by a name; as long as one does nobody goes through, and a hold is there only once all are
 * through that were in it. Whoever holds it too long holds it no more, and can ask whether that is so.
 * Elsewhere: what goes through (broker/outbox.ts), who holds it (transfer/source.ts).
 */
import { isPlanted } from '../faults.ts';
import type { Timers } from '../ports.ts';

export class Valve {
  readonly #timers: Timers;
  /** By name: takes back what would end it. */
  readonly #holds = new Map<string, () => void>();
  #inside = 0;
  #emptied: (() => void)[] = [];
  #opened: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get isHeld(): boolean {
    return this.#holds.size > 0;
  }

  /** Resolves when nobody holds it, which may be over again by the time that is heard. */
  open(): Promise<void> {
    return this.isHeld ? new Promise((resolve) => this.#opened.push(resolve)) : Promise.resolve();
  }

  /** Runs when nobody holds it, and lets nobody hold it meanwhile. */
  async through<T>(run: () => Promise<T>): Promise<T> {
    while (this.isHeld && !isPlanted('learn-although-held')) await this.open();
    this.#inside++;
    try {
      return await run();
    } finally {
      this.#inside--;
      if (this.#inside === 0) for (const resolve of this.#emptied.splice(0)) resolve();
    }
  }

  /** Resolves when nobody is in it any more. The hold itself may have ended by then. */
  async hold(name: string, msMax: number): Promise<void> {
    this.#holds.set(
      name,
      this.#timers.after(msMax, () => void this.release(name)),
    );
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
  }

  isHeldBy(name: string): boolean {
    return this.#holds.has(name);
  }

  /** @returns whether it was held by that name */
  release(name: string): boolean {
    this.#holds.get(name)?.();
    const wasHeld = this.#holds.delete(name);
    if (!this.isHeld) for (const resolve of this.#opened.splice(0)) resolve();
    return wasHeld;
  }

  /** Nobody holds it any more. */
  releaseAll(): void {
    for (const name of [...this.#holds.keys()]) this.release(name);
  }
}
