/**
 * The HTTP transport, loaded when it is first needed: a page that speaks over a WebSocket need not carry it.
 */
import { lasting } from '../errors.ts';
import type { ConnectOptions } from '../options.ts';
import type { CallOrder, FetchOrder, ProduceOrder, SettleOrder, Sink, SubscribeOrder, Subscription, Transport } from '../transport.ts';

export class LaterTransport implements Transport {
  /** Requests may overtake each other. */
  readonly ordered = false;
  readonly batchBytesMax = 8 * 1024 * 1024;
  readonly batchCountMax = 10_000;
  readonly #closing = new AbortController();
  readonly #options: ConnectOptions;
  readonly #load: () => Promise<Transport>;
  #loaded: Promise<Transport> | undefined;

  constructor(base: string, options: ConnectOptions) {
    this.#options = options;
    this.#load = async () => new (await import('./transport.ts')).HttpTransport(base, options, this.#closing.signal);
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  async ready(): Promise<void> {
    if (this.closing.aborted) throw lasting('The program has closed this connection.');
    await this.#transport();
  }

  async produce(order: ProduceOrder, timeoutMs: number) {
    return (await this.#transport()).produce(order, timeoutMs);
  }

  async settle(order: SettleOrder, timeoutMs: number) {
    return (await this.#transport()).settle(order, timeoutMs);
  }

  async fetch(order: FetchOrder, timeoutMs: number) {
    return (await this.#transport()).fetch(order, timeoutMs);
  }

  async call(order: CallOrder, timeoutMs: number) {
    return (await this.#transport()).call(order, timeoutMs);
  }

  subscribe(order: SubscribeOrder, sink: Sink): Subscription {
    const subscription = this.#transport().then((transport) => transport.subscribe(order, sink));
    subscription.catch((error) => sink.ended(lasting('The HTTP transport could not be loaded.', { cause: error })));
    return {
      credit: (messages, bytes) => void subscription.then((loaded) => loaded.credit(messages, bytes)).catch(() => undefined),
      stop: async (timeoutMs) => (await subscription).stop(timeoutMs),
    };
  }

  async close(): Promise<void> {
    if (this.closing.aborted) return;
    this.#closing.abort();
    await (await this.#loaded)?.close();
    const { onStatus } = this.#options;
    if (onStatus !== undefined) queueMicrotask(() => onStatus({ state: 'closed' }));
  }

  #transport(): Promise<Transport> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }
}
