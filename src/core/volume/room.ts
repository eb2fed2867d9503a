/**
 * Room: brings each segment its file, fills it ahead with zeros, and answers how much may be committed.
 *
 * Holds: what is promised is claimed on the disk before (zeros written, or an old file kept): a full disk is noticed here,
 * not by a commit. `headroomBytes` of what is claimed is never promised to data. Nobody writes where it is filling.
 * At most one file is prepared ahead, under the name of the next segment and with an empty header, and a few old ones wait
 * under spare names to be used again, so that a steady state writes no zeros.
 * Elsewhere: what frees space (reclaim.ts), writing (writer.ts).
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { File } from '../ports.ts';
import { DiskFullError } from '../ports.ts';
import { BLOCK_HEADER_BYTES, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from './format.ts';
import type { Segment } from './segment.ts';
import { segmentName, spareName } from './segment.ts';
import type { Store } from './store.ts';
import { storageFailed } from './store.ts';
import type { Writer } from './writer.ts';
import { footerBytes } from './writer.ts';

interface Prepared {
  readonly number: number;
  readonly file: File;
  filled: number;
}

interface Waiter {
  readonly bytes: number;
  /** Claimed bytes that are not for it. */
  readonly kept: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Of one commit besides its bytes: the heads of a few records and of its block. */
const COMMIT_BYTES = BLOCK_HEADER_BYTES + 4 * RECORD_HEADER_BYTES;

export class Room {
  readonly #store: Store;
  readonly #writer: Writer;
  /** Frees what may be freed; resolves to whether anything was. */
  readonly #reclaim: () => Promise<boolean>;
  /** More is claimed than before: the disk may hold more than it should, and nothing else may happen for long. */
  readonly #grown: () => void;
  readonly #zeros: Uint8Array;
  #next: Prepared | undefined;
  #spares: { name: string; bytes: number }[] = [];
  #spareCount = 0;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #clearing: Promise<void> | undefined;
  #again = false;
  #full = false;
  #retry: (() => void) | undefined;

  constructor(store: Store, writer: Writer, reclaim: () => Promise<boolean>, grown: () => void) {
    this.#store = store;
    this.#writer = writer;
    this.#reclaim = reclaim;
    this.#grown = grown;
    this.#zeros = new Uint8Array(store.settings.fillStepBytes);
  }

  hasRoom(bytes: number): boolean {
    return this.#allows(bytes, this.#store.settings.headroomBytes);
  }

  /** Is there any hope of copying so much now? Not on a disk that is full, unless it is claimed already. */
  mayCopy(bytes: number): boolean {
    return !this.#full || this.#allows(bytes, this.#keptFromCopies);
  }

  makeRoom(bytes: number): Promise<void> {
    return this.#wait(bytes, this.#store.settings.headroomBytes);
  }

  /** The same for leftovers, which may use the headroom, but for a part that ends a full disk. */
  makeRoomForCopies(bytes: number): Promise<void> {
    return this.#wait(bytes, this.#keptFromCopies);
  }

  /** Something has changed: a segment was begun, space was used or freed, a sync has caught up. */
  wake(): void {
    this.#answer();
    if (this.#ends) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.wake();
    });
  }

  /** The first segment of a life: its file, and its first write. @throws DiskFullError rather than wait */
  async begin(): Promise<void> {
    const { active } = this.#store;
    // As the loop would: what wakes it meanwhile must not bring the file a second time.
    const bringing = this.#bring(active);
    this.#running = bringing.then(undefined, () => {});
    await bringing.finally(() => {
      this.#running = undefined;
    });
    if (active.filled < active.end && !this.#store.failure) throw new DiskFullError('The disk is full.');
  }

  /** Claims what is wanted before the volume opens, as far as the disk has it. */
  async ready(): Promise<void> {
    this.wake();
    await this.#running;
  }

  /** Something was committed: fills on when what is claimed has become short. */
  used(): void {
    const { headroomBytes, fillStepBytes } = this.#store.settings;
    if (!this.#running && this.#claimed < headroomBytes + fillStepBytes) this.wake();
  }

  /** A write found no space, which the claim should have prevented: tried again when there is some. */
  foundFull(): void {
    this.#full = true;
    if (this.#store.draining) this.#store.fail(new DiskFullError('The disk is full.'));
    else this.#later();
  }

  /** Bytes of files that are no segment's yet. */
  get bytes(): number {
    let bytes = this.#next?.filled ?? 0;
    for (const spare of this.#spares) bytes += spare.bytes;
    return bytes;
  }

  get files(): number {
    return this.#spares.length + (this.#next ? 1 : 0);
  }

  /** Takes the file of a dropped segment for later, or says that it is not needed. */
  async keep(segment: Segment): Promise<boolean> {
    const { settings, ports } = this.#store;
    if (
      this.#spares.length > 0 ||
      segment.readers > 0 ||
      segment.filled < settings.segmentBytes / 2 ||
      segment.filled > settings.segmentBytes * 1.25
    )
      return false;
    const name = spareName(++this.#spareCount);
    await segment.file?.close();
    segment.file = undefined;
    await ports.files.rename(segment.name, name);
    this.#spares.push({ name, bytes: segment.filled });
    return true;
  }

  /** Gives the spare files back to the disk. @returns whether there were any */
  async release(): Promise<boolean> {
    const spares = this.#spares;
    this.#spares = [];
    for (const { name } of spares) await this.#store.ports.files.remove(name);
    return spares.length > 0;
  }

  async close(): Promise<void> {
    this.stop();
    await this.#running;
    await this.release();
    if (this.#next) {
      await this.#next.file.close();
      await this.#store.ports.files.remove(segmentName(this.#next.number));
      this.#next = undefined;
    }
  }

  /** Ends waiting and filling; what runs ends by itself. */
  stop(): void {
    this.#retry?.();
    this.#retry = undefined;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(this.#ended());
  }

  /** After a failure: waits for what runs, and closes the file that nobody uses. */
  async abandon(): Promise<void> {
    this.stop();
    await this.#running;
    await this.#next?.file.close().catch(() => {});
  }

  /** Nothing more is to be claimed; a segment that has been begun still gets its file, unless all is lost. */
  get #ends(): boolean {
    const { failure, closing, active } = this.#store;
    return failure !== undefined || (closing && active.file !== undefined);
  }

  #ended(): WaysideError {
    const { failure } = this.#store;
    return failure ? storageFailed(failure) : new WaysideError('SHUTTING_DOWN', 'The volume is being closed. Send the call again.');
  }

  get #keptFromCopies(): number {
    return Math.floor(this.#store.settings.headroomBytes / 4);
  }

  #wait(bytes: number, kept: number): Promise<void> {
    if (this.#allows(bytes, kept)) return Promise.resolve();
    const { failure, closing, settings } = this.#store;
    if (failure || closing) return Promise.reject(this.#ended());
    if (this.#full && kept < settings.headroomBytes) return Promise.reject(full(bytes));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ bytes, kept, resolve, reject });
      this.wake();
    });
  }

  #allows(bytes: number, kept: number): boolean {
    const { pendingBytes } = this.#writer;
    if (pendingBytes > 0 && pendingBytes + bytes > this.#store.settings.pendingBytesMax) return false;
    return this.#fits(bytes + COMMIT_BYTES, kept);
  }

  get #claimed(): number {
    const { here, next } = this.#ahead();
    return here + next;
  }

  /** Claimed bytes that commits may still take: in the active segment, and in the file prepared for the one after it. */
  #ahead(): { here: number; next: number } {
    const { active, settings } = this.#store;
    const prepared = this.#next;
    const filled = active.file ? active.filled : prepared?.number === active.number ? prepared.filled : 0;
    // A segment that holds nothing yet takes a commit of any size.
    const limit = isFresh(active) ? filled : settings.segmentBytes - footerBytes(active);
    return {
      here: Math.max(0, Math.min(filled, limit) - active.end),
      next: prepared && prepared.number > active.number ? Math.max(0, prepared.filled - this.#directoryBytes()) : 0,
    };
  }

  #fits(bytes: number, kept: number): boolean {
    const { here, next } = this.#ahead();
    if (here + next - bytes < kept) return false;
    // A commit is not torn apart: what does not fit here goes to the next segment, after its directory.
    return bytes <= here || (bytes <= next && !isFresh(this.#store.active));
  }

  #directoryBytes(): number {
    return this.#store.active.base + 64;
  }

  #answer(): void {
    const waiting = this.#waiters;
    if (waiting.length === 0) return;
    this.#waiters = waiting.filter((waiter) => {
      if (!this.#allows(waiter.bytes, waiter.kept)) return true;
      waiter.resolve();
      return false;
    });
  }

  async #run(): Promise<void> {
    const { ports } = this.#store;
    // `#running` is set before the first step: what that writes wakes us again, and there must be one loop only.
    await undefined;
    for (let isGrown = false; !this.#ends; isGrown = true) {
      this.#again = false;
      try {
        if (!(await this.#step())) {
          if (isGrown) this.#grown();
          return;
        }
        this.#full = false;
      } catch (error) {
        if (!(error instanceof DiskFullError)) {
          this.#store.fail(error);
          return;
        }
        const { active, draining } = this.#store;
        // What was being filled ahead has meanwhile been begun: its file is there, and takes at least what was claimed.
        if (!active.file && this.#next?.number === active.number) continue;
        if (draining && !active.file) return this.#store.fail(error);
        if (!this.#full) ports.journal.warn('The disk is full: new messages are refused until something is deleted.');
        this.#full = true;
        if (await this.release()) continue;
        this.#again = false;
        this.#later();
        // Copies give up at once: what frees the disk must not wait for it.
        this.#refuse((waiter) => waiter.kept < this.#store.settings.headroomBytes);
        this.#clear();
        return;
      }
      this.#answer();
    }
  }

  /**
   * The disk is full: what is dead is dropped, and who still waits then is refused. Not awaited by the loop, which may have
   * to bring a file before the dropping can be written.
   */
  #clear(): void {
    this.#clearing ??= (this.#store.active.file ? this.#reclaim() : Promise.resolve(false)).then((freed) => {
      this.#clearing = undefined;
      if (freed) return this.wake();
      this.#answer();
      this.#refuse(() => true);
    });
  }

  #refuse(which: (waiter: Waiter) => boolean): void {
    const refused = this.#waiters.filter(which);
    this.#waiters = this.#waiters.filter((waiter) => !which(waiter));
    for (const { bytes, reject } of refused) reject(full(bytes));
  }

  /** One thing that is missing: a file, or some zeros. @returns whether there was any */
  async #step(): Promise<boolean> {
    const { active, segments, settings } = this.#store;
    for (const segment of segments.values()) {
      if (segment.file || segment.sealed || segment.dropped || segment.table === undefined) continue;
      await this.#bring(segment);
      return true;
    }
    // A commit that is asked for may need a whole segment of its own, so its bytes count twice.
    let wanted = settings.headroomBytes + 2 * settings.fillStepBytes;
    let largest = 0;
    for (const waiter of this.#waiters) largest = Math.max(largest, waiter.bytes + COMMIT_BYTES);
    wanted = Math.max(wanted, settings.headroomBytes + settings.fillStepBytes + largest);
    const enough = this.#claimed >= wanted && (largest === 0 || this.#fits(largest, settings.headroomBytes));
    if (enough) return false;
    const end =
      isFresh(active) && largest > 0
        ? Math.max(settings.segmentBytes, active.end + largest + settings.headroomBytes)
        : settings.segmentBytes;
    if (active.file && Math.max(active.filled, active.end) < end) {
      await this.#fill(active, end);
      return true;
    }
    if (!this.#next) {
      this.#next = await this.#prepare(active.number + 1);
      return true;
    }
    const limit = Math.max(settings.segmentBytes, largest + settings.headroomBytes + this.#directoryBytes());
    if (this.#next.filled >= limit) return false;
    const next = this.#next;
    const bytes = Math.min(this.#zeros.length, limit - next.filled);
    await next.file.writeAhead(next.filled, this.#zeros.subarray(0, bytes));
    next.filled += bytes;
    return true;
  }

  async #bring(segment: Segment): Promise<void> {
    this.#next ??= await this.#prepare(segment.number);
    const next = this.#next;
    this.#next = undefined;
    segment.filled = next.filled;
    segment.file = next.file;
    this.#writer.flush();
  }

  async #fill(segment: Segment, limit: number): Promise<void> {
    const from = Math.max(segment.filled, segment.end);
    const bytes = Math.min(this.#zeros.length, limit - from);
    segment.fillingFrom = from;
    try {
      await segment.file!.writeAhead(from, this.#zeros.subarray(0, bytes));
      segment.filled = Math.max(segment.filled, from + bytes);
    } finally {
      segment.fillingFrom = undefined;
      this.#writer.flush();
    }
  }

  /** A file under the name of a segment that is not begun: its header is empty, and its name is durable. */
  async #prepare(number: number): Promise<Prepared> {
    const { files } = this.#store.ports;
    const name = segmentName(number);
    const spare = this.#spares.shift();
    if (!spare) {
      const file = await files.open(name, true);
      if (!isPlanted('folder-not-synced')) await files.syncFolder();
      return { number, file, filled: 0 };
    }
    const file = await files.open(spare.name, false);
    await file.writeAhead(0, new Uint8Array(SEGMENT_HEADER_BYTES));
    await file.sync();
    await files.rename(spare.name, name);
    await files.syncFolder();
    return { number, file, filled: spare.bytes };
  }

  #later(): void {
    this.#retry ??= this.#store.ports.timers.after(this.#store.settings.retryMs, () => {
      this.#retry = undefined;
      this.#writer.flush();
      this.wake();
    });
  }
}

const isFresh = (segment: Segment): boolean => segment.end <= segment.base;

function full(bytes: number): WaysideError {
  return new WaysideError('STORAGE_FULL', `There is no room for ${bytes} more bytes. Delete or trim something, then send the call again.`);
}
