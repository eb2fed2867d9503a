/**
 * What every part of one connection shares.
 */
import type { Backoff, ClientClock } from './clock.ts';
import type { ConnectOptions } from './options.ts';
import { timing } from './options.ts';
import { retrying } from './retry.ts';
import type { Answer, CallOrder, Transport } from './transport.ts';

/** Something that has to be ended before the connection is. */
export interface Closable {
  /** After the others: they may still need it. */
  readonly closesLast?: boolean;
  close(): Promise<void>;
}

export class Context {
  readonly transport: Transport;
  readonly clock: ClientClock;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly #open = new Set<Closable>();

  constructor(transport: Transport, options: ConnectOptions) {
    const { clock, backoff, timeoutMs } = timing(options);
    this.transport = transport;
    this.clock = clock;
    this.backoff = backoff;
    this.timeoutMs = timeoutMs;
  }

  opened(part: Closable): void {
    this.#open.add(part);
  }

  left(part: Closable): void {
    this.#open.delete(part);
  }

  /** What is open, the last opened first. */
  get open(): readonly Closable[] {
    return [...this.#open].reverse();
  }

  /** A path below `/v1`: whatever the names are, each stays one part of it. */
  path(...names: (string | number)[]): string {
    return names.map((name) => `/${encodeURIComponent(name)}`).join('');
  }

  /**
   * A call of the API, tried again where that does no harm.
   *
   * @param twice whether doing it twice is the same as once; all but POST unless given
   */
  call(order: CallOrder, twice = order.method !== 'POST'): Promise<Answer> {
    const { waitMs = 0, signal } = order;
    const patience = { clock: this.clock, backoff: this.backoff, timeoutMs: this.timeoutMs + waitMs, signal };
    return retrying(this.transport, patience, twice, async (leftMs, again) => {
      try {
        return await this.transport.call(order, leftMs);
      } catch (error) {
        // Removed by the try before, whose answer did not come.
        if (again && order.method === 'DELETE' && (error as { status?: unknown }).status === 404) return { status: 204, body: undefined };
        throw error;
      }
    });
  }

  /** The same, for what it is answered with. */
  async ask<T>(order: CallOrder, twice?: boolean): Promise<T> {
    return (await this.call(order, twice)).body as T;
  }

  /** All items of a list, page by page. */
  async *list<T>(path: string, query: Record<string, string | number | undefined> = {}): AsyncGenerator<T, void, undefined> {
    let after: string | undefined;
    do {
      const order = { method: 'GET', path: path + queryOf({ ...query, after }) };
      const { items = [], next } = (await this.ask<{ items?: readonly T[]; next?: string | null } | undefined>(order)) ?? {};
      yield* items;
      after = next ?? undefined;
    } while (after !== undefined);
  }
}

/** `?name=value&…`, without what is undefined; empty where nothing is left. */
export function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
