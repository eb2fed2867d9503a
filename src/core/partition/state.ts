/**
 * All that a partition knows, apart from the messages themselves.
 *
 * Holds: `1 ≤ first ≤ next`; messages `first … next − 1` are there; `bytes` are their record bytes; every group's runs
 * end at or below `next`; a pin has a holder for each dead letter and each redriven message of its sequence.
 * It is made by entries alone (machine.ts), so two partitions with the same entries have the same state.
 */
import type { DeadReason, GroupConfig, StationConfig } from '../calls.ts';
import type { Limits } from '../limits.ts';
import { Dedup } from './dedup.ts';
import { Outbox } from './outbox.ts';
import type { ProducerLimits } from './producers.ts';
import { Producers } from './producers.ts';
import type { Past } from './runs.ts';
import { Runs } from './runs.ts';
import { Schedule } from './schedule.ts';

export interface Group {
  readonly id: number;
  readonly name: string;
  config: GroupConfig;
  runs: Runs;
  /** Leases up to and with this one count for nothing: a seek has ended them. */
  fence: { epoch: number; index: number };
  /** Index of the last entry that touched the group: what a refusal rests on. */
  touched: number;
  /** Index of the last entry that settled anything: what goes out in order of keys rests on it. Not kept: all is durable then. */
  settledIn: number;
  dead: number;
  /** The last ones, oldest first. */
  steps: readonly Step[];
  dirty: boolean;
}

export interface Letter {
  readonly sequence: number;
  /** Index of the entry in which it died; with `sequence` it names the letter. */
  readonly died: number;
  readonly group: number;
  readonly reason: DeadReason;
  readonly error: string;
  readonly consumer: string;
  readonly deliveries: number;
  readonly deliveredAt: number;
  readonly diedAt: number;
  readonly redrives: number;
  readonly past: readonly Past[];
  /** Its copy for the station that the configuration names is not on its way yet. */
  readonly isUncopied: boolean;
}

/** Messages `from … to` of a lease. */
export interface StepSpan {
  readonly from: number;
  readonly to: number;
  readonly epoch: number;
  readonly index: number;
}

/** A step that was made: whoever asks for it again is told so. */
export interface Step {
  readonly spans: readonly StepSpan[];
  readonly acked: number;
  readonly produced: number;
}

/** Keeps a message's bytes although the station may trim it. */
export interface Pin {
  holders: number;
  /** Index of the entry that carries the bytes; 0 while they are where they were produced. */
  carried: number;
}

/** The messages from `first` on were produced in this epoch of the volume. */
export interface Era {
  readonly epoch: number;
  readonly first: number;
}

export class PartitionState {
  readonly partition: number;
  /** Undefined until the first entry. */
  config: StationConfig | undefined;
  version = 0;
  secret = 0;
  /** The last command of the catalog that was carried out here. */
  command = 0;
  first = 1;
  next = 1;
  bytes = 0;
  /** Time of message `first`; 0 when there is none. */
  oldest = 0;
  /** Record bytes that were trimmed since the log last let go of data. Not kept: it only puts work off. */
  trimmedBytes = 0;
  /** The last message that has an expiry; 0 when there was none. */
  expiring = 0;
  /** Index of the last entry that produced, or said what a producer has used: what the answer to a produce rests on. */
  produced = 0;
  /** Of the messages that are there, oldest first. */
  readonly eras: Era[] = [];
  readonly groups = new Map<number, Group>();
  /** By sequence, then the index of the entry in which it died: `${sequence}.${died}`. */
  readonly letters = new Map<string, Letter>();
  readonly pins = new Map<number, Pin>();
  /** Keys of letters whose copies are not on their way yet. */
  readonly uncopied = new Set<string>();
  /** Parts of the letters and pins, by sequence (sections.ts), that have changed since they were written. */
  readonly dirtyLetters = new Set<number>();
  readonly dedup: Dedup;
  readonly producers: Producers;
  readonly schedule = new Schedule();
  readonly outbox = new Outbox();
  readonly groupsGone: number[] = [];

  constructor(partition: number, hashSeed: number, limits: ProducerLimits & Pick<Limits, 'idSliceMax'>) {
    this.partition = partition;
    this.dedup = new Dedup(hashSeed, limits.idSliceMax);
    this.producers = new Producers(limits);
  }

  get settings(): StationConfig {
    if (this.config === undefined) throw new TypeError('A partition is asked before it is configured.');
    return this.config;
  }

  /**
   * Messages from here on were produced after `epoch`; Infinity when none was. A sequence whose message a crash took is
   * given to another one later.
   */
  lostFrom(epoch: number): number {
    for (const era of this.eras) if (era.epoch > epoch) return era.first;
    return Infinity;
  }

  putLetter(letter: Letter): void {
    const key = letterKey(letter.sequence, letter.died);
    this.letters.set(key, letter);
    if (letter.isUncopied) this.uncopied.add(key);
    else this.uncopied.delete(key);
  }

  dropLetter(key: string): void {
    this.letters.delete(key);
    this.uncopied.delete(key);
  }

  touchLetters(sequence: number): void {
    this.dirtyLetters.add(lettersPart(sequence));
  }

  pin(sequence: number): void {
    this.touchLetters(sequence);
    const pin = this.pins.get(sequence);
    if (pin === undefined) this.pins.set(sequence, { holders: 1, carried: 0 });
    else pin.holders++;
  }

  unpin(sequence: number): void {
    this.touchLetters(sequence);
    const pin = this.pins.get(sequence);
    if (pin === undefined) return;
    pin.holders--;
    if (pin.holders === 0) this.pins.delete(sequence);
  }
}

/** What a letter is known by here. */
export function letterKey(sequence: number, died: number): string {
  return `${sequence}.${died}`;
}

/** Letters and pins of so many neighbours are written together. */
export function lettersPart(sequence: number): number {
  return Math.floor(sequence / 1_024);
}

/** @param base where it began, where that is not the same */
export function newGroup(id: number, name: string, config: GroupConfig, at: number, base = at): Group {
  return {
    id,
    name,
    config,
    runs: new Runs(at, base),
    fence: { epoch: 0, index: 0 },
    touched: 0,
    settledIn: 0,
    dead: 0,
    steps: [],
    dirty: true,
  };
}

/** What a group has still to get: never delivered, or to be delivered again. */
export function unread(state: PartitionState, group: Group): number {
  return Math.max(0, state.next - Math.max(group.runs.next, state.first)) + group.runs.returned;
}
