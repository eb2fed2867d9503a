/**
 * Every door from the core to the outside. A host wires these; the core imports nothing else of a runtime.
 *
 * Holds: whatever the core knows of time, chance and storage comes through here, so that a simulator can own all of it.
 * Elsewhere: `volume/` builds a `Volume` over `Files`, `rows/` one over `Rows`.
 */

/** A value now, or a promise of it. The hot path stays in one turn where the value is at hand. */
export type Soon<T> = T | Promise<T>;

export interface Clock {
  /** Milliseconds since 1970; may jump. Read once, when a broker opens. */
  now(): number;
  /** Milliseconds from any origin; never goes back while the process lives. */
  monotonic(): number;
}

export interface Random {
  /** A whole number from 0 to 2^32−1. */
  u32(): number;
}

export interface Timers {
  /**
   * Calls `run` once, after the present turn: when whatever else is already at hand (sockets that have data, say) has
   * had its turn. Calls come in the order in which they were asked for. `run` must not throw.
   */
  endOfTurn(run: () => void): void;
  /** Calls `run` once, `ms` from now or somewhat later. Returns how to take it back; taking back twice is fine. */
  after(ms: number, run: () => void): () => void;
  /**
   * As `after`, for what is due some time although nobody waits for it: the process may sleep until then where it can. What
   * sleeps through the end of the process is taken up when the broker opens. `after` where a host has nothing of its own.
   */
  wake?(ms: number, run: () => void): () => void;
}

/** Where a broker tells its operator something. Never a payload, never a credential. */
export interface Journal {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export type Durability = 'memory' | 'buffered' | 'local' | 'synced' | 'replicated';

/** `namespace.station.partition`, each a number without leading zeros: the identity of an actor, never its name. */
export type ActorKey = string & { readonly actorKey: unique symbol };

/** What rests in a volume of one appended entry, without its body. */
export interface EntryHead {
  /** 1, 2, 3 … in its actor, without a gap but where a trim went beyond the last. */
  readonly index: number;
  /** 1–255; what the body means (entry/kinds.ts). The volume does not look inside. */
  readonly kind: number;
  /** Version of the body's layout. */
  readonly version: number;
  /** The volume's epoch when it was appended. */
  readonly epoch: number;
  /** First sequence and number of the messages in it; 0 and 0 where it holds none. */
  readonly first: number;
  readonly count: number;
  /** Milliseconds since 1970; never falls within an actor. */
  readonly time: number;
  /** Data lives until it is trimmed; state lives until sections hold it. */
  readonly data: boolean;
  /** CRC-32C of the body. */
  readonly crc: number;
  readonly bodyBytes: number;
}

export interface StoredEntry extends EntryHead {
  /** Read only, and valid for ever; whoever keeps a small part for long copies it, since it pins a chunk of some MiB. */
  readonly body: Uint8Array;
}

/** One change. `commit` takes any number of them, of any actors; all become durable together or none does. */
export type Write =
  | {
      readonly do: 'append';
      readonly actor: ActorKey;
      /** The actor's last index + 1. */
      readonly index: number;
      readonly kind: number;
      readonly version: number;
      readonly first: number;
      readonly count: number;
      readonly time: number;
      readonly data: boolean;
      /** The parts of the body, one after another. Copied before `commit` returns, unless they are given away. */
      readonly body: readonly Uint8Array[];
      /** The parts are given away: nobody changes them any more, so that a volume may keep them without a copy. */
      readonly given?: boolean;
      /** CRC-32C of the whole body where the caller has it; the volume computes it otherwise. */
      readonly crc?: number;
    }
  /** Replaces the section `name` (1–64 of `a-z 0-9 : . -`); `null` removes it. It holds the effect of all entries up to and with `asOf`. */
  | { readonly do: 'section'; readonly actor: ActorKey; readonly name: string; readonly asOf: number; readonly body: Uint8Array | null }
  /**
   * Data entries with an index below `data`, and state entries below `state`, are dead. Neither number ever falls. Where both
   * are beyond the next index, the lower one is the next index: so an actor can go on where another one, elsewhere, was.
   */
  | { readonly do: 'trim'; readonly actor: ActorKey; readonly data: number; readonly state: number }
  /** When the actor wants to be opened at the latest, in ms since 1970; `null` for never. */
  | { readonly do: 'due'; readonly actor: ActorKey; readonly at: number | null }
  /** The actor with all its entries and sections is gone. Its key is never used again. */
  | { readonly do: 'remove'; readonly actor: ActorKey };

export interface SectionInfo {
  readonly name: string;
  readonly asOf: number;
  readonly bytes: number;
}

export interface ActorInfo {
  readonly key: ActorKey;
  /** Index of the last entry, 0 when there is none. */
  readonly last: number;
  /** Data entries below `data`, and state entries below `state`, are dead. */
  readonly data: number;
  readonly state: number;
  readonly sections: readonly SectionInfo[];
  readonly due: number | null;
}

export interface VolumeStats {
  /** Bytes that the volume occupies, preallocated and headroom included. */
  readonly diskBytes: number;
  /** Bytes of what is not dead (entries with their heads, sections). */
  readonly liveBytes: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly actors: number;
  readonly syncs: number;
}

export interface VolumeListener {
  /** `written` or `synced` has moved. Called after the write or sync, never from inside `commit`. */
  progressed(): void;
  /**
   * A write or a sync has failed: nothing above `synced` can be trusted, every later call refuses with STORAGE_FAILED.
   * Throw the actors away and call `reopen`.
   */
  failed(error: Error): void;
  /** The volume would drop a segment if this actor wrote its sections and trimmed. A hint. */
  settle(actor: ActorKey): void;
}

/**
 * An append-only log shared by the actors of one storage place.
 *
 * What callers may rely on:
 * - `commit` is synchronous: it copies what it is given and returns a position at once. It never blocks and never fails
 *   for a reason of the disk; it throws TypeError for a programming mistake (an index out of turn), and STORAGE_FAILED
 *   once the volume has failed.
 * - What has a position at or below `written` survives the process; at or below `synced`, the power.
 * - After a crash the volume holds the writes of all positions up to some position ≥ the last reported `synced`: never
 *   a gap, never half of a commit.
 * - Reads see what was committed, also before it is written. They may be asked in any number at once.
 */
export interface Volume {
  /** The strongest durability that `synced` means here. */
  readonly durability: Durability;
  /** 1, 2, 3 …: one higher at each open, synced before `open` resolves. */
  readonly epoch: number;
  readonly written: number;
  readonly synced: number;

  /**
   * @throws UNAVAILABLE another process has the place · CORRUPTION names file and byte range · STORAGE_FAILED
   */
  open(listener: VolumeListener): Promise<void>;
  /** Every actor that is not removed. */
  actors(): Iterable<ActorInfo>;
  info(actor: ActorKey): ActorInfo | undefined;

  commit(writes: readonly Write[]): number;
  /** Asks that `position` be synced soon; without it that happens within `syncWithinMs`. */
  sync(position: number): void;

  /** May `bytes` more of data be committed now? Space for state, sections and trims is kept apart. */
  hasRoom(bytes: number): boolean;
  /** Waits for that room. @throws STORAGE_FULL there will be none until something is deleted */
  makeRoom(bytes: number): Promise<void>;

  /**
   * Entries in the order of their index, from the first living one at or above `from`: at least one if there is any,
   * else as many as fit in `bytesMax` body bytes. At once where they are in memory.
   * @param what `data` leaves out state entries
   * @throws CORRUPTION the range is damaged; nothing of it is served
   */
  read(actor: ActorKey, from: number, bytesMax: number, what: 'all' | 'data'): Soon<readonly StoredEntry[]>;
  /** The living data entry of that index, if it is in memory: what is wanted one by one. */
  entry(actor: ActorKey, index: number): StoredEntry | undefined;
  /** The same as `read` without bodies, at most `countMax`. */
  heads(actor: ActorKey, from: number, countMax: number, what: 'all' | 'data'): Soon<readonly EntryHead[]>;
  /**
   * Index of the first living data entry whose last sequence (`first + count − 1`) is ≥ `value`, or whose time is ≥
   * `value`; the last index + 1 when there is none. Within an actor sequences and times of data entries rise with
   * their index (an entry whose `count` is 0 is passed over).
   */
  find(actor: ActorKey, by: 'sequence' | 'time', value: number): Soon<number>;
  /** The bytes of a section, or undefined when there is none. */
  section(actor: ActorKey, name: string): Promise<Uint8Array | undefined>;

  stats(): VolumeStats;
  /** After `failed`: opens anew on the same place, keeping what was synced. Same listener; positions start again. */
  reopen(): Promise<void>;
  /** Writes and syncs what was committed, then closes. Waiters are answered first. Closing twice is fine. */
  close(): Promise<void>;
}

/** A folder of files, as thin as possible: what the volume's logic needs of a file system. */
export interface Files {
  /**
   * Takes the folder for this process, making it if it is not there, until `unlock` or the end of the process.
   * @throws UNAVAILABLE another process has it
   */
  lock(): Promise<void>;
  unlock(): Promise<void>;
  /** Names of the files in the folder, in no order. */
  list(): Promise<readonly string[]>;
  /** @throws when it exists (`create`) or does not (otherwise) */
  open(name: string, create: boolean): Promise<File>;
  /** The name is gone after the next `syncFolder`. Open files stay readable until closed. */
  remove(name: string): Promise<void>;
  /** Replaces `to` if it exists. Durable after the next `syncFolder`. */
  rename(from: string, to: string): Promise<void>;
  /** Makes appearing and disappearing names durable. */
  syncFolder(): Promise<void>;
}

export interface File {
  /** Bytes in the file when it was opened, and after each write, truncate. */
  readonly size: number;
  /** As many bytes as there are, up to `length`; the caller owns them. */
  read(at: number, length: number): Promise<Uint8Array>;
  /** Writes all of `bytes` before it returns, or throws; after a throw any part may be written. The bytes are the caller's again at once. */
  write(at: number, bytes: Uint8Array): void;
  /** As `write`, off the main thread where there is one: for filling with zeros. `bytes` must not change meanwhile. */
  writeAhead(at: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when all that was written before the call is on stable storage (fdatasync: bytes and size, not times). */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** Of rows: journal entries that are data, those that are state, parts of what is too long for one row, sections, actors. */
export type RowTable = 'data' | 'state' | 'parts' | 'sections' | 'actors';

/** What is known of a row without its bytes. Within an actor all of it rises with the id. */
export interface RowMark {
  /** A whole number below 2^53. */
  readonly id: number;
  /** The last sequence and time of the messages up to this row. */
  readonly sequence: number;
  readonly time: number;
  /** Bytes of the actor's rows in this table: before this one, and with it. */
  readonly begin: number;
  readonly end: number;
}

export interface Row extends RowMark {
  /** The receiver's own. */
  readonly bytes: Uint8Array;
}

/** Rows of a table with `from` ≤ id < `to`. */
export interface RowRange {
  readonly table: RowTable;
  readonly from: number;
  readonly to: number;
}

/** A row to be written. */
export interface NewRow extends RowMark {
  /** Its bytes, one part after another. Nobody changes them any more, the receiver neither. */
  readonly parts: readonly Uint8Array[];
}

export type RowChange =
  /** Replaces the row of that id, if there is one. */
  | { readonly do: 'put'; readonly table: RowTable; readonly row: NewRow }
  /** All rows of the table with `from` ≤ id < `to`; `from` is less. */
  | { readonly do: 'remove'; readonly table: RowTable; readonly from: number; readonly to: number };

/**
 * A database of rows, as thin as possible: what a volume needs of an engine that has transactions of its own (SQLite in a
 * Durable Object, IndexedDB).
 */
export interface Rows {
  /** The strongest durability that a resolved `write` means. */
  readonly durability: Durability;
  /** Bytes that a row may have. */
  readonly rowBytesMax: number;
  /**
   * Takes the place; every later write of an earlier opener is refused.
   *
   * @param lost the place was taken away (another has it, or it was deleted): nothing can be read or written any more
   * @returns the epoch, one higher at each open, durable by then
   * @throws UNAVAILABLE another has the place
   */
  open(lost: (error: Error) => void): Promise<number>;
  /**
   * All of it or nothing. Resolves when it is durable; calls are carried out in their order.
   *
   * @returns of each range that is asked for, its first row after that
   * @throws DiskFullError there is no room for it: nothing was written, and the place can be used as before
   */
  write(changes: readonly RowChange[], asked?: readonly RowRange[]): Promise<readonly (RowMark | undefined)[]>;
  /** Rows with `from` ≤ id < `to`, by rising id: the first, and more up to about `bytesMax`. */
  list(table: RowTable, from: number, to: number, bytesMax: number): Soon<readonly Row[]>;
  /** The first, or the last, row with `from` ≤ id < `to`. */
  mark(table: RowTable, from: number, to: number, which: 'first' | 'last'): Soon<RowMark | undefined>;
  /** Bytes that are used, and how many may be (Infinity where that is not known). */
  space(): { readonly used: number; readonly max: number };
  /** Closing twice is fine. Others may have the place then. */
  close(): Promise<void>;
}

/**
 * Where what is sealed is put away: objects that are written once, whole, and never change.
 *
 * What callers may rely on:
 * - A name is given once: of all that put it, one is told `true`, and its bytes are the ones that are there from then on, until
 *   the name is removed. Nobody ever sees a part of an object.
 * - What any call has answered is durable, a `false` too: whoever is told that an object is there may drop its source.
 * - A call that throws for a reason of the storage (any Error) has happened or not, and never in part. A `put` that is sent
 *   again after that may find its own object: `false`, and `get` tells whose it is.
 *
 * Names have 1 to 200 characters: parts of `a-z 0-9 _ - .` with `/` between them; a part is not empty, neither begins nor
 * ends with a dot, and has no two side by side. A name may be the beginning of another one. Every call refuses others with
 * INVALID_NAME, before it does anything, and a number out of its range with a TypeError.
 */
export interface Archive {
  /**
   * Puts an object of 0 bytes or more, which is in memory as a whole: keep it below 64 MiB where it may come to be in a Worker.
   *
   * @param bytes not to be changed until the call has answered
   * @returns false where there is one of that name, which stays as it is
   * @throws DiskFullError there is no room for it: nothing was put
   */
  put(name: string, bytes: Uint8Array): Promise<boolean>;
  /**
   * As many bytes as there are, up to `length`, from byte `from` on (counted from 0); none where that is at the end or beyond.
   * They are the caller's own.
   *
   * @param length to the end unless said
   * @returns undefined where there is no such object
   */
  get(name: string, from?: number, length?: number): Promise<Uint8Array | undefined>;
  /**
   * Names that begin with `prefix` and come after `after`, in the order of their bytes. Fewer than `limit` are the last ones.
   *
   * @param prefix any beginning of a name; all names begin with ''
   * @param after a name, or a beginning of one, whether there is such an object or not
   * @param limit 1 to 1,000; 1,000 unless said
   */
  list(prefix: string, after?: string, limit?: number): Promise<string[]>;
  /** The name is free again. Removing what is not there is fine. */
  remove(name: string): Promise<void>;
}

// What an archive of one's own needs beside the interface: its refusals, and the order of its names.
export { archivePage, checkArchiveName, checkArchivePage, checkArchiveRange, isArchiveName } from './archive.ts';
// What a volume of one's own needs beside the interface: the refusals of the contract, and the check of a body.
export { joined } from './bytes.ts';
export { crc32c } from './crc32c.ts';
export { checkWrites } from './volume/check.ts';

/** A full disk, whatever the host calls it: `write`, `writeAhead` and `truncate` of `File` throw it, and `write` of `Rows`. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
}

export function actorKey(namespace: number, station: number, partition: number): ActorKey {
  return `${namespace}.${station}.${partition}` as ActorKey;
}

export function actorParts(key: ActorKey): readonly [namespace: number, station: number, partition: number] {
  const [namespace, station, partition] = key.split('.').map(Number);
  return [namespace ?? 0, station ?? 0, partition ?? 0];
}
