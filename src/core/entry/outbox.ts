/** What is on its way from a partition to others: dead letters, copies of them, and what steps have made. */
import { crc32c } from '../crc32c.ts';
import type { Of } from './codec.ts';
import { decode, encode, list, number, oneOf, struct, text } from './codec.ts';
import type { Body } from './produce.ts';
import { recordsEnd } from './produce.ts';

/**
 * Each letter becomes a message of `partition` of the station with this id. They get numbers, and places among what this
 * partition produces there, in this order. A letter that is redriven is gone once it is there; one that is copied stays.
 */
export const intended = struct({
  why: oneOf('redrive', 'copy'),
  station: number,
  items: list(struct({ sequence: number, died: number, partition: number })),
});
export type Intended = Of<typeof intended>;

/**
 * Behind the records of an entry `outputs`: item i tells of record i. Numbers go on from the last intent's; one that is there
 * already has only been written again, since the log lets go of the entry that held it. `group` made them.
 */
export const outputsMeta = struct({ items: list(struct({ number, station: number, partition: number, group: number })) });
export type OutputsMeta = Of<typeof outputsMeta>;

/** @param batchCrc the CRC of `batch` from its magic to its last record */
export function outputsBody(batch: Uint8Array, batchBytes: number, batchCrc: number, meta: OutputsMeta): Body {
  const tail = encode(outputsMeta, meta);
  return { parts: [batch.subarray(0, batchBytes), tail], crc: crc32c(tail, 0, tail.length, batchCrc) };
}

export function readOutputs(body: Uint8Array): OutputsMeta {
  return decode(outputsMeta, body.subarray(recordsEnd(body)));
}

/** Produced, durably; or refused for good, and why. A refused output becomes a dead letter (§ OUTPUT_PLACE). */
export const intentEnded = struct({ produced: list(number), refused: list(struct({ number, error: text })) });
export type IntentEnded = Of<typeof intentEnded>;
