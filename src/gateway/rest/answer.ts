/**
 * Answers as JSON or bytes, with the headers that each needs.
 *
 * Holds: no browser guesses another type than the one said, and none keeps an answer.
 */

export const RECORDS_TYPE = 'application/vnd.wayside.records';
export const EXPORT_TYPE = 'application/vnd.wayside.export';
export const EVENTS_TYPE = 'text/event-stream';

/** Shared by all answers, so never changed. */
export const JSON_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

export function json(value: unknown, status = 200, headers?: Record<string, string>): Response {
  return jsonText(JSON.stringify(value), status, headers);
}

/** @param body JSON already, as text or as bytes */
export function jsonText(body: string | Uint8Array<ArrayBuffer>, status = 200, headers?: Record<string, string>): Response {
  return new Response(body, { status, headers: headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...headers } });
}

export function noContent(): Response {
  return new Response(null, { status: 204, headers: { 'Cache-Control': 'no-store' } });
}

/** A version as an ETag. */
export function etag(version: number): Record<string, string> {
  return { ETag: `"${version}"` };
}
