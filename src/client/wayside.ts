/**
 * A broker, as a program speaks to it.
 */
import type { StationHead } from '../core/calls.ts';
import { Context } from './context.ts';
import type { ConnectOptions } from './options.ts';
import type { Station, StationOptions } from './station.ts';
import { RemoteStation } from './station.ts';
import type { Answer, Transport } from './transport.ts';

/** What a broker says of itself. */
export interface Health {
  /** `ok`: it answers. */
  readonly status: 'ok';
  /** Where it runs: `node`, `deno`, `bun`, `workerd` or `browser`. */
  readonly runtime: string;
  /** Of the broker's software, as `0.1.0`. */
  readonly version: string;
}

/** A broker, through one connection. */
export interface Wayside extends AsyncDisposable {
  /** A station, which need not be there yet: see `Station.create`. Asking for it costs nothing. */
  station<T = unknown>(name: string, options?: StationOptions<T>): Station<T>;
  /** All stations of the namespace, by name, without their live counts. */
  stations(): AsyncIterable<StationHead>;
  /** Asks whether the broker answers. @throws UNAVAILABLE */
  health(): Promise<Health>;
  /**
   * Any call of the API (`/docs` of a running broker describes them).
   *
   * @param path below `/v1`, with its query: `/stations/orders`
   * @param body goes as JSON
   * @throws whatever the call answers from 400 up; a POST whose answer is lost is not tried again
   */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /**
   * Sends what producers hold, stops consumers, and ends the connection. What is not sent within `timeoutMs` is given up,
   * and its promises reject. Closing twice is fine.
   */
  close(): Promise<void>;
}

export class RemoteWayside implements Wayside {
  readonly #context: Context;
  readonly #stations = new Map<string, RemoteStation<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(transport: Transport, options: ConnectOptions) {
    this.#context = new Context(transport, options);
  }

  station<T = unknown>(name: string, options: StationOptions<T> = {}): Station<T> {
    const known = this.#stations.get(name);
    // Asked for again it is the same, so that what is produced through it goes on gathering.
    if (known !== undefined && known.schema === options.schema) return known as RemoteStation<T>;
    const made = new RemoteStation(this.#context, name, options);
    this.#stations.set(name, made as RemoteStation<unknown>);
    return made;
  }

  stations(): AsyncIterable<StationHead> {
    return this.#context.list('/stations');
  }

  async health(): Promise<Health> {
    const body = await this.#context.ask({ method: 'GET', path: '/health' });
    return body as Health;
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#context.call({ method, path, body });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { transport, clock, timeoutMs } = this.#context;
    let cancel: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(timeoutMs, resolve);
    });
    // What could not be sent is told by the promise that waits for it.
    await Promise.race([late, this.#closeParts()]);
    cancel();
    await transport.close();
  }

  async #closeParts(): Promise<void> {
    const first = this.#context.open.filter(({ closesLast }) => !closesLast);
    await Promise.allSettled(first.map((part) => part.close()));
    await Promise.allSettled(this.#context.open.map((part) => part.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
