/**
 * The one error of the SDK.
 *
 * Holds: `code` is one of the table in API.md §8; what comes from a bad server, a broken connection or a timeout has one
 * as well (UNAVAILABLE). A programming mistake is a plain TypeError, without a code.
 */
import type { Code } from '../core/errors.ts';
import { CODES } from '../core/errors.ts';

/** What is known of what was asked: `refused`, it did not happen and nothing was stored; `unknown`, it may have happened. */
export type Outcome = 'refused' | 'unknown';

/** What a {@link WaysideError} may carry beside its code and its message. */
export interface ErrorDetail {
  /** `unknown` for codes from 500 up and `refused` for the others, unless said. */
  readonly outcome?: Outcome | undefined;
  /** Milliseconds after which another try makes sense. */
  readonly retryAfterMs?: number | undefined;
  /** Which input was wrong. */
  readonly field?: string | undefined;
  /** Which message of a batch was wrong, from 0. */
  readonly index?: number | undefined;
  /** What it came from, if anything. */
  readonly cause?: unknown;
}

/** Every refusal and failure that the SDK reports. The message says what happened and what to do; act on `code`. */
export class WaysideError extends Error {
  override readonly name = 'WaysideError';
  /** Stable; the table is in the API's documentation. */
  readonly code: Code;
  /** Whether it happened: with `unknown`, ask or look before doing it again under a new id. */
  readonly outcome: Outcome;
  /** Milliseconds to wait before another try, where the broker says so. */
  readonly retryAfterMs: number | undefined;
  /** Which input was wrong, where it is one. */
  readonly field: string | undefined;
  /** Which message of a batch was wrong, from 0. */
  readonly index: number | undefined;

  /** @internal */
  constructor(code: Code, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.outcome = detail.outcome ?? (CODES[code][0] >= 500 ? 'unknown' : 'refused');
    this.retryAfterMs = detail.retryAfterMs;
    this.field = detail.field;
    this.index = detail.index;
  }

  /** The HTTP status of the code. */
  get status(): number {
    return CODES[this.code][0];
  }

  /** Whether the same call may succeed later, unchanged. The SDK has retried by itself what it can without doing it twice. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

const RETRYABLE: ReadonlySet<Code> = new Set([
  'LIMIT_EXCEEDED',
  'INTERNAL',
  'STORAGE_FAILED',
  'OVERLOADED',
  'SHUTTING_DOWN',
  'UNAVAILABLE',
  'STORAGE_FULL',
]);

/** Codes that waiting a moment mends, most likely: the SDK tries again by itself. A full store or a limit it reports at once. */
const PASSING: ReadonlySet<Code> = new Set(['INTERNAL', 'STORAGE_FAILED', 'OVERLOADED', 'SHUTTING_DOWN', 'UNAVAILABLE']);

/** Whether the SDK itself tries again. Never after a lasting failure (see `lasting`). */
export function isPassing(error: WaysideError): boolean {
  return PASSING.has(error.code) && !LASTING.has(error);
}

const LASTING = new WeakSet<WaysideError>();

/** Marks a failure that trying again would only repeat: another protocol, no WebSocket in this runtime, closed by the program. */
export function lasting(message: string, detail: ErrorDetail = {}): WaysideError {
  const error = new WaysideError('UNAVAILABLE', message, { outcome: 'refused', ...detail });
  LASTING.add(error);
  return error;
}

/** The same failure of another outcome: of a try of which less is known, or more. */
export function withOutcome(error: WaysideError, outcome: Outcome, message = error.message): WaysideError {
  if (error.outcome === outcome && message === error.message) return error;
  const { code, retryAfterMs, field, index } = error;
  const same = new WaysideError(code, message, { outcome, retryAfterMs, field, index, cause: error });
  if (LASTING.has(error)) LASTING.add(same);
  return same;
}

/** What a broker says, as an error: a code that this version does not know is INTERNAL, and keeps its name in the text. */
export function told(code: unknown, detail: unknown, more: ErrorDetail = {}): WaysideError {
  const text = typeof detail === 'string' && detail !== '' ? detail : undefined;
  if (isCode(code)) return new WaysideError(code, text ?? `${CODES[code][1]}.`, more);
  const error = new WaysideError(
    'INTERNAL',
    `The broker answered ${String(code).slice(0, 64)}${text === undefined ? '' : `: ${text}`}`,
    more,
  );
  // Whether trying again makes sense, nobody here can tell.
  LASTING.add(error);
  return error;
}

function isCode(code: unknown): code is Code {
  return typeof code === 'string' && Object.hasOwn(CODES, code);
}

/** Whatever was thrown, as the SDK's error. One of the core (a builder refuses a text) keeps its code; others are INTERNAL. */
export function asWaysideError(thrown: unknown): WaysideError {
  if (thrown instanceof WaysideError) return thrown;
  const { message, code, extra } = (thrown ?? {}) as { message?: unknown; code?: unknown; extra?: ErrorDetail };
  const more = { field: extra?.field, index: extra?.index, cause: thrown };
  if (isCode(code)) return told(code, message, more);
  return new WaysideError('INTERNAL', typeof message === 'string' ? message : String(thrown), more);
}

/** Why something failed, in a few words: what a runtime throws often says it only in its cause. */
export function reasonOf(thrown: unknown): string {
  const { message, cause } = (thrown ?? {}) as { message?: unknown; cause?: { message?: unknown } };
  return String(cause?.message || message || thrown);
}

/** The same error for the message at `index` of what was given. */
export function at(index: number, error: WaysideError): WaysideError {
  const { code, message, outcome, retryAfterMs, field } = error;
  return new WaysideError(code, message, { outcome, retryAfterMs, field, index, cause: error });
}
