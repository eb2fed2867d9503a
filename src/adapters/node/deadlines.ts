/**
 * How long a request may take to come in, body and all.
 *
 * Holds: what trickles is cut off at the next look after its time; a stream that may be of any length has time as long as
 * something of it comes. (Node's own `requestTimeout` knows no such exception.)
 */
import type { IncomingMessage } from 'node:http';

interface Watched {
  until: number;
  /** Bytes that had come at the last look. */
  read: number;
  readonly isStream: boolean;
}

export class Deadlines {
  readonly #ms: number;
  readonly #cut: (request: IncomingMessage) => void;
  readonly #open = new Map<IncomingMessage, Watched>();
  readonly #timer: NodeJS.Timeout;

  /** @param cut ends a request that has taken too long */
  constructor(ms: number, lookEveryMs: number, cut: (request: IncomingMessage) => void) {
    this.#ms = ms;
    this.#cut = cut;
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  watch(request: IncomingMessage, isStream: boolean): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
    // Nothing more comes.
    if (encoding === undefined && (length === undefined || length === '0')) return;
    this.#open.set(request, { until: performance.now() + this.#ms, read: 0, isStream });
    request.once('close', () => this.#open.delete(request));
  }

  #look(): void {
    const now = performance.now();
    for (const [request, watched] of this.#open) {
      const { bytesRead } = request.socket;
      if (request.complete) this.#open.delete(request);
      else if (watched.isStream && bytesRead > watched.read) {
        watched.read = bytesRead;
        watched.until = now + this.#ms;
      } else if (now >= watched.until) {
        this.#open.delete(request);
        this.#cut(request);
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
