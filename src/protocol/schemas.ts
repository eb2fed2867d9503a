/**
 * Every schema of the public contract, made from one table of limits: the gateway validates control calls with them,
 * and /openapi.json is drawn from the same objects. A client imports types from here, never values (zod is too large).
 */
import * as z from 'zod';
import { CODES } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { deadLetterSchemas } from './dead-letters.ts';
import * as fields from './fields.ts';
import { groupSchemas } from './groups.ts';
import { messageSchemas } from './messages.ts';
import type { Runtime } from './stations.ts';
import { stationSchemas } from './stations.ts';
import { transferSchemas } from './transfers.ts';

export type { Runtime } from './stations.ts';
export type Schemas = ReturnType<typeof makeSchemas>;

export function makeSchemas(limits: Limits, runtime: Runtime) {
  const messages = messageSchemas(limits);
  return {
    stations: stationSchemas(limits, runtime),
    messages,
    groups: groupSchemas(limits, messages),
    deadLetters: deadLetterSchemas(limits, messages),
    transfers: transferSchemas(),
    health: z.object({ status: z.literal('ok'), runtime: z.enum(['node', 'deno', 'bun', 'workerd', 'browser']), version: z.string() }),
    nothing: z.strictObject({}),
    ticket: z.object({ ticket: z.string(), expiresAt: fields.time() }),
    problem: z.object({
      type: z.string().describe('`urn:wayside:problem:CODE`'),
      title: z.string().describe('The same for every refusal of that code.'),
      status: z.int(),
      detail: z.string().describe('What was wrong, which value, which limit, and what to do now.'),
      code: z.enum(Object.keys(CODES) as [keyof typeof CODES, ...(keyof typeof CODES)[]]),
      field: z.string().optional(),
      index: z.int().optional(),
      retryAfterMs: z.int().optional(),
    }),
  };
}
