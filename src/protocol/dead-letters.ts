/** Dead letters: how one looks, and where it may go again. */
import * as z from 'zod';
import type { Limits } from '../core/limits.ts';
import * as fields from './fields.ts';
import type { messageSchemas } from './messages.ts';

export function deadLetterSchemas(limits: Limits, messages: ReturnType<typeof messageSchemas>) {
  const reason = z.enum(['rejected', 'max-deliveries', 'expired', 'undeliverable']);
  const redrive = z
    .strictObject({
      ids: z.array(z.string()).min(1).max(limits.receiptsMax).optional(),
      all: z.literal(true).optional(),
      match: z
        .strictObject({
          group: fields.name('group').optional(),
          reason: reason.optional(),
          key: z.string().max(limits.keyBytesMax).optional(),
          from: fields.time().optional(),
          until: fields.time().optional(),
        })
        .optional()
        .describe('Those that fit all that is given; `from` and `until` bound when they died.'),
      ratePerSecond: fields
        .whole(1, 1_000_000)
        .optional()
        .describe('At most so many a second; the call answers after 30 s with what is `left`.'),
      maxRedrives: fields.whole(1, 1_000_000).optional().describe('Letters that were redriven so often stay.'),
      to: z
        .union([z.enum(['group', 'groups']), z.strictObject({ station: fields.name('station') })])
        .optional()
        .describe('`group`: the one that failed, unless said. `groups`: all, as a new message. `{station}`: another station.'),
    })
    .refine(
      ({ ids, all, match }) => [ids, all, match].filter((each) => each !== undefined).length === 1,
      'takes one of "ids", "all": true and "match"',
    )
    .describe('One of `ids`, `all: true` and `match`.');
  const redriven = z.object({
    redriven: fields.whole(0),
    kept: fields.whole(0).describe('Those that `maxRedrives` has kept.'),
    left: fields.whole(0).describe('Not done yet, for `ratePerSecond`: ask again.'),
  });
  const event = z.object({ at: fields.time(), event: z.string(), consumer: z.string().optional(), deliveries: fields.whole(0) });
  const letter = z.object({
    id: z.string(),
    reason,
    error: z.string().describe('The text given with the reject or the last nack, or why it died.'),
    group: fields.name('group'),
    consumer: z.string(),
    deliveries: fields.whole(1),
    redrives: fields.whole(0).describe('How often it had been redriven to the group before.'),
    diedAt: fields.time(),
    history: z.array(event).describe('The last deliveries, oldest first.'),
    message: messages.message,
  });
  return { redrive, redriven, letter, list: fields.page(letter) };
}
