/**
 * Messages at rest. `produced`: a record batch as it came (batch/FORMAT.md) without its trailing CRC, and nothing else.
 * `carried`: messages that were trimmed but are still needed, copied forward: a record batch of them, then which they are.
 *
 * Holds: sequence and time of produced messages stand in the entry's head (`first`, `count`, `time`). A carried entry has
 * `count` 0 there, so that nobody takes it for a part of the stream.
 */
import { HEADER_BYTES, u32At } from '../batch/layout.ts';
import { crc32c } from '../crc32c.ts';
import type { Of } from './codec.ts';
import { decode, encode, list, number, struct } from './codec.ts';

/** `messages[i]` tells of record i. */
export const carriedMeta = struct({ messages: list(struct({ sequence: number, time: number })) });
export type CarriedMeta = Of<typeof carriedMeta>;

export interface Body {
  readonly parts: readonly Uint8Array[];
  readonly crc: number;
}

/** @param batchCrc the CRC of `batch` from its magic to its last record: the bytes are not hashed again */
export function producedBody(batch: Uint8Array, batchBytes: number, batchCrc: number): Body {
  return { parts: [batch.subarray(0, batchBytes)], crc: batchCrc };
}

export function carriedBody(batch: Uint8Array, batchBytes: number, batchCrc: number, meta: CarriedMeta): Body {
  const tail = encode(carriedMeta, meta);
  return { parts: [batch.subarray(0, batchBytes), tail], crc: crc32c(tail, 0, tail.length, batchCrc) };
}

export function readCarried(body: Uint8Array): CarriedMeta {
  return decode(carriedMeta, body.subarray(recordsEnd(body)));
}

/** Where the records of a stored body end (they begin at HEADER_BYTES). */
export function recordsEnd(body: Uint8Array): number {
  return HEADER_BYTES + u32At(body, 9);
}
