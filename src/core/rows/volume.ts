/**
 * A volume over a database of rows: the log for places whose engine has transactions (SQLite in a Durable Object, IndexedDB).
 *
 * Holds: the contract of `Volume`. What is committed in a turn, and while a transaction is under way, goes in the next one,
 * so that one wait serves all who wait; `written` and `synced` are the same here. Recent entries stay in memory, so that
 * whoever reads at the head never asks the database. Opening reads each actor's record and what came after it; actors whose
 * log has grown, or that have fallen silent, are asked to write their sections, so that this stays little.
 * Elsewhere: rows and their ids (row.ts, layout.ts, FORMAT.md), reading old ones (reading.ts), making new ones (pending.ts),
 * the ones in memory (memory.ts).
 */
import { crc32c } from '../crc32c.ts';
import { decodeLayout } from '../entry/codec.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type {
  ActorInfo,
  ActorKey,
  Clock,
  Durability,
  EntryHead,
  RowRange,
  Rows,
  Soon,
  StoredEntry,
  Timers,
  Volume,
  VolumeListener,
  VolumeStats,
  Write,
} from '../ports.ts';
import { DiskFullError } from '../ports.ts';
import { checkWrites } from '../volume/check.ts';
import { Actor, RECORD_LAYOUT, recordLayout } from './actor.ts';
import { ACTORS_MAX, baseOf, INDEX_MAX, join, piecesEnd, piecesOf, rowId } from './layout.ts';
import { Basket, findInMemory, firstOf, gather, headsOf, Resident } from './memory.ts';
import { Pending, ROW_BYTES } from './pending.ts';
import { entriesOf, findIn, findNoted, headsIn, headsNoted, wholeOf } from './reading.ts';
import { bodyOf, damaged, HEAD_BYTES } from './row.ts';

export interface RowSettings {
  /** Bytes of recent entries kept in memory. What is not written yet comes on top. */
  readonly tailBytes: number;
  /** Committed bytes that are not written; above it `hasRoom` says no. */
  readonly pendingBytesMax: number;
  /** Space that data never takes, so that acks, trims and sections go on when a place is full. */
  readonly headroomBytes: number;
  /** After so many flushes an actor is asked to write its sections. */
  readonly settleFlushes: number;
  /** After so long without a commit all are. */
  readonly idleMs: number;
  /** How long a place that was full is taken for full. */
  readonly fullMs: number;
}

const DEFAULTS: RowSettings = {
  tailBytes: 16 * 1024 * 1024,
  pendingBytesMax: 32 * 1024 * 1024,
  headroomBytes: 16 * 1024 * 1024,
  settleFlushes: 1_000,
  idleMs: 1_000,
  fullMs: 10_000,
};

export interface RowVolumeOptions {
  readonly rows: Rows;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly settings?: Partial<RowSettings> | undefined;
}

/** Sections up to this size lie in the record of their actor, as long as that stays small. */
const INLINE_BYTES = 4 * 1024;
const INLINE_BYTES_MAX = 64 * 1024;

/** Whoever waits for what is under way looks so often. */
const LOOK_MS = 5;

type Condition = 'new' | 'open' | 'failed' | 'closing' | 'closed';

export class RowVolume implements Volume {
  readonly durability: Durability;
  epoch = 0;
  written = 0;
  synced = 0;
  readonly #rows: Rows;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #settings: RowSettings;
  #listener: VolumeListener | undefined;
  #condition: Condition = 'new';
  #actors = new Map<ActorKey, Actor>();
  #nextActor = 1;
  #position = 0;
  #pending = new Pending();
  /** What is being written: its sections are read from here. */
  #writing: Pending | undefined;
  #isAsked = false;
  #isFlushing = false;
  #flushed: Promise<void> = Promise.resolve();
  #resident: Resident;
  #stopIdle: () => void = () => undefined;
  #fullUntil = 0;
  #syncs = 0;

  constructor({ rows, timers, clock, settings }: RowVolumeOptions) {
    this.#rows = rows;
    this.#timers = timers;
    this.#clock = clock;
    this.#settings = { ...DEFAULTS, ...settings };
    this.#resident = new Resident(this.#settings.tailBytes);
    this.durability = rows.durability;
  }

  // ── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(listener: VolumeListener): Promise<void> {
    if (this.#condition !== 'new') throw new TypeError('The volume was opened before. Make another one.');
    this.#listener = listener;
    await this.#load();
  }

  async reopen(): Promise<void> {
    if (this.#condition !== 'failed') throw new TypeError('The volume has not failed.');
    await this.#flushed;
    await this.#load();
  }

  async #load(): Promise<void> {
    this.#actors = new Map();
    this.#pending = new Pending();
    this.#resident = new Resident(this.#settings.tailBytes);
    this.#nextActor = 1;
    this.written = 0;
    this.synced = 0;
    this.#position = 0;
    const epoch = await this.#rows.open((error) => this.#fail(error));
    for (let from = 0; ; ) {
      const records = await this.#rows.list('actors', from, ACTORS_MAX + 1, 4 * 1024 * 1024);
      for (const { id, bytes } of records) this.#takeRecord(id, bytes);
      const last = records.at(-1);
      if (last === undefined) break;
      from = last.id + 1;
    }
    await Promise.all(Array.from(this.#actors.values(), (actor) => this.#loadTail(actor)));
    this.epoch = epoch;
    if (this.#condition === 'closing' || this.#condition === 'closed') throw closed();
    this.#condition = 'open';
  }

  #takeRecord(id: number, bytes: Uint8Array): void {
    const record = decodeLayout(recordLayout, bytes, RECORD_LAYOUT);
    const actor = new Actor(id, record.key as ActorKey);
    actor.last = record.last;
    actor.data = record.data;
    actor.state = record.state;
    actor.due = record.due ?? null;
    actor.tailFrom = record.last + 1;
    for (const { name, ...section } of record.sections) actor.sections.set(name, section);
    this.#actors.set(actor.key, actor);
    this.#nextActor = Math.max(this.#nextActor, id + 1);
  }

  /** What came after the record, into memory: whoever opens the actor replays it at once. */
  async #loadTail(actor: Actor): Promise<void> {
    const { id } = actor;
    const marks = async (table: 'data' | 'state') => {
      const [first, last] = await Promise.all([
        this.#rows.mark(table, baseOf(id), baseOf(id + 1), 'first'),
        this.#rows.mark(table, baseOf(id), baseOf(id + 1), 'last'),
      ]);
      actor.takeMarks(table, first, last);
      return last;
    };
    const [data, state] = await Promise.all([marks('data'), marks('state')]);
    actor.isMixed = data !== undefined;
    const begun = actor.last;
    const last = Math.max(begun, ...[data, state].map((mark) => (mark === undefined ? 0 : mark.id - baseOf(id))));
    const before = last > begun ? await this.#rows.mark('data', baseOf(id), rowId(id, begun + 1), 'last') : data;
    actor.sequence = before?.sequence ?? 0;
    actor.time = before?.time ?? 0;
    actor.beforeTail = { sequence: actor.sequence, time: actor.time };
    if (last > begun) {
      for await (const each of entriesOf(this.#rows, actor, { from: begun + 1, to: last + 1, what: 'all' })) {
        const entry = await wholeOf(this.#rows, actor, each);
        if (entry !== undefined) this.#resident.keep(actor, entry, 0);
      }
    }
    actor.last = last;
    actor.unsettled = ![...actor.sections.values()].some(({ asOf }) => asOf === last);
  }

  async close(): Promise<void> {
    if (this.#condition === 'closed') return;
    const wasOpen = this.#condition === 'open';
    if (this.#condition !== 'failed') this.#condition = 'closing';
    this.#stopIdle();
    if (wasOpen) this.#flush();
    await this.#flushed;
    await this.#rows.close();
    this.#condition = 'closed';
  }

  #check(): void {
    if (this.#condition === 'open') return;
    if (this.#condition === 'failed') throw failed();
    throw closed();
  }

  #fail(error: Error): void {
    if (this.#condition !== 'open' && this.#condition !== 'closing') return;
    const wasOpen = this.#condition === 'open';
    this.#condition = 'failed';
    this.#stopIdle();
    if (error instanceof DiskFullError) this.#fullUntil = this.#clock.monotonic() + this.#settings.fullMs;
    if (wasOpen) this.#listener?.failed(error);
  }

  // ── What there is ──────────────────────────────────────────────────────────────────────────────────────────────

  *actors(): Iterable<ActorInfo> {
    for (const actor of this.#actors.values()) yield actor.info;
  }

  info(key: ActorKey): ActorInfo | undefined {
    return this.#actors.get(key)?.info;
  }

  stats(): VolumeStats {
    let liveBytes = 0;
    for (const actor of this.#actors.values()) liveBytes += actor.liveBytes;
    const { used } = this.#rows.space();
    return {
      diskBytes: Math.max(used, liveBytes),
      liveBytes,
      segments: 1,
      segmentBytes: ROW_BYTES,
      actors: this.#actors.size,
      syncs: this.#syncs,
    };
  }

  hasRoom(bytes: number): boolean {
    if (this.#condition !== 'open' || this.#pending.bytes > this.#settings.pendingBytesMax) return false;
    return !this.#isFull(bytes);
  }

  #isFull(bytes: number): boolean {
    const { used, max } = this.#rows.space();
    const headroom = Math.min(this.#settings.headroomBytes, max / 8);
    return this.#clock.monotonic() < this.#fullUntil || used + this.#pending.bytes + bytes > max - headroom;
  }

  async makeRoom(bytes: number): Promise<void> {
    this.#check();
    while (this.#pending.bytes > this.#settings.pendingBytesMax && this.#isFlushing) {
      await new Promise<void>((resolve) => void this.#timers.after(LOOK_MS, resolve));
      this.#check();
    }
    if (this.#isFull(bytes))
      throw new WaysideError(
        'STORAGE_FULL',
        `There is no room for ${bytes} more bytes. Delete or trim something, then send the call again.`,
      );
  }

  // ── Commit ─────────────────────────────────────────────────────────────────────────────────────────────────────

  commit(writes: readonly Write[]): number {
    this.#check();
    checkWrites(writes, (key) => this.#actors.get(key)?.last);
    this.#position++;
    for (const write of writes) this.#apply(write);
    if (!this.#isAsked && !this.#isFlushing) {
      this.#isAsked = true;
      // After this turn's code, and no later: what a turn gathers has been gathered by those who commit.
      void Promise.resolve().then(() => this.#flush());
    }
    return this.#position;
  }

  sync(_position: number): void {}

  #apply(write: Write): void {
    if (write.do === 'remove') {
      this.#remove(write.actor);
      return;
    }
    const actor = this.#actor(write.actor);
    const pending = this.#pending.of(actor);
    switch (write.do) {
      case 'append': {
        if (write.index > INDEX_MAX)
          throw new WaysideError('LIMIT_EXCEEDED', `Actor ${actor.key} has ${INDEX_MAX} entries, and can have no more.`);
        const body = bodyOf(write.body, write.given);
        const { index, kind, version, first, count, time, data } = write;
        const entry = {
          index,
          kind,
          version,
          epoch: this.epoch,
          first,
          count,
          time,
          data,
          crc: write.crc ?? crc32c(body),
          bodyBytes: body.length,
          body,
        };
        this.#resident.keep(actor, entry, this.#position);
        pending.entries.push(entry);
        this.#pending.bytes += HEAD_BYTES + body.length;
        actor.unsettled = true;
        return;
      }
      case 'section':
        this.#section(actor, write.name, write.asOf, write.body);
        pending.record = true;
        return;
      case 'trim':
        actor.data = Math.max(actor.data, write.data);
        actor.state = Math.max(actor.state, write.state);
        if (Math.min(write.data, write.state) > actor.last + 1) {
          this.#resident.forgetAll(actor);
          actor.skipTo(Math.min(write.data, write.state));
        }
        pending.record = true;
        pending.trim = true;
        return;
      case 'due':
        actor.due = write.at;
        pending.record = true;
        return;
    }
  }

  #actor(key: ActorKey): Actor {
    let actor = this.#actors.get(key);
    if (actor === undefined) {
      if (this.#nextActor > ACTORS_MAX)
        throw new WaysideError('LIMIT_EXCEEDED', 'The place has had as many stations as it can have. Make another one.');
      actor = new Actor(this.#nextActor++, key);
      this.#actors.set(key, actor);
      this.#pending.of(actor).record = true;
    }
    return actor;
  }

  #remove(key: ActorKey): void {
    const actor = this.#actors.get(key);
    if (actor === undefined) return;
    this.#resident.forgetAll(actor);
    this.#actors.delete(key);
    this.#pending.remove(actor);
  }

  #section(actor: Actor, name: string, asOf: number, body: Uint8Array | null): void {
    const before = actor.sections.get(name);
    const waiting = this.#pending.of(actor).sections;
    const slot = before?.slot ?? freeSlot(actor);
    actor.sections.delete(name);
    // Always the last to be written: its slot may have been another section's a moment ago.
    if (!isPlanted('rows-forget-slot-order')) waiting.delete(name);
    if (body === null) {
      waiting.set(name, { slot, body: null });
      return;
    }
    const copy = body.slice();
    let inlined = 0;
    for (const { inline } of actor.sections.values()) inlined += inline?.length ?? 0;
    const isInline = body.length <= INLINE_BYTES && inlined + body.length <= INLINE_BYTES_MAX;
    actor.sections.set(name, { slot, asOf, bytes: body.length, crc: crc32c(copy), inline: isInline ? copy : undefined });
    if (!isInline) waiting.set(name, { slot, body: copy });
    else if (before !== undefined && before.inline === undefined) waiting.set(name, { slot, body: null });
    this.#pending.bytes += body.length;
    if (asOf === actor.last) {
      actor.unsettled = false;
      actor.flushesSinceSettled = 0;
    }
  }

  // ── Flush ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #flush(): void {
    this.#isAsked = false;
    if (this.#isFlushing || (this.#condition !== 'open' && this.#condition !== 'closing')) return;
    this.#isFlushing = true;
    this.#stopIdle();
    this.#flushed = this.#write().then(
      () => this.#wrote(),
      (error: unknown) => {
        this.#isFlushing = false;
        this.#fail(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  async #write(): Promise<void> {
    while (!this.#pending.isEmpty || this.written < this.#position) {
      const pending = this.#pending;
      const position = this.#position;
      this.#pending = new Pending();
      this.#writing = pending;
      const changes = pending.changes(this.#rows.rowBytesMax);
      const trimmed = [...pending.trimmed];
      if (changes.length > 0) {
        const firsts = await this.#rows.write(changes, trimmed.flatMap(journalOf));
        this.#syncs++;
        if (trimmed.length > 0) this.#fullUntil = 0;
        for (const [i, actor] of trimmed.entries()) actor.trimmedTo(firsts[2 * i], firsts[2 * i + 1]);
      }
      this.#writing = undefined;
      if (this.#condition === 'failed') return;
      this.written = position;
      this.synced = position;
      this.#resident.evict(this.written);
      for (const actor of pending.actors) if (++actor.flushesSinceSettled === this.#settings.settleFlushes) this.#askToSettle(actor);
      this.#listener?.progressed();
    }
  }

  #wrote(): void {
    this.#isFlushing = false;
    if (this.#condition !== 'open') return;
    // Something may have come between the last look and now.
    if (!this.#pending.isEmpty || this.written < this.#position) {
      this.#flush();
      return;
    }
    this.#stopIdle = this.#timers.after(this.#settings.idleMs, () => {
      for (const actor of this.#actors.values()) if (actor.unsettled) this.#askToSettle(actor);
    });
  }

  #askToSettle(actor: Actor): void {
    this.#timers.endOfTurn(() => {
      if (this.#condition === 'open' && actor.unsettled) this.#listener?.settle(actor.key);
    });
  }

  // ── Read ───────────────────────────────────────────────────────────────────────────────────────────────────────

  read(key: ActorKey, from: number, bytesMax: number, what: 'all' | 'data'): Soon<readonly StoredEntry[]> {
    this.#check();
    const actor = this.#actors.get(key);
    if (actor === undefined) return [];
    const begin = Math.max(from, firstOf(actor, what));
    const basket = new Basket(Infinity, bytesMax);
    if (begin >= actor.tailFrom) return gather(actor, begin, what, basket);
    return this.#fromRows(actor, begin, what, basket, true);
  }

  entry(key: ActorKey, index: number): StoredEntry | undefined {
    this.#check();
    const actor = this.#actors.get(key);
    if (actor === undefined || index < Math.max(actor.tailFrom, firstOf(actor, 'data'))) return undefined;
    const [entry] = gather(actor, index, 'data', new Basket(1, Infinity));
    return entry?.index === index ? entry : undefined;
  }

  heads(key: ActorKey, from: number, countMax: number, what: 'all' | 'data'): Soon<readonly EntryHead[]> {
    this.#check();
    const actor = this.#actors.get(key);
    if (actor === undefined) return [];
    const begin = Math.max(from, firstOf(actor, what));
    const basket = new Basket(countMax, Infinity);
    if (begin >= actor.tailFrom) return headsOf(gather(actor, begin, what, basket));
    if (what === 'all') return this.#fromRows(actor, begin, what, basket, false).then(headsOf);
    const noted = headsNoted(actor, begin);
    return noted.length >= countMax ? noted.slice(0, countMax) : this.#dataHeads(actor, begin, noted, countMax);
  }

  async #dataHeads(actor: Actor, from: number, noted: readonly EntryHead[], countMax: number): Promise<readonly EntryHead[]> {
    const found = [...noted];
    let next = actor.noted !== undefined && from >= actor.noted.from && from < actor.noted.to ? actor.noted.to : from;
    // What is in memory now may have been written, and let go, by the time that the rows before it are read.
    while (found.length < countMax && next < actor.tailFrom) {
      const { heads, to } = await headsIn(this.#rows, actor, next, actor.tailFrom);
      this.#check();
      found.push(...heads.filter((head) => actor.isLiving(head)));
      next = to;
    }
    if (found.length < countMax) found.push(...headsOf(gather(actor, next, 'data', new Basket(countMax - found.length, Infinity))));
    return found.slice(0, countMax);
  }

  async #fromRows(actor: Actor, from: number, what: 'all' | 'data', basket: Basket, whole: boolean): Promise<readonly StoredEntry[]> {
    let next = from;
    // What is in memory now may have been written, and let go, by the time that the rows before it are read.
    while (next < actor.tailFrom) {
      const to = actor.tailFrom;
      for await (const each of entriesOf(this.#rows, actor, { from: next, to, what, headsOnly: !whole })) {
        const entry = whole ? await wholeOf(this.#rows, actor, each) : each.entry;
        this.#check();
        if (entry !== undefined && !basket.takes(entry)) return basket.entries;
      }
      this.#check();
      next = to;
    }
    return gather(actor, next, what, basket);
  }

  find(key: ActorKey, by: 'sequence' | 'time', value: number): Soon<number> {
    this.#check();
    const actor = this.#actors.get(key);
    if (actor === undefined) return 1;
    const isOld = actor.data < actor.tailFrom && actor.beforeTail[by] >= value && actor.beforeTail.sequence > 0;
    return isOld ? (findNoted(actor, by, value) ?? this.#findOld(actor, by, value)) : findInMemory(actor, by, value);
  }

  async #findOld(actor: Actor, by: 'sequence' | 'time', value: number): Promise<number> {
    for (;;) {
      const to = actor.tailFrom;
      const found = await findIn(this.#rows, actor, by, value, to);
      this.#check();
      if (found !== undefined && found >= actor.data) return found;
      if (to === actor.tailFrom) return findInMemory(actor, by, value);
    }
  }

  async section(key: ActorKey, name: string): Promise<Uint8Array | undefined> {
    this.#check();
    for (;;) {
      const actor = this.#actors.get(key);
      const section = actor?.sections.get(name);
      if (actor === undefined || section === undefined) return undefined;
      if (section.inline !== undefined) return section.inline;
      const waiting = this.#pending.section(actor, name) ?? this.#writing?.section(actor, name);
      if (waiting?.body) return waiting.body;
      const first = piecesOf(actor.id, section.slot);
      const body = join(await this.#rows.list('sections', first, piecesEnd(first), Infinity), section.bytes, section.crc);
      this.#check();
      if (actor.sections.get(name) !== section) continue;
      if (body === undefined) throw damaged(`Section ${name} of ${key}`);
      return body;
    }
  }
}

/** Where its data and its state lie. */
function journalOf({ id }: Actor): RowRange[] {
  const all = { from: baseOf(id), to: baseOf(id + 1) };
  return [
    { table: 'data', ...all },
    { table: 'state', ...all },
  ];
}

function freeSlot({ sections }: Actor): number {
  const taken = new Set(Array.from(sections.values(), ({ slot }) => slot));
  let slot = 0;
  while (taken.has(slot)) slot++;
  return slot;
}

function failed(): WaysideError {
  return new WaysideError('STORAGE_FAILED', 'The storage has failed. What was answered is safe; send the call again in a moment.', {
    retryAfterMs: 1000,
  });
}

function closed(): WaysideError {
  return new WaysideError('SHUTTING_DOWN', 'The volume is closed. Open another one.');
}
