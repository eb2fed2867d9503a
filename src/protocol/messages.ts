/**
 * Messages: as they are given in a batch, and as they come back.
 *
 * The gateway does not validate batches with these (rest/batch.ts keeps each payload's bytes, which a parsed value
 * cannot); they say the form, and a test holds both to the same judgement.
 */
import * as z from 'zod';
import type { Limits } from '../core/limits.ts';
import * as fields from './fields.ts';

export function messageSchemas(limits: Limits) {
  const headers = z.record(z.string(), z.string()).describe(`Names and values; ${limits.headerBytesMax} bytes in all.`);
  const durability = z
    .enum(['memory', 'buffered', 'local', 'synced', 'replicated'])
    .describe('What really happened, never less than the station asks for.');
  const partition = fields.whole(0);
  const sequence = fields.whole(1);

  const input = z
    .strictObject({
      payload: z.unknown().optional().describe('Any JSON, kept byte for byte; implies `application/json`. In msgpack also bytes.'),
      text: z.string().optional().describe('Implies `text/plain`.'),
      base64: z.base64().optional().describe('Any bytes.'),
      key: z.string().optional().describe('Decides the partition, and the order within it.'),
      id: z.string().optional().describe("Stored once within the station's `dedupWindowMs`."),
      headers: headers.optional(),
      contentType: z.string().optional(),
      delayMs: fields
        .whole(0, limits.delayMsMax)
        .optional()
        .describe('It comes after so long, at most a year, and gets its sequence then.'),
      expiresMs: fields
        .whole(1, limits.delayMsMax)
        .optional()
        .describe('After so long, counted from its sequence, it is given to no group any more.'),
    })
    .describe('Exactly one of `payload`, `text`, `base64`.');
  const batch = z.strictObject({
    messages: z.array(input).min(1).max(limits.batchCountMax),
    atomic: z.boolean().optional().describe('All or nothing; all must fall in one partition.'),
  });

  const produced = z.object({ partition, sequence, duplicate: z.boolean(), durability });
  const delayed = z.object({ scheduleId: z.string().describe('Names it, for cancelling.'), dueAt: fields.time(), durability });
  const schedule = z.object({
    scheduleId: z.string(),
    partition,
    dueAt: fields.time(),
    acceptedAt: fields.time(),
    key: z.string().optional(),
    id: z.string().optional(),
    bytes: fields.whole(0).describe('Of its record.'),
  });
  const results = z.object({
    results: z.array(z.union([produced, delayed, z.object({ code: z.string(), detail: z.string() })])).describe('In the order sent.'),
  });
  const recordsResult = z.object({
    ranges: z
      .array(z.tuple([partition, sequence, fields.whole(1)]))
      .describe('`[partition, first, count]`, by partition, then in the order sent.'),
    duplicates: z.array(z.tuple([fields.whole(0), partition, sequence])).describe('`[index, partition, sequence of the first one]`.'),
    scheduled: z.array(z.tuple([fields.whole(0), z.string(), fields.time()])).describe('Delayed: `[index, scheduleId, dueAt]`.'),
    errors: z.array(z.tuple([fields.whole(0), z.string()])).describe('`[index, code]`.'),
    durability,
  });

  const message = z.object({
    partition,
    sequence,
    producedAt: fields.time(),
    key: z.string().optional(),
    id: z.string().optional(),
    headers: headers.optional(),
    contentType: z.string().optional(),
    payload: z.unknown().optional().describe('The stored JSON verbatim, where the content type is JSON and the bytes are valid.'),
    text: z.string().optional().describe('Else the bytes as text, where they are UTF-8.'),
    base64: z.string().optional().describe('Else the bytes, or always with `?as=base64`.'),
  });
  const delivered = message.extend({ receipt: z.string().describe('`PARTITION.SEQUENCE.LEASE`'), deliveries: fields.whole(1) });
  const read = z.object({
    messages: z.array(message),
    cursor: z.string().describe('Go on with `?cursor=`.'),
    end: z.boolean().describe('Nothing is after it now.'),
  });
  return { input, batch, produced, delayed, schedules: fields.page(schedule), results, recordsResult, message, delivered, read };
}
