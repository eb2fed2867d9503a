/**
 * A stream of an export or import over HTTP, by whoever may be cut off in the middle: it goes on where it broke off.
 *
 * Holds: only a lost connection is tried again, and so often; what the broker refuses is said at once.
 * Elsewhere: files and progress (export.ts, import.ts).
 */
import { problem } from '../client/problem.ts';
import type { Context } from './command.ts';
import { Failed } from './command.ts';

/** Of one place in the stream: whoever gets further begins to count anew. */
const TRIES_MAX = 5;
const PAUSE_MS = 500;

export type Ask = Context['request'];

/** @throws WaysideError what the broker refuses */
export async function asked(ask: Ask, path: string, init?: RequestInit): Promise<Response> {
  const response = await ask(path, init);
  if (response.ok) return response;
  throw problem(response.status, await response.json().catch(() => undefined));
}

/** Goes on until `part` is through. @param part how far it has come by now, or undefined when it is through */
export async function persistently(part: () => Promise<void>, come: () => number, lost: (error: string) => void): Promise<void> {
  for (let tries = 1, before = -1; ; tries++) {
    try {
      return await part();
    } catch (error) {
      if (!isLost(error)) throw error;
      if (come() > before) tries = 1;
      before = come();
      if (tries >= TRIES_MAX) throw new Failed(`The connection broke off ${TRIES_MAX} times at byte ${before}. Nothing is kept.`);
      lost(error instanceof Error ? error.message : String(error));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * tries));
    }
  }
}

/** What `fetch` throws when nobody answers, or the connection ends before the body does. */
function isLost(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === 'AbortError');
}
