/**
 * Delayed messages at rest. `scheduled`: a record batch of them (without their delays), then which they are.
 *
 * Holds: an entry has `count` 0 in its head, so that nobody takes it for a part of the stream. The same kind carries messages
 * forward that still wait when the log lets go of their entry: they keep their numbers and times.
 */
import { crc32c } from '../crc32c.ts';
import type { Of } from './codec.ts';
import { decode, encode, list, number, oneOf, struct } from './codec.ts';
import type { Body } from './produce.ts';
import { recordsEnd } from './produce.ts';

/** `items[i]` tells of record i. Times in ms since 1970. */
export const scheduledMeta = struct({ items: list(struct({ number, due: number, accepted: number })) });
export type ScheduledMeta = Of<typeof scheduledMeta>;

/** They have become the messages from `first` on, in this order; or they were cancelled, and `first` is 0. */
export const scheduleEnded = struct({ why: oneOf('due', 'cancelled'), numbers: list(number), first: number });
export type ScheduleEnded = Of<typeof scheduleEnded>;

/** @param batchCrc the CRC of `batch` from its magic to its last record */
export function scheduledBody(batch: Uint8Array, batchBytes: number, batchCrc: number, meta: ScheduledMeta): Body {
  const tail = encode(scheduledMeta, meta);
  return { parts: [batch.subarray(0, batchBytes), tail], crc: crc32c(tail, 0, tail.length, batchCrc) };
}

export function readScheduled(body: Uint8Array): ScheduledMeta {
  return decode(scheduledMeta, body.subarray(recordsEnd(body)));
}
