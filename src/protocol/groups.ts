/**
 * Consumer groups: what makes and changes one, how messages are fetched and settled.
 */
import * as z from 'zod';
import type { Limits } from '../core/limits.ts';
import * as fields from './fields.ts';
import type { messageSchemas } from './messages.ts';

export function groupSchemas(limits: Limits, messages: Pick<ReturnType<typeof messageSchemas>, 'input'>) {
  const order = z.enum(['none', 'key', 'partition']).describe('`key`: one message of a key at a time. `partition`: one lease at a time.');
  const leaseMs = fields
    .whole(limits.leaseMsMin, limits.leaseMsMax)
    .describe(`How long a delivered message is kept from others; ${limits.leaseMsDefault} unless said.`);
  const maxDeliveries = fields
    .whole(1, limits.maxDeliveriesMax)
    .describe(`After so many deliveries a message is a dead letter; ${limits.maxDeliveriesDefault} unless said.`);
  const maxInFlight = fields.whole(1, limits.maxInFlightMax).describe('Messages that are out at once, in each partition.');
  const maxInFlightPerConsumer = fields.whole(1, limits.maxInFlightMax).describe('The same for one consumer.');
  const delay = fields.whole(1, limits.delayMsMax);
  const backoff = z
    .union([
      z.array(delay).min(1).max(limits.backoffCountMax),
      z.strictObject({
        minMs: delay,
        maxMs: delay,
        factor: fields.whole(1, 100).optional().describe('2 unless said.'),
        jitterPercent: fields.whole(0, 100).optional().describe('0 unless said.'),
      }),
    ])
    .describe('How long a message waits before it is delivered again: a list (the last one repeats), or growing by a factor.');
  const filter = z
    .string()
    .min(1)
    .max(limits.filterBytesMax)
    .describe('An expression over key and headers: only messages that match are delivered.');
  const paused = z.boolean().describe('Nothing is delivered while it is true.');
  const consumer = fields.name('consumer');
  const waitMs = fields.whole(0, limits.waitMsMax).describe('How long to wait for a message.');
  const receipts = z.array(z.string()).max(limits.receiptsMax);

  const input = z.strictObject({
    startAt: fields.place().optional(),
    order: order.optional(),
    leaseMs: leaseMs.optional(),
    maxDeliveries: maxDeliveries.optional(),
    maxInFlight: maxInFlight.optional(),
    maxInFlightPerConsumer: maxInFlightPerConsumer.optional(),
    backoff: backoff.optional(),
    filter: filter.optional(),
    paused: paused.optional(),
  });
  const patch = z.strictObject({
    order: order.optional(),
    leaseMs: leaseMs.nullish(),
    maxDeliveries: maxDeliveries.nullish(),
    maxInFlight: maxInFlight.nullish(),
    maxInFlightPerConsumer: maxInFlightPerConsumer.nullish(),
    backoff: backoff.nullish(),
    filter: filter.nullish(),
    paused: paused.nullish(),
  });
  const fetch = z.strictObject({
    consumer,
    max: fields.whole(1, limits.fetchCountMax).optional().describe(`Messages at most; ${limits.fetchCountDefault} unless said.`),
    maxBytes: fields.whole(1, limits.fetchBytesMax).optional().describe('Record bytes at most, but one message always comes.'),
    waitMs: waitMs.optional(),
    leaseMs: leaseMs.optional(),
    startAt: fields.place().optional().describe('Where the group begins, if this call makes it.'),
    ack: receipts.optional().describe('Receipts to ack on the way.'),
  });

  const delayMs = fields.whole(0, limits.delayMsMax).optional().describe('Not again before this.');
  const reason = z.string().max(limits.reasonBytesMax).optional().describe('Kept in the dead letter.');
  const settle = {
    ack: z.strictObject({ receipts }),
    nack: z.strictObject({ receipts, delayMs, reason }),
    extend: z.strictObject({ receipts, leaseMs: leaseMs.optional().describe("Counted from now; the group's unless said.") }),
    reject: z.strictObject({ receipts, reason }),
  };
  const range = z.tuple([fields.whole(0), z.string(), fields.whole(1), fields.whole(1)]);
  const stepHead = {
    receipts: receipts.optional().default([]),
    ranges: z
      .array(range)
      .max(limits.receiptsMax)
      .optional()
      .describe('`[partition, lease, from, to]`: all of a lease between two sequences.'),
  };
  const output = { station: fields.name('station'), partition: fields.whole(0).optional().describe("By each message's key unless said.") };
  const step = {
    input: z.strictObject({
      ...stepHead,
      outputs: z
        .array(z.strictObject({ ...output, messages: z.array(messages.input).min(1) }))
        .max(limits.outputsMax)
        .optional(),
    }),
    head: z.strictObject({ ...stepHead, outputs: z.array(z.never()).optional() }),
    output: z.strictObject({ ...output, messages: z.array(z.never()) }),
    result: z.object({
      acked: fields.whole(0),
      produced: fields.whole(0).describe('Messages on their way to their stations, each once.'),
      repeated: z.boolean().describe('It had been done before, by an earlier call of the same.'),
    }),
  };
  const seek = z.strictObject({ to: fields.place(), partition: fields.whole(0).optional().describe('All partitions unless said.') });

  const failure = z.object({ receipt: z.string(), code: z.string(), detail: z.string() });
  const settled = z.object({ failed: z.array(failure).describe('The receipts that did not count; empty with 200.') });
  const head = z.object({
    name: fields.name('group'),
    version: fields.whole(1),
    createdAt: fields.time(),
    startAt: z.union([z.int(), z.string()]),
    order,
    leaseMs,
    maxDeliveries,
    maxInFlight: maxInFlight.optional(),
    maxInFlightPerConsumer: maxInFlightPerConsumer.optional(),
    backoff: backoff.optional(),
    filter: filter.optional(),
    paused,
  });
  const member = z.object({ consumer, inFlight: fields.whole(0), lastSeenAt: fields.time() });
  const info = head.extend({
    unread: fields.whole(0).describe('What the group has still to get.'),
    inFlight: fields.whole(0),
    redelivered: fields.whole(0).describe('Of those in flight, the ones that were delivered before.'),
    dead: fields.whole(0),
    unreadIsUpperBound: z.boolean().describe('A filter or expiry may still pass over some of `unread`.'),
    oldestPendingAt: fields.time().nullable().describe('When the oldest message that is not settled was produced.'),
    stalled: z.boolean().describe('Order `key`: so many messages wait for one of their key that no newer ones are looked at.'),
    members: z.array(member),
  });
  const pending = z.object({
    partition: fields.whole(0),
    sequence: fields.whole(1),
    consumer,
    deliveries: fields.whole(1),
    expiresAt: fields.time(),
    receipt: z.string(),
  });
  const places = {
    produced: fields.whole(0),
    acknowledged: fields.whole(0),
    pending: fields.whole(0).describe('Not delivered yet, or waiting to be delivered again.'),
    inFlight: fields.whole(0),
    dead: fields.whole(0).describe('Died since the group was moved last, and not redriven.'),
    expired: fields.whole(0),
    trimmed: fields.whole(0).describe('Went by retention or a purge before the group had settled them.'),
    filtered: fields.whole(0),
    skipped: fields.whole(0).describe('Before the place where the group began, or was moved to.'),
    again: fields.whole(0).describe('Counted twice: redriven after the group had come by them anew.'),
  };
  const audit = z.object({
    ...places,
    balanced: z.boolean().describe('The sum is right.'),
    partitions: z.array(z.object({ ...places, partition: fields.whole(0) })),
  });
  return { input, patch, audit, fetch, settle, step, seek, settled, failure, info, list: fields.page(head), pending: fields.page(pending) };
}
