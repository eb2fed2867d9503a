/** Calls of the broker over HTTP: everything that the example needs of it. */
import { setTimeout as sleep } from 'node:timers/promises';

export const STATION = '/v1/stations/flights';
export const PARTITIONS = 4;
export const GROUP = `${STATION}/groups/statistics`;

/** @returns the answer's body. @throws when it is refused, and when there is no answer */
// biome-ignore lint/suspicious/noExplicitAny: an example; /docs of a running broker has the shapes
export async function call(base: string, method: string, path: string, body?: unknown): Promise<any> {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(base + path, {
    method,
    headers: body === undefined ? {} : { 'content-type': isBytes ? 'application/vnd.wayside.records' : 'application/json' },
    body: body === undefined ? null : isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${response.status} ${text}`), { status: response.status });
  return text === '' ? undefined : JSON.parse(text);
}

/**
 * The same, until there is an answer. No answer, or a 5xx, means that nobody knows whether the call counted: so a message
 * has an id, and an ack may be sent twice.
 */
// biome-ignore lint/suspicious/noExplicitAny: as above
export async function insist(base: string, method: string, path: string, body?: unknown): Promise<any> {
  for (;;) {
    try {
      return await call(base, method, path, body);
    } catch (error) {
      const { status = 500 } = error as { status?: number };
      if (status < 500) throw error;
      await sleep(100);
    }
  }
}
