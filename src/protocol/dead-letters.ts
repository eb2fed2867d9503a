/** Dead letters: how one looks, and where it may go again. */
import * as z from 'zod';
import type { Limits } from '../core/limits.ts';
import * as fields from './fields.ts';
import type { messageSchemas } from './messages.ts';

export function deadLetterSchemas(limits: Limits, messages: ReturnType<typeof messageSchemas>) {
  const redrive = z
    .strictObject({
      ids: z.array(z.string()).min(1).max(limits.receiptsMax).optional(),
      all: z.literal(true).optional(),
      to: z
        .union([z.enum(['group', 'groups']), z.strictObject({ station: fields.name('station') })])
        .optional()
        .describe('`group`: the one that failed, unless said. `groups`: all, as a new message. `{station}`: another station.'),
    })
    .refine((value) => (value.ids === undefined) !== (value.all === undefined), 'takes either "ids" or "all": true')
    .describe('Either `ids` or `all: true`.');
  const event = z.object({ at: fields.time(), event: z.string(), consumer: z.string().optional(), deliveries: fields.whole(0) });
  const letter = z.object({
    id: z.string(),
    reason: z.enum(['rejected', 'max-deliveries']),
    error: z.string().describe('The text given with the reject or the last nack, or why it died.'),
    group: fields.name('group'),
    consumer: z.string(),
    deliveries: fields.whole(1),
    diedAt: fields.time(),
    history: z.array(event).describe('The last deliveries, oldest first.'),
    message: messages.message,
  });
  return { redrive, redriven: z.object({ redriven: fields.whole(0) }), letter, list: fields.page(letter) };
}
