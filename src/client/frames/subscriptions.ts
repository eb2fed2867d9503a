/**
 * Subscriptions over frames: made anew on each connection, with as much credit as there is room for then.
 *
 * Holds: what was delivered before a break keeps its receipts; a delivery for a subscription that has stopped is left to
 * its lease.
 * Elsewhere: connections (transport.ts), what becomes of deliveries (consume/).
 */
import type { FrameBlock } from '../../protocol/frames.ts';
import { backoffMs } from '../clock.ts';
import { asWaysideError, isPassing, WaysideError } from '../errors.ts';
import type { ConnectOptions } from '../options.ts';
import { timing } from '../options.ts';
import type { Sink, SubscribeOrder, Subscription } from '../transport.ts';
import type { Connection } from './connection.ts';
import { given } from './given.ts';

/** What an owner of connections offers to subscriptions. */
export interface Connections {
  readonly current: Connection | undefined;
  /** Somebody wants a connection. */
  want(): void;
}

const ANSWER_MS = 30_000;

export class Subscriptions {
  readonly #connections: Connections;
  readonly #options: ConnectOptions;
  readonly #byId = new Map<number, FrameSubscription>();
  #lastId = 0;

  constructor(connections: Connections, options: ConnectOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  get size(): number {
    return this.#byId.size;
  }

  add(order: SubscribeOrder, sink: Sink): Subscription {
    const sub = ++this.#lastId;
    const forget = () => this.#byId.delete(sub);
    const added = new FrameSubscription(sub, order, sink, this.#connections, this.#options, forget);
    this.#byId.set(sub, added);
    const { current } = this.#connections;
    if (current === undefined) this.#connections.want();
    else added.subscribe(current);
    return added;
  }

  /** All of them, on a connection that is new. */
  subscribe(connection: Connection): void {
    for (const subscription of this.#byId.values()) subscription.subscribe(connection);
  }

  /** The connection goes: it shall deliver no more, and what it has delivered stays ours. */
  leave(connection: Connection): void {
    for (const sub of this.#byId.keys()) connection.tell((id) => ({ op: 'unsubscribe', id, sub, release: false }));
  }

  /** @throws TypeError the frame makes no sense */
  delivered(frame: { readonly sub: number }): void {
    const subscription = this.#byId.get(frame.sub);
    if (subscription === undefined) return;
    const { blocks, event } = frame as { blocks?: readonly FrameBlock[]; event?: unknown };
    if (event !== undefined) {
      subscription.event(event);
      return;
    }
    if (!Array.isArray(blocks)) throw new TypeError('it has no blocks');
    subscription.sink.deliver(blocks);
  }

  end(error: WaysideError): void {
    for (const subscription of this.#byId.values()) subscription.end(error);
  }
}

class FrameSubscription implements Subscription {
  readonly sink: Sink;
  readonly #sub: number;
  readonly #order: SubscribeOrder;
  readonly #connections: Connections;
  readonly #options: ConnectOptions;
  readonly #forget: () => void;
  /** Where it is subscribed, or is just being so. */
  #on: Connection | undefined;
  #tries = 0;
  #cancelRetry: () => void = () => undefined;
  #isStopped = false;

  constructor(sub: number, order: SubscribeOrder, sink: Sink, connections: Connections, options: ConnectOptions, forget: () => void) {
    this.#sub = sub;
    this.#order = order;
    this.sink = sink;
    this.#connections = connections;
    this.#options = options;
    this.#forget = forget;
  }

  subscribe(connection: Connection): void {
    if (this.#isStopped) return;
    this.#cancelRetry();
    this.#on = connection;
    const order = given(this.#order);
    const credit = this.sink.free();
    connection
      .request((id) => ({ op: 'subscribe', id, sub: this.#sub, ...order, credit }), ANSWER_MS)
      .then(
        (ok) => {
          if (this.#on !== connection || this.#isStopped) return;
          this.#tries = 0;
          const told = (ok as { leaseMs?: unknown } | null | undefined)?.leaseMs;
          this.sink.subscribed(order.leaseMs ?? (typeof told === 'number' ? told : undefined));
        },
        (error: WaysideError) => this.#refused(connection, error),
      );
  }

  credit(messages: number, bytes: number): void {
    // Without a connection nothing is lost: the next one begins with what is free then.
    if (this.#isStopped) return;
    this.#on?.tell((id) => ({ op: 'credit', id, sub: this.#sub, messages, bytes }));
  }

  async stop(timeoutMs: number): Promise<boolean> {
    if (this.#isStopped) return true;
    this.#isStopped = true;
    this.#cancelRetry();
    const connection = this.#on;
    try {
      if (connection === undefined || !connection.isOpen) return false;
      await connection.request((id) => ({ op: 'unsubscribe', id, sub: this.#sub, release: true }), timeoutMs);
      return true;
    } catch {
      // The connection went, or it knows no such subscription: the caller gives back what it holds.
      return false;
    } finally {
      this.#forget();
    }
  }

  event(event: unknown): void {
    if (event === 'deleted') {
      const { station, group } = this.#order;
      this.end(new WaysideError('GROUP_NOT_FOUND', `Group ${group} of station ${station}, or its station, was removed.`));
    }
    // It goes on elsewhere: where, the broker knows when it is asked again.
    else if (event === 'moved') this.#retry(0);
  }

  end(error: WaysideError): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelRetry();
    this.#forget();
    this.sink.ended(error);
  }

  #refused(connection: Connection, thrown: unknown): void {
    const error = asWaysideError(thrown);
    // A connection that ended is followed by another one, which subscribes.
    if (this.#isStopped || this.#on !== connection || !connection.isOpen) return;
    if (!isPassing(error)) {
      this.end(error);
      return;
    }
    const { clock, backoff } = timing(this.#options);
    this.#retry(Math.max(error.retryAfterMs ?? 0, backoffMs(backoff, this.#tries++, clock)));
  }

  #retry(afterMs: number): void {
    this.#cancelRetry();
    this.#cancelRetry = timing(this.#options).clock.after(afterMs, () => {
      const { current } = this.#connections;
      if (current !== undefined) this.subscribe(current);
    });
  }
}
