/**
 * A refusal of an HTTP call, or of a `call` frame, as an error: RFC 9457, or whatever a proxy in between has said.
 */
import type { Code } from '../core/errors.ts';
import { fieldsOf } from './answers.ts';
import type { ErrorDetail, WaysideError } from './errors.ts';
import { told } from './errors.ts';

export function problem(status: number, body: unknown, more: ErrorDetail = {}): WaysideError {
  const { code, detail, field, index, retryAfterMs } = fieldsOf(body);
  if (typeof code !== 'string') {
    return told(codeOf(status), `The address answered with status ${status}, and not as a Wayside broker does.`, more);
  }
  return told(code, detail, {
    field: typeof field === 'string' ? field : undefined,
    index: typeof index === 'number' ? index : undefined,
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    // A code of a later version: its status says at least whether anything was stored.
    outcome: status < 500 ? 'refused' : 'unknown',
    ...more,
  });
}

function codeOf(status: number): Code {
  if (status >= 500 || status === 408 || status === 429) return 'UNAVAILABLE';
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  return status === 404 ? 'NOT_FOUND' : 'INVALID_REQUEST';
}
