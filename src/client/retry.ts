/**
 * Trying again what failed in passing, as long as the caller's time lasts.
 *
 * Holds: what may have happened is tried again only where twice is the same as once.
 */
import type { Backoff, ClientClock } from './clock.ts';
import { backoffMs, sleep } from './clock.ts';
import type { WaysideError } from './errors.ts';
import { asWaysideError, isPassing, withOutcome } from './errors.ts';
import type { Transport } from './transport.ts';

export interface Patience {
  readonly clock: ClientClock;
  readonly backoff: Backoff;
  /** Retries included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param twice whether doing it twice is the same as once
 * @param attempt gets the milliseconds that are left, and whether an attempt before may have happened
 */
export async function retrying<T>(
  transport: Transport,
  { clock, backoff, timeoutMs, signal }: Patience,
  twice: boolean,
  attempt: (leftMs: number, again: boolean) => Promise<T>,
): Promise<T> {
  const deadline = clock.now() + timeoutMs;
  let again = false;
  for (let tries = 0; ; tries++) {
    let error: WaysideError;
    try {
      await transport.ready(deadline - clock.now());
      return await attempt(Math.max(1, deadline - clock.now()), again);
    } catch (thrown) {
      error = asWaysideError(thrown);
    }
    const unknown = error.outcome === 'unknown';
    const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(backoff, tries, clock));
    if (!isPassing(error) || (unknown && !twice) || signal?.aborted || clock.now() + waitMs >= deadline) {
      // Of the last try, more may be known than of one before it.
      throw again ? withOutcome(error, 'unknown') : error;
    }
    again ||= unknown;
    await sleep(clock, waitMs, transport.closing, ...(signal === undefined ? [] : [signal]));
  }
}
