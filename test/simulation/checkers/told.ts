/**
 * What clients were told: the memory against which every later answer is held.
 *
 * Holds: a fact stands here only when an answer said so, and as `certain` only when nothing else that was under way at
 * the time could have undone it; what a call with an unknown outcome may have done is kept as possible.
 * Elsewhere: what may be concluded from it, a file an invariant (log.ts, dedup.ts, groups.ts, letters.ts, retention.ts).
 */
import type { GroupInput, Place, StationInput } from '../../../src/core/calls.ts';

/** An invariant does not hold. Its text names the invariant first. */
export class Violation extends Error {}

/** A message as a client built it. Its payload begins with `uid`, so that it is known again wherever it turns up. */
export interface Sent {
  readonly uid: number;
  readonly slot: StationSlot;
  readonly key: string | undefined;
  readonly id: string | undefined;
  readonly record: Uint8Array;
  readonly isTooLarge: boolean;
  /** Named with the call. */
  readonly partition: number | undefined;
  readonly firstAt: number;
  readonly expiresMs?: number | undefined;
  /** 0: it is not delayed. */
  readonly delayMs?: number | undefined;
  /** As it was accepted, surely. */
  delayed?: {
    readonly log: PartitionLog;
    readonly scheduleId: string;
    readonly dueAt: number;
    /** So many milliseconds at least the partition's clock is ahead of the broker's. */
    readonly ahead: number;
    isSure: boolean;
    cancelled: 'no' | 'maybe' | 'yes';
  };
  /** Attempts that stored it, may have, or are under way. */
  possible: number;
  readonly places: { readonly log: PartitionLog; readonly sequence: number }[];
  /** Whose message it is, where its producer counts. */
  counted?: { readonly producer: string; readonly epoch: number; readonly sequence: number };
}

export interface Stored {
  readonly sent: Sent;
  producedAt: number | undefined;
  /** A producer was told so. */
  acked: boolean;
}

/** One partition of one incarnation of a station. */
export class PartitionLog {
  readonly station: StationLife;
  readonly partition: number;
  readonly stored = new Map<number, Stored>();
  /** The highest `first` that was claimed: below it nothing is served any more. */
  first = 1;
  /** The highest `first` that was seen, claimed or not. */
  seenFirst = 1;
  /** The highest sequence that anybody was told of. */
  last = 0;
  /** Repeats were answered with these: message and its id. */
  readonly claims = new Map<number, string>();
  /** Purges that may have been carried out reach up to here. */
  purgedTo = 0;

  constructor(station: StationLife, partition: number) {
    this.station = station;
    this.partition = partition;
  }
}

/** One incarnation of a station, as far as clients can tell. */
export class StationLife {
  readonly slot: StationSlot;
  readonly logs: PartitionLog[];
  /** Each configuration that was ever asked for: what any of them allows is allowed. */
  readonly configs: StationInput[];
  id: number | undefined;

  constructor(slot: StationSlot, config: StationInput) {
    this.slot = slot;
    this.configs = [config];
    this.logs = Array.from({ length: config.partitions ?? 1 }, (_, partition) => new PartitionLog(this, partition));
  }
}

/** A name that a station may stand at, and what clients share about it. */
export class StationSlot {
  readonly name: string;
  readonly config: StationInput;
  readonly groups: GroupSlot[];
  life: StationLife | undefined;
  /** Rises when anything begins or ends that may change which station stands here. */
  turn = 0;
  /** A removal or a making is under way, or its outcome is unknown. */
  changing: 'make' | 'remove' | undefined;
  /** Messages with an id whose outcome is unknown: to be sent again. */
  readonly retry: Sent[] = [];
  /** The latest messages with an id, for sending an id once more. */
  readonly recent: Sent[] = [];
  /** Messages that may be stored somewhere, and were not seen yet. */
  readonly unplaced = new Set<Sent>();
  /** Receipts that are good for nothing any more, or belong elsewhere. */
  readonly oldReceipts: { readonly text: string; readonly group: GroupLife }[] = [];
  patched = 0;
  /** Redrives of all letters that are under way, or of unknown outcome in this life. */
  redriving = 0;
  /** Rises at the beginning and the end of each: what was leased before and is told after may have died between. */
  redrives = 0;

  constructor(name: string, config: StationInput, groups: readonly string[]) {
    this.name = name;
    this.config = config;
    this.groups = groups.map((group) => new GroupSlot(this, group));
  }

  get isSynced(): boolean {
    return this.config.durability === 'synced';
  }
}

export class GroupSlot {
  readonly slot: StationSlot;
  readonly name: string;
  life: GroupLife | undefined;
  turn = 0;
  changing: 'make' | 'remove' | undefined;
  /** Fetches that came while nobody knew which group is here: they may have leased something. */
  blind = 0;
  /** What is being made, while `changing` is 'make'. */
  config: GroupInput = {};

  constructor(slot: StationSlot, name: string) {
    this.slot = slot;
    this.name = name;
  }
}

export class GroupLife {
  readonly slot: GroupSlot;
  readonly station: StationLife;
  readonly partitions: GroupPartition[];
  readonly configs: GroupInput[];
  id: number | undefined;
  /** World time since which it surely gives nothing out. */
  pausedAt: number | undefined;

  constructor(slot: GroupSlot, station: StationLife, config: GroupInput, base: Base) {
    this.slot = slot;
    this.station = station;
    this.configs = [config];
    this.partitions = station.logs.map((log) => new GroupPartition(this, log, base));
  }
}

/** Where a group began, or was moved to. */
export interface Base {
  readonly place: Place | 'unknown';
  /** What was produced after this time comes after it. */
  readonly at: number;
  /** The last sequence told of when it was asked for, by partition. */
  readonly lasts: readonly number[];
}

export class GroupPartition {
  readonly group: GroupLife;
  readonly log: PartitionLog;
  base: Base;
  readonly tracks = new Map<number, Track>();
  /** A seek is under way, or its outcome is unknown: nothing is certain. */
  isUncertain = false;
  /** Rises at the beginning and the end of each seek. */
  turn = 0;
  /** What was told up to this turn was told before the group was moved. */
  movedFrom = -1;
  #before = -1;
  /** Told leases that may still be held, for counting. */
  held: Lease[] = [];
  /** Something was redriven, or may have been. */
  anyRedrive = false;
  /** Fetches that may have leased something which nobody was told of: under way, cut off, or cancelled. */
  lost = 0;

  constructor(group: GroupLife, log: PartitionLog, base: Base) {
    this.group = group;
    this.log = log;
    this.base = base;
  }

  /** A seek begins: what was is over, but for what was redriven, which is owed all the same. */
  moves(): void {
    this.#before = this.turn;
    this.turn++;
    this.isUncertain = true;
    this.held = [];
    const redriven = [...this.tracks.values()].filter((track) => track.redriven || track.owed).map((track) => track.sequence);
    this.tracks.clear();
    for (const sequence of redriven) this.track(sequence).redriven = true;
  }

  /** It is over, and the group goes on at `base`. */
  moved(base: Base): void {
    this.movedFrom = this.#before;
    this.turn++;
    this.isUncertain = false;
    this.base = base;
  }

  /** Messages from `end` on were lost: others will have their sequences. */
  forgetFrom(end: number): void {
    this.base = {
      ...this.base,
      lasts: this.base.lasts.map((last, partition) => (partition === this.log.partition ? Math.min(last, end - 1) : last)),
    };
    for (const sequence of this.tracks.keys()) if (sequence >= end) this.tracks.delete(sequence);
  }

  track(sequence: number): Track {
    let track = this.tracks.get(sequence);
    if (track === undefined) {
      track = new Track(this, sequence);
      track.redriven = this.group.slot.slot.redriving > 0;
      this.tracks.set(sequence, track);
    }
    return track;
  }
}

/** A delivery that a consumer was told of. */
export interface Lease {
  readonly track: Track;
  readonly text: string;
  readonly epoch: number;
  readonly index: number;
  readonly consumer: string;
  readonly deliveries: number;
  /** The life of the broker, counted on at each failure of the storage, in which it was given; −1: it tells nothing. */
  readonly era: number;
  readonly toldAt: number;
  /** How often the group had been moved. */
  readonly turn: number;
  /** Surely held until then, unless `ended`. */
  heldUntil: number;
  /** Someone has begun to settle it. */
  ended: boolean;
  /** How often somebody began to settle it. */
  touches: number;
  /** Handed back: not again before. */
  notBefore: number;
  /** It may have been given back without being counted. */
  isUncounted: boolean;
}

/** A message, as a group has it. */
export class Track {
  readonly of: GroupPartition;
  readonly sequence: number;
  /** The last lease that was told. */
  lease: Lease | undefined;
  /** Surely acknowledged, with this lease. */
  acked: Lease | undefined;
  /** Surely rejected, with this lease. */
  rejected: Lease | undefined;
  /** Acknowledgements, rejections, returns that may have counted. */
  ackOpen = 0;
  rejectOpen = 0;
  nackOpen = 0;
  /** A dead letter of it was listed. */
  wasDead = false;
  /** Its dead letter may have been removed. */
  letterGone = false;
  /** It was redriven, surely: it is owed even where the station has trimmed it. */
  owed = false;
  /** It was redriven, maybe: counts begin anew. */
  redriven = false;

  constructor(of: GroupPartition, sequence: number) {
    this.of = of;
    this.sequence = sequence;
  }

  get mayBeSettled(): boolean {
    return this.acked !== undefined || this.ackOpen > 0;
  }
}

/** Everything that clients share. */
export class Told {
  readonly slots: StationSlot[];
  readonly sent = new Map<number, Sent>();
  readonly #stationIds = new Map<number, StationLife>();
  readonly #groupIds = new Map<number, GroupLife>();
  /** Rises with each life of the broker, and each failure of its storage. */
  era = 0;
  #uids = 0;

  constructor(slots: StationSlot[]) {
    this.slots = slots;
  }

  uid(): number {
    this.#uids++;
    return this.#uids;
  }

  /** An id names one incarnation of a station, for ever. */
  nameStation(life: StationLife, id: number): void {
    life.id ??= id;
    const known = this.#stationIds.get(id);
    if (life.id !== id) throw new Violation(`identity: station ${life.slot.name} was ${life.id}, and is ${id} without having been removed`);
    if (known !== undefined && known !== life) throw new Violation(`identity: station id ${id} is used again`);
    this.#stationIds.set(id, life);
  }

  nameGroup(life: GroupLife, id: number): void {
    life.id ??= id;
    const known = this.#groupIds.get(id);
    if (life.id !== id) throw new Violation(`identity: group ${life.slot.name} was ${life.id}, and is ${id} without having been removed`);
    if (known !== undefined && known !== life) throw new Violation(`identity: group id ${id} is used again`);
    this.#groupIds.set(id, life);
  }

  /** The power went, or the storage failed: of a buffered station nothing that rests on the last moments is certain. */
  loseBuffered(slot: StationSlot): void {
    slot.turn++;
    for (const sent of this.sent.values()) {
      const { delayed } = sent;
      if (sent.slot !== slot || delayed === undefined) continue;
      delayed.isSure = false;
      if (delayed.cancelled !== 'yes') continue;
      delayed.cancelled = 'maybe';
      sent.possible++;
    }
    for (const group of slot.groups) {
      for (const gp of group.life?.partitions ?? []) {
        gp.turn++;
        gp.held = [];
        for (const track of gp.tracks.values()) {
          if (track.acked) track.ackOpen++;
          if (track.rejected) track.rejectOpen++;
          track.acked = undefined;
          track.rejected = undefined;
          track.lease = undefined;
          track.owed = false;
          track.redriven = true;
          if (track.wasDead) track.nackOpen++;
          track.wasDead = false;
        }
      }
    }
  }
}
