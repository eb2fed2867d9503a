/**
 * Frames: what goes over a WebSocket, a MessagePort or a direct link (API.md §7), as types and numbers without a schema.
 *
 * Holds: frames are plain objects whatever carries them; how they become bytes is the matter of a codec.
 * Elsewhere: what a server does with them (gateway/frames/), what a client does (client/).
 */

/** Subprotocols of the WebSocket, the one that is preferred first. */
export const FRAME_PROTOCOLS = ['wayside.msgpack.v1', 'wayside.json.v1'] as const;
export type FrameProtocol = (typeof FRAME_PROTOCOLS)[number];

/** Why a socket is closed. */
export const CLOSE = {
  /** The broker stops: connect again in a moment. */
  restart: 1012,
  /** No frame, one without a usable id, or an id of a call under way used again. */
  badFrame: 4400,
  /** Missing or wrong, or something else came before hello. */
  credential: 4401,
  /** No hello in time, or no frame for too long. */
  silent: 4408,
  /** A frame above `frameBytesMax`, or in too many pieces. */
  tooLarge: 4413,
  /** More calls without an answer than `callsMax`. */
  tooFast: 4429,
} as const;

/** Milliseconds between pings, and of silence after which a socket is closed. */
export const PING_EVERY_MS = 30_000;
export const SILENT_MS_MAX = 60_000;

/** Sequences `from … to` of one partition and one lease, both ends included. */
export type FrameRange = readonly [partition: number, lease: string, from: number, to: number];

export interface FrameCredit {
  readonly messages: number;
  readonly bytes: number;
}

/** Of a batch: see API.md §4. `sequence` is that of the batch's first message. */
export interface FrameProducer {
  readonly id: string;
  readonly epoch: number;
  readonly sequence: number;
}

/**
 * What a client sends. `hello` first; then frames with an `id`, a whole number that no other call under way has (one that
 * is used twice at a time ends the session), and signs of life. Each id is answered once, in any order.
 */
export type ClientFrame =
  | { readonly op: 'hello'; readonly token?: string }
  | { readonly op: 'ping' | 'pong' }
  | {
      readonly op: 'produce';
      readonly id: number;
      readonly station: string;
      readonly partition?: number;
      /** A whole batch of API.md §6; or `messages` as in §4. */
      readonly records?: Uint8Array;
      readonly messages?: readonly unknown[];
      readonly atomic?: boolean;
      readonly producer?: FrameProducer;
      readonly expectedSequence?: number;
    }
  | {
      readonly op: 'ack' | 'nack' | 'reject' | 'extend';
      readonly id: number;
      readonly station: string;
      readonly group: string;
      readonly receipts?: readonly string[];
      readonly ranges?: readonly FrameRange[];
      readonly delayMs?: number;
      readonly leaseMs?: number;
      readonly reason?: string;
    }
  | {
      readonly op: 'fetch';
      readonly id: number;
      readonly station: string;
      readonly group: string;
      readonly consumer: string;
      readonly max?: number;
      readonly maxBytes?: number;
      readonly waitMs?: number;
      readonly leaseMs?: number;
      readonly startAt?: number | string;
      readonly ack?: readonly string[];
    }
  | {
      readonly op: 'call';
      readonly id: number;
      readonly method: string;
      /** From its slash: `/v1/stations`. Without a namespace in it, it is in that of the session. */
      readonly path: string;
      readonly body?: unknown;
      /** Of what is changed: sent as `If-Match`. */
      readonly version?: number;
    }
  | {
      readonly op: 'subscribe';
      readonly id: number;
      readonly sub: number;
      readonly station: string;
      readonly group: string;
      readonly consumer: string;
      readonly leaseMs?: number;
      readonly startAt?: number | string;
      readonly credit: FrameCredit;
    }
  | { readonly op: 'credit'; readonly id: number; readonly sub: number; readonly messages: number; readonly bytes: number }
  | { readonly op: 'unsubscribe'; readonly id: number; readonly sub: number; readonly release?: boolean };

/** Messages `first … first + count − 1` under one lease; the receipt of each is `partition.sequence.lease`. */
export interface FrameBlock {
  readonly partition: number;
  readonly first: number;
  readonly producedAt: number;
  readonly deliveries: number;
  readonly lease: string;
  /** A whole batch (API.md §6) whose flags say that no CRC follows: 13 bytes of head, then the records end to end. */
  readonly records: Uint8Array;
}

export interface FrameError {
  readonly code: string;
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** Which input, and which message of a batch, where that is known. */
  readonly field?: string;
  readonly index?: number;
}

/** The `ok` of a subscribe: how long its deliveries are leased. */
export interface FrameSubscribed {
  readonly leaseMs: number;
}

/**
 * What a server sends. `deleted` ends a subscription, and its number is free; after `paused` (the storage has failed, or
 * too much waits) it goes on by itself as soon as it can, which only the next delivery tells.
 */
export type ServerFrame =
  | { readonly op: 'welcome'; readonly session: string; readonly limits: Readonly<Record<string, number>> }
  | { readonly op: 'ping' | 'pong' }
  | { readonly op: 'goaway'; readonly afterMs: number }
  | { readonly id: number; readonly ok: unknown }
  | { readonly id: number; readonly error: FrameError }
  | { readonly sub: number; readonly blocks: readonly FrameBlock[] }
  | { readonly sub: number; readonly messages: readonly unknown[] }
  | { readonly sub: number; readonly event: 'paused' | 'deleted' | 'moved' };

/** The `ok` of a produce that gave `records`. */
export interface FrameProduced {
  readonly ranges: readonly (readonly [partition: number, first: number, count: number])[];
  readonly duplicates: readonly (readonly [index: number, partition: number, sequence: number])[];
  readonly scheduled: readonly (readonly [index: number, scheduleId: string, dueAt: number])[];
  readonly errors: readonly (readonly [index: number, code: string])[];
  readonly durability: string;
}

/** In the `ok` of ack, nack, reject, extend: what did not count. With `to`, all from the receipt's sequence up to that one. */
export interface FrameFailure {
  readonly receipt: string;
  readonly code: string;
  readonly detail: string;
  readonly to?: number;
}
