/**
 * Every refusal and failure that leaves the broker, and the codes that callers act on.
 *
 * Holds: `code` is the contract and never changes its meaning; `detail` is for people and may improve. A 4xx code means
 * that nothing was stored; a 5xx code means that the outcome is unknown, unless `detail` says more.
 * Elsewhere: the wire forms (gateway/problem.ts). A programming mistake is a plain TypeError, without a code.
 */

/** One table: code → HTTP status and the title that stays the same for every refusal of that code. */
export const CODES = {
  INVALID_REQUEST: [400, 'The request is not valid'],
  INVALID_NAME: [400, 'A name is not valid'],
  INVALID_RECEIPT: [400, 'A receipt is not valid'],
  INVALID_RECORDS: [400, 'The record batch is not valid'],
  UNAUTHENTICATED: [401, 'A credential is needed'],
  FORBIDDEN: [403, 'Not allowed'],
  NOT_FOUND: [404, 'There is nothing here'],
  STATION_NOT_FOUND: [404, 'There is no such station'],
  GROUP_NOT_FOUND: [404, 'There is no such group'],
  MESSAGE_NOT_FOUND: [404, 'There is no such message'],
  DEAD_LETTER_NOT_FOUND: [404, 'There is no such dead letter'],
  METHOD_NOT_ALLOWED: [405, 'The method is not allowed here'],
  STATION_EXISTS: [409, 'The station exists with another configuration'],
  GROUP_EXISTS: [409, 'The group exists with another configuration'],
  SEQUENCE_MISMATCH: [409, 'Another sequence is next'],
  PRODUCER_FENCED: [409, 'A newer producer has taken over'],
  PRODUCER_GAP: [409, 'A producer sequence is missing'],
  LEASE_EXPIRED: [409, 'The lease is no longer held'],
  STALE_CONFIG: [409, 'The configuration has changed meanwhile'],
  IMPORT_REFUSED: [409, 'The import is refused'],
  MESSAGE_TRIMMED: [410, 'The message is gone'],
  VERSION_MISMATCH: [412, 'Another version is current'],
  MESSAGE_TOO_LARGE: [413, 'The message is too large'],
  BATCH_TOO_LARGE: [413, 'The batch is too large'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The content type is not supported'],
  SCHEMA_REFUSED: [422, 'The schema refuses the message'],
  FUNCTION_FAILED: [422, 'A function has failed'],
  DURABILITY_UNAVAILABLE: [422, 'The durability cannot be given here'],
  LIMIT_EXCEEDED: [429, 'A limit is reached'],
  CORRUPTION: [500, 'Stored data is damaged'],
  INTERNAL: [500, 'An error inside the broker'],
  STORAGE_FAILED: [503, 'The storage has failed'],
  OVERLOADED: [503, 'Too much is waiting'],
  SHUTTING_DOWN: [503, 'The broker is stopping'],
  UNAVAILABLE: [503, 'Not available now'],
  STORAGE_FULL: [507, 'The storage is full'],
} as const satisfies Record<string, readonly [number, string]>;

/** What a caller acts on: see the table above. */
export type Code = keyof typeof CODES;

/** What a refusal may say beside its text: `field` names the input, `index` its place in a batch. */
export interface ErrorExtra {
  readonly field?: string;
  readonly index?: number;
  readonly retryAfterMs?: number;
  readonly [name: string]: string | number | undefined;
}

/** @param detail what was wrong, which value, which limit, and what to do now; never a stack or a path of the host */
export class WaysideError extends Error {
  override readonly name = 'WaysideError';
  readonly code: Code;
  readonly extra: ErrorExtra;

  constructor(code: Code, detail: string, extra: ErrorExtra = {}) {
    super(detail);
    this.code = code;
    this.extra = extra;
  }

  get status(): number {
    return CODES[this.code][0];
  }

  get title(): string {
    return CODES[this.code][1];
  }
}

/** Whatever was thrown, as an error with a code: an unknown one is INTERNAL and keeps its text to itself. */
export function asWaysideError(thrown: unknown): WaysideError {
  if (thrown instanceof WaysideError) return thrown;
  return new WaysideError('INTERNAL', 'The broker made a mistake. Send the call again with the same id; the broker has logged the cause.');
}
