/**
 * Calls over frames: one connection at a time, opened when it is needed and again when it broke.
 *
 * Holds: nobody's call waits longer than its time; a credential that is refused, or another protocol, ends all that wait
 * at once; without anybody who needs it, no connection is opened again.
 * Elsewhere: one connection (connection.ts), subscriptions (subscriptions.ts), trying calls again (retry.ts).
 */
import type { FrameBlock, FrameFailure, FrameProduced } from '../../protocol/frames.ts';
import { blocksOf, failuresOf, producedOf } from '../answers.ts';
import { backoffMs } from '../clock.ts';
import { asWaysideError, isPassing, lasting, told, WaysideError } from '../errors.ts';
import type { ConnectOptions } from '../options.ts';
import { timing, tokenOf } from '../options.ts';
import { problem } from '../problem.ts';
import type {
  Answer,
  CallOrder,
  FetchOrder,
  ProduceOrder,
  SettleOrder,
  Sink,
  SubscribeOrder,
  Subscription,
  Transport,
} from '../transport.ts';
import type { ConnectionOwner } from './connection.ts';
import { Connection } from './connection.ts';
import { given } from './given.ts';
import type { Link } from './link.ts';
import { Subscriptions } from './subscriptions.ts';

export interface LinkSource {
  /** Opens a link; `signal` says that it takes too long. */
  open(signal: AbortSignal): Promise<Link> | Link;
  /** Whether a link may die without a word. */
  readonly heartbeat: boolean;
  /** What `call` paths begin with. */
  readonly prefix: string;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: WaysideError) => void;
  readonly cancel: () => void;
}

const OPEN_MS = 10_000;

export class FrameTransport implements Transport, ConnectionOwner {
  readonly ordered = true;
  readonly clock;
  readonly #source: LinkSource;
  readonly #options: ConnectOptions;
  readonly #subscriptions: Subscriptions;
  readonly #waiters = new Set<Waiter>();
  /** Those that the broker asked to leave, until their last answer has come. */
  readonly #leaving = new Set<Connection>();
  #current: Connection | undefined;
  #opening: Connection | undefined;
  #isConnecting = false;
  /** In a row without a connection that did something. */
  #failures = 0;
  #lastId = 0;
  #lastError: WaysideError | undefined;
  #wake: () => void = () => undefined;
  #closed: WaysideError | undefined;
  readonly #closing = new AbortController();

  constructor(source: LinkSource, options: ConnectOptions) {
    this.clock = timing(options).clock;
    this.#source = source;
    this.#options = options;
    this.#subscriptions = new Subscriptions(this, options);
  }

  get current(): Connection | undefined {
    return this.#current;
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get batchBytesMax(): number {
    return this.#limit('batchBytesMax', 8 * 1024 * 1024);
  }

  get batchCountMax(): number {
    return this.#limit('batchCountMax', 10_000);
  }

  ready(timeoutMs: number): Promise<void> {
    if (this.#current !== undefined) return Promise.resolve();
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const promise = new Promise<void>((resolve, reject) => {
      const waiter = {
        resolve,
        reject,
        cancel: this.clock.after(Math.max(0, timeoutMs), () => {
          this.#waiters.delete(waiter);
          const why = this.#lastError?.message ?? 'No broker has answered.';
          const text = `${why} Gave up after ${Math.round(timeoutMs)} ms.`;
          reject(new WaysideError('UNAVAILABLE', text, { outcome: 'refused', cause: this.#lastError }));
        }),
      };
      this.#waiters.add(waiter);
    });
    this.want();
    return promise;
  }

  async produce(order: ProduceOrder, timeoutMs: number): Promise<FrameProduced> {
    const { station, partition, records, producer, atomic, expectedSequence } = order;
    const more = given({ atomic: atomic || undefined, expectedSequence });
    return producedOf(await this.#request((id) => ({ op: 'produce', id, station, partition, records, producer, ...more }), timeoutMs));
  }

  async settle(order: SettleOrder, timeoutMs: number): Promise<readonly FrameFailure[]> {
    const { verb, ...rest } = given(order);
    return failuresOf(await this.#request((id) => ({ op: verb, id, ...rest }), timeoutMs));
  }

  async fetch(order: FetchOrder, timeoutMs: number): Promise<readonly FrameBlock[]> {
    return blocksOf(await this.#request((id) => ({ op: 'fetch', id, ...given(order) }), timeoutMs));
  }

  async call({ method, path, body, version }: CallOrder, timeoutMs: number): Promise<Answer> {
    const asked = { method, path: this.#source.prefix + path, ...given({ body, version }) };
    const ok = await this.#request((id) => ({ op: 'call', id, ...asked }), timeoutMs);
    const { status, body: answer } = (ok ?? {}) as { status?: unknown; body?: unknown };
    if (typeof status !== 'number') throw told('UNAVAILABLE', 'The broker answered a call without a status.');
    if (status >= 400) throw problem(status, answer);
    return { status, body: answer };
  }

  subscribe(order: SubscribeOrder, sink: Sink): Subscription {
    return this.#subscriptions.add(order, sink);
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#closed = lasting('The program has closed this connection.');
    this.#closing.abort();
    this.#fail(this.#closed);
    for (const connection of [this.#current, this.#opening, ...this.#leaving]) connection?.close(this.#closed);
    this.#status('closed');
  }

  /** Opens a connection, unless one is there or on its way. */
  want(): void {
    if (this.#current !== undefined || this.#isConnecting || this.#closed !== undefined) return;
    this.#isConnecting = true;
    void this.#connect().finally(() => {
      this.#isConnecting = false;
      // Somebody may have come while the last try failed for good.
      if (this.#isWanted) this.want();
    });
  }

  nextId(): number {
    return ++this.#lastId;
  }

  delivered(frame: { readonly sub: number }): void {
    this.#subscriptions.delivered(frame);
  }

  goaway(connection: Connection): void {
    if (connection !== this.#current) return;
    this.#current = undefined;
    this.#leaving.add(connection);
    this.#subscriptions.leave(connection);
    if (connection.isProven) this.#failures = 0;
    if (connection.waiting === 0) this.idle(connection);
    if (this.#isWanted) this.want();
  }

  idle(connection: Connection): void {
    if (this.#leaving.has(connection)) connection.close(lasting('The broker asked to close this connection.'));
  }

  ended(connection: Connection, error: WaysideError): void {
    this.#leaving.delete(connection);
    if (connection !== this.#current) return;
    this.#current = undefined;
    this.#lastError = error;
    if (connection.isProven) this.#failures = 0;
    if (this.#closed !== undefined) return;
    if (this.#isWanted) this.want();
    else this.#status('disconnected', error);
  }

  async #request(frame: Parameters<Connection['request']>[0], timeoutMs: number): Promise<unknown> {
    const connection = this.#current;
    if (connection === undefined) {
      throw this.#closed ?? new WaysideError('UNAVAILABLE', 'There is no connection now.', { outcome: 'refused', cause: this.#lastError });
    }
    return connection.request(frame, timeoutMs);
  }

  get #isWanted(): boolean {
    return this.#waiters.size > 0 || this.#subscriptions.size > 0;
  }

  /** Tries until a connection is there, nobody wants one any more, or trying makes no sense. */
  async #connect(): Promise<void> {
    const { backoff } = timing(this.#options);
    let refusals = 0;
    while (this.#closed === undefined) {
      // The first try after a connection that worked waits as well: with jitter, so that not all come back at once.
      if (this.#failures > 0 || this.#lastError !== undefined) {
        const waitMs = refusals > 0 ? 0 : backoffMs(backoff, this.#failures, this.clock);
        this.#status('disconnected', this.#lastError, waitMs);
        await this.#pause(waitMs);
        if (this.#closed !== undefined || !this.#isWanted) return;
      }
      try {
        return this.#connected(await this.#open());
      } catch (thrown) {
        const error = asWaysideError(thrown);
        this.#lastError = error;
        this.#failures++;
        if (this.#closed !== undefined) return;
        // A token that a function gave may have run out meanwhile: another one is asked for, once.
        if (error.code === 'UNAUTHENTICATED' && typeof this.#options.token === 'function' && refusals++ === 0) continue;
        if (!isPassing(error)) {
          this.#status('disconnected', error);
          this.#lastError = undefined;
          this.#fail(error);
          return;
        }
      }
    }
  }

  async #open(): Promise<Connection> {
    const token = await tokenOf(this.#options);
    const link = await this.#openLink();
    const connection = new Connection(link, this, this.#source.heartbeat);
    this.#opening = connection;
    try {
      await connection.hello(token);
      return connection;
    } finally {
      this.#opening = undefined;
    }
  }

  #openLink(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const late = new AbortController();
      const giveUp = () => {
        cancel();
        late.abort();
        reject(this.#closed ?? new WaysideError('UNAVAILABLE', `No connection within ${OPEN_MS} ms.`, { outcome: 'refused' }));
      };
      const cancel = this.clock.after(OPEN_MS, giveUp);
      if (this.#closed !== undefined) return giveUp();
      this.#wake = giveUp;
      // Opening may throw at once, and may ignore the signal: what comes too late is closed.
      Promise.resolve(late.signal)
        .then((signal) => this.#source.open(signal))
        .then((link) => (late.signal.aborted ? link.close() : resolve(link)), reject)
        .finally(() => {
          cancel();
          if (this.#wake === giveUp) this.#wake = () => undefined;
        });
    });
  }

  #connected(connection: Connection): void {
    if (this.#closed !== undefined) {
      connection.close(this.#closed);
      return;
    }
    // It may have ended in the turn in which it was welcomed.
    if (!connection.isOpen)
      throw new WaysideError('UNAVAILABLE', 'The broker closed the connection after welcoming it.', { outcome: 'refused' });
    this.#current = connection;
    this.#lastError = undefined;
    this.#failures++;
    this.#status('connected');
    this.#subscriptions.subscribe(connection);
    for (const { resolve, cancel } of this.#waiters) {
      cancel();
      resolve();
    }
    this.#waiters.clear();
  }

  /** Everyone who waits is told, and nobody waits any more. */
  #fail(error: WaysideError): void {
    this.#wake();
    for (const { reject, cancel } of this.#waiters) {
      cancel();
      reject(error);
    }
    this.#waiters.clear();
    this.#subscriptions.end(error);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.#wake = () => undefined;
        resolve();
      };
      const cancel = this.clock.after(ms, end);
      this.#wake = end;
    });
  }

  #limit(name: string, otherwise: number): number {
    const value = this.#current?.limits[name];
    return typeof value === 'number' && value > 0 ? value : otherwise;
  }

  #status(state: 'connected' | 'disconnected' | 'closed', error?: WaysideError, retryInMs?: number): void {
    const { onStatus } = this.#options;
    const status = given({ state, error, retryInMs });
    // Apart, so that what the program's function throws is the program's, and breaks nothing here.
    if (onStatus !== undefined) queueMicrotask(() => onStatus(status));
  }
}
