/**
 * A subscription: looks at a group's messages again and again, as far as credit and room go, and hands on what it gets.
 *
 * Holds: no message is sent that there was no credit for, and no more bytes, but that one message may overdraw them;
 * one look at a time, so deliveries leave in the order in which they were leased; once `stop` has resolved nothing
 * comes any more. Elsewhere: the frames that make and end it (session.ts), room (room.ts), what a look leases (core).
 */
import type { Broker, FetchInput, LeasedBlock } from '../../core/calls.ts';
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { Timers } from '../../core/ports.ts';
import type { FrameOf } from '../../protocol/frame-schemas.ts';
import { CREDIT_MAX } from '../../protocol/frame-schemas.ts';
import type { DeliveryRoom, Look } from './room.ts';

export interface SubscriptionPorts {
  readonly broker: Broker;
  readonly namespace: string;
  readonly limits: Limits;
  readonly timers: Timers;
  readonly room: DeliveryRoom;
  /** How many subscriptions share the room now. */
  readonly sharers: () => number;
  deliver(sub: number, blocks: readonly LeasedBlock[]): void;
  tell(sub: number, event: 'paused' | 'deleted'): void;
  /** It has ended by itself. */
  ended(sub: number): void;
  /** A mistake of ours. */
  report(thrown: unknown): void;
}

/** Bytes of one look: small enough to take turns, large enough that its lease, an entry of its own, is worth it. */
const PUSH_BYTES_MIN = 64 * 1024;
const PUSH_BYTES_MAX = 1024 * 1024;
/** Until the next look after one that failed; doubles each time. */
const AGAIN_MS_MIN = 100;
const AGAIN_MS_MAX = 5_000;

export class Subscription {
  readonly station: string;
  readonly group: string;
  readonly consumer: string;
  readonly #ports: SubscriptionPorts;
  readonly #sub: number;
  readonly #leaseMs: number | undefined;
  readonly #startAt: number | string | undefined;
  #messages: number;
  #bytes: number;
  #look: Look | undefined;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();
  /** Ends a wait for credit, or after a failure. */
  #wake: () => void = () => undefined;

  constructor(ports: SubscriptionPorts, frame: FrameOf<'subscribe'>) {
    this.#ports = ports;
    this.#sub = frame.sub;
    this.station = frame.station;
    this.group = frame.group;
    this.consumer = frame.consumer;
    this.#leaseMs = frame.leaseMs;
    this.#startAt = frame.startAt;
    this.#messages = frame.credit.messages;
    this.#bytes = frame.credit.bytes;
  }

  /**
   * The first look, which makes the group if it is not there.
   *
   * @param begun called before the first delivery
   * @throws what the broker refuses; the subscription has not begun then
   */
  start(begun: () => Promise<void>): Promise<void> {
    const first = this.#take({ startAt: this.#startAt, waitMs: 0 }, begun);
    this.#running = first.then(
      () => this.#run(),
      () => undefined,
    );
    return first;
  }

  /** @throws INVALID_REQUEST it would be more than can be counted */
  credit(messages: number, bytes: number): void {
    if (this.#messages + messages > CREDIT_MAX || this.#bytes + bytes > CREDIT_MAX) {
      throw new WaysideError('INVALID_REQUEST', `The credit would be above ${CREDIT_MAX}, which is the most. It stays as it is.`);
    }
    this.#messages += messages;
    this.#bytes += bytes;
    this.#wake();
  }

  /** Resolves when nothing of it can come any more: what was under way is sent, or given back. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#look?.end();
    this.#wake();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { room, limits } = this.#ports;
    let pauseMs = AGAIN_MS_MIN;
    while (!this.#stopping) {
      if (!this.#hasCredit) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (room.free <= 0) {
        await room.turn();
        continue;
      }
      try {
        await this.#take({ join: true, waitMs: limits.waitMsMax });
        pauseMs = AGAIN_MS_MIN;
      } catch (thrown) {
        if (!(await this.#goesOn(thrown, pauseMs))) return;
        pauseMs = Math.min(AGAIN_MS_MAX, pauseMs * 2);
      }
    }
  }

  get #hasCredit(): boolean {
    return this.#messages > 0 && this.#bytes > 0;
  }

  /** One look, and what it brings. @param begun called before that is handed on */
  async #take(how: Pick<FetchInput, 'startAt' | 'join' | 'waitMs'>, begun?: () => Promise<void>): Promise<void> {
    const { broker, namespace, limits, room, sharers } = this.#ports;
    const fair = Math.floor(limits.outgoingBytesMax / sharers());
    const push = Math.min(Math.max(PUSH_BYTES_MIN, fair), PUSH_BYTES_MAX, limits.fetchBytesMax);
    // Without credit the look takes nothing, and only finds out whether there is such a station.
    const look = room.look(this.#hasCredit ? Math.min(push, this.#bytes) : 0);
    this.#look = look;
    try {
      const { blocks } = await broker.fetch(namespace, this.station, this.group, {
        consumer: this.consumer,
        leaseMs: this.#leaseMs,
        max: Math.min(Math.max(1, this.#messages), limits.fetchCountMax),
        maxBytes: push,
        signal: look.signal,
        room: look,
        ...how,
      });
      await begun?.();
      this.#hand(blocks);
    } finally {
      this.#look = undefined;
      look.done();
    }
  }

  #hand(blocks: readonly LeasedBlock[]): void {
    if (blocks.length === 0) return;
    for (const { count, start, end } of blocks) {
      this.#messages -= count;
      this.#bytes -= end - start;
    }
    this.#ports.deliver(this.#sub, blocks);
  }

  /** After a look that failed: whether there may be another. */
  async #goesOn(thrown: unknown, pauseMs: number): Promise<boolean> {
    const { timers, tell, ended, report } = this.#ports;
    if (this.#stopping) return false;
    const error = asWaysideError(thrown);
    if (error.code === 'STATION_NOT_FOUND' || error.code === 'GROUP_NOT_FOUND') {
      tell(this.#sub, 'deleted');
      ended(this.#sub);
      return false;
    }
    if (!(thrown instanceof WaysideError)) report(thrown);
    // A storage that failed is opened again by the broker itself; a station that is damaged may be mended.
    if (pauseMs === AGAIN_MS_MIN) tell(this.#sub, 'paused');
    await new Promise<void>((resolve) => {
      const cancel = timers.after(Math.max(pauseMs, error.extra.retryAfterMs ?? 0), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    return !this.#stopping;
  }
}
