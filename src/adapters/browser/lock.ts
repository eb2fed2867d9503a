/**
 * Web Locks: having something alone in all contexts of an origin, and learning that whoever had it is gone.
 *
 * Holds: a lock ends with its context, however that ends (closed, crashed, navigated away).
 */
import { WaysideError } from '../../core/errors.ts';

/** Takes the lock. @returns how to let it go. @throws UNAVAILABLE another one has it for longer than `waitMs` */
export async function heldLock(name: string, waitMs: number): Promise<() => void> {
  const signal = AbortSignal.timeout(waitMs);
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { signal }, () => new Promise<void>((release) => resolve(release)))
      .catch((error: unknown) => {
        const taken = new WaysideError('UNAVAILABLE', 'Another tab or worker of this site has the broker. It is tried again.', {
          retryAfterMs: 500,
        });
        reject(signal.aborted ? taken : error);
      });
  });
}

/** Resolves when nobody has the lock; at once where nobody does. @param signal no longer of interest */
export async function lockFree(name: string, signal: AbortSignal): Promise<void> {
  await navigator.locks.request(name, { mode: 'shared', signal }, () => undefined);
}
