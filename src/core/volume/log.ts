/**
 * A volume over a folder of files: one log, one sync for everything that waits.
 *
 * Holds: one `Running` at a time owns the folder; after a failure it is thrown away as a whole and another one is opened on
 * what was synced, with what was written after it appended again from memory.
 * Elsewhere: each idea has its file: commit.ts, writer.ts, reading.ts, room.ts, sealing.ts, reclaim.ts, opening.ts.
 */
import type { Crc32c } from '../crc32c.ts';
import { crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import type {
  ActorInfo,
  ActorKey,
  Clock,
  EntryHead,
  Files,
  Journal,
  Random,
  Soon,
  StoredEntry,
  Timers,
  Volume,
  VolumeListener,
  VolumeStats,
  Write,
} from '../ports.ts';
import { commitWrites } from './commit.ts';
import type { Place } from './format.ts';
import { Running } from './running.ts';
import type { LogSettings } from './settings.ts';
import { makeSettings } from './settings.ts';
import type { Ports } from './store.ts';
import { closed, storageFailed } from './store.ts';
import type { Block } from './writer.ts';

export type { LogSettings } from './settings.ts';

export interface LogOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  /** A faster one of the host. */
  readonly crc32c?: Crc32c;
  readonly settings?: Partial<LogSettings>;
}

/** What a failed life leaves to the next: where the log ends by what was synced, and what was committed behind it. */
interface Rescue {
  readonly trusted: Place;
  readonly blocks: readonly Block[];
}

export class LogVolume implements Volume {
  readonly durability = 'synced';
  readonly #ports: Ports;
  readonly #settings: LogSettings;
  #listener: VolumeListener | undefined;
  #running: Running | undefined;
  #rescue: Rescue | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #locked = false;
  #last = { epoch: 0, written: 0, synced: 0 };

  constructor(options: LogOptions) {
    this.#ports = { ...options, crc32c: options.crc32c ?? crc32c };
    this.#settings = makeSettings(options.settings);
  }

  get epoch(): number {
    return this.#running?.store.epoch ?? this.#last.epoch;
  }

  get written(): number {
    return this.#running?.writer.written ?? this.#last.written;
  }

  get synced(): number {
    return this.#running?.writer.synced ?? this.#last.synced;
  }

  async open(listener: VolumeListener): Promise<void> {
    if (this.#listener) throw new TypeError('The volume was opened before. Make another one.');
    this.#listener = listener;
    try {
      await this.#ports.files.lock();
      this.#locked = true;
      this.#running = await this.#start(undefined);
    } catch (error) {
      await this.#unlock();
      throw error instanceof WaysideError ? error : storageFailed(error);
    }
  }

  actors(): Iterable<ActorInfo> {
    return this.#present().store.actors.infos();
  }

  info(actor: ActorKey): ActorInfo | undefined {
    return this.#present().store.actors.byKey.get(actor)?.info();
  }

  commit(writes: readonly Write[]): number {
    const { store, writer, room } = this.#open();
    const position = commitWrites(store, writer, writes);
    room.used();
    return position;
  }

  sync(position: number): void {
    if (this.#failure || this.#closing !== undefined) return;
    this.#running?.writer.sync(position);
  }

  hasRoom(bytes: number): boolean {
    if (this.#failure || this.#closing || !this.#running) return false;
    return this.#running.room.hasRoom(bytes);
  }

  async makeRoom(bytes: number): Promise<void> {
    await this.#open().room.makeRoom(bytes);
  }

  read(actor: ActorKey, from: number, bytesMax: number, what: 'all' | 'data'): Soon<readonly StoredEntry[]> {
    return this.#open().reading.read(actor, from, bytesMax, what);
  }

  entry(actor: ActorKey, index: number): StoredEntry | undefined {
    return this.#open().reading.entry(actor, index);
  }

  heads(actor: ActorKey, from: number, countMax: number, what: 'all' | 'data'): Soon<readonly EntryHead[]> {
    return this.#open().reading.heads(actor, from, countMax, what);
  }

  find(actor: ActorKey, by: 'sequence' | 'time', value: number): Soon<number> {
    return this.#open().reading.find(actor, by, value);
  }

  async section(actor: ActorKey, name: string): Promise<Uint8Array | undefined> {
    return this.#open().reading.section(actor, name);
  }

  stats(): VolumeStats {
    const running = this.#present();
    return {
      diskBytes: running.diskBytes,
      liveBytes: running.store.actors.live,
      segments: running.store.segments.size + running.room.files,
      segmentBytes: this.#settings.segmentBytes,
      actors: running.store.actors.byKey.size,
      syncs: running.store.syncs,
    };
  }

  async reopen(): Promise<void> {
    if (!this.#failure) throw new TypeError('The volume has not failed.');
    if (this.#closing !== undefined) throw closed();
    const before = this.#running;
    if (before) {
      this.#remember(before);
      this.#running = undefined;
      await before.abandon();
    }
    try {
      const running = await this.#start(this.#rescue);
      this.#failure = undefined;
      this.#rescue = undefined;
      this.#running = running;
    } catch (error) {
      throw error instanceof WaysideError && error.code === 'CORRUPTION' ? error : storageFailed(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const running = this.#running;
    if (running) {
      await running.close();
      this.#remember(running);
    }
    await this.#unlock();
  }

  #remember({ store, writer }: Running): void {
    this.#last = { epoch: store.epoch, written: writer.written, synced: writer.synced };
    this.#rescue = { trusted: writer.known, blocks: writer.unconfirmed };
  }

  async #start(rescue: Rescue | undefined): Promise<Running> {
    const listener = this.#listener!;
    const running = await Running.start(this.#ports, this.#settings, listener, rescue?.trusted, rescue?.blocks ?? []);
    running.store.onFailure = (error) => {
      this.#failure = error;
      running.halt();
      listener.failed(error);
    };
    const { failure } = running.store;
    if (failure) {
      await running.abandon();
      throw failure;
    }
    return running;
  }

  /** What may be asked at any time once it is open: the last that was known. */
  #present(): Running {
    if (!this.#running) throw this.#failure ? storageFailed(this.#failure) : closed();
    return this.#running;
  }

  /** @throws STORAGE_FAILED · SHUTTING_DOWN */
  #open(): Running {
    if (this.#failure) throw storageFailed(this.#failure);
    if (this.#closing || !this.#running) throw closed();
    return this.#running;
  }

  async #unlock(): Promise<void> {
    if (!this.#locked) return;
    this.#locked = false;
    await this.#ports.files.unlock();
  }
}
