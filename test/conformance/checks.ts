/**
 * What a check is, what it has in its hands, and what a runtime must offer for it.
 *
 * Holds: a check knows the broker by its URL alone and makes its own stations; it fails by throwing; nothing here or in a
 * topic imports a runtime or a test framework. What a runtime does not offer is named in its row of runtimes.ts, with
 * the reason, and the checks that need it are left out by that name.
 */
import type { Answer, CallOptions } from './client.ts';
import { Client } from './client.ts';
import { Failure } from './expect.ts';
import { Station } from './station.ts';

/**
 * `raw`: bytes on a connection as they are. `servers`: servers of the check's own, stopped midway, or with a `token`.
 * `ending`: it is asked to end, and ends in order. `http`, `paths`: HTTP's own rules, and paths, are judged by the broker's
 * server. `leaving`: it is told that a client has gone that only waited. `origins`: pages of other origins can call at all.
 */
export type Ability = 'raw' | 'servers' | 'token' | 'ending' | 'http' | 'paths' | 'leaving' | 'origins' | 'forgetting';

export interface Check {
  readonly name: string;
  readonly needs?: readonly Ability[] | undefined;
  run(t: Context): Promise<void>;
}

export interface Server {
  /** May be another one after each start. */
  readonly base: string;
  readonly token: string | undefined;
  /** Ends in an orderly way what has the data, and starts again on it. */
  restart(): Promise<void>;
  /** Ends it without a warning, and starts again on the same data. */
  crash(): Promise<void>;
  /** Asks it to end. Resolves when it has, to whether that was in order. */
  end(): Promise<boolean>;
  /** After `end`. */
  begin(): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  readonly lacks: Readonly<Partial<Record<Ability, string>>>;
  /** The strongest durability that it gives; `synced` unless said. */
  readonly strongest?: string;
  start(options: { readonly token?: string | undefined }): Promise<Server>;
  /** Sends the lines and the body as they are, with `Host` unless a line names one, and takes one answer. */
  raw?(base: string, head: readonly string[], body?: Uint8Array): Promise<Answer>;
}

let counter = 0;

export class Context {
  readonly runtime: Runtime;
  readonly server: Server;
  readonly #undo: (() => Promise<unknown>)[] = [];

  constructor(runtime: Runtime, server: Server) {
    this.runtime = runtime;
    this.server = server;
  }

  get client(): Client {
    return new Client(this.server.base, this.server.token);
  }

  call(method: string, path: string, options?: CallOptions): Promise<Answer> {
    return this.client.call(method, path, options);
  }

  get(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('GET', path, options);
  }

  put(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('PUT', path, options);
  }

  post(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('POST', path, options);
  }

  patch(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('PATCH', path, options);
  }

  delete(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('DELETE', path, options);
  }

  raw(head: readonly string[], body?: Uint8Array): Promise<Answer> {
    if (this.runtime.raw === undefined) throw new TypeError('This check needs raw, and does not say so.');
    return this.runtime.raw(this.server.base, head, body);
  }

  /** A name that nothing else here has. */
  name(prefix = 's'): string {
    counter += 1;
    return `${prefix}-${counter}`;
  }

  /** A new station; removed when the check ends. */
  async station(config: unknown = {}, root = '/v1'): Promise<Station> {
    const station = new Station(this, this.name(), root);
    this.defer(() => station.remove());
    await station.make(config);
    return station;
  }

  /** A server of this check's own, as a context of its own; gone when the check ends. */
  async own(options: { readonly token?: string } = {}): Promise<Context> {
    const server = await this.runtime.start(options);
    this.defer(() => server.close());
    return new Context(this.runtime, server);
  }

  /** Asks until it is so; for what is promised, though not at once. */
  async until<T>(what: string, ask: () => Promise<T | undefined | false>, withinMs = 8_000): Promise<T> {
    const end = Date.now() + withinMs;
    for (;;) {
      const value = await ask();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > end) throw new Failure(what, `this within ${withinMs} ms`, value);
      await this.pause(25);
    }
  }

  /** For what must not happen meanwhile, or for a time that has to pass. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  defer(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  async end(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo().catch(() => undefined);
  }
}

/** A check alone, cleaned up after; as a test calls it. */
export async function runCheck(check: Check, runtime: Runtime, server: Server): Promise<void> {
  const context = new Context(runtime, server);
  try {
    await check.run(context);
  } finally {
    await context.end();
  }
}
