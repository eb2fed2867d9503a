/**
 * The frames that a client sends, as zod schemas: what a session takes, whatever carried it.
 *
 * Holds: a field that is not known is refused; here is judged what a field is, and by the broker what it may be (names,
 * bounds), so that both ways in have the same codes. Elsewhere: types and numbers without zod (frames.ts).
 */
import * as z from 'zod';
import * as fields from './fields.ts';

/** The largest number that credit may be, given or in sum. */
export const CREDIT_MAX = 2 ** 31 - 1;

/** The ops that carry an id and get an answer. */
export type Verb = Exclude<keyof typeof SCHEMAS, 'hello'>;
export type FrameOf<T extends Verb> = z.infer<(typeof SCHEMAS)[T]>;
export type AnyFrame = { [T in Verb]: FrameOf<T> }[Verb];

const id = fields.whole(0);
const whole = fields.whole(0).optional();
const wellFormed = z.string().refine((text) => text.isWellFormed(), 'holds half of a surrogate pair, which UTF-8 cannot carry');
const credit = { messages: fields.whole(0, CREDIT_MAX), bytes: fields.whole(0, CREDIT_MAX) };

const producer = z.strictObject({ id: z.string(), epoch: fields.whole(1), sequence: fields.whole(1) });
// A lease that is all digits may come as a number, where a program has taken a receipt apart.
const lease = z.union([z.string(), z.int().transform(String)]);
const range = z.tuple([fields.whole(0), lease, fields.whole(1), fields.whole(1)]).readonly();
const settled = {
  id,
  station: z.string(),
  group: z.string(),
  receipts: z.array(z.string()).optional(),
  ranges: z.array(range).optional(),
};
const fetched = { id, station: z.string(), group: z.string(), consumer: z.string(), leaseMs: whole, startAt: fields.place().optional() };

export const SCHEMAS = {
  hello: z.strictObject({ op: z.literal('hello'), token: z.string().optional() }),
  produce: z.strictObject({
    op: z.literal('produce'),
    id,
    station: z.string(),
    partition: whole,
    records: z.instanceof(Uint8Array).optional(),
    /** A list, or what a codec reads one from later: see MessageSource. */
    messages: z.unknown().optional(),
    atomic: z.boolean().optional(),
    producer: producer.optional(),
    expectedSequence: whole,
  }),
  ack: z.strictObject({ op: z.literal('ack'), ...settled }),
  nack: z.strictObject({ op: z.literal('nack'), ...settled, delayMs: whole, reason: wellFormed.optional() }),
  reject: z.strictObject({ op: z.literal('reject'), ...settled, reason: wellFormed.optional() }),
  extend: z.strictObject({ op: z.literal('extend'), ...settled, leaseMs: whole }),
  fetch: z.strictObject({
    op: z.literal('fetch'),
    ...fetched,
    max: whole,
    maxBytes: whole,
    waitMs: whole,
    ack: z.array(z.string()).optional(),
  }),
  call: z.strictObject({ op: z.literal('call'), id, method: z.string(), path: z.string(), body: z.unknown().optional(), version: whole }),
  subscribe: z.strictObject({ op: z.literal('subscribe'), ...fetched, sub: fields.whole(0), credit: z.strictObject(credit) }),
  credit: z.strictObject({ op: z.literal('credit'), id, sub: fields.whole(0), ...credit }),
  unsubscribe: z.strictObject({ op: z.literal('unsubscribe'), id, sub: fields.whole(0), release: z.boolean().optional() }),
} as const;

/** @returns undefined where there is no such op */
export function verbOf(op: unknown): Verb | undefined {
  return typeof op === 'string' && op !== 'hello' && Object.hasOwn(SCHEMAS, op) ? (op as Verb) : undefined;
}
