/**
 * Stations: what makes one, what changes one, and how one looks.
 *
 * Holds: a patch takes what a creation takes, and `null` for "back to the default".
 */
import * as z from 'zod';
import type { Limits } from '../core/limits.ts';
import * as fields from './fields.ts';

/** Where a gateway may run. Only a browser reports `local`. */
export type Runtime = 'node' | 'deno' | 'bun' | 'workerd' | 'browser';

export function stationSchemas(limits: Limits, runtime: Runtime) {
  const asked = runtime === 'browser' ? (['synced', 'local', 'buffered', 'memory'] as const) : (['synced', 'buffered', 'memory'] as const);
  const durability = z.enum(asked).describe('What an answer waits for at least. The strongest that the host gives unless said.');
  const partitions = fields.whole(1, limits.partitionsMax).describe('1 unless said; cannot be changed in this version.');
  const dedupWindowMs = fields
    .whole(0, limits.dedupWindowMsMax)
    .describe(`How long ids are remembered; ${limits.dedupWindowMsDefault} unless said.`);
  const maxMessageBytes = fields.whole(1, limits.messageBytesMax).describe('Payload bytes of one message.');
  const maxAgeMs = fields.whole(1).describe('Milliseconds since a message got its sequence.');
  const expired = z.boolean().describe('A message that expires before a group has settled it becomes its dead letter.');
  const copyTo = fields.name('station').describe('A station that gets a copy of each dead letter.');
  const retention = {
    maxAgeMs,
    maxMessages: fields.whole(1).describe('In each partition.'),
    maxBytes: fields.whole(1).describe('Record bytes, in each partition.'),
    untilAcked: z.boolean().describe('A message goes when every group has acked it.'),
    discard: z
      .enum(['old', 'refuse'])
      .describe('What gives way when there is no room: the oldest (`old`, the default), or the new message (429).'),
  };

  const input = z.strictObject({
    partitions: partitions.optional(),
    retention: z
      .strictObject({
        maxAgeMs: retention.maxAgeMs.optional(),
        maxMessages: retention.maxMessages.optional(),
        maxBytes: retention.maxBytes.optional(),
        untilAcked: retention.untilAcked.optional(),
        discard: retention.discard.optional(),
      })
      .optional(),
    durability: durability.optional(),
    dedupWindowMs: dedupWindowMs.optional(),
    maxMessageBytes: maxMessageBytes.optional(),
    deadLetter: z.strictObject({ maxAgeMs: maxAgeMs.optional(), expired: expired.optional(), station: copyTo.optional() }).optional(),
  });

  const patch = z.strictObject({
    partitions: partitions.optional(),
    retention: z
      .strictObject({
        maxAgeMs: retention.maxAgeMs.nullish(),
        maxMessages: retention.maxMessages.nullish(),
        maxBytes: retention.maxBytes.nullish(),
        untilAcked: retention.untilAcked.nullish(),
        discard: retention.discard.nullish(),
      })
      .nullish(),
    durability: durability.optional(),
    dedupWindowMs: dedupWindowMs.nullish(),
    maxMessageBytes: maxMessageBytes.nullish(),
    deadLetter: z.strictObject({ maxAgeMs: maxAgeMs.nullish(), expired: expired.nullish(), station: copyTo.nullish() }).nullish(),
  });

  const purge = z.strictObject({
    upTo: fields.whole(1).optional().describe('The last sequence to remove; all unless said.'),
    partition: fields.whole(0).optional().describe('All partitions unless said.'),
  });

  const head = z.object({
    name: fields.name('station'),
    version: fields.whole(1).describe('Rises with each change; also the ETag.'),
    createdAt: fields.time(),
    partitions,
    retention: z.object({
      maxAgeMs: retention.maxAgeMs.optional(),
      maxMessages: retention.maxMessages.optional(),
      maxBytes: retention.maxBytes.optional(),
      untilAcked: retention.untilAcked.optional(),
      discard: retention.discard,
    }),
    durability: z.string(),
    dedupWindowMs,
    maxMessageBytes,
    deadLetter: z.object({ maxAgeMs: maxAgeMs.optional(), expired: expired.optional(), station: copyTo.optional() }),
  });
  const counts = z.object({
    partition: fields.whole(0),
    messages: fields.whole(0),
    bytes: fields.whole(0).describe('Record bytes.'),
    first: fields.whole(1).describe('The first sequence that is there; `last + 1` when it is empty.'),
    last: fields.whole(0).describe('The last sequence that was given.'),
  });
  const info = head.extend({
    messages: fields.whole(0),
    bytes: fields.whole(0),
    counts: z.array(counts),
    scheduled: fields.whole(0).describe('Delayed messages that are not due yet.'),
    outbox: fields.whole(0).describe('Messages on their way to other stations.'),
    slots: z.array(z.tuple([z.int(), z.int(), z.int()])).describe('Key slots (XXH32 mod 4096): `[first, last, partition]`.'),
  });
  const purged = z.object({ purged: fields.whole(0) });
  return { input, patch, purge, purged, head, info, list: fields.page(head) };
}
