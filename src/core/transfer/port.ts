/**
 * What exports and imports ask of partitions, wherever those are.
 *
 * Holds: what partitions are asked and what they answer (ExportSource, ImportTarget) are plain values that can be copied from
 * one process to another, and bytes lie in memory of their own, so that a copy takes no more than it shows. What somebody
 * holds and does not ask for any more ends by itself. Every call refuses with a WaysideError, and with what the partition was
 * closed with once it is over. `TransferPlaces` itself is beside the catalog.
 * Elsewhere: a partition of this process (source.ts, target.ts, broker/transfer-places.ts).
 */
import type { Level } from '../actor/gate.ts';
import type { Station } from '../catalog/state.ts';
import type { ActorKey, Soon, StoredEntry, Write } from '../ports.ts';

/** Something on its way to another partition. */
export interface NotedIntent {
  readonly number: number;
  /** The target. */
  readonly station: number;
  readonly partition: number;
  /** Which of the messages from here to there it is, from 1. */
  readonly place: number;
}

/** A partition at one index of its log. */
export interface Noted {
  /** That index. */
  readonly last: number;
  readonly sections: readonly string[];
  /** By what others know it as a sender. */
  readonly sender: string;
  readonly intents: readonly NotedIntent[];
  /** Who has sent something here, and the place that comes next: lower ones have arrived. */
  readonly arrivals: readonly { readonly sender: string; readonly next: number }[];
}

/** An entry that holds messages, as it lies in the volume. */
export type NotedEntry = Pick<StoredEntry, 'index' | 'kind' | 'version' | 'first' | 'count' | 'time' | 'body'>;

/**
 * A partition that is exported. Whoever exports it first holds its sending, notes it, and lets its sending go when all the
 * others are noted (cut.ts); then reads, and releases. All of it goes by the name of the hold, which another life of the
 * partition does not know.
 */
export interface ExportSource {
  /**
   * From when it resolves, no message leaves for another partition that has not been on its way before, and the partition
   * notes of none that it has arrived, or is refused for good: until `releaseSending`, or for `SENDING_HELD_MS`.
   *
   * @returns the name of the hold
   */
  holdSending(): Promise<string>;
  /**
   * Keeps what the partition is in one turn of it, and resolves once that is synced. Undefined where its sending is not held
   * (any more). @throws OVERLOADED another export still reads what its state was before
   */
  note(hold: string): Promise<Noted | undefined>;
  /** @returns whether it was held until now, all the time */
  releaseSending(hold: string): Promise<boolean>;

  /** Of each sender the place that comes next here, once that is synced. Needs no hold. */
  arrived(senders: readonly string[]): Promise<readonly number[]>;

  /** Undefined when there is none of that name. @throws UNAVAILABLE nothing is kept by that name (any more); so the others */
  section(hold: string, name: string): Promise<Uint8Array | undefined>;
  /** Entries that were there, from index `from` on: as many as fit, and one whatever its size; none where nothing is left. */
  entries(hold: string, from: number, bytesMax: number): Promise<readonly NotedEntry[]>;
  /** From here on the sections need not be kept. */
  dropSections(hold: string): Promise<void>;
  /** Somebody still wants what is kept. Any call that reads says so too. */
  renew(hold: string): Promise<void>;
  /** Nobody wants anything of it any more. One that is not there (any more) is fine. */
  release(hold: string): Promise<void>;
}

/** How long sending is held at most: whoever holds it may be gone. */
export const SENDING_HELD_MS = 30_000;

/** Where a partition that is imported is laid down. No name leads there, and nobody else writes there. */
export interface ImportTarget {
  /** Its life: what was laid down in one, and was not synced, is not there in the next. */
  begin(): Promise<number>;
  /**
   * Commits, one after another. Resolves when they are made, written, or synced; what of them is laid down when it refuses is
   * not known.
   *
   * @param life in which the ones before them were laid down. @throws UNAVAILABLE that is over · STORAGE_FULL
   */
  lay(life: number, commits: readonly (readonly Write[])[], until: 'made' | Level): Promise<void>;
  /** All that was laid down there goes, whenever that was; durably. */
  remove(): Promise<void>;
}

/** Where the partitions of stations are. */
export interface TransferPlaces {
  /** Opens it, if it is not. @throws STATION_NOT_FOUND it was removed since it was looked up · what opening throws */
  source(station: Station, partition: number): Soon<ExportSource>;
  /** @param isMemory the station keeps nothing when the process ends */
  target(key: ActorKey, isMemory: boolean): ImportTarget;
  /** Whatever lies anywhere of stations with these ids goes, durably. They never were stations. */
  removeAll(stations: ReadonlySet<number>): Promise<void>;
}
