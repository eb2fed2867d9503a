/**
 * A subscription as a program sees it: messages that were fetched ahead, the room for more, and the leases of what is out.
 *
 * Holds: what was delivered is handed out, lost to another consumer (and told), or given back when it stops; no more is
 * fetched ahead than `prefetch` says; the lease of whatever is not settled is lengthened in time.
 * Elsewhere: a loop over it (messages.ts), handlers (handle.ts), what is said of messages (settle.ts).
 */
import type { FrameBlock } from '../../protocol/frames.ts';
import { randomName } from '../clock.ts';
import type { Context } from '../context.ts';
import type { WaysideError } from '../errors.ts';
import { isPassing } from '../errors.ts';
import type { Where } from '../place.ts';
import { placeOf } from '../place.ts';
import type { StandardSchemaV1 } from '../schema.ts';
import type { Credit, Sink, Subscription } from '../transport.ts';
import type { Delivered, Delivery, Message } from './message.ts';
import { messagesOf } from './message.ts';
import type { Settlement, Settler, Settling, Verb } from './settle.ts';

/** How messages are consumed. */
export interface ConsumeOptions<T = unknown> {
  /** Who asks: leases are in this name. Drawn unless given. Two of one name in a group would release each other's messages. */
  readonly consumer?: string | undefined;
  /** What is fetched before it is asked for: messages (1_000 unless given) and record bytes (4_194_304), each from 1. */
  readonly prefetch?: { readonly messages?: number | undefined; readonly bytes?: number | undefined } | undefined;
  /** Milliseconds that a message is kept from others, 1_000 to 43_200_000; the group's unless given. */
  readonly leaseMs?: number | undefined;
  /** Where the group begins, if this makes it; its station's start unless given. */
  readonly startAt?: Where | undefined;
  /** Lengthens the leases of what is not settled, for as long as it takes. True unless given. */
  readonly extend?: boolean | undefined;
  /** Stops it, as `stop` does. */
  readonly signal?: AbortSignal | undefined;
  /** Only for `messages`: acks a message when the loop comes back for the next. False unless given. */
  readonly autoAck?: boolean | undefined;
  /**
   * Told of a message that is another consumer's by now, or may be: an ack that nobody awaited did not count, or a lease
   * could not be lengthened. The broker gives the message out again.
   */
  readonly onLost?: ((message: Message<T>, error: WaysideError) => void) | undefined;
}

export interface GroupPlace {
  readonly context: Context;
  readonly station: string;
  readonly group: string;
  readonly settler: Settler;
  readonly schema: StandardSchemaV1<unknown, unknown> | undefined;
}

/** Milliseconds that giving back may take, when it stops. */
const RELEASE_MS = 5_000;

export class Intake<T> implements Sink {
  readonly name: string;
  /** Messages that were lost to others. */
  lost = 0;
  readonly #place: GroupPlace;
  readonly #options: ConsumeOptions<T>;
  readonly #prefetch: Credit;
  readonly #subscription: Subscription;
  /** Fetched ahead: from `#head` on. */
  #buffer: Delivered<T>[] = [];
  #head = 0;
  #bufferBytes = 0;
  /** Room that the broker has not been told of yet. */
  #freed = 0;
  #freedBytes = 0;
  #takers: { readonly resolve: (message: Delivered<T> | undefined) => void; readonly reject: (error: WaysideError) => void }[] = [];
  /** What is out and not settled, in the order in which leases run out. */
  readonly #out = new Set<Lease<T>>();
  #leaseMs: number | undefined;
  #cancelExtend: (() => void) | undefined;
  #isStopping = false;
  #stopped: Promise<void> | undefined;
  #error: WaysideError | undefined;
  readonly #abort = () => void this.close().catch(() => undefined);
  /** How it is closed, where somebody works on its messages. */
  closer: (() => Promise<void>) | undefined;

  constructor(place: GroupPlace, options: ConsumeOptions<T>) {
    const { context, station, group } = place;
    this.#place = place;
    this.#options = options;
    this.name = options.consumer ?? randomName(context.clock);
    const { messages = 1_000, bytes = 4 * 1024 * 1024 } = options.prefetch ?? {};
    this.#prefetch = { messages: wholeOf(messages, 'prefetch.messages'), bytes: wholeOf(bytes, 'prefetch.bytes') };
    this.#leaseMs = options.leaseMs;
    const startAt = options.startAt === undefined ? undefined : placeOf(options.startAt);
    this.#subscription = context.transport.subscribe({ station, group, consumer: this.name, leaseMs: options.leaseMs, startAt }, this);
    context.opened(this);
    // In a turn of its own: whoever works on its messages is just being made.
    if (options.signal?.aborted) queueMicrotask(this.#abort);
    else options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** The next message; undefined when it has stopped. @throws why it has ended by itself */
  next(): Promise<Delivered<T> | undefined> {
    const message = this.#buffer[this.#head];
    if (message !== undefined && !this.#isStopping) return Promise.resolve(this.#handOut(message));
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#isStopping) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
    });
  }

  /** Nothing more is handed out from now on. */
  halt(): void {
    this.#isStopping = true;
    for (const { resolve } of this.#takers.splice(0)) resolve(undefined);
  }

  /** Halts, lets what was said of messages reach the broker, and gives the others back. */
  stop(): Promise<void> {
    this.halt();
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  close(): Promise<void> {
    return this.closer?.() ?? this.stop();
  }

  free(): Credit {
    this.#freed = this.#freedBytes = 0;
    if (this.#isStopping) return { messages: 0, bytes: 0 };
    const { messages, bytes } = this.#prefetch;
    return { messages: Math.max(0, messages - this.#waiting), bytes: Math.max(0, bytes - this.#bufferBytes) };
  }

  deliver(blocks: readonly FrameBlock[]): void {
    const { schema } = this.#place;
    for (const block of blocks) {
      const { partition, first, producedAt, deliveries, lease, records } = block;
      if (!(records instanceof Uint8Array) || typeof lease !== 'string' || !Number.isSafeInteger(first))
        throw new TypeError('a block is none');
      const source = new Lease<T>(this, { partition, producedAt, deliveries, lease, records, schema });
      const messages = messagesOf<T>(source, block);
      if (messages.length === 0) continue;
      source.messages = messages;
      source.left = messages.length;
      source.takenAt = this.#place.context.clock.now();
      this.#out.add(source);
      this.#bufferBytes += records.length;
      for (const message of messages) this.#buffer.push(message);
    }
    this.#armExtension();
    while (this.#takers.length > 0 && this.#waiting > 0 && !this.#isStopping) {
      this.#takers.shift()!.resolve(this.#handOut(this.#buffer[this.#head]!));
    }
  }

  subscribed(leaseMs: number | undefined): void {
    if (leaseMs !== undefined) this.#leaseMs = leaseMs;
    if (this.#leaseMs !== undefined || this.#options.extend === false) this.#armExtension();
    else void this.#askLease();
  }

  ended(error: WaysideError): void {
    this.#error ??= error;
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#place.context.left(this);
    this.#cancelExtend?.();
    for (const { reject } of this.#takers.splice(0)) reject(error);
  }

  settle(message: Delivered<T>, verb: Verb, settling?: Settling): Settlement {
    if (verb !== 'extend') this.#settled(message);
    return this.#place.settler.add(verb, message, settling);
  }

  failed(message: Delivered<T>, verb: Verb, error: WaysideError, isAwaited: boolean): void {
    // That a lease could not be lengthened for want of an answer says nothing of the lease: it is tried again.
    if (verb === 'extend' && isPassing(error)) return;
    if (message.isLost) return;
    message.isLost = true;
    this.lost++;
    this.#settled(message);
    this.#drop(message);
    if (!isAwaited) this.#options.onLost?.(message, error);
  }

  get #waiting(): number {
    return this.#buffer.length - this.#head;
  }

  #handOut(message: Delivered<T>): Delivered<T> {
    this.#head++;
    if (this.#head === this.#buffer.length) {
      this.#buffer = [];
      this.#head = 0;
    } else if (this.#head >= 4_096) {
      this.#buffer = this.#buffer.slice(this.#head);
      this.#head = 0;
    }
    this.#makeRoom(message);
    return message;
  }

  /** Told in portions: half of what is fetched ahead, or all of it. */
  #makeRoom(message: Delivered<T>): void {
    this.#bufferBytes -= message.size;
    this.#freed++;
    this.#freedBytes += message.size;
    const { messages, bytes } = this.#prefetch;
    if (this.#freed * 2 < messages && this.#freedBytes * 2 < bytes && this.#waiting > 0) return;
    const [freed, freedBytes] = [this.#freed, this.#freedBytes];
    this.#freed = this.#freedBytes = 0;
    this.#subscription.credit(freed, freedBytes);
  }

  #drop(message: Delivered<T>): void {
    const place = this.#buffer.indexOf(message, this.#head);
    if (place < 0) return;
    this.#buffer.splice(place, 1);
    this.#makeRoom(message);
  }

  #settled(message: Delivered<T>): void {
    const lease = message.delivery as unknown as Lease<T>;
    if (message.isSettled) return;
    message.isSettled = true;
    if (--lease.left === 0) this.#out.delete(lease);
  }

  async #askLease(): Promise<void> {
    const { context, station, group } = this.#place;
    try {
      const { body } = await context.call({ method: 'GET', path: context.path('stations', station, 'groups', group) });
      this.#leaseMs = (body as { leaseMs?: number } | undefined)?.leaseMs;
    } catch {
      // It may be gone, or the broker away: both end or renew the subscription, which asks again.
    }
    this.#armExtension();
  }

  /** Leases are lengthened when half of their time has passed. */
  #armExtension(): void {
    if (this.#cancelExtend !== undefined || this.#leaseMs === undefined || this.#options.extend === false) return;
    const [oldest] = this.#out;
    if (oldest === undefined || this.#isOver) return;
    const { clock } = this.#place.context;
    this.#cancelExtend = clock.after(Math.max(1, oldest.takenAt + this.#leaseMs / 2 - clock.now()), () => this.#extend());
  }

  get #isOver(): boolean {
    return this.#error !== undefined;
  }

  #extend(): void {
    this.#cancelExtend = undefined;
    const { settler, context } = this.#place;
    const leaseMs = this.#leaseMs ?? 0;
    const now = context.clock.now();
    const settling = this.#options.leaseMs === undefined ? undefined : { leaseMs };
    for (const lease of [...this.#out]) {
      if (lease.takenAt + leaseMs / 2 > now) break;
      for (const message of lease.messages) if (!message.isSettled) settler.add('extend', message as Delivered<unknown>, settling);
      // To the end of the line, which is in the order in which leases run out.
      lease.takenAt = now;
      this.#out.delete(lease);
      this.#out.add(lease);
    }
    this.#armExtension();
  }

  async #stop(): Promise<void> {
    const { settler, context } = this.#place;
    this.#options.signal?.removeEventListener('abort', this.#abort);
    try {
      await settler.flush();
      if (this.#error === undefined && !(await this.#subscription.stop(Math.min(RELEASE_MS, context.timeoutMs)))) await this.#giveBack();
    } finally {
      this.#cancelExtend?.();
      this.#buffer = [];
      this.#out.clear();
      context.left(this);
    }
  }

  /** Where the broker could not be told to take everything back: each message by itself. */
  async #giveBack(): Promise<void> {
    const { settler } = this.#place;
    for (const lease of this.#out) {
      for (const message of lease.messages) if (!message.isSettled) message.settlement = settler.add('nack', message as Delivered<unknown>);
    }
    await settler.flush();
  }
}

/** @throws TypeError it is no whole number from 1: nothing would ever come */
export function wholeOf(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`${name} is ${value}; give a whole number from 1.`);
}

/** A delivered block, and when its lease began. */
class Lease<T> implements Delivery {
  readonly partition: number;
  readonly producedAt: number;
  readonly deliveries: number;
  readonly lease: string;
  readonly records: Uint8Array;
  readonly schema: StandardSchemaV1<unknown, unknown> | undefined;
  messages: readonly Delivered<T>[] = [];
  /** Messages that are not settled. */
  left = 0;
  takenAt = 0;
  readonly #intake: Intake<T>;

  constructor(intake: Intake<T>, { partition, producedAt, deliveries, lease, records, schema }: Omit<Delivery, 'settle' | 'failed'>) {
    this.#intake = intake;
    this.partition = partition;
    this.producedAt = producedAt;
    this.deliveries = deliveries;
    this.lease = lease;
    this.records = records;
    this.schema = schema;
  }

  settle(message: Delivered<unknown>, verb: Verb, settling?: Settling): Settlement {
    return this.#intake.settle(message as Delivered<T>, verb, settling);
  }

  failed(message: Delivered<unknown>, verb: Verb, error: WaysideError, isAwaited: boolean): void {
    this.#intake.failed(message as Delivered<T>, verb, error, isAwaited);
  }
}
