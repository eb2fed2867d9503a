/**
 * Group commit: what was committed is written at the end of the turn, and one sync covers all that was written before it.
 *
 * Holds: blocks are written in the order in which they were committed, none twice; `synced <= written <= position`;
 * `known` is a place below which everything is synced. A block is written whole, with the `known` of that moment in its
 * header. `unsynced` keeps the written blocks that may have to be appended again.
 * Elsewhere: what is in a block (commit.ts), whose file it is (room.ts brings it), what failing means (store.ts).
 */
import { isPlanted } from '../faults.ts';
import { DiskFullError } from '../ports.ts';
import type { Chunk } from './arena.ts';
import type { Place } from './format.ts';
import { BLOCK_HEADER_BYTES, BLOCK_RECORDS, encodeBlockHeader, encodeSegmentHeader, isAbove, SEGMENT_HEADER_BYTES } from './format.ts';
import { Segment } from './segment.ts';
import type { Store } from './store.ts';
import { storageFailed } from './store.ts';
import { EntryTable } from './table.ts';

/** One write. */
export interface Block {
  readonly segment: Segment;
  /** In the file, and in the chunk. */
  readonly offset: number;
  readonly chunk: Chunk;
  readonly at: number;
  /** Its header included. */
  bytes: number;
  /** Of the last commit in it. */
  position: number;
  /** Only what the volume says of itself (a watermark): not to be confirmed by another one. */
  readonly bare: boolean;
}

/** Where a commit's records go: `chunk.bytes` from `at` on, `offset` of `segment`. */
export interface Slot {
  readonly segment: Segment;
  readonly chunk: Chunk;
  readonly at: number;
  readonly offset: number;
}

export interface WriterHooks {
  /** The first record of a new segment: the directory as of now. */
  readonly directory: (into: Segment) => void;
  /** `written` or `synced` has moved. */
  readonly progressed: () => void;
  /** A segment has been begun that has no file yet, a write found the disk full, or claimed space was used. */
  readonly needsFile: (full: boolean) => void;
}

export class Writer {
  position = 0;
  written = 0;
  synced = 0;
  known: Place;
  /** Committed bytes that are not synced. */
  pendingBytes = 0;
  /** Written, not synced: what `reopen` appends again. */
  readonly unsynced: Block[] = [];
  readonly #store: Store;
  readonly #hooks: WriterHooks;
  readonly #queue: (Block | SegmentStart)[] = [];
  readonly #dirty = new Set<Segment>();
  #open: Block | undefined;
  #flushing = false;
  #syncing = false;
  #wanted = 0;
  /** The time for an unasked sync came while one was running. */
  #overdue = false;
  /** The end of what was written and is worth a watermark; the highest watermark that was written. */
  #worth: Place;
  #told: Place;
  #mark: Place;
  #syncTimer: (() => void) | undefined;
  #idleTimer: (() => void) | undefined;
  #gathering = false;
  #waiters: { readonly place: Place; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(store: Store, known: Place, hooks: WriterHooks) {
    this.#store = store;
    this.#hooks = hooks;
    this.known = known;
    this.#worth = known;
    this.#told = known;
    this.#mark = known;
  }

  /** Begins the next segment; its header goes before whatever is committed from now on. */
  begin(segment: Segment, previousKnown: boolean): void {
    this.#open = undefined;
    segment.table = new EntryTable();
    segment.end = SEGMENT_HEADER_BYTES;
    this.#store.segments.set(segment.number, segment);
    this.#store.active = segment;
    const { id, number, previous } = segment;
    this.#queue.push({ segment, header: encodeSegmentHeader({ id, number, epoch: this.#store.epoch, previous, previousKnown }) });
    this.#hooks.directory(segment);
    segment.base = segment.end;
  }

  /** Takes place for `bytes` of records that must not be torn apart. */
  reserve(bytes: number): Slot {
    const { active, arena, settings } = this.#store;
    if (
      active.base > 0 &&
      active.end > active.base &&
      active.end + BLOCK_HEADER_BYTES + bytes + footerBytes(active) > settings.segmentBytes
    )
      this.#roll();
    return this.#place(bytes, arena.chunk(BLOCK_HEADER_BYTES + bytes), false);
  }

  /** The records are in their slot: they will be written at the end of the turn. */
  commit(counts = true): number {
    if (counts) this.position++;
    if (this.#open) this.#open.position = this.position;
    this.#later();
    return this.position;
  }

  sync(position: number): void {
    this.#wanted = Math.max(this.#wanted, Math.min(position, this.position));
    if (this.#wanted <= this.synced) return;
    if (this.#wanted <= this.written) this.#startSync();
    else this.#later();
  }

  /** Resolves when all that was committed so far is synced, the volume's own records included. */
  settled(): Promise<void> {
    const { failure, active } = this.#store;
    if (failure) return Promise.reject(storageFailed(failure));
    const place = { segment: active.number, offset: active.end };
    if (!isAbove(place, this.known.segment, this.known.offset)) return Promise.resolve();
    this.#later();
    return new Promise((resolve, reject) => this.#waiters.push({ place, resolve, reject }));
  }

  /** Writes what waits, as far as there are files to write to. */
  flush(): void {
    const store = this.#store;
    if (store.failure) return;
    this.#open = undefined;
    const before = this.written;
    while (this.#queue.length > 0) {
      const next = this.#queue[0]!;
      const { segment } = next;
      const offset = 'header' in next ? 0 : next.offset;
      const bytes = 'header' in next ? next.header : this.#sealed(next);
      if (!segment.file) {
        this.#hooks.needsFile(false);
        break;
      }
      if (segment.fillingFrom !== undefined && offset + bytes.length > segment.fillingFrom) break;
      try {
        segment.file.write(offset, bytes);
      } catch (error) {
        if (error instanceof DiskFullError) this.#hooks.needsFile(true);
        else store.fail(error);
        break;
      }
      this.#queue.shift();
      segment.filled = Math.max(segment.filled, offset + bytes.length);
      this.#dirty.add(segment);
      if ('header' in next) continue;
      this.#mark = { segment: segment.number, offset: offset + bytes.length };
      if (!next.bare) this.#worth = this.#mark;
      this.#told = this.known;
      this.unsynced.push(next);
      this.written = Math.max(this.written, next.position);
    }
    if (store.failure) return;
    if (this.#wanted > this.synced || this.#waiters.length > 0) this.#startSync();
    else if (this.#dirty.size > 0) this.#syncTimer ??= store.ports.timers.after(store.settings.syncWithinMs, () => this.#runSync());
    if (this.written > before) this.#hooks.progressed();
  }

  /** Committed, not synced, in order: what another life has to append again. */
  get unconfirmed(): readonly Block[] {
    return [...this.unsynced, ...this.#queue.filter((waiting): waiting is Block => !('header' in waiting))];
  }

  /** Something is written, or waits to be, that is not synced. */
  get busy(): boolean {
    return this.#queue.length > 0 || this.#dirty.size > 0 || this.#syncing;
  }

  /** The last watermark on disk is below what it could be. */
  get untold(): boolean {
    return isAbove(this.#worth, this.#told.segment, this.#told.offset);
  }

  /** Writes the watermark in a block of its own, so that damage is told from a torn tail. */
  watermark(): void {
    const { arena } = this.#store;
    this.#open = undefined;
    this.#place(0, arena.chunk(BLOCK_HEADER_BYTES), true);
    this.#open = undefined;
    this.#later();
  }

  /** Ends the timers; who waits is told if the volume has failed. */
  stop(): void {
    const { failure } = this.#store;
    const waiters = this.#waiters;
    if (failure) this.#waiters = [];
    if (failure) for (const { reject } of waiters) reject(storageFailed(failure));
    this.#syncTimer?.();
    this.#idleTimer?.();
    this.#syncTimer = undefined;
    this.#idleTimer = undefined;
  }

  #roll(): void {
    const { active } = this.#store;
    this.begin(new Segment(active.number + 1, this.#store.newId(), { segment: active.number, offset: active.end }), false);
    this.#hooks.needsFile(false);
  }

  #place(bytes: number, chunk: Chunk, bare: boolean): Slot {
    const { active } = this.#store;
    if (!this.#open || this.#open.segment !== active || this.#open.chunk !== chunk) {
      const block = {
        segment: active,
        offset: active.end,
        chunk,
        at: chunk.used,
        bytes: BLOCK_HEADER_BYTES,
        position: this.position,
        bare,
      };
      this.#queue.push(block);
      this.#open = block;
      this.#take(chunk, active, BLOCK_HEADER_BYTES);
      chunk.held++;
    }
    const slot = { segment: active, chunk, at: chunk.used, offset: active.end };
    this.#open.bytes += bytes;
    this.#take(chunk, active, bytes);
    return slot;
  }

  #take(chunk: Chunk, segment: Segment, bytes: number): void {
    this.#store.arena.hold(segment, segment.end, chunk, chunk.used, bytes);
    chunk.used += bytes;
    segment.end += bytes;
    this.pendingBytes += bytes;
  }

  /** A block's bytes, with its header as of now. */
  #sealed(block: Block): Uint8Array {
    const { segment, chunk, at, offset, bytes } = block;
    encodeBlockHeader(chunk.view, chunk.bytes, at, offset, segment.seed, {
      id: segment.id,
      type: BLOCK_RECORDS,
      length: bytes - BLOCK_HEADER_BYTES,
      epoch: this.#store.epoch,
      known: isPlanted('wrong-watermark') ? this.#mark : this.known,
    });
    return chunk.bytes.subarray(at, at + bytes);
  }

  #later(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#store.ports.timers.endOfTurn(() => {
      this.#flushing = false;
      this.flush();
    });
  }

  #startSync(): void {
    const { gatherMs } = this.#store.settings;
    if (this.#syncing || this.#gathering) return;
    if (gatherMs <= 0) {
      this.#runSync();
      return;
    }
    this.#gathering = true;
    this.#store.ports.timers.after(gatherMs, () => {
      this.#gathering = false;
      this.#runSync();
    });
  }

  #runSync(): void {
    this.#syncTimer?.();
    this.#syncTimer = undefined;
    const store = this.#store;
    if (this.#syncing) this.#overdue = true;
    if (this.#syncing || store.failure || this.#dirty.size === 0) return;
    this.#overdue = false;
    this.#idleTimer?.();
    this.#idleTimer = undefined;
    this.#syncing = true;
    const covered = this.unsynced.length;
    const { written } = this;
    const mark = this.#mark;
    const files = [...this.#dirty];
    this.#dirty.clear();
    Promise.all(files.map((segment) => (isPlanted('skip-sync') ? undefined : segment.file!.sync()))).then(
      () => {
        this.#syncing = false;
        if (store.failure) return;
        store.syncs++;
        for (const block of this.unsynced.splice(0, covered)) {
          block.chunk.held--;
          this.pendingBytes -= block.bytes;
        }
        this.synced = isPlanted('later-writes-count-as-synced') ? this.written : written;
        this.known = mark;
        this.#tell();
        if ((this.#wanted > this.synced || this.#overdue || this.#waiters.length > 0) && this.#dirty.size > 0) this.#startSync();
        else if (this.#dirty.size > 0) this.#syncTimer ??= store.ports.timers.after(store.settings.syncWithinMs, () => this.#runSync());
        else this.#idle();
        this.#hooks.progressed();
      },
      (error: unknown) => {
        this.#syncing = false;
        store.fail(error);
      },
    );
  }

  #tell(): void {
    const { segment, offset } = this.known;
    this.#waiters = this.#waiters.filter(({ place, resolve }) => {
      if (isAbove(place, segment, offset)) return true;
      resolve();
      return false;
    });
  }

  #idle(): void {
    if (!this.untold || this.#store.closing) return;
    this.#idleTimer ??= this.#store.ports.timers.after(this.#store.settings.idleMs, () => {
      this.#idleTimer = undefined;
      if (!this.#store.failure && !this.busy && this.untold) this.watermark();
    });
  }
}

interface SegmentStart {
  readonly segment: Segment;
  readonly header: Uint8Array;
}

/** About what the footer of a segment will take, so that it fits in what the segment has claimed. */
export function footerBytes(segment: Segment): number {
  return 128 + (segment.table?.count ?? 0) * 20 + segment.begun.length * 64;
}
