/** Calls of the broker over HTTP, and nothing else: what a language without a client library would do. */
import { setTimeout as sleep } from 'node:timers/promises';

export const STATION = '/v1/stations/flights';
export const GROUP = `${STATION}/groups/statistics`;

/**
 * One call, until there is an answer. No answer, or a 5xx, means that nobody knows whether it counted: so a message has an
 * id, and an ack may be sent twice.
 *
 * @param body JSON, or record batches as bytes
 * @throws Error when it is refused (4xx)
 */
// biome-ignore lint/suspicious/noExplicitAny: an example; /docs of a running broker has the shapes
export async function insist(base: string, method: string, path: string, body: unknown): Promise<any> {
  const isBytes = body instanceof Uint8Array;
  const headers = { 'content-type': isBytes ? 'application/vnd.wayside.records' : 'application/json' };
  const bytes = isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body);
  for (;;) {
    try {
      const response = await fetch(base + path, { method, headers, body: bytes });
      const text = await response.text();
      if (response.ok) return text === '' ? undefined : JSON.parse(text);
      if (response.status < 500) throw new Refused(`${method} ${path}: ${response.status} ${text}`);
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await sleep(100);
  }
}

class Refused extends Error {}
