/**
 * What a broker can be asked, as types: the only thing that a gateway, an embedding program or a test needs to know.
 *
 * Holds: every method refuses with a WaysideError, resolves only when what it says is as durable as it says, and never
 * speaks of another namespace. Elsewhere: the wire forms (gateway/), what each call does (broker.ts and below).
 */
import type { Code } from './errors.ts';
import type { Durability, Soon } from './ports.ts';

/** How long messages are kept. Each bound holds by itself; without any they are kept for ever. */
export interface Retention {
  /** Milliseconds since a message got its sequence. */
  readonly maxAgeMs: number | undefined;
  /** Per partition. */
  readonly maxMessages: number | undefined;
  /** Record bytes, per partition. */
  readonly maxBytes: number | undefined;
  /** A message goes when every group has acked it; while there is no group, all are kept. */
  readonly untilAcked: boolean | undefined;
  /** What happens to a message that `maxMessages` or `maxBytes` has no room for: the oldest goes, or it is refused. */
  readonly discard: 'old' | 'refuse';
}

/** How long dead letters are kept. */
export interface DeadLetterConfig {
  /** Milliseconds since they died; undefined: until they are sent again or removed. */
  readonly maxAgeMs: number | undefined;
  /** A message that expires before a group has settled it becomes its dead letter; otherwise it is only counted. */
  readonly expired: boolean | undefined;
  /** Name of a station of the same namespace that gets a copy of each dead letter. */
  readonly station: string | undefined;
}

/** What a station is. */
export interface StationConfig {
  /** 1 to 256. Order holds within one of them. */
  readonly partitions: number;
  /** Which messages go, and when. */
  readonly retention: Retention;
  /** What an answer waits for at least. */
  readonly durability: Durability;
  /** Milliseconds that the id of a message is remembered for. */
  readonly dedupWindowMs: number;
  /** Payload bytes of one message. */
  readonly maxMessageBytes: number;
  /** How long dead letters are kept. */
  readonly deadLetter: DeadLetterConfig;
}

/** As it comes in: what is left out takes its default; in a patch `null` takes a setting back to its default. */
export interface StationInput {
  /** 1 (unless given) to 256; cannot be changed. */
  readonly partitions?: number | undefined;
  /** Without any bound unless given: messages are kept. */
  readonly retention?: { readonly [name in keyof Retention]?: Retention[name] | null | undefined } | null | undefined;
  /** The strongest that the host gives, unless given. */
  readonly durability?: Durability | undefined;
  /** Milliseconds, 0 to 604_800_000 (a week); 120_000 unless given. */
  readonly dedupWindowMs?: number | null | undefined;
  /** Bytes, 1 to 1_048_576 (unless given). */
  readonly maxMessageBytes?: number | null | undefined;
  /** Dead letters are kept unless an age is given, in milliseconds; expired messages become none, and none is copied, unless said. */
  readonly deadLetter?: { readonly [name in keyof DeadLetterConfig]?: DeadLetterConfig[name] | null | undefined } | null | undefined;
}

/** What is in one partition now. */
export interface PartitionCounts {
  /** From 0. */
  readonly partition: number;
  /** Messages that are there. */
  readonly messages: number;
  /** Record bytes. */
  readonly bytes: number;
  /** The first sequence that is there; `last + 1` when it is empty. */
  readonly first: number;
  /** The last sequence that was given; 0 before the first message. */
  readonly last: number;
}

/** A station without its live counts, as the list gives it. */
export interface StationHead extends StationConfig {
  /** 1 to 128 of `a-z A-Z 0-9 . _ -`, not starting with a dot. */
  readonly name: string;
  /** Rises with each change of the configuration, from 1. Also the ETag. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A station with its live counts. */
export interface StationInfo extends StationHead {
  /** Messages that are there, in all partitions. */
  readonly messages: number;
  /** Their record bytes. */
  readonly bytes: number;
  /** The same of each partition. */
  readonly counts: readonly PartitionCounts[];
  /** Delayed messages that are not due yet; they are in none of the other counts. */
  readonly scheduled: number;
  /** What is on its way to other stations: redriven and copied dead letters, outputs of steps. */
  readonly outbox: number;
  /** Key slots (XXH32 mod 4096) `[first, last, partition]`. */
  readonly slots: readonly (readonly [number, number, number])[];
}

export interface Page<T> {
  readonly items: readonly T[];
  /** What to give as `after` for the next page; null at the end. */
  readonly next: string | null;
}

export interface PageInput {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
}

/**
 * A producer's name for a batch, so that it is stored once and in order, however often it is sent. Needs a named partition
 * on a station with several.
 *
 * A batch of n messages that is answered uses n sequences, also for those of its messages that are in `errors` or were
 * stored before under their id. A batch that is refused (the call throws: PRODUCER_FENCED, PRODUCER_GAP, SEQUENCE_MISMATCH,
 * anything of an atomic one, INVALID_RECORDS, BATCH_TOO_LARGE, OVERLOADED, STORAGE_FULL, whatever names a wrong input) uses
 * none. Where the outcome is unknown the same batch is sent again with the same sequence.
 *
 * A repeat is answered with the places of the first time, as `duplicates`; the last 64 batches of a producer are
 * remembered, or more where they followed each other. A repeat that became no message then, or that is not remembered, is
 * never stored: it is refused again for what it was refused, else with PRODUCER_GAP.
 *
 * A newer epoch begins at 1, and fences the older ones. A partition forgets a producer that used
 * no sequence for `producerMs`, and the longest unheard above `producersMax`: PRODUCER_GAP, unless it begins at 1.
 */
export interface Producer {
  /** A name, as those of stations and consumers. */
  readonly id: string;
  /** From 1. */
  readonly epoch: number;
  /** That of the batch's first message, counted from 1 in each partition and epoch. */
  readonly sequence: number;
}

export interface ProduceInput {
  readonly partition?: number | undefined;
  readonly atomic?: boolean | undefined;
  readonly expectedSequence?: number | undefined;
  /** Whose batch it is: stored once, in order (see Producer). */
  readonly producer?: Producer | undefined;
  /** The batch was built by this process (BatchBuilder): its CRC need not be checked again. */
  readonly trusted?: boolean | undefined;
}

export interface ProduceResult {
  /** Messages in the batch. */
  readonly count: number;
  /** `[partition, first sequence, count]`, by partition, then in the order sent. */
  readonly ranges: readonly (readonly [number, number, number])[];
  /** `[index in the batch, partition, sequence of the first one]`. */
  readonly duplicates: readonly (readonly [number, number, number])[];
  /** Delayed messages, in the order sent. */
  readonly scheduled: readonly ScheduledPlace[];
  readonly errors: readonly { readonly index: number; readonly code: Code; readonly detail: string }[];
  /** Partition of each message by its index in the batch; undefined when all fell in one partition (`ranges`, `duplicates` name it). */
  readonly partitions: Uint16Array | undefined;
  readonly durability: Durability;
}

/** What became of a delayed message of a batch. */
export interface ScheduledPlace {
  readonly index: number;
  /** Names it for `cancelSchedule`. */
  readonly scheduleId: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  /** It was accepted before under its id, or under its producer's sequence. */
  readonly duplicate: boolean;
}

/** A delayed message that is not due yet. */
export interface ScheduleInfo {
  /** Names it, for cancelling. */
  readonly scheduleId: string;
  /** From 0. */
  readonly partition: number;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
  /** When it was accepted. */
  readonly acceptedAt: number;
  /** Its key, if it has one. */
  readonly key: string | undefined;
  /** Its id, if it has one. */
  readonly id: string | undefined;
  /** Bytes of its record. */
  readonly bytes: number;
}

/** Messages `first … first + count − 1` of one partition, as they are stored: records `start … end` of `bytes`. */
export interface Block {
  readonly partition: number;
  readonly first: number;
  readonly count: number;
  readonly producedAt: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** A block given to a consumer under one lease. A message's receipt is `partition.sequence.lease`. */
export interface LeasedBlock extends Block {
  readonly deliveries: number;
  readonly lease: string;
}

/** A sequence, the two ends, the first message at or after a time in ms, or the last messages of each partition. */
export type Place = number | 'start' | 'end' | { readonly time: number } | { readonly last: number };

/** As much of an AbortSignal as the core needs. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface ReadInput {
  /** All partitions when undefined. */
  readonly partition?: number | undefined;
  /** Where to begin; `start` unless said. Not together with `cursor`. */
  readonly from?: Place | undefined;
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly signal?: Signal | undefined;
}

export interface ReadResult {
  readonly blocks: readonly Block[];
  /** The cursor before the first block, and the one after the last (cursor.ts steps between them). */
  readonly start: string;
  readonly cursor: string;
  /** Nothing is after it now. */
  readonly end: boolean;
}

/** How a group gives messages out: as they come, one message of a key at a time, or one lease of a partition at a time. */
export type Order = 'none' | 'key' | 'partition';

/** How long a message waits before it is delivered again, where the nack does not say. */
export type Backoff =
  /** After the first delivery, the second …; the last one again and again. Milliseconds. */
  | readonly number[]
  /** `minMs` after the first delivery, then `factor` times as long each time, up to `maxMs`; up to `jitterPercent` less by chance. */
  | { readonly minMs: number; readonly maxMs: number; readonly factor: number; readonly jitterPercent: number };

/** As it comes in: `factor` is 2 and `jitterPercent` 0 unless given. */
export type BackoffInput =
  | readonly number[]
  | {
      readonly minMs: number;
      readonly maxMs: number;
      readonly factor?: number | undefined;
      readonly jitterPercent?: number | undefined;
    };

/** What a group is. */
export interface GroupConfig {
  /** Where it began: as it was given, as a text. */
  readonly startAt: string;
  /** What may be out at once. */
  readonly order: Order;
  /** Milliseconds that a message is kept from others, unless the fetch says else. */
  readonly leaseMs: number;
  /** After so many deliveries a message is a dead letter. */
  readonly maxDeliveries: number;
  /** Messages that may be out at once, in each partition; undefined for no bound. */
  readonly maxInFlight: number | undefined;
  /** The same for one consumer. */
  readonly maxInFlightPerConsumer: number | undefined;
  /** Undefined: at once. */
  readonly backoff: Backoff | undefined;
  /** Only messages that match are delivered; the others are passed. See filter/FILTERS.md. */
  readonly filter: string | undefined;
  /** Nothing is delivered; what is out can be settled. */
  readonly paused: boolean;
}

/** As it comes in: what is left out takes its default; in a patch `null` takes a setting back to its default. */
export interface GroupInput {
  /** `start` (default), `end`, a sequence, `time:MS`, or `last:N`. */
  readonly startAt?: number | string | undefined;
  /** `none` unless given. */
  readonly order?: Order | undefined;
  /** Milliseconds, 1_000 to 43_200_000 (12 h); 30_000 unless given. */
  readonly leaseMs?: number | null | undefined;
  /** 1 to 1_000_000; 10 unless given. */
  readonly maxDeliveries?: number | null | undefined;
  /** From 1, in each partition; no bound unless given. */
  readonly maxInFlight?: number | null | undefined;
  /** From 1, of one consumer in each partition; no bound unless given. */
  readonly maxInFlightPerConsumer?: number | null | undefined;
  /** Delays from 1 ms to a year, at most 100 of them, or an exponential rule; at once unless given. */
  readonly backoff?: BackoffInput | null | undefined;
  /** An expression over key and headers (filter/FILTERS.md), at most 1,024 bytes; all messages unless given. */
  readonly filter?: string | null | undefined;
  /** False unless given. */
  readonly paused?: boolean | null | undefined;
}

/** A group without its live counts, as the list gives it. */
export interface GroupHead extends GroupConfig {
  /** 1 to 128 of `a-z A-Z 0-9 . _ -`, not starting with a dot. */
  readonly name: string;
  /** Rises with each change of the configuration, from 1. Also the ETag. */
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** A group with its live counts, exact and of all partitions together. */
export interface GroupInfo extends GroupHead {
  /** Messages that the group has still to get: never delivered, or waiting to be delivered again. */
  readonly unread: number;
  /** Messages that are out under a lease. */
  readonly inFlight: number;
  /** Of those in flight, the ones that were delivered before. */
  readonly redelivered: number;
  /** Its dead letters. */
  readonly dead: number;
  /** `unread` counts messages that a filter or their expiry may still pass over. */
  readonly unreadIsUpperBound: boolean;
  /** When the oldest message that it has not settled was produced, in ms since 1970; null when there is none. */
  readonly oldestPendingAt: number | null;
  /** Order `key`: so many messages wait for one of their key, or are out, that no newer ones are looked at. */
  readonly stalled: boolean;
  /** Consumers that have fetched within the last minute or hold a lease. */
  readonly members: readonly { readonly consumer: string; readonly inFlight: number; readonly lastSeenAt: number }[];
}

/** A message that is out under a lease. */
export interface PendingInfo {
  /** From 0. */
  readonly partition: number;
  /** Its place in the partition, from 1. */
  readonly sequence: number;
  /** Who has it. */
  readonly consumer: string;
  /** How often it was given out, this time included. */
  readonly deliveries: number;
  /** When the lease ends: milliseconds since 1970. */
  readonly expiresAt: number;
  /** What it is settled with. */
  readonly receipt: string;
}

export interface FetchInput {
  readonly consumer: string;
  readonly max?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly startAt?: number | string | undefined;
  readonly ack?: readonly string[] | undefined;
  readonly signal?: Signal | undefined;
  /** Bounds what is taken at each look, beside `maxBytes`: for who cannot pass on everything that may come. */
  readonly room?: Room | undefined;
  /** The group must be there: it is not made. @throws GROUP_NOT_FOUND */
  readonly join?: boolean | undefined;
}

/** Room for messages, asked in the very turn in which they are leased. */
export interface Room {
  /** Takes up to `bytes`. 0: there is none now, nothing is leased, and whoever owns the room ends the fetch by its signal. */
  take(bytes: number): number;
  /** What was not used; below zero where a message has overdrawn. */
  giveBack(bytes: number): void;
}

export interface FetchResult {
  readonly blocks: readonly LeasedBlock[];
  /** Receipts given with `ack` that did not count. */
  readonly failed: readonly ReceiptFailure[];
}

export interface ReceiptFailure {
  readonly receipt: string;
  /** Of a range: all from the receipt's sequence up to this one. */
  readonly to?: number | undefined;
  readonly code: Code;
  readonly detail: string;
}

export type SettleVerb = 'ack' | 'nack' | 'extend' | 'reject';

/** Sequences `from … to` (both included) of one partition, given out under one lease. */
export type ReceiptRange = readonly [partition: number, lease: string, from: number, to: number];

export interface SettleInput {
  readonly receipts: readonly string[];
  /** Costs a step a run of messages, not a message. */
  readonly ranges?: readonly ReceiptRange[] | undefined;
  /** nack: not again before this. */
  readonly delayMs?: number | undefined;
  /** extend: counted from now. */
  readonly leaseMs?: number | undefined;
  /** reject, nack: kept in the dead letter. */
  readonly reason?: string | undefined;
}

/** Why a message is dead for a group. `undeliverable`: a step has made it, and its station would not take it. */
export type DeadReason = 'rejected' | 'max-deliveries' | 'expired' | 'undeliverable';

export interface DeadLetter {
  readonly id: string;
  readonly reason: DeadReason;
  /** The text given with the reject or the last nack, or why it died. */
  readonly error: string;
  readonly group: string;
  readonly consumer: string;
  readonly deliveries: number;
  /** How often it had been redriven to the group before. */
  readonly redrives: number;
  readonly diedAt: number;
  /** The last deliveries, oldest first. */
  readonly history: readonly { readonly at: number; readonly event: string; readonly consumer?: string; readonly deliveries: number }[];
  /** One message, its original bytes. */
  readonly message: Block;
}

/** Which dead letters: those that fit all that is given. */
export interface LetterMatch {
  readonly group?: string | undefined;
  readonly reason?: DeadReason | undefined;
  readonly key?: string | undefined;
  /** Died at or after, and before, in ms since 1970. */
  readonly from?: number | undefined;
  readonly until?: number | undefined;
}

export interface DeadLetterFilter extends PageInput, LetterMatch {}

/** One of `ids`, `all` and `match`. */
export interface RedriveInput {
  readonly ids?: readonly string[] | undefined;
  readonly all?: boolean | undefined;
  readonly match?: LetterMatch | undefined;
  /** `group` unless given. */
  readonly to?: 'group' | 'groups' | { readonly station: string } | undefined;
  /** At most so many a second; then the call answers after 30 s at the latest, with what is `left`. */
  readonly ratePerSecond?: number | undefined;
  /** Letters that were redriven so often stay. No bound unless given. */
  readonly maxRedrives?: number | undefined;
}

/** What became of dead letters that were to be sent again. */
export interface RedriveResult {
  /** How many went. */
  readonly redriven: number;
  /** Those that `maxRedrives` has kept. */
  readonly kept: number;
  /** Not done yet, for `ratePerSecond`: ask again. */
  readonly left: number;
}

/**
 * Where each message that was produced is, for a group: `produced + again` is the sum of all others, in every partition and
 * at every moment. Counts begin with the group's place: what lies before it (made at the end, say, or moved ahead) is `skipped`.
 */
export interface Audit {
  /** Sequences that were given. */
  readonly produced: number;
  /** Settled by the group. */
  readonly acknowledged: number;
  /** Not delivered yet, or waiting to be delivered again. */
  readonly pending: number;
  /** Out under a lease. */
  readonly inFlight: number;
  /** Died since the group was moved last, and not redriven. */
  readonly dead: number;
  /** Passed by since they had expired, or dead for that. */
  readonly expired: number;
  /** Went by the station's retention or a purge before the group settled them. */
  readonly trimmed: number;
  /** Passed by since the group's filter does not let them through. */
  readonly filtered: number;
  /** Before the place where the group began, or was moved to. */
  readonly skipped: number;
  /** Counted twice: redriven after the group had come by them anew. */
  readonly again: number;
}

/** The sums of a group, and those of each partition. */
export interface AuditResult extends Audit {
  /** The sum is right. */
  readonly balanced: boolean;
  /** The same of each. */
  readonly partitions: readonly (Audit & { readonly partition: number })[];
}

/** What a consumer has made of messages: they are acked and the outputs produced, all or nothing. */
export interface StepInput {
  /** All of one partition; every one must count. */
  readonly receipts: readonly string[];
  readonly ranges?: readonly ReceiptRange[] | undefined;
  /** Batches of records (as for `produce`), each to a station of the namespace. */
  readonly outputs: readonly { readonly station: string; readonly partition?: number | undefined; readonly batch: Uint8Array }[];
}

export interface StepResult {
  /** Messages that were acked. */
  readonly acked: number;
  /** Messages that are on their way to their stations, each once. */
  readonly produced: number;
  /** The step had been made before: its messages were acked and its outputs produced then, once. */
  readonly repeated: boolean;
}

/** One of `station` (else all of the namespace) and `id` with `offset`. */
export interface ExportInput {
  readonly station?: string | undefined;
  /** Goes on with an export that was begun. */
  readonly id?: string | undefined;
  /** Byte of the stream from which it goes on. */
  readonly offset?: number | undefined;
}

export interface ExportStream {
  /** By which it can be gone on with, for a minute after it was read last. */
  readonly id: string;
  /** Whoever stops early must call `return`, as `for await` does. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface ImportInput {
  /** What the one station of the stream is to be called. */
  readonly station?: string | undefined;
  /** A name of the caller's choice (API.md §2), by which the import can be gone on with when it breaks off. */
  readonly id?: string | undefined;
  /** Byte of the stream with which the pieces begin; see `importProgress`. */
  readonly offset?: number | undefined;
}

export interface ImportProgress {
  /** Bytes of the stream that need not be sent again; 0 where there is no such import. */
  readonly offset: number;
}

export interface ImportedStation {
  readonly name: string;
  readonly messages: number;
  readonly durability: Durability;
  /** What the stream asked for, where this host gives less. */
  readonly loweredFrom: Durability | undefined;
}

export interface ImportResult {
  readonly stations: readonly ImportedStation[];
}

export interface Broker {
  /** `PUT`: makes it or finds the same. @throws STATION_EXISTS it differs · DURABILITY_UNAVAILABLE · LIMIT_EXCEEDED */
  putStation(ns: string, station: string, input: StationInput): Promise<{ created: boolean; station: StationInfo }>;
  station(ns: string, station: string): Promise<StationInfo>;
  stations(ns: string, page: PageInput): Promise<Page<StationHead>>;
  /** @param version refuses with VERSION_MISMATCH when another is current */
  patchStation(ns: string, station: string, patch: StationInput, version?: number): Promise<StationInfo>;
  removeStation(ns: string, station: string): Promise<void>;
  purge(ns: string, station: string, input: { upTo?: number | undefined; partition?: number | undefined }): Promise<{ purged: number }>;

  /** @param batch a whole WSR1 batch with its CRC (§6), kept by the broker until the answer: do not change it */
  produce(ns: string, station: string, batch: Uint8Array, input?: ProduceInput): Promise<ProduceResult>;
  read(ns: string, station: string, input: ReadInput): Promise<ReadResult>;
  /** @throws MESSAGE_TRIMMED · MESSAGE_NOT_FOUND */
  message(ns: string, station: string, partition: number, sequence: number): Promise<Block>;

  putGroup(ns: string, station: string, group: string, input: GroupInput): Promise<{ created: boolean; group: GroupInfo }>;
  group(ns: string, station: string, group: string): Promise<GroupInfo>;
  groups(ns: string, station: string, page: PageInput): Promise<Page<GroupHead>>;
  patchGroup(ns: string, station: string, group: string, patch: GroupInput, version?: number): Promise<GroupInfo>;
  removeGroup(ns: string, station: string, group: string): Promise<void>;
  pending(ns: string, station: string, group: string, page: PageInput): Promise<Page<PendingInfo>>;
  seek(ns: string, station: string, group: string, to: Place, partition?: number): Promise<void>;

  /** Makes the group when it is not there. */
  fetch(ns: string, station: string, group: string, input: FetchInput): Promise<FetchResult>;
  settle(ns: string, station: string, group: string, verb: SettleVerb, input: SettleInput): Promise<readonly ReceiptFailure[]>;
  /** What the consumer holds goes to others at once, and does not count as delivered. */
  release(ns: string, station: string, group: string, consumer: string): Promise<{ released: number }>;

  deadLetters(ns: string, station: string, filter: DeadLetterFilter): Promise<Page<DeadLetter>>;
  deadLetter(ns: string, station: string, id: string): Promise<DeadLetter>;
  removeDeadLetter(ns: string, station: string, id: string): Promise<void>;
  /** @throws STATION_NOT_FOUND also where `to` names a station that is not there: nothing has gone then */
  redrive(ns: string, station: string, input: RedriveInput): Promise<RedriveResult>;

  /** By partition, then by due time. */
  schedules(ns: string, station: string, page: PageInput): Promise<Page<ScheduleInfo>>;
  /** @throws NOT_FOUND it is due, cancelled, or was never there */
  cancelSchedule(ns: string, station: string, scheduleId: string): Promise<void>;

  audit(ns: string, station: string, group: string): Promise<AuditResult>;
  /** Acks and produces in one: both are done once it answers, or will be, and neither if it refuses. */
  step(ns: string, station: string, group: string, input: StepInput): Promise<StepResult>;

  /** All that a station or a namespace holds in one moment, while traffic goes on. @throws NOT_FOUND no such export · OVERLOADED */
  exportStream(ns: string, input: ExportInput): Promise<ExportStream>;
  /**
   * Makes stations of an exported stream: all of them, or none.
   *
   * @throws IMPORT_REFUSED damaged, cut off, newer, none at all, or a station is there by that name · STORAGE_FULL · OVERLOADED
   */
  importStream(ns: string, input: ImportInput, pieces: AsyncIterable<Uint8Array>): Promise<ImportResult>;
  importProgress(ns: string, id: string): Soon<ImportProgress>;

  /** Refuses new calls (SHUTTING_DOWN), wakes those that wait, finishes what was accepted, writes sections, closes. */
  close(): Promise<void>;
}

/** `start`, `end`, `time:MS`, `last:N` or a sequence from 1, as text or number; undefined when it is none of them. */
export function parsePlace(text: string | number): Place | undefined {
  if (text === 'start' || text === 'end') return text;
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 1 ? text : undefined;
  const [, word, digits] = /^(time:|last:)?(0|[1-9]\d{0,15})$/.exec(text) ?? [];
  const value = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(value)) return undefined;
  if (word === 'time:') return { time: value };
  if (word === 'last:') return value >= 1 ? { last: value } : undefined;
  return value >= 1 ? value : undefined;
}
