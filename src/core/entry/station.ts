/** What a partition keeps of its station, and how the catalog's commands arrive in it. */
import type { Of } from './codec.ts';
import { flag, number, oneOf, optional, struct, text } from './codec.ts';

export const stationConfig = struct({
  partitions: number,
  retention: struct({
    maxAgeMs: optional(number),
    maxMessages: optional(number),
    maxBytes: optional(number),
    untilAcked: optional(flag),
    discard: oneOf('old', 'refuse'),
  }),
  durability: oneOf('memory', 'buffered', 'local', 'synced', 'replicated'),
  dedupWindowMs: number,
  maxMessageBytes: number,
  deadLetter: struct({ maxAgeMs: optional(number), expired: optional(flag), station: optional(text) }),
});

/**
 * A partition begins with this entry, and gets another at each change. `command` is the index of the catalog's entry
 * that asked for it: a partition does what it has done for a command only once.
 */
export const configured = struct({ command: number, version: number, secret: number, config: stationConfig });
export type Configured = Of<typeof configured>;

/** `first` is the first message left, `bytes` the record bytes left, `oldest` the time of `first` (0: none is left). */
export const trimmed = struct({
  command: number,
  reason: oneOf('purged', 'age', 'count', 'bytes', 'acked'),
  first: number,
  bytes: number,
  oldest: number,
});
export type Trimmed = Of<typeof trimmed>;
