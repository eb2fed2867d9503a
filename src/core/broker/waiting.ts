/**
 * Waiting for messages in several partitions at once.
 *
 * Holds: a waiter is parked before it looks, so that nothing comes between looking and waiting; a hint that it has no use
 * for, it passes on; when its time is over or its client gone, nothing of it is left behind.
 */

import type { Signal } from '../calls.ts';
import { WaysideError } from '../errors.ts';
import type { Waiter } from '../partition/waiters.ts';
import type { Timers } from '../ports.ts';

/** Where one may park; gives back how to leave. */
export type Park = (waiter: Waiter) => () => void;

export class Waiting {
  readonly #timers: Timers;
  readonly #max: number;
  readonly #ended = new Set<() => void>();
  #closed: WaysideError | undefined;

  constructor(timers: Timers, max: number) {
    this.#timers = timers;
    this.#max = max;
  }

  /**
   * Looks until there is something, the time is over, or the client has gone.
   *
   * @param look gives what there is, or undefined
   * @param passOn called when a hint was taken and may have been meant for another
   */
  async for<T>(options: {
    waitMs: number;
    signal: Signal | undefined;
    park: Park;
    look: () => Promise<T | undefined>;
    passOn: () => void;
  }): Promise<T | undefined> {
    const { waitMs, signal, park, look, passOn } = options;
    const first = await look();
    if (first !== undefined || waitMs === 0 || isGone(signal)) return first;
    if (this.#ended.size >= this.#max)
      throw new WaysideError('OVERLOADED', `${this.#max} calls wait for messages already. Ask again in a moment.`, { retryAfterMs: 1000 });

    let over = false;
    let hinted = false;
    let everHinted = false;
    let wakeUp: () => void = () => undefined;
    const end = () => {
      over = true;
      wakeUp();
    };
    const stopTimer = this.#timers.after(waitMs, end);
    signal?.addEventListener('abort', end, { once: true });
    this.#ended.add(end);
    let leave: () => void = () => undefined;
    try {
      for (;;) {
        hinted = false;
        leave();
        leave = park({
          wake: () => {
            hinted = true;
            everHinted = true;
            wakeUp();
          },
        });
        const found = await look();
        if (found !== undefined) return found;
        if (!hinted && !over && this.#closed === undefined)
          await new Promise<void>((resolve) => {
            wakeUp = resolve;
          });
        if (this.#closed !== undefined) throw this.#closed;
        if (over && (!hinted || isGone(signal))) return undefined;
      }
    } finally {
      leave();
      stopTimer();
      signal?.removeEventListener('abort', end);
      this.#ended.delete(end);
      // One hint may have stood for several partitions, and whoever is gone or failed has made nothing of it.
      if (everHinted) passOn();
    }
  }

  /** Everyone who waits is told that it is over. */
  close(error: WaysideError): void {
    this.#closed = error;
    for (const end of this.#ended) end();
  }
}

export function isGone(signal: Signal | undefined): boolean {
  return signal?.aborted === true;
}
