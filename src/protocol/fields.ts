/**
 * The fields that several calls share, as zod schemas. Their limits come from core/limits.
 *
 * Holds: numbers are whole and safe; nothing is coerced; a text is checked, never trimmed.
 * Elsewhere: which call has which fields (the files beside this one).
 */
import * as z from 'zod';
import { NAME } from '../core/limits.ts';

const SAFE_MAX = Number.MAX_SAFE_INTEGER;

export function name(what: string) {
  return z
    .string()
    .regex(NAME, 'is no name: 1 to 128 of a-z A-Z 0-9 . _ -, not starting with a dot')
    .describe(`Name of the ${what}: 1 to 128 of \`a-z A-Z 0-9 . _ -\`, not starting with a dot.`);
}

export function whole(min: number, max: number = SAFE_MAX) {
  return z.int().min(min).max(max);
}

/** Milliseconds since 1970. */
export function time() {
  return whole(0).describe('Milliseconds since 1970.');
}

/** A sequence from 1, `start`, `end`, `time:MS`, or `last:N`. */
export function place() {
  return z
    .union(
      [whole(1), z.string().regex(/^(?:start|end|time:(?:0|[1-9]\d{0,15})|last:[1-9]\d{0,15}|[1-9]\d{0,15})$/)],
      'is none of: a sequence from 1, "start", "end", "time:MS", "last:N"',
    )
    .meta({
      description:
        'A sequence from 1, `start`, `end`, `time:MS` (the first message at or after that time), or `last:N` (the last N of each partition).',
      examples: ['start', 17, 'time:1760000000000'],
    });
}

export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable().describe('Give it as `after` for the next page; null at the end.') });
}
