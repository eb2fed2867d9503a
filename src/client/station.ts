/**
 * A station, as a program speaks to it.
 *
 * Holds: making the object asks nobody: a station that is not there is told by the first call that needs it.
 * Elsewhere: producing (produce/), consuming (group.ts), reading (read.ts).
 */
import type { GroupHead, ScheduleInfo, StationInfo, StationInput } from '../core/calls.ts';
import type { StoredMessage } from './consume/message.ts';
import type { Context } from './context.ts';
import type { DeadLetters } from './dead-letters.ts';
import { StationDeadLetters } from './dead-letters.ts';
import type { WaysideError } from './errors.ts';
import type { Group } from './group.ts';
import { StationGroup } from './group.ts';
import type { NewMessage, Produced } from './produce/message.ts';
import type { BatchOptions, ProduceOptions, Producer, ProducerOptions } from './produce/producer.ts';
import { StationProducer } from './produce/producer.ts';
import type { ReadOptions } from './read.ts';
import { read, readOne } from './read.ts';
import type { StandardSchemaV1 } from './schema.ts';

/** How a program sees a station. */
export interface StationOptions<T> {
  /**
   * What payloads are: any schema of the Standard Schema kind (zod, valibot, ArkType, …). What is produced must pass it, and
   * what is consumed is what it gives.
   */
  readonly schema?: StandardSchemaV1<unknown, T> | undefined;
}

/** What became of messages that were produced together. */
export interface ProducedMany {
  /** Of each message, in the order given: its place, or why it was not stored. */
  readonly results: readonly (Produced | WaysideError)[];
}

/** Which messages go. */
export interface PurgeOptions {
  /** Messages up to and with this sequence; all unless given. */
  readonly upTo?: number | undefined;
  /** From 0; all partitions unless given. */
  readonly partition?: number | undefined;
}

/** Only if this version is current. */
export interface VersionOptions {
  /** As `info` told it. @see VERSION_MISMATCH */
  readonly version?: number | undefined;
}

/** A named stream of messages. */
export interface Station<T = unknown> {
  /** As it was named. */
  readonly name: string;
  /**
   * Makes it, or finds that the same is there.
   *
   * @param config what is left out takes its default
   * @throws STATION_EXISTS it is there with another configuration · DURABILITY_UNAVAILABLE · INVALID_NAME · LIMIT_EXCEEDED
   */
  create(config?: StationInput): Promise<StationInfo>;
  /** Its configuration and live counts. @throws STATION_NOT_FOUND */
  info(): Promise<StationInfo>;
  /** Changes what is given; `null` takes a setting back to its default. @throws STATION_NOT_FOUND · VERSION_MISMATCH */
  update(patch: StationInput, options?: VersionOptions): Promise<StationInfo>;
  /** Removes it with all its messages and groups. One made later under its name is another. */
  remove(): Promise<void>;
  /** Removes messages; sequences go on. */
  purge(options?: PurgeOptions): Promise<{ readonly purged: number }>;

  /**
   * Stores one message; resolves when it is as durable as the station asks for. What is called in the same turn, or while a
   * batch is under way, goes together, so call it as often as you like before you await.
   *
   * @throws see `Producer.produce`
   */
  produce(payload: T, options?: ProduceOptions): Promise<Produced>;
  /**
   * Stores several. Does not throw for a message that is refused, unless they go as one batch (`atomic`, `expectedSequence`).
   *
   * @throws SEQUENCE_MISMATCH · INVALID_REQUEST and others, where they go as one batch: then none is stored
   */
  produceMany(messages: Iterable<NewMessage<T>>, options?: BatchOptions): Promise<ProducedMany>;
  /** A producer with settings of its own, to be closed when it is done. */
  producer(options?: ProducerOptions<T>): Producer<T>;

  /** Its messages, without a group: nothing is taken away, and nobody remembers how far you came but you (`cursor`). */
  read(options?: ReadOptions): AsyncIterable<StoredMessage<T>>;
  /** One message. @throws MESSAGE_TRIMMED it was there · MESSAGE_NOT_FOUND */
  message(partition: number, sequence: number): Promise<StoredMessage<T>>;

  /** A consumer group: the broker keeps its position. Made by its first use, or by `create`. */
  group(name: string): Group<T>;
  /** Its groups, by name. */
  groups(): AsyncIterable<GroupHead>;
  /** Delayed messages that are not due yet, by partition, then by due time. */
  schedules(): AsyncIterable<ScheduleInfo>;
  /** Takes a delayed message back. @throws NOT_FOUND it was due, or was cancelled before */
  cancelSchedule(scheduleId: string): Promise<void>;
  /** Messages that groups have given up. */
  readonly deadLetters: DeadLetters<T>;
}

export class RemoteStation<T> implements Station<T> {
  readonly name: string;
  readonly deadLetters: DeadLetters<T>;
  readonly #context: Context;
  readonly #path: string;
  readonly schema: StandardSchemaV1<unknown, T> | undefined;
  #producer: StationProducer<T> | undefined;

  constructor(context: Context, name: string, { schema }: StationOptions<T>) {
    this.name = name;
    this.#context = context;
    this.#path = context.path('stations', name);
    this.schema = schema;
    this.deadLetters = new StationDeadLetters(context, name, schema);
  }

  create(config: StationInput = {}): Promise<StationInfo> {
    return this.#context.ask({ method: 'PUT', path: this.#path, body: config });
  }

  info(): Promise<StationInfo> {
    return this.#context.ask({ method: 'GET', path: this.#path });
  }

  update(patch: StationInput, { version }: VersionOptions = {}): Promise<StationInfo> {
    // Under a version, a second try would find the first one's: its answer is all that there is.
    return this.#context.ask({ method: 'PATCH', path: this.#path, body: patch, version }, version === undefined);
  }

  async remove(): Promise<void> {
    await this.#context.call({ method: 'DELETE', path: this.#path });
  }

  purge(options: PurgeOptions = {}): Promise<{ purged: number }> {
    return this.#context.ask({ method: 'POST', path: `${this.#path}/purge`, body: options });
  }

  produce(payload: T, options?: ProduceOptions): Promise<Produced> {
    return this.#own().produce(payload, options);
  }

  async produceMany(messages: Iterable<NewMessage<T>>, options?: BatchOptions): Promise<ProducedMany> {
    return { results: await this.#own().produceMany(messages, options) };
  }

  producer(options?: ProducerOptions<T>): Producer<T> {
    return new StationProducer(this.#context, this.name, this.schema, options);
  }

  read(options: ReadOptions = {}): AsyncIterable<StoredMessage<T>> {
    return read(this.#context, this.name, this.schema, options);
  }

  message(partition: number, sequence: number): Promise<StoredMessage<T>> {
    return readOne(this.#context, this.name, this.schema, partition, sequence);
  }

  group(name: string): Group<T> {
    return new StationGroup(this.#context, this.name, name, this.schema);
  }

  groups(): AsyncIterable<GroupHead> {
    return this.#context.list(`${this.#path}/groups`);
  }

  schedules(): AsyncIterable<ScheduleInfo> {
    return this.#context.list(`${this.#path}/schedules`);
  }

  async cancelSchedule(scheduleId: string): Promise<void> {
    await this.#context.call({ method: 'DELETE', path: `${this.#path}/schedules${this.#context.path(scheduleId)}` });
  }

  #own(): StationProducer<T> {
    this.#producer ??= new StationProducer(this.#context, this.name, this.schema);
    return this.#producer;
  }
}
