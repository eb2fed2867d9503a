/**
 * A consumer group, as a program speaks to it.
 */
import type { AuditResult, GroupInfo, GroupInput, PendingInfo } from '../core/calls.ts';
import type { FrameBlock } from '../protocol/frames.ts';
import { randomName } from './clock.ts';
import type { Consumer, HandleOptions } from './consume/handle.ts';
import { Handler } from './consume/handle.ts';
import type { ConsumeOptions, GroupPlace } from './consume/intake.ts';
import { Intake, wholeOf } from './consume/intake.ts';
import type { Delivered, Delivery, Message } from './consume/message.ts';
import { messagesOf, prepared } from './consume/message.ts';
import type { Messages } from './consume/messages.ts';
import { MessageLoop } from './consume/messages.ts';
import { Settler } from './consume/settle.ts';
import type { Context } from './context.ts';
import type { WaysideError } from './errors.ts';
import type { Where } from './place.ts';
import { placeOf } from './place.ts';
import { retrying } from './retry.ts';
import type { StandardSchemaV1 } from './schema.ts';
import type { VersionOptions } from './station.ts';

/** What one fetch asks for. */
export interface FetchOptions<T = unknown> {
  /** Who asks; one name for this group object, drawn, unless given. */
  readonly consumer?: string | undefined;
  /** Messages at most, 1 to 10_000; 100 unless given. */
  readonly max?: number | undefined;
  /** Record bytes at most, but one message always comes; 1_048_576 unless given. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds to wait for a message where there is none, 0 (unless given) to 30_000. */
  readonly waitMs?: number | undefined;
  /** Milliseconds that they are kept from others, 1_000 to 43_200_000; the group's unless given. Not lengthened by itself. */
  readonly leaseMs?: number | undefined;
  /** Where the group begins, if this makes it; its station's start unless given. */
  readonly startAt?: Where | undefined;
  /** Told of a message whose ack, which nobody awaited, did not count: the broker gives it out again. */
  readonly onLost?: ((message: Message<T>, error: WaysideError) => void) | undefined;
}

/** Which positions of a group move. */
export interface SeekOptions {
  /** From 0; all partitions unless given. */
  readonly partition?: number | undefined;
}

/** Consumers that share a station's messages: each goes to one of them, and the broker keeps how far they are. */
export interface Group<T = unknown> {
  /** As it was named. */
  readonly name: string;
  /**
   * Makes it, or finds that the same is there. Not needed for a group with defaults.
   *
   * @throws GROUP_EXISTS it is there with another configuration · STATION_NOT_FOUND · INVALID_NAME
   */
  create(config?: GroupInput): Promise<GroupInfo>;
  /** Its configuration, counts and members. @throws GROUP_NOT_FOUND */
  info(): Promise<GroupInfo>;
  /** Changes what is given; `null` takes a setting back to its default. @throws GROUP_NOT_FOUND · VERSION_MISMATCH */
  update(patch: GroupInput, options?: VersionOptions): Promise<GroupInfo>;
  /** Removes it with its position. One made later under its name is another. */
  remove(): Promise<void>;
  /** Moves it: what is out does not count any more, and everything from there on is given out again. */
  seek(to: Where, options?: SeekOptions): Promise<void>;
  /** Where every message of the station is, for the group, added up. @throws GROUP_NOT_FOUND */
  audit(): Promise<AuditResult>;
  /** What is out now: one item a message. */
  pending(): AsyncIterable<PendingInfo>;

  /** Some messages, once: for programs that have their own loop. @throws STATION_NOT_FOUND · LIMIT_EXCEEDED */
  fetch(options?: FetchOptions<T>): Promise<Message<T>[]>;
  /** Messages as they come, for a loop: `for await (const message of group.messages())`. Settle each. */
  messages(options?: ConsumeOptions<T>): Messages<T>;
  /** Messages as they come, for a function: acked when it resolves, given back when it throws. */
  handle(run: (message: Message<T>) => unknown, options?: HandleOptions<T>): Consumer;
}

export class StationGroup<T> implements Group<T> {
  readonly name: string;
  readonly #place: GroupPlace;
  readonly #path: string;
  #consumer: string | undefined;

  constructor(context: Context, station: string, group: string, schema: StandardSchemaV1<unknown, T> | undefined) {
    this.name = group;
    this.#place = { context, station, group, schema, settler: new Settler(context, station, group) };
    this.#path = context.path('stations', station, 'groups', group);
  }

  create(config: GroupInput = {}): Promise<GroupInfo> {
    return this.#place.context.ask({ method: 'PUT', path: this.#path, body: config });
  }

  info(): Promise<GroupInfo> {
    return this.#place.context.ask({ method: 'GET', path: this.#path });
  }

  update(patch: GroupInput, { version }: VersionOptions = {}): Promise<GroupInfo> {
    const order = { method: 'PATCH', path: this.#path, body: patch, version };
    return this.#place.context.ask(order, version === undefined);
  }

  async remove(): Promise<void> {
    await this.#place.context.call({ method: 'DELETE', path: this.#path });
  }

  async seek(to: Where, { partition }: SeekOptions = {}): Promise<void> {
    const body = { to: placeOf(to), ...(partition !== undefined && { partition }) };
    await this.#place.context.call({ method: 'POST', path: `${this.#path}/seek`, body }, true);
  }

  audit(): Promise<AuditResult> {
    return this.#place.context.ask({ method: 'GET', path: `${this.#path}/audit` });
  }

  pending(): AsyncIterable<PendingInfo> {
    return this.#place.context.list(`${this.#path}/pending`);
  }

  async fetch(options: FetchOptions<T> = {}): Promise<Message<T>[]> {
    const { context, station, group } = this.#place;
    this.#consumer ??= randomName(context.clock);
    const { consumer = this.#consumer, startAt, onLost, waitMs = 0, ...rest } = options;
    const order = { station, group, consumer, waitMs, ...rest, ...(startAt !== undefined && { startAt: placeOf(startAt) }) };
    const patience = { clock: context.clock, backoff: context.backoff, timeoutMs: context.timeoutMs + waitMs };
    // A try whose answer was lost has leased messages, which come again: the next one gets others.
    const blocks = await retrying(context.transport, patience, true, (leftMs) => context.transport.fetch(order, leftMs));
    return prepared(blocks.flatMap((block) => messagesOf<T>(this.#delivery(block, onLost), block)));
  }

  messages(options: ConsumeOptions<T> = {}): Messages<T> {
    return new MessageLoop(new Intake(this.#place, options), options);
  }

  handle(run: (message: Message<T>) => unknown, options: HandleOptions<T> = {}): Consumer {
    wholeOf(options.concurrency ?? 1, 'concurrency');
    return new Handler(new Intake(this.#place, options), run, options);
  }

  #delivery({ partition, producedAt, deliveries, lease, records }: FrameBlock, onLost: FetchOptions<T>['onLost']): Delivery {
    const { settler, schema } = this.#place;
    return {
      partition,
      producedAt,
      deliveries,
      lease,
      records,
      schema,
      settle(message, verb, settling) {
        if (verb !== 'extend') message.isSettled = true;
        return settler.add(verb, message, settling);
      },
      failed(message, _verb, error, isAwaited) {
        message.isLost = true;
        if (!isAwaited) onLost?.(message as Delivered<T>, error);
      },
    };
  }
}
