/**
 * What carries calls to a broker: frames (frames/) or HTTP (http/). Everything else in the SDK is written against this.
 *
 * Holds: each method is one attempt, which rejects with a WaysideError whose `outcome` says whether it may have happened;
 * trying again is the caller's (retry.ts, produce/lane.ts). After `close` everything rejects at once.
 */
import type { FrameBlock, FrameFailure, FrameProduced, FrameProducer, FrameRange } from '../protocol/frames.ts';
import type { WaysideError } from './errors.ts';

export interface ProduceOrder {
  readonly station: string;
  readonly partition: number;
  /** A whole batch of API.md §6. */
  readonly records: Uint8Array;
  readonly producer: FrameProducer;
  readonly atomic: boolean;
  readonly expectedSequence: number | undefined;
}

export interface SettleOrder {
  readonly station: string;
  readonly group: string;
  readonly verb: 'ack' | 'nack' | 'reject' | 'extend';
  readonly ranges: readonly FrameRange[];
  readonly delayMs?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly reason?: string | undefined;
}

export interface FetchOrder {
  readonly station: string;
  readonly group: string;
  readonly consumer: string;
  readonly max?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly startAt?: number | string | undefined;
}

export interface CallOrder {
  readonly method: string;
  /** Below `/v1`, with its query: `/stations/orders`. */
  readonly path: string;
  readonly body?: unknown;
  /** Only if this version is current. */
  readonly version?: number | undefined;
  /** Milliseconds that the broker may wait before it answers. */
  readonly waitMs?: number | undefined;
  /** Nobody waits for the answer any more. */
  readonly signal?: AbortSignal | undefined;
}

/** What a call of the API answered. */
export interface Answer {
  /** The HTTP status, 200 to 399: others are thrown. */
  readonly status: number;
  /** JSON parsed, or bytes; undefined or null where there is none. */
  readonly body: unknown;
}

export interface Credit {
  readonly messages: number;
  readonly bytes: number;
}

export interface SubscribeOrder {
  readonly station: string;
  readonly group: string;
  readonly consumer: string;
  readonly leaseMs?: number | undefined;
  readonly startAt?: number | string | undefined;
}

/** Where deliveries of a subscription go. */
export interface Sink {
  /** How much there is room for now; asked whenever the subscription is made (anew). */
  free(): Credit;
  /** @throws whatever is wrong with the blocks: the connection is taken for broken then */
  deliver(blocks: readonly FrameBlock[]): void;
  /** It is made. @param leaseMs what a delivery is leased for, where the broker says it */
  subscribed(leaseMs: number | undefined): void;
  /** It is over for good: refused, or its group is gone. */
  ended(error: WaysideError): void;
}

export interface Subscription {
  /** There is more room, of this much. */
  credit(messages: number, bytes: number): void;
  /**
   * No more is delivered once this resolves.
   *
   * @returns whether what the consumer holds was given back, uncounted; else it is the caller's to give back
   */
  stop(timeoutMs: number): Promise<boolean>;
}

export interface Transport {
  /** Produces arrive in the order in which they were sent, so several of one partition may be under way. */
  readonly ordered: boolean;
  /** Aborted when `close` is called: nothing more is worth waiting for. */
  readonly closing: AbortSignal;
  /** Bytes of the largest batch that this broker takes, as far as it is known. */
  readonly batchBytesMax: number;
  readonly batchCountMax: number;
  /**
   * Resolves when an attempt makes sense: connected.
   *
   * @throws UNAVAILABLE not within `timeoutMs`, or never · UNAUTHENTICATED
   */
  ready(timeoutMs: number): Promise<void>;
  produce(order: ProduceOrder, timeoutMs: number): Promise<FrameProduced>;
  settle(order: SettleOrder, timeoutMs: number): Promise<readonly FrameFailure[]>;
  fetch(order: FetchOrder, timeoutMs: number): Promise<readonly FrameBlock[]>;
  /** @throws also what the call answers from 400 up */
  call(order: CallOrder, timeoutMs: number): Promise<Answer>;
  subscribe(order: SubscribeOrder, sink: Sink): Subscription;
  close(): Promise<void>;
}
