/**
 * One life of an open log: its parts, how they call each other, and how it begins and ends.
 *
 * Holds: a part never calls another but through here or a hook it was given. After a failure nothing is written by any of
 * them; `abandon` waits until none touches the files, so that another life can begin.
 * Elsewhere: what callers see (log.ts).
 */
import type { VolumeListener } from '../ports.ts';
import { DiskFullError } from '../ports.ts';
import { commitAgain, commitDirectory } from './commit.ts';
import { encodeDirectory } from './directory.ts';
import type { Place } from './format.ts';
import { isAbove } from './format.ts';
import { openLog } from './opening.ts';
import { Reading } from './reading.ts';
import { Reclaim } from './reclaim.ts';
import { Room } from './room.ts';
import { seal } from './sealing.ts';
import { Segment } from './segment.ts';
import type { LogSettings } from './settings.ts';
import type { Ports } from './store.ts';
import { Store } from './store.ts';
import { Tables } from './tables.ts';
import type { Block } from './writer.ts';
import { Writer } from './writer.ts';

export class Running {
  readonly store: Store;
  readonly writer: Writer;
  readonly reading: Reading;
  readonly room: Room;
  readonly #reclaim: Reclaim;
  readonly #listener: VolumeListener;
  #sealing: Promise<void> | undefined;
  #ready = false;

  /**
   * @param trusted as for `openLog`
   * @param blocks written by the life before, not synced: appended again
   */
  static async start(
    ports: Ports,
    settings: LogSettings,
    listener: VolumeListener,
    trusted: Place | undefined,
    blocks: readonly Block[],
  ): Promise<Running> {
    const store = new Store(ports, settings);
    const tables = new Tables(store);
    try {
      const opened = await openLog(store, tables, trusted);
      store.epoch = opened.epoch;
      const running = new Running(store, tables, listener, opened.end);
      await running.#begin(opened.number, opened.end, opened.leftovers, blocks);
      return running;
    } catch (error) {
      await store.closeFiles();
      throw error;
    }
  }

  private constructor(store: Store, tables: Tables, listener: VolumeListener, end: Place) {
    this.store = store;
    this.#listener = listener;
    this.reading = new Reading(store, tables);
    this.writer = new Writer(store, end, {
      directory: (into) => {
        const segments = [...store.segments.values()]
          .filter((segment) => segment !== into)
          .map(({ number, id, end }) => ({ number, id, end }));
        commitDirectory(store, this.writer, encodeDirectory(segments, store.actors));
      },
      progressed: () => this.#progressed(),
      needsFile: (full) => (full ? this.room.foundFull() : this.room.wake()),
    });
    this.room = new Room(
      store,
      this.writer,
      () => this.#reclaim.now(),
      () => this.#ready && this.#reclaim.wake(),
    );
    this.#reclaim = new Reclaim({
      store,
      writer: this.writer,
      reading: this.reading,
      tables,
      room: this.room,
      listener,
      diskBytes: () => this.diskBytes,
    });
  }

  get diskBytes(): number {
    let bytes = this.room.bytes + this.#reclaim.bytes;
    for (const segment of this.store.segments.values()) bytes += segment.filled;
    return bytes;
  }

  /** Nothing is written any more; who waits is told. */
  halt(): void {
    this.writer.stop();
    this.room.stop();
  }

  /** After a failure: until nothing touches the files. */
  async abandon(): Promise<void> {
    this.halt();
    await this.room.abandon();
    await this.#reclaim.stop();
    await this.#sealing;
    await this.store.closeFiles();
  }

  async close(): Promise<void> {
    const { store, writer } = this;
    try {
      store.draining = true;
      await writer.settled();
      store.closing = true;
      this.room.stop();
      await this.#reclaim.stop();
      await this.#sealing;
      if (writer.untold) writer.watermark();
      await writer.settled();
      await this.room.close();
      const { active } = store;
      await active.file!.truncate(active.end);
      await active.file!.sync();
      await store.ports.files.syncFolder();
    } catch (error) {
      // What was not synced is lost to those who waited, and they have been told; the place is given free all the same.
      store.fail(error);
    }
    store.closing = true;
    await this.abandon();
  }

  async #begin(number: number, end: Place, leftovers: readonly string[], blocks: readonly Block[]): Promise<void> {
    const { store, writer, room } = this;
    const { files } = store.ports;
    store.onFailure = () => this.halt();
    try {
      writer.begin(new Segment(number, store.newId(), end), true);
      for (const block of blocks) commitAgain(store, writer, block);
      await room.begin();
      writer.flush();
      // Until this write is synced nothing else is written or promised: so a folder that was never begun is known (tail.ts).
      await writer.settled();
      for (const name of leftovers) await files.remove(name);
      if (leftovers.length > 0) await files.syncFolder();
    } catch (error) {
      store.fail(error);
      await this.abandon();
      throw store.failure ?? error;
    }
    this.#ready = true;
    await room.ready();
    this.#reclaim.wake();
  }

  #progressed(): void {
    if (!this.#ready) return;
    this.#seal();
    this.room.wake();
    this.#listener.progressed();
    this.#reclaim.wake();
  }

  /** Seals what is complete and synced, one after another. */
  #seal(): void {
    if (this.#sealing || this.store.failure || this.store.closing) return;
    const { segment: number, offset } = this.writer.known;
    const next = [...this.store.segments.values()].find(
      (segment) =>
        segment.table && segment !== this.store.active && !isAbove({ segment: segment.number, offset: segment.end }, number, offset),
    );
    if (!next) return;
    this.#sealing = seal(this.store, next).then(
      () => {
        this.#sealing = undefined;
        this.#seal();
        this.#reclaim.wake();
      },
      (error: unknown) => {
        this.#sealing = undefined;
        if (!(error instanceof DiskFullError)) this.store.fail(error);
        else this.store.ports.timers.after(this.store.settings.retryMs, () => this.#seal());
      },
    );
  }
}
