/**
 * The one place where a refusal gets its wire form: RFC 9457 problem+json.
 *
 * Holds: `type`, `title` and `status` follow from the code alone; nothing of the inside (stack, path, cause) is in it.
 * Elsewhere: codes and their meaning (core/errors.ts); frames map the same codes (frames/).
 */
import type { WaysideError } from '../core/errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export function problemOf(error: WaysideError): Problem {
  const { status, title, code, extra, message: detail } = error;
  const headers: Record<string, string> = {
    'Content-Type': PROBLEM_TYPE,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  };
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer realm="wayside"';
  if (extra.retryAfterMs !== undefined) headers['Retry-After'] = String(Math.ceil(extra.retryAfterMs / 1000));
  return { status, headers, body: JSON.stringify({ type: `urn:wayside:problem:${code}`, title, status, detail, ...extra, code }) };
}

/** What the journal gets of a mistake of ours, and nobody else. */
export function described(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
