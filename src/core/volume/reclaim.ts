/**
 * Reclaiming: drops segments in which nothing lives, and copies leftovers forward so that few remain.
 *
 * Holds: disk <= 1.5 × living bytes + 2 segments + the directories and footers of the others, once it has caught up; and it
 * does catch up: at rest nothing is copied without end. A segment goes in three steps, each synced before the
 * next: its leftovers lie at the head of the log; a record says that it is dropped; its file goes. A crash between them
 * leaves an entry twice, never not at all. Little is copied in one turn, and what died meanwhile is not copied.
 * Elsewhere: what lives (actors.ts), what happens to the files (room.ts).
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { VolumeListener } from '../ports.ts';
import { DiskFullError } from '../ports.ts';
import type { Range, Section } from './actors.ts';
import type { Leftover } from './commit.ts';
import { commitDrops, commitLeftovers } from './commit.ts';
import { copiesOf, isIn, recount } from './counting.ts';
import { FLAG_DATA, RECORD_ENTRY, recordBytes } from './format.ts';
import type { Reading } from './reading.ts';
import type { Room } from './room.ts';
import type { Segment } from './segment.ts';
import type { Store } from './store.ts';
import { Dropped } from './store.ts';
import type { Rows } from './table.ts';
import { placeOf, rowAt } from './table.ts';
import type { Tables } from './tables.ts';
import type { Writer } from './writer.ts';

/**
 * Of what a segment holds behind its directory, so much may live for it to be copied. What copying makes lives to a larger
 * share, whatever becomes of the disk: else, where directories take a third of the segments, it would never end.
 */
const COPY_SHARE_MAX = 0.8;
/** Sealed segments below a quarter of the size (many restarts) are put together when there are more than this. */
const SMALL_MAX = 8;
/** State of one actor in a segment, above which it is asked to settle before it is copied. */
const SETTLE_BYTES = 4096;

export interface ReclaimParts {
  readonly store: Store;
  readonly writer: Writer;
  readonly reading: Reading;
  readonly tables: Tables;
  readonly room: Room;
  readonly listener: VolumeListener;
  readonly diskBytes: () => number;
}

export class Reclaim {
  readonly #parts: ReclaimParts;
  /** When each actor was asked to settle, on the monotonic clock. */
  readonly #asked = new WeakMap<object, number>();
  /** Damaged: what is in it can neither be read nor dropped. */
  readonly #damaged = new WeakSet<Segment>();
  #running: Promise<void> | undefined;
  #again = false;
  #freed = false;
  #going = 0;
  #retry: (() => void) | undefined;

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
  }

  /** Something died, a segment was sealed, or the disk is full. */
  wake(): void {
    const { store } = this.#parts;
    if (store.failure || store.closing) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.wake();
    });
  }

  /** Frees what can be freed now. @returns whether anything was */
  async now(): Promise<boolean> {
    this.#freed = false;
    this.wake();
    await this.#running;
    return this.#freed;
  }

  /** Bytes of files that are dropped but not gone yet. */
  get bytes(): number {
    return this.#going;
  }

  async stop(): Promise<void> {
    this.#retry?.();
    this.#retry = undefined;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { store } = this.#parts;
    // What a turn's commits have killed is looked at once.
    await new Promise<void>((resolve) => store.ports.timers.endOfTurn(resolve));
    while (!store.failure && !store.closing) {
      this.#again = false;
      try {
        if (!(await this.#step())) return;
      } catch (error) {
        if (store.failure || store.closing) return;
        if (error instanceof Dropped) continue;
        if (isFull(error)) this.#later(store.settings.retryMs);
        else store.fail(error);
        return;
      }
    }
  }

  /** @returns whether there may be more to do */
  async #step(): Promise<boolean> {
    const { store, room, diskBytes } = this.#parts;
    if (await this.#count()) return true;
    if (store.failure || store.closing) return false;
    const dead = [...store.segments.values()].filter((segment) => segment.sealed && segment.live === 0 && !this.#cut(segment));
    if (dead.length > 0) {
      await this.#drop(dead);
      return true;
    }
    const over = diskBytes() - this.#bound();
    if (over > 0 && (await room.release())) return true;
    const segment = this.#pick(over > 0);
    if (!segment) return false;
    await this.#empty(segment);
    return true;
  }

  #bound(): number {
    const { store } = this.#parts;
    return 1.5 * store.actors.live + 2 * store.settings.segmentBytes;
  }

  /** Counts the living bytes of ranges that a trim has cut. @returns whether any was counted */
  async #count(): Promise<boolean> {
    const { store, tables } = this.#parts;
    let counted = false;
    for (const range of [...store.actors.stale]) {
      if (this.#damaged.has(range.segment)) continue;
      try {
        await recount(store.actors, tables, range);
        counted = true;
      } catch (error) {
        this.#markDamaged(range.segment, error);
      }
      if (store.failure || store.closing) return false;
    }
    return counted;
  }

  #cut(segment: Segment): boolean {
    for (const range of this.#parts.store.actors.stale) if (range.segment === segment) return true;
    return false;
  }

  /** The sealed segment that costs least to empty, among those that give enough back. */
  #pick(over: boolean): Segment | undefined {
    const { store, room } = this.#parts;
    const sealed = [...store.segments.values()].filter((segment) => segment.sealed && !this.#damaged.has(segment));
    const small = sealed.filter((segment) => segment.filled < store.settings.segmentBytes / 4);
    const among = over ? sealed : small.length > SMALL_MAX ? small : [];
    const byShare = among
      .filter((segment) => !over || segment.live < (segment.end - segment.base) * COPY_SHARE_MAX)
      .sort((one, other) => one.live / one.filled - other.live / other.filled || one.number - other.number);
    return byShare.find((segment) => room.mayCopy(segment.live) && !this.#settling(segment));
  }

  /** Asks the actors that hold much state in it to settle, and gives them time. */
  #settling(segment: Segment): boolean {
    const { store, listener } = this.#parts;
    const now = store.ports.clock.monotonic();
    let waiting = false;
    for (const { actor, stateBytes } of segment.ranges) {
      if (stateBytes < SETTLE_BYTES) continue;
      const asked = this.#asked.get(actor);
      if (asked === undefined || now - asked > 10 * store.settings.settleMs) {
        this.#asked.set(actor, now);
        listener.settle(actor.key);
        waiting = true;
      } else if (now - asked < store.settings.settleMs) {
        waiting = true;
      }
    }
    if (waiting) this.#later(store.settings.settleMs);
    return waiting;
  }

  /** Copies all that lives in a segment to the head of the log, in the order in which it lies there. */
  async #empty(segment: Segment): Promise<void> {
    const { store, writer, reading, room } = this.#parts;
    // No block of copies is so large that a segment could not be filled well with them.
    const copyBytes = Math.min(store.settings.copyBytes, store.settings.segmentBytes / 4);
    const ranges = [...segment.ranges];
    try {
      const living = await this.#living(ranges);
      for (let from = 0; from < living.length; ) {
        let bytes = 0;
        let to = from;
        for (; to < living.length && (to === from || bytes + bytesOf(living[to]!) <= copyBytes); to++) bytes += bytesOf(living[to]!);
        const some = living.slice(from, to);
        const entries = await reading.bodies(segment, some);
        await room.makeRoomForCopies(bytes);
        this.#mustGoOn();
        const leftovers: Leftover[] = [];
        entries.forEach((entry, nth) => {
          const { range } = some[nth]!;
          if (!isLiving(range, entry.index, entry.data)) return;
          const record = { ...entry, type: RECORD_ENTRY, flags: entry.data ? FLAG_DATA : 0, namespace: 0, station: 0, partition: 0 };
          if (isPlanted('copy-forward-forgets-one') && nth === 3) return;
          const { body } = isPlanted('copy-forward-wrong-entry') ? entries[0]! : entry;
          leftovers.push({ actor: range.actor, range, record, body });
        });
        if (leftovers.length > 0) commitLeftovers(store, writer, leftovers);
        if (writer.pendingBytes > 2 * copyBytes) await writer.settled();
        from = to;
      }
      await this.#copySections([...segment.sections], copyBytes);
      if (!isPlanted('drop-segment-before-copy-synced')) await writer.settled();
      for (const range of ranges) store.actors.detach(range);
    } catch (error) {
      this.#markDamaged(segment, error);
    }
  }

  /** What is to be copied, by offset. A crash may have left copies: those are not copied again. */
  async #living(ranges: readonly Range[]): Promise<Living[]> {
    const { tables } = this.#parts;
    const living: Living[] = [];
    for (const range of ranges) {
      const rows = tables.now(range) ?? (await tables.load(range));
      const copies = await copiesOf(tables, range);
      const { table } = rows;
      for (let at = placeOf(rows, Math.min(range.actor.data, range.actor.state)); at < rows.count; at++) {
        const row = rowAt(rows, at);
        const index = table.index[row]!;
        if (isLiving(range, index, table.data[row] === 1) && !isIn(copies, index)) living.push({ range, rows, row });
      }
    }
    return living.sort((one, other) => one.rows.table.offset[one.row]! - other.rows.table.offset[other.row]!);
  }

  /** Copies sections, many in one block: small ones in blocks of their own would take half as much again. */
  async #copySections(sections: readonly Section[], copyBytes: number): Promise<void> {
    const { store, writer, reading, room } = this.#parts;
    for (let from = 0; from < sections.length; ) {
      const read: { section: Section; leftover: Leftover }[] = [];
      let bytes = 0;
      for (; from < sections.length; from++) {
        const section = sections[from]!;
        const more = recordBytes(section.name.length + section.bytes);
        if (read.length > 0 && bytes + more > copyBytes) break;
        const { record, body } = await reading.sectionBody(section);
        read.push({ section, leftover: { actor: section.actor, record, body } });
        bytes += more;
      }
      await room.makeRoomForCopies(bytes);
      this.#mustGoOn();
      const living = read.filter(({ section }) => section.actor.sections?.get(section.name) === section).map(({ leftover }) => leftover);
      if (living.length > 0) commitLeftovers(store, writer, living);
      if (writer.pendingBytes > 2 * copyBytes) await writer.settled();
    }
  }

  #mustGoOn(): void {
    const { store } = this.#parts;
    if (store.failure || store.closing) throw new Dropped();
  }

  async #drop(dead: readonly Segment[]): Promise<void> {
    const { store, writer, room, tables, diskBytes } = this.#parts;
    for (const segment of dead) {
      for (const range of [...segment.ranges]) store.actors.detach(range);
      store.segments.delete(segment.number);
      segment.dropped = true;
      this.#going += segment.filled;
    }
    // Still on disk until its record is synced: a directory that is written meanwhile need not know it any more.
    commitDrops(
      writer,
      dead.map((segment) => segment.number),
    );
    if (!isPlanted('drop-segment-before-copy-synced')) await writer.settled();
    const { files } = store.ports;
    for (const segment of dead) {
      for (const range of segment.begun) tables.forget(range);
      const kept = diskBytes() <= this.#bound() && (await room.keep(segment));
      this.#going -= segment.filled;
      if (kept) continue;
      await files.remove(segment.name);
      const { file } = segment;
      segment.file = undefined;
      if (segment.readers === 0) await file?.close();
    }
    await files.syncFolder();
    this.#freed = true;
    room.wake();
  }

  #markDamaged(segment: Segment, error: unknown): void {
    const { store } = this.#parts;
    if (store.failure || store.closing || error instanceof Dropped || isFull(error)) throw error;
    this.#damaged.add(segment);
    store.ports.journal.error(`${segment.name} is damaged and stays as it is: ${error instanceof Error ? error.message : String(error)}`);
  }

  #later(ms: number): void {
    const { store } = this.#parts;
    this.#retry ??= store.ports.timers.after(ms, () => {
      this.#retry = undefined;
      this.wake();
    });
  }
}

interface Living {
  readonly range: Range;
  readonly rows: Rows;
  readonly row: number;
}

const isFull = (error: unknown): boolean =>
  error instanceof DiskFullError || (error instanceof WaysideError && (error.code === 'STORAGE_FULL' || error.code === 'SHUTTING_DOWN'));

const bytesOf = ({ rows, row }: Living): number => rows.table.bytes(row);

const isLiving = ({ actor }: Range, index: number, data: boolean): boolean => !actor.removed && index >= (data ? actor.data : actor.state);
