/**
 * Calls between the parts of a broker that are in different processes, as plain values: whatever carries them only has to copy them.
 *
 * Holds: a refusal travels as a value, with its code; what the channel itself throws means that nobody knows what became of the call.
 */
import type { Code, ErrorExtra } from '../errors.ts';
import { asWaysideError, WaysideError } from '../errors.ts';
import type { Given } from '../partition/configure.ts';
import type { Journal } from '../ports.ts';

/** Which partition is meant, and what it needs to begin. */
export interface Where {
  /** Ids. */
  readonly namespace: number;
  readonly station: number;
  readonly partition: number;
  /** The station's, for messages to people. */
  readonly name: string;
  /** Undefined where it is not to begin: what is asked concerns what lies there. */
  readonly given: Given | undefined;
}

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: Code; readonly detail: string; readonly extra: ErrorExtra };

/** Runs a call that came from elsewhere. */
export async function answered(run: () => unknown, journal: Journal): Promise<Answer> {
  try {
    return { ok: true, value: await run() };
  } catch (thrown) {
    const { code, message, extra } = asWaysideError(thrown);
    if (!(thrown instanceof WaysideError))
      journal.error(`A call from elsewhere: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
    return { ok: false, code, detail: message, extra };
  }
}

/** Nobody knows what became of a call. */
export function unanswered(): WaysideError {
  return new WaysideError(
    'UNAVAILABLE',
    'A part of the broker did not answer; the call may have been carried out. Send it again with the same id.',
    { retryAfterMs: 1000 },
  );
}

/** What the answer says. @throws WaysideError the refusal; UNAVAILABLE where there is no answer */
export async function opened<T>(asked: Promise<Answer>): Promise<T> {
  const answer = await asked.catch(() => {
    throw unanswered();
  });
  if (answer.ok) return answer.value as T;
  throw new WaysideError(answer.code, answer.detail, answer.extra);
}
