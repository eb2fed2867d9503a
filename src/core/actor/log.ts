/**
 * An actor's own part of the volume: appends its entries, applies them, replays them, and writes its sections.
 *
 * Holds: an entry is applied once, in the order of its index, with the time that stands in it, whether it was just
 * decided or is read again; a section directory is complete as of one index, and replay begins behind it.
 * Elsewhere: what entries mean (the machine), when an answer may leave (gate.ts).
 */
import { decode, encode, number, struct } from '../entry/codec.ts';
import type { Kind } from '../entry/kinds.ts';
import { kindOf } from '../entry/kinds.ts';
import type { Body } from '../entry/produce.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { ActorKey, Volume, Write } from '../ports.ts';
import type { Gate, Level } from './gate.ts';
import type { Time } from './time.ts';

/** An entry as the machine applies it. `body` is there for record batches, `value` for everything else. */
export interface Applied {
  readonly kind: Kind<unknown>;
  readonly index: number;
  readonly epoch: number;
  readonly time: number;
  readonly first: number;
  readonly count: number;
  readonly value: unknown;
  readonly body: Uint8Array | undefined;
  /** It was decided by this process just now, not read back. */
  readonly live: boolean;
}

/** What a verb wants appended. */
export interface Draft {
  readonly kind: Kind<unknown>;
  readonly value: unknown;
  readonly batch: { readonly body: Body; readonly first: number; readonly count: number } | undefined;
}

export function draft<T>(kind: Kind<T>, value: T): Draft {
  return { kind: kind as Kind<unknown>, value, batch: undefined };
}

export function batchDraft(kind: Kind<never>, body: Body, first: number, count: number): Draft {
  return { kind: kind as Kind<unknown>, value: undefined, batch: { body, first, count } };
}

/** The state that the entries of an actor make. `apply` is pure and total: it reads no clock and refuses nothing. */
export interface Machine {
  apply(entry: Applied): void;
  /** Sections that have changed since the last call, `null` for those to remove; the first is always there. */
  takeSections(): Iterable<readonly [name: string, body: Uint8Array | null]>;
  loadSection(name: string, body: Uint8Array): void;
  /** All sections are loaded; entries come next. */
  loaded?(): void;
  /** When something of it changes by itself, in ms since 1970; Infinity for never. */
  due(): number;
}

/** Keeps an actor's log as it was, for whoever copies it. */
export interface Hold {
  /** Data entries from here on stay. */
  readonly data: number;
  /** Sections stay as they are too. */
  sections: boolean;
}

const READ_BYTES = 1024 * 1024;
/** Bytes of entries, messages included, after which sections are written so that opening stays short. */
const SETTLE_DATA_BYTES = 8 * 1024 * 1024;

/** What the log itself has to know again: the time of the last entry, which no later one may precede. */
export const OWN_SECTION = 'log';
export const ownLayout = struct({ layout: number, time: number });

interface Commit {
  readonly last: number;
  readonly position: number;
}

export class ActorLog {
  readonly key: ActorKey;
  readonly volume: Volume;
  readonly #gate: Gate;
  readonly #time: Time;
  readonly #machine: Machine;
  readonly #settleBytes: number;
  /** Index of the last entry. */
  last = 0;
  /** Data entries below are dead. */
  dataFloor = 0;
  #lastTime = 0;
  /** What had passed since its last entry when it was opened; below zero where that is of a later time. */
  sleptMs = 0;
  /** How far the actor's time is ahead of the broker's: it was written by a clock that has been set back since. */
  #aheadMs = 0;
  #settled = 0;
  /** The volume has been told that data entries below are dead. */
  #trimmed = 0;
  #bytesSinceSettled = 0;
  #stateBytesSinceSettled = 0;
  #due = Infinity;
  readonly #holds = new Set<Hold>();
  #closed: WaysideError | undefined;
  /** Commits that were not synced when last looked at, oldest first. */
  #commits: Commit[] = [];

  constructor(options: { key: ActorKey; volume: Volume; gate: Gate; time: Time; machine: Machine; settleBytes: number }) {
    this.key = options.key;
    this.volume = options.volume;
    this.#gate = options.gate;
    this.#time = options.time;
    this.#machine = options.machine;
    this.#settleBytes = options.settleBytes;
  }

  /** Now, never before the last entry, and going on from there with the monotonic clock. */
  get now(): number {
    return Math.max(this.#lastTime, this.#time.now() + this.#aheadMs);
  }

  /** A time of this actor as the broker's clock will show it. */
  brokerTime(at: number): number {
    return Math.max(0, at - this.#aheadMs);
  }

  /** Loads sections and replays what came after them. @throws CORRUPTION, and whatever the machine cannot read */
  async open(): Promise<void> {
    const info = this.volume.info(this.key);
    if (info === undefined) return;
    for (const { name, asOf } of info.sections) {
      const body = await this.volume.section(this.key, name);
      if (body === undefined) throw new WaysideError('CORRUPTION', `Section ${name} of ${this.key} is not there.`);
      if (name === OWN_SECTION) this.#lastTime = decode(ownLayout, body).time;
      else this.#machine.loadSection(name, body);
      this.#settled = Math.max(this.#settled, asOf);
    }
    this.#machine.loaded?.();
    this.#due = info.due ?? Infinity;
    this.dataFloor = info.data;
    this.#trimmed = info.data;
    this.last = this.#settled;
    await this.#replay(info.last);
    if (this.last !== info.last) throw missing(this.key, this.last + 1, info.last);
    this.#aheadMs = Math.max(0, this.#lastTime - this.#time.now());
    this.sleptMs = this.#time.now() - this.#lastTime;
  }

  async #replay(to: number): Promise<void> {
    while (this.last < to) {
      const entries = await this.volume.read(this.key, this.last + 1, READ_BYTES, 'all');
      if (entries.length === 0) return;
      for (const entry of entries) {
        const kind = kindOf(entry.kind, entry.version);
        const isBatch = kind.data;
        // Nothing is trimmed before sections hold it (#trimData).
        if (entry.index !== this.last + 1) throw missing(this.key, this.last + 1, entry.index - 1);
        this.last = entry.index;
        this.#lastTime = Math.max(this.#lastTime, entry.time);
        this.#count(kind, entry.bodyBytes);
        this.#machine.apply({
          kind,
          index: entry.index,
          epoch: entry.epoch,
          time: entry.time,
          first: entry.first,
          count: entry.count,
          value: isBatch ? undefined : decode(kind.codec, entry.body),
          body: isBatch ? entry.body : undefined,
          live: false,
        });
      }
    }
  }

  /**
   * Appends in one commit, and applies. Nothing may have been changed before, and nothing can be refused after.
   *
   * @param now the time that was decided with
   * @param trim data entries below it are dead as of this commit
   * @returns index of the last entry
   */
  append(drafts: readonly Draft[], now: number, trim?: number): number {
    if (this.#closed !== undefined) throw this.#closed;
    const writes: Write[] = drafts.map((each, i) => this.#write(each, this.last + 1 + i, now));
    if (trim !== undefined && trim > this.dataFloor) {
      this.dataFloor = trim;
      this.#trimData(writes);
    }
    this.#commit(writes, this.last + drafts.length);
    this.#lastTime = now;
    for (const { kind, value, batch } of drafts) {
      this.last++;
      const body = batch?.body.parts[0];
      this.#machine.apply({
        kind,
        index: this.last,
        epoch: this.volume.epoch,
        time: now,
        first: batch?.first ?? 0,
        count: batch?.count ?? 0,
        value,
        body,
        live: true,
      });
    }
    this.#noteDue();
    if (this.#stateBytesSinceSettled > this.#settleBytes || this.#bytesSinceSettled > SETTLE_DATA_BYTES) this.settle();
    return this.last;
  }

  /** What came after the sections is needed for opening (ids, the next sequence), dead or not: it goes with the next sections. */
  #trimData(writes: Write[]): void {
    const data = isPlanted('trim-before-sections') ? this.dataFloor : Math.min(this.#heldFloor, this.#settled + 1);
    if (data <= this.#trimmed) return;
    this.#trimmed = data;
    writes.push({ do: 'trim', actor: this.key, data, state: this.#settled + 1 });
  }

  get #heldFloor(): number {
    let floor = this.dataFloor;
    for (const { data } of this.#holds) floor = Math.min(floor, data);
    return floor;
  }

  /**
   * Writes sections, and keeps them and the data as they are now. Others go on, and what they have trimmed meanwhile goes when
   * the hold ends.
   *
   * @throws OVERLOADED sections of an earlier index are kept: there are no two of one name
   */
  hold(): Hold {
    if (this.#closed !== undefined) throw this.#closed;
    this.settle();
    if (this.#settled !== this.last)
      throw new WaysideError('OVERLOADED', 'Another export still reads the state of this station. Ask again when it has gone on.', {
        retryAfterMs: 5_000,
      });
    const hold = { data: this.dataFloor, sections: true };
    this.#holds.add(hold);
    return hold;
  }

  release(hold: Hold): void {
    if (!this.#holds.delete(hold) || this.#closed !== undefined) return;
    const writes: Write[] = [];
    this.#trimData(writes);
    if (writes.length > 0) this.#commit(writes, this.last);
  }

  #write({ kind, value, batch }: Draft, index: number, time: number): Write {
    const body = batch?.body.parts ?? [encode(kind.codec, value)];
    const bytes = body.reduce((sum, part) => sum + part.length, 0);
    this.#count(kind, bytes);
    return {
      do: 'append',
      actor: this.key,
      index,
      kind: kind.id,
      version: kind.version,
      first: batch?.first ?? 0,
      count: batch?.count ?? 0,
      time,
      data: kind.data,
      body,
      // A batch that was checked is never changed (batch/walk.ts).
      ...(batch && { crc: isPlanted('forget-a-crc') ? 0 : batch.body.crc, given: true }),
    };
  }

  #count(kind: Kind<unknown>, bytes: number): void {
    this.#bytesSinceSettled += bytes;
    if (!kind.data) this.#stateBytesSinceSettled += bytes + 64;
  }

  #commit(writes: readonly Write[], last: number): void {
    const position = this.volume.commit(writes);
    this.#commits.push({ last, position });
    if (this.#commits.length > 64) this.#forgetSynced();
  }

  #forgetSynced(): void {
    const { synced } = this.volume;
    let count = 0;
    while (count < this.#commits.length && this.#commits[count]!.position <= synced) count++;
    if (count > 0) this.#commits.splice(0, count);
  }

  /** Lets the volume know when it must open this actor, but only when that is sooner than it knows. */
  #noteDue(): void {
    const due = this.brokerTime(this.#machine.due());
    if (due >= this.#due) return;
    this.#due = due;
    this.#commit([{ do: 'due', actor: this.key, at: due }], this.last);
  }

  /** Waits until the entries up to `index` are durable; undefined when they are. */
  wait(index: number, level: Level): Promise<void> | undefined {
    // Positions begin anew when the volume is opened again: what they say by then is of other entries.
    if (this.#closed?.code === 'STORAGE_FAILED') return Promise.reject(this.#closed);
    // From the end: what is waited for is nearly always among the last commits.
    for (let i = this.#commits.length - 1; i >= 0; i--) {
      if (i === 0 || this.#commits[i - 1]!.last < index) {
        const commit = this.#commits[i]!;
        return commit.last < index ? undefined : this.#gate.wait(commit.position, level);
      }
    }
    return undefined;
  }

  /** Writes what changed into sections, so that everything before is no longer needed for opening. */
  settle(): void {
    if (this.#settled === this.last || this.#closed !== undefined) return;
    for (const { sections } of this.#holds) if (sections) return;
    const writes: Write[] = [
      { do: 'section', actor: this.key, name: OWN_SECTION, asOf: this.last, body: encode(ownLayout, { layout: 1, time: this.#lastTime }) },
    ];
    for (const [name, body] of this.#machine.takeSections()) writes.push({ do: 'section', actor: this.key, name, asOf: this.last, body });
    const due = this.brokerTime(this.#machine.due());
    this.#due = due;
    writes.push({ do: 'due', actor: this.key, at: Number.isFinite(due) ? due : null });
    this.#settled = this.last;
    this.#trimmed = this.#heldFloor;
    writes.push({ do: 'trim', actor: this.key, data: this.#trimmed, state: this.#settled + 1 });
    this.#bytesSinceSettled = 0;
    this.#stateBytesSinceSettled = 0;
    this.#commit(writes, this.last);
  }

  remove(): void {
    if (this.#closed !== undefined) throw this.#closed;
    this.#commit([{ do: 'remove', actor: this.key }], this.last + 1);
    this.last++;
  }

  /** Why it takes no more entries; undefined while it does. */
  get closed(): WaysideError | undefined {
    return this.#closed;
  }

  /** No more entries: the state may be ahead of the volume, or the volume is not this actor's any more. */
  close(error: WaysideError): void {
    this.#closed ??= error;
  }
}

function missing(key: ActorKey, from: number, to: number): WaysideError {
  return new WaysideError('CORRUPTION', `Entries ${from} to ${to} of ${key} are missing.`);
}
