/**
 * A subscription over HTTP: long polls, one after the other.
 *
 * Holds: no more is asked for than there is room for; what came in vain, or in passing failed, is asked for again. When it
 * stops, an answer that is on its way is waited for: what it has is leased, and nobody else could give it back.
 */
import { backoffMs, sleep } from '../clock.ts';
import { asWaysideError, isPassing } from '../errors.ts';
import type { Timing } from '../options.ts';
import type { FetchOrder, Sink, SubscribeOrder, Subscription } from '../transport.ts';

export type Fetch = (order: FetchOrder, timeoutMs: number, signal: AbortSignal) => Promise<Parameters<Sink['deliver']>[0]>;

const WAIT_MS = 20_000;
/** How long an answer may be on its way. One that waits for messages is cut off after it. */
const GRACE_MS = 250;
/** What the broker takes at most. */
const MESSAGES_MAX = 10_000;
const BYTES_MAX = 8 * 1024 * 1024;

export class Poll implements Subscription {
  readonly #order: SubscribeOrder;
  readonly #sink: Sink;
  readonly #fetch: Fetch;
  readonly #timing: Timing;
  readonly #forget: () => void;
  readonly #stopping = new AbortController();
  /** Nobody waits for the last answer any more. */
  readonly #leaving = new AbortController();
  /** Somebody has made room. */
  #wake: (() => void) | undefined;
  readonly #polling: Promise<void>;

  constructor(order: SubscribeOrder, sink: Sink, fetch: Fetch, timing: Timing, forget: () => void) {
    this.#order = order;
    this.#sink = sink;
    this.#fetch = fetch;
    this.#timing = timing;
    this.#forget = forget;
    // In a turn of its own: the sink is just being made.
    this.#polling = Promise.resolve().then(() => this.#poll());
  }

  credit(): void {
    this.#wake?.();
  }

  async stop(): Promise<boolean> {
    this.#stopping.abort();
    this.#wake?.();
    const cancel = this.#timing.clock.after(GRACE_MS, () => this.#leaving.abort());
    await this.#polling;
    cancel();
    this.#forget();
    // HTTP has no call for it: each message goes back by itself.
    return false;
  }

  async #poll(): Promise<void> {
    const { clock, backoff, timeoutMs } = this.#timing;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const { messages, bytes } = this.#sink.free();
      if (messages === 0 || bytes === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const order = { ...this.#order, max: Math.min(messages, MESSAGES_MAX), maxBytes: Math.min(bytes, BYTES_MAX), waitMs: WAIT_MS };
      try {
        const blocks = await this.#fetch(order, timeoutMs + WAIT_MS, this.#leaving.signal);
        if (failures >= 0) this.#sink.subscribed(this.#order.leaseMs);
        failures = -1;
        // Also after a stop: what came is leased, and has to be given back.
        this.#sink.deliver(blocks);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asWaysideError(thrown);
        if (!isPassing(error)) {
          this.#forget();
          return this.#sink.ended(error);
        }
        failures = Math.max(0, failures) + 1;
        await sleep(clock, Math.max(error.retryAfterMs ?? 0, backoffMs(backoff, failures - 1, clock)), signal);
      }
    }
  }
}
