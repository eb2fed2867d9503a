/**
 * Time and chance, as the SDK needs them, so that a test can have its own.
 *
 * Holds: nothing else in the SDK reads a clock, sets a timer or draws a number.
 */

/** For tests with virtual time, and for runtimes without timers. */
export interface ClientClock {
  /** Milliseconds since 1970; must not go back. */
  now(): number;
  /** Runs something once, after so many milliseconds; the function that it returns calls that off. */
  after(ms: number, run: () => void): () => void;
  /** A number from 0 up to and without 1: jitter, names of consumers, ids of producers. */
  random(): number;
}

/** The runtime's own. */
export const systemClock: ClientClock = {
  // Unlike Date.now, this does not jump when somebody sets the clock.
  now: () => performance.timeOrigin + performance.now(),
  after(ms, run) {
    // A longer one would fire at once: timers count in 31 bits.
    const timer = setTimeout(run, Math.min(Math.max(0, ms), 0x7fffffff));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** A name that nobody else draws: 24 letters, 124 bits of chance. */
export function randomName(clock: ClientClock): string {
  let name = '';
  while (name.length < 24)
    name += Math.floor(clock.random() * 36 ** 8)
      .toString(36)
      .padStart(8, '0');
  return name;
}

/** Resolves after so many milliseconds, or at once when one of the signals is aborted. */
export function sleep(clock: ClientClock, ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) return resolve();
    const end = () => {
      cancel();
      for (const signal of signals) signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    for (const signal of signals) signal.addEventListener('abort', end);
  });
}

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Full jitter: anything between nothing and a bound that doubles. @param attempt from 0 */
export function backoffMs({ firstMs, maxMs }: Backoff, attempt: number, clock: ClientClock): number {
  return clock.random() * Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
}
