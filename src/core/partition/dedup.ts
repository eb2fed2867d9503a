/**
 * The ids that were produced within the deduplication window, each with the sequence it got.
 *
 * Holds: an id is found if and only if it was added within the window (`time > now − window`): a hit is confirmed against the
 * id's bytes, so hashes only say where to look. Ids live in slices, which are dropped whole; the newest ones are in memory, and
 * one whose section is written is closed: of it only fingerprints stay (id-table.ts), and its section is read when one fits.
 * Trimming messages does not touch ids.
 * Elsewhere: the bytes (id-slice.ts), reading sections before a step is decided (partition.ts).
 */
import { isPlanted } from '../faults.ts';
import { IdHashes } from './id-hashes.ts';
import type { Noted } from './id-slice.ts';
import { IdSection, OpenSlice } from './id-slice.ts';
import { IdTable } from './id-table.ts';

const SLICES_PER_WINDOW = 8;
/** Sections that stay in memory after a step has needed them: whoever repeats itself does so more than once. */
const KEPT_SECTIONS = 4;
/** Slices in memory above which sections should be written, so that they can be closed. */
const OPEN_MAX = 1;

/**
 * Ids of a slice that the table does not tell apart: 2^16 times as many are known to it for certain, and so many are compared for
 * one that is found.
 */
const GROUP = 256;

/** One whose ids are in its section alone. */
interface ClosedSlice {
  readonly name: number;
  readonly count: number;
  readonly until: number;
  /** Its first ids' in the table. */
  readonly group: number;
  section: IdSection | undefined;
}

/** Sections that a step needs, and which is read. */
export interface MissingIds {
  readonly name: string;
  take(bytes: Uint8Array): void;
}

export class Dedup {
  /** Oldest first, and older than the open ones. */
  readonly #closed: ClosedSlice[] = [];
  readonly #open: OpenSlice[] = [];
  readonly #table = new IdTable();
  /** Closed ones that have their section in memory, the longest unused first. */
  #kept: ClosedSlice[] = [];
  /** The first one of the next slice to be closed. */
  #nextGroup = 0;
  #nextName = 1;
  /** Read from sections, and not closed yet. */
  readonly #loaded = new Map<number, IdSection>();
  /** They are to be written, all of them. */
  #isMoved = false;
  /** An id of the step that is decided may be in a closed slice. */
  #hasCandidates = false;
  /** Sections of slices that are gone. */
  #dropped: string[] = [];
  readonly #hashes: IdHashes;
  readonly #most: number;

  /** @param most ids of a slice: it bounds what writing or indexing one takes (about a millisecond for the limit's default) */
  constructor(seed: number, most: number) {
    this.#hashes = new IdHashes(seed);
    this.#most = most;
  }

  get count(): number {
    let count = 0;
    for (const slices of [this.#closed, this.#open, this.#loaded.values()]) for (const slice of slices) count += slice.count;
    return count;
  }

  /** Sections should be written soon. */
  get isCrowded(): boolean {
    return this.#open.length > OPEN_MAX;
  }

  // ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Before a step is decided: which sections have to be there for that.
   *
   * @param each calls with the place of each id that the step may ask for
   */
  missing(each: (visit: (source: Uint8Array, start: number, end: number) => void) => void): MissingIds[] {
    this.#hasCandidates = false;
    this.#hashes.clear();
    // Where there is no window nothing is ever kept.
    if (this.#table.isEmpty && this.#open.length === 0) return [];
    const needed = new Set<ClosedSlice>();
    each((source, start, end) => this.#hashes.note(source, start, end));
    if (this.#table.isEmpty || isPlanted('closed-ids-not-asked')) return [];
    const { count } = this.#hashes;
    for (let i = 1; i < count; i++) this.#table.bring(this.#hashes.hashAt(i), this.#hashes.extraAt(i));
    for (let i = 1; i < count; i++) {
      this.#hashes.tell(i);
      for (const group of this.#candidates()) {
        this.#hasCandidates = true;
        const slice = this.#sliceOf(group);
        if (slice.section === undefined) needed.add(slice);
      }
    }
    return [...needed].map((slice) => ({
      name: sectionName(slice.name),
      take: (bytes) => {
        slice.section = new IdSection(bytes);
        this.#kept.push(slice);
      },
    }));
  }

  /** Is the section with that name one of ours still? */
  needs(name: string): boolean {
    return this.#closed.some((slice) => sectionName(slice.name) === name);
  }

  /** @returns the sequence that the id got within the window, or 0 */
  find(source: Uint8Array, start: number, end: number, now: number, windowMs: number): number {
    if (this.#open.length === 0 && !this.#hasCandidates) return 0;
    const hash = this.#hashOf(source, start, end);
    const since = now - windowMs;
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const slice = this.#open[i]!;
      if (slice.until <= since) return 0;
      const place = slice.find(source, start, end, hash);
      if (place >= 0) return within(slice.noted(place), since);
    }
    return this.#hasCandidates ? this.#findClosed(source, start, end, since) : 0;
  }

  #findClosed(source: Uint8Array, start: number, end: number, since: number): number {
    for (const group of this.#candidates()) {
      const { name, section, group: first } = this.#sliceOf(group);
      if (section === undefined) throw new TypeError(`The ids of slice ${name} are asked for before they are read.`);
      const from = (group - first) * GROUP;
      const place = section.find(from, from + GROUP, source, start, end);
      if (place >= 0) return within(section.noted(place), since);
      if (isPlanted('fingerprint-is-enough')) return within(section.noted(from), since);
    }
    return 0;
  }

  /** Groups where the id may be whose hashes were made last, the latest first. */
  #candidates(): readonly number[] {
    return this.#table.candidates(this.#hashes.hash, this.#extra, this.#floor);
  }

  #sliceOf(group: number): ClosedSlice {
    let low = 0;
    let high = this.#closed.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#closed[middle]!.group <= group) low = middle;
      else high = middle - 1;
    }
    return this.#closed[low]!;
  }

  #hashOf(source: Uint8Array, start: number, end: number): number {
    this.#hashes.of(source, start, end);
    return this.#hashes.hash;
  }

  get #extra(): number {
    return isPlanted('fingerprint-is-enough') ? 0 : this.#hashes.extra;
  }

  /** Groups below are of slices that are gone. */
  get #floor(): number {
    return this.#closed[0]?.group ?? this.#nextGroup;
  }

  // ── Adding, dropping ───────────────────────────────────────────────────────────────────────────────────────────

  add(source: Uint8Array, start: number, end: number, sequence: number, time: number, windowMs: number): void {
    // Without a window nothing is found again.
    if (windowMs === 0) return;
    let newest = this.#open[this.#open.length - 1];
    if (newest === undefined || !newest.takes(sequence, time, windowMs / SLICES_PER_WINDOW, this.#most)) {
      newest = new OpenSlice(this.#nextName++, time, sequence);
      this.#open.push(newest);
      this.drop(time, windowMs);
    }
    this.#hashes.of(source, start, end);
    newest.add(source, start, end, this.#hashes.hash, this.#extra, sequence, time);
  }

  /** Forgets slices whose ids are all out of the window. */
  drop(now: number, windowMs: number): void {
    const isGone = ({ until }: { readonly until: number }) => until <= now - windowMs;
    while (this.#closed[0] !== undefined && isGone(this.#closed[0])) this.#dropped.push(sectionName(this.#closed.shift()!.name));
    if (this.#closed.length > 0) return;
    this.#table.clear();
    this.#kept = [];
    while (this.#open.length > 1 && isGone(this.#open[0]!)) {
      const { name, saved } = this.#open.shift()!;
      if (saved) this.#dropped.push(sectionName(name));
    }
  }

  /** The step is decided: sections that were read for it may go. */
  decided(): void {
    this.#hasCandidates = false;
    this.#hashes.clear();
    while (this.#kept.length > KEPT_SECTIONS) this.#kept.shift()!.section = undefined;
  }

  // ── Sections ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What changed since the last call: sections to write, and (null) to remove. What is written and no longer added to is closed. */
  takeSections(): [string, Uint8Array | null][] {
    const changed: [string, Uint8Array | null][] = this.#dropped.map((name) => [name, null]);
    this.#dropped = [];
    if (this.#isMoved) for (const [name, { bytes }] of this.#loaded) changed.push([sectionName(name), bytes]);
    this.#isMoved = false;
    for (const slice of this.#open) {
      if (!slice.dirty) continue;
      changed.push([sectionName(slice.name), slice.encode()]);
      slice.dirty = false;
      slice.saved = true;
    }
    while (this.#open.length > 1) this.#close(this.#open.shift()!);
    return changed;
  }

  #close(slice: OpenSlice): void {
    this.#addClosed(slice);
    const [group, floor] = [this.#nextGroup, this.#floor];
    for (let place = 0; place < slice.count; place++) {
      this.#table.add(slice.hash(place), slice.extra(place), group + Math.floor(place / GROUP), floor);
    }
    this.#nextGroup += groupsOf(slice.count);
  }

  #addClosed({ name, count, until }: { readonly name: number; readonly count: number; readonly until: number }): void {
    this.#closed.push({ name, count, until, group: this.#nextGroup, section: undefined });
  }

  /** All is written again, elsewhere. */
  touchAll(): void {
    this.#isMoved = true;
    for (const slice of this.#open) slice.dirty = true;
  }

  /** Sections come in any order. */
  load(name: string, bytes: Uint8Array): void {
    const number = Number(name.slice(PREFIX.length));
    this.#nextName = Math.max(this.#nextName, number + 1);
    this.#loaded.set(number, new IdSection(bytes));
  }

  /** All sections are loaded: the newest goes on where it can, the others are closed by `index`. */
  loaded(): void {
    const newest = Math.max(...this.#loaded.keys());
    const section = this.#loaded.get(newest);
    if (section === undefined || section.count >= this.#most / 2) return;
    this.#loaded.delete(newest);
    const slice = new OpenSlice(newest, section.since, section.first);
    for (let place = 0; place < section.count; place++) {
      const [start, end] = [section.start(place), section.end(place)];
      const { sequence, time } = section.noted(place);
      this.#hashes.of(section.bytes, start, end);
      slice.add(section.bytes, start, end, this.#hashes.hash, this.#extra, sequence, time);
    }
    slice.dirty = false;
    slice.saved = true;
    // What was replayed before it was known that there is this one cannot be: entries come after sections.
    this.#open.unshift(slice);
  }

  /** Closes one slice that was loaded, so that its ids can be looked up. @returns whether there are more */
  index(): boolean {
    const name = Math.min(...this.#loaded.keys());
    const section = this.#loaded.get(name);
    if (section === undefined) return false;
    this.#loaded.delete(name);
    const { count, until } = section;
    this.#addClosed({ name, count, until });
    const [group, floor] = [this.#nextGroup, this.#floor];
    for (let place = 0; place < count; place++) {
      const hash = this.#hashOf(section.bytes, section.start(place), section.end(place));
      this.#table.add(hash, this.#extra, group + Math.floor(place / GROUP), floor);
    }
    this.#nextGroup += groupsOf(count);
    return this.#loaded.size > 0;
  }

  /** Bytes of the table of what is closed, for measuring. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Every id in the window that is not closed, for comparing two states that were only loaded. */
  *ids(now: number, windowMs: number): Iterable<{ id: Uint8Array; sequence: number; time: number }> {
    const sections = [...this.#loaded.values(), ...this.#open.map((slice) => new IdSection(slice.encode()))];
    for (const section of sections) {
      for (let place = 0; place < section.count; place++) {
        const { sequence, time } = section.noted(place);
        if (time > now - windowMs) yield { id: section.bytes.subarray(section.start(place), section.end(place)), sequence, time };
      }
    }
  }
}

function groupsOf(count: number): number {
  return Math.max(1, Math.ceil(count / GROUP));
}

function within({ sequence, time }: Noted, since: number): number {
  return time > since ? sequence : 0;
}

const PREFIX = 'ids:';

function sectionName(slice: number): string {
  return `${PREFIX}${slice}`;
}
