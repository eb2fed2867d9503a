/**
 * How long a message waits before it goes out again, where the nack does not say.
 *
 * Holds: the same for the same message, delivery and station, so that it can be decided in a step: chance is a hash. Messages
 * of a slot of 64 neighbours share it, so that a nack of many becomes few entries.
 */
import type { Backoff } from '../calls.ts';
import { xxh32 } from '../xxh32.ts';

/** Neighbours that come back together. */
export const JITTER_SLOT = 64;

/**
 * @param deliveries how often it was delivered, from 1
 * @param slot of the message: its sequence by JITTER_SLOT
 * @returns milliseconds
 */
export function backoffMs(backoff: Backoff, deliveries: number, slot: number, secret: number): number {
  if (!('minMs' in backoff)) return backoff[Math.min(deliveries, backoff.length) - 1]!;
  const { minMs, maxMs, factor, jitterPercent } = backoff;
  const most = Math.min(maxMs, minMs * factor ** (deliveries - 1));
  if (jitterPercent === 0) return most;
  const seed = new Uint8Array(new Float64Array([slot, deliveries]).buffer);
  return Math.max(1, Math.round(most * (1 - (jitterPercent / 100) * (xxh32(seed, secret) / 2 ** 32))));
}
