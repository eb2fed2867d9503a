/**
 * A producer: gathers messages into batches, and sends each until it is known to be stored, once.
 *
 * Holds: what it was given is settled; a message is never stored twice by its retries; messages that take the same
 * partition keep the order in which they were given.
 * Elsewhere: numbering and sending again (lane.ts).
 */
import type { NewMessage as Encodable } from '../../core/batch/build.ts';
import { randomName } from '../clock.ts';
import type { Context } from '../context.ts';
import { asWaysideError, at, WaysideError, withOutcome } from '../errors.ts';
import { retrying } from '../retry.ts';
import type { StandardSchemaV1 } from '../schema.ts';
import { validate } from '../schema.ts';
import type { Entry } from './batch.ts';
import { Lane } from './lane.ts';
import type { MessageOptions, NewMessage, Produced } from './message.ts';
import { encodable } from './message.ts';
import type { Route } from './route.ts';
import { partitionOf, routeOf } from './route.ts';

/** How a {@link Producer} gathers and how long it tries. */
export interface ProducerOptions<T = unknown> {
  /**
   * Under which name the broker remembers what this producer has sent; drawn unless given. Give one to take over from a
   * producer of the same name: it is fenced, and can store nothing any more.
   */
  readonly id?: string | undefined;
  /** From 1. The highest one of an id counts. With an `id`: milliseconds since 1970 unless given, so that a restart is newer. */
  readonly epoch?: number | undefined;
  /** A batch goes when it has so many bytes; 65_536 unless given. */
  readonly maxBatchBytes?: number | undefined;
  /** … or so many messages; 1_000 unless given. */
  readonly maxBatchMessages?: number | undefined;
  /** Batches of a partition that are under way at once; 4 unless given. Over HTTP always 1. */
  readonly inFlight?: number | undefined;
  /** Bytes that wait or are under way before `send` asks its caller to wait; 16_777_216 unless given. */
  readonly bufferBytes?: number | undefined;
  /** Milliseconds that a message is tried; 120_000 unless given. Then its outcome may be unknown: the error says. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds that the first message of a batch waits for others, where none is under way; 0 unless given. */
  readonly lingerMs?: number | undefined;
  /** Told of each message given to `send` that was not stored, or may not be. */
  readonly onError?: ((error: WaysideError, message: NewMessage<T>) => void) | undefined;
}

/** Sends messages to one station, many at a time. */
export interface Producer<T = unknown> extends AsyncDisposable {
  /**
   * Resolves when the message is as durable as its station asks for. What is called in the same turn, or while a batch is
   * under way, goes together.
   *
   * @throws MESSAGE_TOO_LARGE · SCHEMA_REFUSED · STATION_NOT_FOUND · LIMIT_EXCEEDED · PRODUCER_FENCED · UNAVAILABLE and others;
   * `outcome` says whether it may be stored nevertheless
   */
  produce(payload: T, options?: ProduceOptions): Promise<Produced>;
  /**
   * Gives a message to the producer without waiting until it is durable: returns at once where there is room, else a
   * promise that resolves when there is. Failures go to `onError`, and to the next `flush`.
   */
  send(payload: T, options?: MessageOptions): Promise<void> | undefined;
  /** Resolves when all that was given so far is settled. @throws the first failure of a `send` since the last flush */
  flush(): Promise<void>;
  /** Flushes, and takes no more. */
  close(): Promise<void>;
  /** What waits or is under way. */
  readonly pending: { readonly messages: number; readonly bytes: number };
}

/** For one message. */
export interface ProduceOptions extends MessageOptions {
  /** Store it only if this is the partition's next sequence. @see SEQUENCE_MISMATCH */
  readonly expectedSequence?: number | undefined;
}

/** For messages that go together. */
export interface BatchOptions {
  /** All or none are stored; all must fall in one partition. False unless given. */
  readonly atomic?: boolean | undefined;
  /** Of all of them; see `MessageOptions.partition`. */
  readonly partition?: number | undefined;
  /** Store them only if this is the partition's next sequence; implies that they go as one batch. */
  readonly expectedSequence?: number | undefined;
}

/** A message, or several that are one batch, and where they go. */
interface Held {
  readonly partition: number | undefined;
  /** Decides the partition where none is chosen. */
  readonly name: string | undefined;
  readonly messages: number;
  /** Payload bytes: about what it takes while it is kept. */
  readonly bytes: number;
  readonly put: (lane: Lane) => number;
  readonly fail: (error: WaysideError) => void;
}

export class StationProducer<T> implements Producer<T> {
  /** A handler that is being waited for may produce. */
  readonly closesLast = true;
  readonly #context: Context;
  readonly #station: string;
  readonly #schema: StandardSchemaV1<unknown, T> | undefined;
  readonly #options: ProducerOptions<T>;
  readonly #id: string;
  readonly #epoch: number;
  readonly #lanes: Lane[] = [];
  #route: Route | undefined;
  /** Where the station is not known yet: what waits until it is. */
  #held: Held[] | undefined;
  /** Counts batches: decides the partition of what has neither key nor id. */
  #turn: number;
  #messages = 0;
  #bytes = 0;
  /** Those who wait for room, or for everything. */
  #waiters: { readonly bytes: number; readonly resolve: () => void }[] = [];
  /** The first failure of a `send` that nobody was told of by `flush`. */
  #failure: WaysideError | undefined;
  /** Validations that take their time, in the order in which they were asked for. */
  #validating: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(context: Context, station: string, schema: StandardSchemaV1<unknown, T> | undefined, options: ProducerOptions<T> = {}) {
    this.#context = context;
    this.#station = station;
    this.#schema = schema;
    this.#options = options;
    // Anywhere: programs that produce one message each shall not all take the same partition.
    this.#turn = Math.floor(context.clock.random() * 4096);
    this.#id = options.id ?? randomName(context.clock);
    this.#epoch = options.epoch ?? (options.id === undefined ? 1 : Math.max(1, Math.floor(context.clock.now())));
    context.opened(this);
  }

  get pending(): { messages: number; bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  produce(payload: T, options?: ProduceOptions): Promise<Produced> {
    const promise = new Promise<Produced>(capture);
    const entry = { resolve: captured.resolve, reject: captured.reject };
    this.#take(payload, options, entry);
    return promise;
  }

  send(payload: T, options?: MessageOptions): Promise<void> | undefined {
    this.#take(payload, options, { resolve: undefined, reject: (error) => this.#lost(error, payload, options) });
    const { bufferBytes = 16 * 1024 * 1024 } = this.#options;
    return this.#bytes < bufferBytes ? undefined : this.#until(bufferBytes);
  }

  /** Each message's fate, in the order given. @throws only where they go as one batch: what refuses all of them */
  async produceMany(messages: Iterable<NewMessage<T>>, options: BatchOptions = {}): Promise<(Produced | WaysideError)[]> {
    const { atomic = false, partition, expectedSequence } = options;
    if (atomic || expectedSequence !== undefined) return this.#produceBatch([...messages], atomic, partition, expectedSequence);
    const fates: Promise<Produced | WaysideError>[] = [];
    for (const message of messages) {
      const { payload } = message;
      const place = partition === undefined ? message : { ...message, partition };
      const index = fates.length;
      fates.push(this.produce(payload, place).catch((error: WaysideError) => at(index, error)));
    }
    return Promise.all(fates);
  }

  async flush(): Promise<void> {
    await this.#validating;
    for (const lane of this.#lanes) lane?.hurry();
    if (this.#messages > 0) await this.#until(0);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.flush();
    } finally {
      this.#context.left(this);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(payload: T, options: ProduceOptions | undefined, entry: Entry): void {
    try {
      if (this.#isClosed) throw new WaysideError('INVALID_REQUEST', 'The producer is closed. Make another one.', { outcome: 'refused' });
      if (this.#schema === undefined) {
        this.#encode(payload, options, entry);
        return;
      }
      const valid = this.#validating === undefined ? validate(this.#schema, payload) : this.#inTurn(this.#schema, payload);
      if (!(valid instanceof Promise)) {
        this.#encode(valid, options, entry);
        return;
      }
      this.#takeLater(valid, options, entry);
    } catch (error) {
      entry.reject(asWaysideError(error));
    }
  }

  #encode(payload: unknown, options: ProduceOptions | undefined, entry: Entry): void {
    const message = encodable(payload, options, this.#route === undefined);
    const expected = options?.expectedSequence;
    // The station is known, it has one partition, and nothing is special: nearly every message.
    if (this.#route?.partitions === 1 && (options === undefined || (expected === undefined && options.partition === undefined))) {
      this.#count(1, this.#lane(0).append(message, entry));
      return;
    }
    const put = expected === undefined ? (lane: Lane) => lane.append(message, entry) : asBatch([message], [entry], false, expected);
    const { key, id, payload: bytes } = message;
    this.#place({ partition: options?.partition, name: key ?? id, messages: 1, bytes: bytes.length, put, fail: entry.reject });
  }

  #inTurn(schema: StandardSchemaV1<unknown, T>, payload: T): Promise<T> {
    return this.#validating!.then(() => validate(schema, payload));
  }

  /** In the order in which they were given, however long each validation takes. */
  #takeLater(valid: Promise<T>, options: ProduceOptions | undefined, entry: Entry): void {
    const turn = (async () => {
      try {
        this.#encode(await valid, options, entry);
      } catch (error) {
        entry.reject(asWaysideError(error));
      }
    })();
    const validating = turn.then(() => {
      if (this.#validating === validating) this.#validating = undefined;
    });
    this.#validating = validating;
  }

  async #produceBatch(
    messages: readonly NewMessage<T>[],
    atomic: boolean,
    chosen: number | undefined,
    expectedSequence: number | undefined,
  ): Promise<Produced[]> {
    const encoded: Encodable[] = [];
    for (const [index, message] of messages.entries()) {
      try {
        const payload = this.#schema === undefined ? message.payload : await validate(this.#schema, message.payload);
        encoded.push(encodable(payload, message, true));
      } catch (error) {
        throw at(index, asWaysideError(error));
      }
    }
    if (encoded.length === 0) return [];
    const name = encoded.map(({ key, id }) => key ?? id).find((text) => text !== undefined);
    return new Promise((resolve, reject) => {
      const produced = new Array<Produced>(encoded.length);
      let left = encoded.length;
      const entries = encoded.map((_, index) => ({
        resolve: (fate: Produced) => {
          produced[index] = fate;
          if (--left === 0) resolve(produced);
        },
        reject: (error: WaysideError) => reject(error),
      }));
      const partition = chosen ?? messages.find((message) => message.partition !== undefined)?.partition;
      const batch = asBatch(encoded, entries, atomic, expectedSequence);
      // When it is placed: only then the station's partitions are known.
      const put = (lane: Lane) => {
        for (const { partition, key, id } of messages) this.#checkPlace(lane, chosen ?? partition, key ?? id);
        return batch(lane);
      };
      try {
        const bytes = encoded.reduce((sum, { payload }) => sum + payload.length, 0);
        this.#place({ partition, name, messages: encoded.length, bytes, put, fail: reject });
      } catch (error) {
        reject(asWaysideError(error));
      }
    });
  }

  /** @throws INVALID_REQUEST what a message chooses, or its key, leads elsewhere */
  #checkPlace(lane: Lane, partition: number | undefined, name: string | undefined): void {
    if ((partition ?? name) === undefined || this.#lane(this.#choose({ partition, name }, this.#route!)) === lane) return;
    throw new WaysideError('INVALID_REQUEST', 'Messages that go as one batch must fall in one partition. Give `partition`, or one key.');
  }

  /** Gives it to its lane, or keeps it until the station's partitions are known. */
  #place(held: Held): void {
    if (this.#route !== undefined) {
      this.#count(held.messages, held.put(this.#lane(this.#choose(held, this.#route))));
      return;
    }
    this.#count(held.messages, held.bytes);
    if (this.#held !== undefined) this.#held.push(held);
    else {
      this.#held = [held];
      void this.#learn();
    }
  }

  /** Asks how many partitions the station has, and what key goes where. */
  async #learn(): Promise<void> {
    const { transport, clock, backoff } = this.#context;
    const patience = { clock, backoff, timeoutMs: this.#options.timeoutMs ?? 120_000 };
    let refusal: WaysideError | undefined;
    try {
      const order = { method: 'GET', path: this.#context.path('stations', this.#station) };
      const { body } = await retrying(transport, patience, true, (leftMs) => transport.call(order, leftMs));
      this.#route = routeOf(body);
    } catch (thrown) {
      // Nothing of it was sent.
      refusal = withOutcome(asWaysideError(thrown), 'refused');
    }
    const waiting = this.#held ?? [];
    this.#held = undefined;
    for (const held of waiting) {
      try {
        if (refusal !== undefined) throw refusal;
        this.#place(held);
      } catch (error) {
        held.fail(asWaysideError(error));
      }
      // Only now: in between, whoever waits for everything would see nothing left.
      this.#settled(held.messages, held.bytes);
    }
  }

  #choose({ partition, name }: Pick<Held, 'partition' | 'name'>, { partitions, slots }: Route): number {
    if (partition !== undefined) {
      if (Number.isSafeInteger(partition) && partition >= 0 && partition < partitions) return partition;
      throw new WaysideError('INVALID_REQUEST', `The station has no partition ${partition}, but 0 to ${partitions - 1}.`, {
        field: 'partition',
      });
    }
    if (slots === undefined) return 0;
    return name === undefined ? this.#turn % partitions : partitionOf(slots, name);
  }

  #lane(partition: number): Lane {
    return this.#lanes[partition] ?? this.#newLane(partition);
  }

  #newLane(partition: number): Lane {
    const { transport, clock, backoff } = this.#context;
    const { maxBatchBytes = 64 * 1024, maxBatchMessages = 1_000, inFlight = 4, lingerMs = 0, timeoutMs = 120_000 } = this.#options;
    const settings = {
      transport,
      clock,
      backoff,
      station: this.#station,
      id: this.#id,
      epoch: this.#epoch,
      maxBatchBytes,
      maxBatchMessages,
      inFlight,
      lingerMs,
      timeoutMs,
      settled: (messages: number, bytes: number) => this.#settled(messages, bytes),
      // Turns are taken by batches, not by messages: neighbours stay together.
      closed: (of: number) => {
        if (this.#route !== undefined && of === this.#turn % this.#route.partitions) this.#turn++;
      },
      doubt: () => {
        this.#route = undefined;
      },
    };
    const lane = new Lane(settings, partition);
    this.#lanes[partition] = lane;
    return lane;
  }

  #count(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
  }

  #settled(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#bytes -= bytes;
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      const isOver = waiter.bytes === 0 ? this.#messages === 0 : this.#bytes < waiter.bytes;
      if (isOver) waiter.resolve();
      return !isOver;
    });
  }

  /** @param bytes until fewer wait; 0: until nothing does */
  #until(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ bytes, resolve });
    });
  }

  #lost(error: WaysideError, payload: T, options: MessageOptions | undefined): void {
    this.#failure ??= error;
    this.#options.onError?.(error, { ...options, payload });
  }
}

function asBatch(messages: readonly Encodable[], entries: readonly Entry[], atomic: boolean, expected: number | undefined) {
  return (lane: Lane) => lane.appendBatch(messages, entries, atomic, expected);
}

/** The two ends of the promise that is just being made: one function for all, where a closure would be one a message. */
const captured = {} as { resolve: (produced: Produced) => void; reject: (error: WaysideError) => void };

function capture(resolve: (produced: Produced) => void, reject: (error: WaysideError) => void): void {
  captured.resolve = resolve;
  captured.reject = reject;
}
