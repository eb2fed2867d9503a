/**
 * Options of a connection, with their defaults.
 */
import type { Backoff, ClientClock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { WaysideError } from './errors.ts';
import type { WebSocketClass } from './frames/websocket.ts';

/** How a {@link Wayside} reaches its broker. Everything is optional. */
export interface ConnectOptions {
  /**
   * The credential, or a function that gives it: asked for each connection (over HTTP once, and kept), and once more when
   * the broker refuses it. None unless given.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** For a root credential: the namespace of all calls. That of the credential unless given. */
  readonly namespace?: string | undefined;
  /** `websocket` unless given. `http` for runtimes and networks without one: simpler, and slower. */
  readonly transport?: 'websocket' | 'http' | undefined;
  /** Milliseconds that a call is tried, retries included; 30_000 unless given. For producing see `ProducerOptions.timeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds between tries: anything up to a bound that begins at `firstMs` (50) and doubles up to `maxMs` (5_000). */
  readonly retry?: { readonly firstMs?: number | undefined; readonly maxMs?: number | undefined } | undefined;
  /** Told when a connection comes or goes. Over HTTP there is none to tell of, but the end. */
  readonly onStatus?: ((status: Status) => void) | undefined;
  /** The WebSocket to use; that of the runtime unless given. */
  readonly WebSocket?: WebSocketClass | undefined;
  /** The fetch to use; that of the runtime unless given. */
  readonly fetch?: typeof fetch | undefined;
  /** For tests; the runtime's own unless given. */
  readonly clock?: ClientClock | undefined;
}

/** What becomes of the connection. */
export interface Status {
  /** `closed`: by the program, for good. */
  readonly state: 'connected' | 'disconnected' | 'closed';
  /** Why it is not there. */
  readonly error?: WaysideError | undefined;
  /** Milliseconds until the next try; left out when there will be none before somebody needs the connection. */
  readonly retryInMs?: number | undefined;
}

export interface Timing {
  readonly clock: ClientClock;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
}

export function timing({ clock = systemClock, retry, timeoutMs = 30_000 }: ConnectOptions): Timing {
  return { clock, backoff: { firstMs: retry?.firstMs ?? 50, maxMs: retry?.maxMs ?? 5_000 }, timeoutMs };
}

export async function tokenOf({ token }: ConnectOptions): Promise<string | undefined> {
  return typeof token === 'function' ? await token() : token;
}
