/**
 * `Files` over a simulated disk: calls take virtual time, fail as the seed says, and can be cut off at any of them.
 *
 * Holds: one object is one life of a process on its disk; after `crash`, `kill` or the chosen last call nothing of it
 * reaches the disk and nothing completes. A write into sectors that a file already has never finds the disk full.
 * Elsewhere: what a power cut leaves (disk.ts); which faults a campaign turns on (../volume.ts).
 */

import { WaysideError } from '../../../src/core/errors.ts';
import type { File, Files, Timers } from '../../../src/core/ports.ts';
import { DiskFullError } from '../../../src/core/ports.ts';
import { Chance } from '../world.ts';
import type { CutOdds, Inode } from './disk.ts';
import { Disk, drawCutOdds, SECTOR_BYTES } from './disk.ts';

/** Shares of calls that go wrong. All zero: a perfect disk. May be changed while files are in use. */
export interface FaultOdds {
  write: number;
  /** Of the writes that fail, how many leave a part behind. */
  shortWrite: number;
  sync: number;
  syncFolder: number;
  read: number;
  /** A read gives one bit wrong; the disk has it right. */
  flippedRead: number;
  /** A write lands a few sectors beside its place, in silence. */
  misdirected: number;
  /** Calls to create, open, remove, rename, truncate, list. */
  folder: number;
}

export const NO_FAULTS: Readonly<FaultOdds> = {
  write: 0,
  shortWrite: 0,
  sync: 0,
  syncFolder: 0,
  read: 0,
  flippedRead: 0,
  misdirected: 0,
  folder: 0,
};

export interface Call {
  readonly number: number;
  readonly op:
    | 'lock'
    | 'list'
    | 'open'
    | 'create'
    | 'remove'
    | 'rename'
    | 'syncFolder'
    | 'read'
    | 'write'
    | 'writeAhead'
    | 'sync'
    | 'truncate'
    | 'close';
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

export interface SimFilesOptions {
  readonly chance: Chance;
  /** Of the process. Without them calls complete in the next microtask. */
  readonly timers?: Timers;
  readonly disk?: Disk;
  readonly odds?: FaultOdds;
  /** Longest usual time of a call; one in fifty takes up to twenty times as long. */
  readonly callMs?: number;
  readonly capacityBytes?: number;
  /** Every call as it begins. */
  readonly onCall?: (call: Call) => void;
}

/** A perfect disk in memory that needs no world. */
export function memoryFiles(): SimFiles {
  return new SimFiles({ chance: new Chance(1, 'memory') });
}

export class SimFiles implements Files {
  readonly disk: Disk;
  odds: FaultOdds;
  /** Calls so far. */
  calls = 0;
  /** The power goes at this call: it and all later ones do nothing. */
  lastCall = Number.POSITIVE_INFINITY;
  /** No more of this life reaches the disk. */
  stopped = false;
  /** Faults that were dealt out, by what they hit. */
  readonly dealt: { [fault in keyof FaultOdds | 'full']?: number } = {};
  /** Number of the latest sync call, of any file, that has come to a good end. */
  syncedCall = 0;
  readonly #chance: Chance;
  readonly #timers: Timers | undefined;
  readonly #callMs: number;
  readonly #onCall: ((call: Call) => void) | undefined;
  #locked = false;
  #ordered: keyof FaultOdds | undefined;

  constructor(options: SimFilesOptions) {
    this.disk = options.disk ?? new Disk();
    this.odds = options.odds ?? { ...NO_FAULTS };
    this.#chance = options.chance;
    this.#timers = options.timers;
    this.#callMs = options.callMs ?? 0.2;
    this.#onCall = options.onCall;
    if (options.capacityBytes !== undefined) this.disk.sectorsMax = Math.floor(options.capacityBytes / SECTOR_BYTES);
  }

  /** Orders one fault: the next call of that kind fails. */
  failNext(fault: keyof FaultOdds): void {
    this.#ordered = fault;
  }

  /** The power goes. Returns the disk for the next life; this one is over. */
  crash(odds: CutOdds = drawCutOdds(this.#chance)): Disk {
    this.stopped = true;
    this.disk.cut(this.#chance, odds);
    return this.disk;
  }

  /** The process is killed; the system keeps what it was given. */
  kill(): Disk {
    this.stopped = true;
    this.disk.kill();
    return this.disk;
  }

  async lock(): Promise<void> {
    this.began('lock', '');
    await this.later();
    if (this.#locked) throw new WaysideError('UNAVAILABLE', 'The folder is in use.');
    this.#locked = true;
  }

  async unlock(): Promise<void> {
    this.#locked = false;
  }

  async list(): Promise<readonly string[]> {
    this.began('list', '');
    await this.later('folder');
    return this.#chance.happens(0.5) ? [...this.disk.names.keys()].reverse() : [...this.disk.names.keys()];
  }

  async open(name: string, create: boolean): Promise<File> {
    this.began(create ? 'create' : 'open', name);
    await this.later('folder');
    const existing = this.disk.names.get(name);
    if (create === (existing !== undefined)) throw new Error(create ? `EEXIST ${name}` : `ENOENT ${name}`);
    return new SimFile(this, name, existing ?? this.disk.create(name));
  }

  async remove(name: string): Promise<void> {
    this.began('remove', name);
    await this.later('folder');
    const inode = this.disk.names.get(name);
    if (inode === undefined) throw new Error(`ENOENT ${name}`);
    this.disk.remove(name, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.began('rename', from);
    await this.later('folder');
    const inode = this.disk.names.get(from);
    if (inode === undefined) throw new Error(`ENOENT ${from}`);
    this.disk.rename(from, to, inode);
  }

  async syncFolder(): Promise<void> {
    this.began('syncFolder', '');
    const count = this.disk.pending.length;
    // A failure leaves them pending: names are journaled, not lost like the pages of a file.
    await this.later('syncFolder');
    this.disk.settleNames(Math.min(count, this.disk.pending.length), this.#chance, 1);
  }

  /** Bytes of all files, holes included: what a user's `ls` adds up to. */
  get fileBytes(): number {
    let bytes = 0;
    for (const inode of this.disk.names.values()) bytes += inode.size;
    return bytes;
  }

  get takenBytes(): number {
    return this.disk.sectorsUsed * SECTOR_BYTES;
  }

  /** Names of files that hold something no sync covers. */
  get unsynced(): string[] {
    return [...this.disk.names].filter(([, inode]) => inode.unsynced).map(([name]) => name);
  }

  // For SimFile only.

  began(op: Call['op'], name: string, at = 0, bytes = 0): void {
    this.calls += 1;
    if (this.calls >= this.lastCall) this.stopped = true;
    this.#onCall?.({ number: this.calls, op, name, at, bytes });
  }

  strikes(fault: keyof FaultOdds): boolean {
    if (fault === this.#ordered) {
      this.#ordered = undefined;
      this.dealt[fault] = (this.dealt[fault] ?? 0) + 1;
      return true;
    }
    if (!this.#chance.happens(this.odds[fault])) return false;
    this.dealt[fault] = (this.dealt[fault] ?? 0) + 1;
    return true;
  }

  get chance(): Chance {
    return this.#chance;
  }

  /** Completes after the time that the call takes, or fails if the fault named strikes. A life that is over waits for ever. */
  later(fault?: keyof FaultOdds): Promise<void> {
    const fails = fault !== undefined && this.strikes(fault);
    const end = (resolve: () => void, reject: (error: Error) => void): void => {
      if (this.stopped) return;
      if (fails) reject(new Error(`EIO ${fault}`));
      else resolve();
    };
    const timers = this.#timers;
    if (timers === undefined) return fails ? Promise.reject(new Error(`EIO ${fault}`)) : Promise.resolve();
    const slow = this.#chance.happens(0.02) ? 20 : 1;
    const ms = this.#chance.fraction() * this.#callMs * slow;
    return new Promise((resolve, reject) => {
      timers.after(ms, () => end(resolve, reject));
    });
  }
}

class SimFile implements File {
  readonly #files: SimFiles;
  readonly #name: string;
  readonly #inode: Inode;
  #closed = false;
  /** Syncs of one file follow one another, so that a later one never makes less durable than an earlier. */
  #syncs: Promise<void> = Promise.resolve();

  constructor(files: SimFiles, name: string, inode: Inode) {
    this.#files = files;
    this.#name = name;
    this.#inode = inode;
    inode.opens += 1;
  }

  get size(): number {
    return this.#inode.size;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    this.#begins('read', at, length);
    const early = this.#files.chance.happens(0.5) ? this.#inode.read(at, length) : undefined;
    await this.#files.later('read');
    const bytes = early ?? this.#inode.read(at, length);
    if (bytes.length > 0 && this.#files.strikes('flippedRead')) {
      const place = this.#files.chance.below(bytes.length);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << this.#files.chance.below(8));
    }
    return bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#begins('write', at, bytes.length);
    this.#write(at, bytes);
  }

  /** A part lands at once, the rest at the end: what is under way at a crash is there in part. */
  async writeAhead(at: number, bytes: Uint8Array): Promise<void> {
    this.#begins('writeAhead', at, bytes.length);
    const early = this.#files.chance.happens(0.5) ? this.#files.chance.below(bytes.length + 1) : 0;
    if (early > 0) this.#write(at, bytes.subarray(0, early));
    await this.#files.later();
    this.#write(at + early, bytes.subarray(early));
  }

  sync(): Promise<void> {
    this.#begins('sync', 0, this.#inode.size);
    const number = this.#files.calls;
    const sync = this.#syncs.then(() => this.#sync(number));
    this.#syncs = sync.catch(() => {});
    return sync;
  }

  async truncate(size: number): Promise<void> {
    this.#begins('truncate', size, 0);
    await this.#files.later('folder');
    this.#inode.truncate(size);
  }

  async close(): Promise<void> {
    if (this.#closed || this.#files.stopped) return;
    this.#begins('close', 0, 0);
    this.#closed = true;
    this.#inode.opens -= 1;
    this.#inode.releaseIfUnused();
  }

  #begins(op: Call['op'], at: number, bytes: number): void {
    if (this.#closed) throw new Error(`EBADF ${op} ${this.#name}`);
    this.#files.began(op, this.#name, at, bytes);
  }

  #write(at: number, bytes: Uint8Array): void {
    const files = this.#files;
    if (files.stopped) {
      // The write in which the process ends may have got some of its way.
      if (files.calls === files.lastCall)
        this.#inode.write(at, bytes.subarray(0, Math.min(files.chance.below(bytes.length + 1), this.#inode.room(at, bytes.length))));
      return;
    }
    if (files.strikes('write')) {
      if (files.strikes('shortWrite')) {
        const part = Math.min(files.chance.below(bytes.length + 1), this.#inode.room(at, bytes.length));
        this.#inode.write(at, bytes.subarray(0, part));
      }
      throw new Error(`EIO write ${this.#name}`);
    }
    const room = this.#inode.room(at, bytes.length);
    if (room < bytes.length) {
      files.dealt.full = (files.dealt.full ?? 0) + 1;
      this.#inode.write(at, bytes.subarray(0, room));
      throw new DiskFullError(`ENOSPC ${this.#name}`);
    }
    if (files.strikes('misdirected')) {
      const beside = at + SECTOR_BYTES * files.chance.between(-4, 4);
      if (beside >= 0 && this.#inode.room(beside, bytes.length) === bytes.length) this.#inode.write(beside, bytes);
      return;
    }
    this.#inode.write(at, bytes);
  }

  async #sync(number: number): Promise<void> {
    this.#inode.syncBegins();
    try {
      await this.#files.later('sync');
    } catch (error) {
      this.#inode.syncFails(this.#files.chance, this.#files.chance.pick([0, 0.5, 1]));
      throw error;
    }
    this.#inode.syncEnds();
    this.#files.syncedCall = Math.max(this.#files.syncedCall, number);
  }
}
