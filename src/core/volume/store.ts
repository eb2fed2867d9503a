/**
 * What the parts of an open log share: the ports, the segments, the actors, and the one way in which it fails.
 *
 * Holds: `segments` has every segment that exists, in the order of their number; the last is `active`. Once `failure` is
 * set it stays, and nothing is written any more: `reopen` builds another store.
 * Elsewhere: opening.ts makes one, log.ts owns it.
 */
import type { Crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import type { Clock, File, Files, Journal, Random, Timers } from '../ports.ts';
import { Actors } from './actors.ts';
import { Arena } from './arena.ts';
import type { FileId } from './format.ts';
import type { Segment } from './segment.ts';
import type { LogSettings } from './settings.ts';

export interface Ports {
  readonly files: Files;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  readonly crc32c: Crc32c;
}

export class Store {
  readonly ports: Ports;
  readonly settings: LogSettings;
  readonly actors = new Actors();
  readonly arena: Arena;
  readonly segments = new Map<number, Segment>();
  active!: Segment;
  epoch = 0;
  syncs = 0;
  failure: Error | undefined;
  /** What was committed is being written for the last time: a full disk is not waited for. */
  draining = false;
  closing = false;
  /** Told once, when the store fails. */
  onFailure: (error: Error) => void = () => {};
  #opened: Segment[] = [];
  #filesClosed = false;

  constructor(ports: Ports, settings: LogSettings) {
    this.ports = ports;
    this.settings = settings;
    this.arena = new Arena(settings.chunkBytes, settings.tailBytes);
  }

  fail(error: unknown): void {
    if (this.failure) return;
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.ports.journal.error(`The volume has failed: ${this.failure.message}`);
    this.onFailure(this.failure);
  }

  /** @throws STORAGE_FAILED · SHUTTING_DOWN its files are closed: a read that is under way must end, not begin again */
  check(): void {
    if (this.failure) throw storageFailed(this.failure);
    if (this.#filesClosed) throw closed();
  }

  newId(): FileId {
    return { a: this.ports.random.u32(), b: this.ports.random.u32() };
  }

  /** Runs `read` with the segment's file open, which nobody overwrites or closes meanwhile. */
  async reading<T>(segment: Segment, read: (file: File) => Promise<T>): Promise<T> {
    this.check();
    if (segment.dropped) throw new Dropped();
    segment.readers++;
    try {
      if (!segment.file) {
        const file = await this.ports.files.open(segment.name, false);
        if (segment.file || segment.dropped) await file.close();
        else {
          segment.file = file;
          this.#opened.push(segment);
          this.#closeOld();
        }
      }
      if (!segment.file) throw new Dropped();
      return await read(segment.file);
    } catch (error) {
      if (segment.dropped || error instanceof Dropped) throw new Dropped();
      throw error instanceof WaysideError ? error : storageFailed(error);
    } finally {
      segment.readers--;
      if (segment.dropped && segment.readers === 0) {
        const { file } = segment;
        segment.file = undefined;
        await file?.close().catch(() => {});
      }
    }
  }

  /** A sealed segment's file, opened for writing it, is from now on closed when others are needed more. */
  lend(segment: Segment): void {
    if (segment.file) this.#opened.push(segment);
    this.#closeOld();
  }

  #closeOld(): void {
    for (let at = 0; at < this.#opened.length && this.#opened.length > this.settings.openFiles; ) {
      const segment = this.#opened[at]!;
      if (segment.readers > 0) at++;
      else {
        this.#opened.splice(at, 1);
        const file = segment.file;
        segment.file = undefined;
        void file?.close().catch(() => {});
      }
    }
  }

  async closeFiles(): Promise<void> {
    this.#filesClosed = true;
    for (const segment of this.segments.values()) {
      const file = segment.file;
      segment.file = undefined;
      await file?.close().catch(() => {});
    }
  }
}

/** The segment went while it was to be read: what lived in it lives elsewhere now, so look again. */
export class Dropped extends Error {}

export function closed(): WaysideError {
  return new WaysideError('SHUTTING_DOWN', 'The volume is closed. Open another one on the same place.');
}

export function storageFailed(cause: unknown): WaysideError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new WaysideError(
    'STORAGE_FAILED',
    `The storage has failed (${what}); what was not confirmed may be lost. Send the call again with the same id.`,
  );
}

export function corruption(file: string, from: number, to: number, what: string): WaysideError {
  return new WaysideError(
    'CORRUPTION',
    `${file}, bytes ${from} to ${to}: ${what}. Restore this file from a copy; nothing of the range is served.`,
    {
      file,
      from,
      to,
    },
  );
}
