/** What is on its way from a partition to others: dead letters that go to another station. */
import type { Of } from './codec.ts';
import { list, number, oneOf, struct, text } from './codec.ts';

/**
 * Each becomes a message of `partition` of the station with this id. They get numbers, and places among what this partition
 * produces there, in this order.
 */
export const intended = struct({
  why: oneOf('redrive'),
  station: number,
  items: list(struct({ sequence: number, died: number, partition: number })),
});
export type Intended = Of<typeof intended>;

/** Produced, durably; or refused for good, and why. */
export const intentEnded = struct({ produced: list(number), refused: list(struct({ number, error: text })) });
export type IntentEnded = Of<typeof intentEnded>;
