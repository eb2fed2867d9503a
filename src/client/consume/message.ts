/**
 * Messages as a program gets them: light objects over the bytes that came.
 *
 * Holds: nothing is decoded before it is asked for; the bytes are views, shared with the neighbours that came along.
 */
import { HEADER_BYTES, MAGIC, u32At } from '../../core/batch/layout.ts';
import type { FrameBlock } from '../../protocol/frames.ts';
import { WaysideError } from '../errors.ts';
import { decodePayload, decodeText, parseJson } from '../payload.ts';
import type { Fields } from '../record.ts';
import { readFields, recordEnd } from '../record.ts';
import type { StandardSchemaV1 } from '../schema.ts';
import { validate } from '../schema.ts';
import type { Settlement, Settling, Verb } from './settle.ts';

/** A message as it is stored. */
export interface StoredMessage<T = unknown> {
  /** From 0. */
  readonly partition: number;
  /** Its place in the partition, from 1. */
  readonly sequence: number;
  /** When it got its sequence: milliseconds since 1970. */
  readonly producedAt: number;
  /** What decided its partition and its order, if it has one. */
  readonly key: string | undefined;
  /** What it was deduplicated by, if it has one. */
  readonly id: string | undefined;
  /** Its headers; a name that it has twice is joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** None for a message that was produced as bytes. */
  readonly contentType: string | undefined;
  /** The payload's bytes, as they were produced. A view: copy it before you change it. */
  readonly bytes: Uint8Array;
  /**
   * JSON parsed, where the content type is JSON (`+json` too); a text, where it is `text/…`; else the bytes. Decoded once,
   * when it is first asked for, and validated if the station has a schema here.
   *
   * @throws INVALID_REQUEST the content type says JSON, and the bytes are none · SCHEMA_REFUSED
   */
  readonly payload: T;
  /** Of a read: go on behind this message with `read({ cursor })`. */
  readonly cursor: string | undefined;
  /** The payload as UTF-8. */
  text(): string;
  /** The payload as JSON, whatever the content type says. @throws INVALID_REQUEST */
  json(): unknown;
}

/** A message that a group has given out under a lease. Settle it once; what is not settled comes again. */
export interface Message<T = unknown> extends StoredMessage<T> {
  /** How often it was given out, this time included. */
  readonly deliveries: number;
  /** Names this delivery; whoever has it may settle the message. */
  readonly receipt: string;
  /**
   * It is done. Need not be awaited: acks are gathered, and one that did not count reaches `onLost`. Awaited, it resolves
   * when it is durable. @throws LEASE_EXPIRED another consumer has the message, or had it
   */
  ack(): PromiseLike<void>;
  /** It shall come again, at once or after a delay. @param options.reason kept in the dead letter that it may become */
  nack(options?: { readonly delayMs?: number; readonly reason?: string }): PromiseLike<void>;
  /** It is hopeless: it becomes a dead letter. @param reason kept in the dead letter; 4 KiB at most */
  reject(reason?: string): PromiseLike<void>;
  /** Keeps it from others for longer. @param leaseMs counted from now, 1_000 to 43_200_000; the group's unless given */
  extend(leaseMs?: number): PromiseLike<void>;
}

/** The bytes of one or several neighbours. */
export interface Source {
  readonly partition: number;
  readonly producedAt: number;
  readonly records: Uint8Array;
  readonly schema: StandardSchemaV1<unknown, unknown> | undefined;
}

export class Stored<T> implements StoredMessage<T> {
  readonly sequence: number;
  cursor: string | undefined;
  protected readonly source: Source;
  readonly #start: number;
  readonly #end: number;
  #fields: Fields | undefined;
  #payload: unknown = UNREAD;
  /** What reading the payload ahead has thrown. */
  #refusal: unknown;

  /** The record lies in `start … end` of the source. */
  constructor(source: Source, sequence: number, start: number, end: number) {
    this.source = source;
    this.sequence = sequence;
    this.#start = start;
    this.#end = end;
  }

  get partition(): number {
    return this.source.partition;
  }

  get producedAt(): number {
    return this.source.producedAt;
  }

  get key(): string | undefined {
    return this.#read().key;
  }

  get id(): string | undefined {
    return this.#read().id;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#read().headers ?? NO_HEADERS;
  }

  get contentType(): string | undefined {
    return this.#read().contentType;
  }

  get bytes(): Uint8Array {
    return this.source.records.subarray(this.#read().payloadStart, this.#end);
  }

  get payload(): T {
    if (this.#payload === UNREAD) {
      if (this.#refusal !== undefined) throw this.#refusal;
      const payload = this.#validate();
      if (payload instanceof Promise) {
        // Nobody will look at it.
        payload.catch(() => undefined);
        throw new TypeError('The payload is not validated yet.');
      }
      this.#payload = payload;
    }
    return this.#payload as T;
  }

  text(): string {
    return decodeText(this.bytes);
  }

  json(): unknown {
    return parseJson(this.bytes);
  }

  /** Record bytes. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** Reads the payload ahead where it has a schema, however long that takes. What it throws, `payload` throws too. */
  async prepare(): Promise<void> {
    if (this.source.schema === undefined) return;
    try {
      this.#payload = await this.#validate();
    } catch (error) {
      this.#refusal = error;
      throw error;
    }
  }

  toJSON(): unknown {
    const { partition, sequence, producedAt, key, id, headers, contentType } = this;
    const payload = decodePayload(contentType, this.bytes);
    return { partition, sequence, producedAt, key, id, headers, contentType, payload };
  }

  #validate(): unknown {
    const payload = decodePayload(this.contentType, this.bytes);
    const { schema } = this.source;
    return schema === undefined ? payload : validate(schema, payload);
  }

  #read(): Fields {
    try {
      this.#fields ??= readFields(this.source.records, this.#start, this.#end);
    } catch (cause) {
      throw new WaysideError('CORRUPTION', `The message ${this.partition}.${this.sequence} came damaged.`, { outcome: 'refused', cause });
    }
    return this.#fields;
  }
}

/** The same messages, validated. What a schema refuses is told where the payload is asked for. */
export async function prepared<M extends Stored<unknown>>(messages: M[]): Promise<M[]> {
  await Promise.allSettled(messages.map((message) => message.prepare()));
  return messages;
}

const UNREAD = Symbol('unread');
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** Neighbours that were given out together, under one lease. */
export interface Delivery extends Source {
  readonly lease: string;
  readonly deliveries: number;
  settle(message: Delivered<unknown>, verb: Verb, settling?: Settling): Settlement;
  /** What was said of it did not count. */
  failed(message: Delivered<unknown>, verb: Verb, error: WaysideError, isAwaited: boolean): void;
}

export class Delivered<T> extends Stored<T> implements Message<T> {
  /** What was said of it, but extensions. */
  settlement: Settlement | undefined;
  /** It is out no more: something was said of it, or somebody else has it. */
  isSettled = false;
  /** Somebody else has it, as far as the broker has told. */
  isLost = false;

  get delivery(): Delivery {
    return this.source as Delivery;
  }

  get deliveries(): number {
    return this.delivery.deliveries;
  }

  get receipt(): string {
    return `${this.partition}.${this.sequence}.${this.delivery.lease}`;
  }

  ack(): PromiseLike<void> {
    return this.#settle('ack');
  }

  nack(options?: { readonly delayMs?: number; readonly reason?: string }): PromiseLike<void> {
    return this.#settle('nack', options);
  }

  reject(reason?: string): PromiseLike<void> {
    return this.#settle('reject', reason === undefined ? undefined : { reason });
  }

  extend(leaseMs?: number): PromiseLike<void> {
    return this.delivery.settle(this, 'extend', leaseMs === undefined ? undefined : { leaseMs });
  }

  /** Saying the same twice is saying it once. */
  #settle(verb: Verb, settling?: Settling): PromiseLike<void> {
    if (this.settlement?.verb !== verb) this.settlement = this.delivery.settle(this, verb, settling);
    return this.settlement;
  }
}

/**
 * The messages of a block, in order.
 *
 * @throws RangeError its records do not make sense
 */
export function messagesOf<T>(delivery: Delivery, { first, records }: FrameBlock): Delivered<T>[] {
  if (records.length < HEADER_BYTES || u32At(records, 0) !== MAGIC || records[4] !== 0) throw new RangeError('a block begins as none does');
  const messages: Delivered<T>[] = [];
  for (let at = HEADER_BYTES, sequence = first; at < records.length; sequence++) {
    const end = recordEnd(records, at);
    messages.push(new Delivered(delivery, sequence, at, end));
    at = end;
  }
  return messages;
}
