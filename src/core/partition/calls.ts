/**
 * What a partition can be asked, as types: by the parts of a broker, wherever the partition is.
 *
 * Holds: what goes in and comes out are plain values that can be copied from one process to another (but for those who wait,
 * who get hints); every call resolves when what it says is as durable as the station says, and refuses with a WaysideError.
 * Elsewhere: several partitions (broker/), one in this process (partition.ts), one in another (spread/).
 */
import type {
  Audit,
  Block,
  DeadLetter,
  DeadReason,
  GroupConfig,
  LeasedBlock,
  PartitionCounts,
  PendingInfo,
  Place,
  StepResult,
} from '../calls.ts';
import type { Code } from '../errors.ts';
import type { Soon } from '../ports.ts';
import type { Settling, Span } from './acknowledge.ts';
import type { Given } from './configure.ts';
import type { Holder } from './counts.ts';
import type { LetterName } from './dead.ts';
import type { Part, PartResult } from './produce.ts';
import type { Output } from './step.ts';
import type { Waiter } from './waiters.ts';

/** What a fetch asks of one partition. */
export interface Ask {
  /** Id of the group. */
  readonly group: number;
  readonly consumer: string;
  /** Messages, and record bytes, at most; one message is given whatever its size. */
  readonly max: number;
  readonly maxBytes: number;
  /** Undefined: what the group says. */
  readonly leaseMs: number | undefined;
}

/** What was leased. */
export interface Taken {
  readonly count: number;
  readonly bytes: number;
  /** The blocks, once what they rest on is durable; none where nobody is there any more to take them. */
  readonly blocks: Promise<readonly LeasedBlock[]>;
}

/** Messages `from … to` of a span did not count. */
export interface Refusal {
  /** The span's place among those that were given. */
  readonly place: number;
  readonly from: number;
  readonly to: number;
  readonly code: Code;
  readonly detail: string;
}

export interface ReadBlocks {
  readonly blocks: readonly Block[];
  /** Where to read on. */
  readonly next: number;
  /** Nothing is at `next` or behind it. */
  readonly isEnd: boolean;
}

export interface PartitionInfo {
  readonly counts: PartitionCounts;
  readonly scheduled: number;
  readonly outbox: number;
}

/** A group as one partition sees it. */
export interface GroupShare {
  readonly unread: number;
  readonly inFlight: number;
  readonly redelivered: number;
  readonly dead: number;
  /** By consumer: who holds leases, or was here lately. */
  readonly members: ReadonlyMap<string, Holder>;
  /** Some of `unread` may be passed over. */
  readonly isUpperBound: boolean;
  readonly isStalled: boolean;
  /** When the oldest message that the group has not settled was produced; undefined when there is none. */
  readonly oldest: number | undefined;
}

/** Which dead letters: those that fit all that is given. `group` is an id; −1 fits none. */
export interface LetterFilter {
  readonly group: number | undefined;
  readonly reason: DeadReason | undefined;
  readonly key: string | undefined;
  /** Died at or after, and before, in ms since 1970. */
  readonly from: number;
  readonly until: number;
}

/** Where a list of letters ended. */
export type LetterPlace = Pick<LetterName, 'sequence' | 'died'>;

/** What one partition has for a page of a list. */
export interface Listed<Item, At> {
  readonly items: readonly Item[];
  /** So many were looked at: they count, whether or not they are in `items`. */
  readonly looked: number;
  /** The last one of those. */
  readonly last: At | undefined;
  /** There may be others behind it. */
  readonly isMore: boolean;
}

export type LetterPage = Listed<DeadLetter, LetterPlace>;

/** Where redriven letters go: back to the group that failed, to all groups, or to a station (partitions by key, id or turn). */
export type RedriveTarget = 'group' | 'groups' | { readonly station: number; readonly partitions: number };

/** Those that fit, behind `after`, and have died up to the log's index `upTo`. */
export interface LettersOf {
  readonly filter: LetterFilter | undefined;
  readonly after: LetterPlace | undefined;
  readonly upTo: number;
}

export interface RedriveSlice {
  /** By name, in that order; or all that fit. */
  readonly which: readonly LetterPlace[] | LettersOf;
  /** So many go, at most; the partition may end a slice sooner. With 0 it only tells whether there may be any. */
  readonly most: number;
  readonly to: RedriveTarget;
  readonly maxRedrives: number;
  /** Nothing is sent, only counted: as `busy`. */
  readonly countsOnly: boolean;
}

export interface RedriveShare {
  readonly redriven: number;
  /** Those that `maxRedrives` has kept. */
  readonly kept: number;
  /** Those that are just being copied, or were only counted. */
  readonly busy: number;
  /** Behind which letter to go on, 0 and 0 where that is the beginning; undefined when there is no more. */
  readonly next: LetterPlace | undefined;
}

/** A delayed message, as its partition knows it. */
export interface DelayedInfo {
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly due: number;
  readonly accepted: number;
  readonly key: string | undefined;
  readonly id: string | undefined;
  readonly bytes: number;
}

/** Where a list of delayed messages ended. */
export type DelayedPlace = Pick<DelayedInfo, 'due' | 'number'>;

export type DelayedPage = Listed<DelayedInfo, DelayedPlace>;

/** What the catalog asks of a partition, by the index of the catalog's entry. */
export type PartitionCommand =
  | { readonly verb: 'configure'; readonly index: number; readonly given: Given }
  | {
      readonly verb: 'make-group';
      readonly index: number;
      readonly group: number;
      readonly name: string;
      readonly config: GroupConfig;
      readonly at: Place;
    }
  | { readonly verb: 'change-group'; readonly index: number; readonly group: number; readonly config: GroupConfig }
  | { readonly verb: 'remove-group'; readonly index: number; readonly group: number }
  | { readonly verb: 'purge'; readonly index: number; readonly upTo: number | undefined }
  | { readonly verb: 'seek'; readonly index: number; readonly group: number; readonly to: Place };

export interface PartitionCalls {
  /** Which one of its station it is, from 0. */
  readonly number: number;

  produce(part: Part): Promise<PartResult>;
  /** Blocks from `from` on, without a group: as many as fit, and one whatever its size. */
  read(from: number, count: number, bytesMax: number): Promise<ReadBlocks>;
  /** @throws MESSAGE_TRIMMED · MESSAGE_NOT_FOUND */
  message(sequence: number): Promise<Block>;
  /** The sequence that a place means now. */
  place(place: Place): Promise<number>;

  /** A hint whenever there may be something to read. @returns how to leave */
  addReader(waiter: Waiter): () => void;
  /** One hint when there may be something for the group. @returns how to leave */
  addFetcher(group: number, waiter: Waiter): () => void;
  /** A hint was taken by one who made nothing of it. */
  passOn(group: number): void;

  /** @param gone tells that nobody is there any more to take what was leased: then it goes back, uncounted. @throws GROUP_NOT_FOUND */
  take(ask: Ask, gone: () => boolean): Soon<Taken>;
  /** What was leased goes back, uncounted, and nobody waits for it: whoever was to have it has gone. */
  undo(group: number, lease: string): Promise<void>;
  /** @returns what did not count, by the places of the spans. @throws GROUP_NOT_FOUND */
  settle(group: number, settling: Settling): Promise<readonly Refusal[]>;
  /** Acks, and what was made of it on its way, in one commit. @throws INVALID_RECEIPT · LEASE_EXPIRED · LIMIT_EXCEEDED */
  step(group: number, spans: readonly Span[], outputs: readonly Output[]): Promise<StepResult>;
  /** What the consumer holds goes back. @returns how many messages */
  release(group: number, consumer: string): Promise<number>;

  info(): Promise<PartitionInfo>;
  groupShare(group: number): Promise<GroupShare>;
  audit(group: number): Promise<Audit>;
  /** What is out under leases, behind sequence `after`, at most so many. */
  pending(group: number, after: number, most: number): Promise<readonly PendingInfo[]>;

  /**
   * Letters in the order in which they died, behind `after`.
   *
   * @param most letters that are looked at; with 0 it only tells whether there may be any
   * @param bytesMax of messages; one is given whatever its size, where this is not 0
   */
  letters(filter: LetterFilter, after: LetterPlace | undefined, most: number, bytesMax: number): Promise<LetterPage>;
  letter(name: LetterPlace): Promise<DeadLetter | undefined>;
  /** @returns whether it was there. @throws UNAVAILABLE it is just being copied */
  removeLetter(name: LetterPlace): Promise<boolean>;
  /** In one commit. What is gone by then is passed over. @throws LIMIT_EXCEEDED · STORAGE_FULL */
  redrive(slice: RedriveSlice): Promise<RedriveShare>;
  /** The log's index now, for `RedriveSlice.upTo`. */
  lastIndex(): Promise<number>;

  /** Delayed messages in the order in which they are due, behind `after`. @param most with 0 it only tells whether there are any */
  delayed(after: DelayedPlace | undefined, most: number): Promise<DelayedPage>;
  /** @returns whether it was there */
  cancelDelayed(number: number): Promise<boolean>;

  /** Does what the catalog asks, once. @returns messages that a purge took away; else 0 */
  carryOut(command: PartitionCommand): Promise<number>;
  /** All that was stored so far is synced, whatever the station asks for. */
  synced(): Promise<void>;
}
