/**
 * A volume in memory, for `memory` stations and for tests: nothing survives the process.
 *
 * Holds: the contract of `Volume`, with `written` and `synced` moving at the end of the turn in which something was
 * committed. Entries are kept while they live; a body is copied once and then never changes.
 * Elsewhere: durability (core/volume).
 */
import { WaysideError } from '../../core/errors.ts';
import type {
  ActorInfo,
  ActorKey,
  Durability,
  EntryHead,
  StoredEntry,
  Timers,
  Volume,
  VolumeListener,
  VolumeStats,
  Write,
} from '../../core/ports.ts';
import { checkWrites, crc32c, joined } from '../../core/ports.ts';

/** As in a file, so that figures compare. */
const HEAD_BYTES = 64;

interface Actor {
  readonly key: ActorKey;
  last: number;
  data: number;
  state: number;
  due: number | null;
  /** By index, which rises; dead ones go from the front. */
  entries: StoredEntry[];
  readonly sections: Map<string, { readonly asOf: number; readonly body: Uint8Array }>;
}

export class MemoryVolume implements Volume {
  readonly durability: Durability;
  epoch = 0;
  written = 0;
  synced = 0;
  readonly #timers: Timers;
  readonly #bytesMax: number;
  readonly #actors = new Map<ActorKey, Actor>();
  #listener: VolumeListener | undefined;
  #open = false;
  #position = 0;
  #told = true;
  #live = 0;

  /**
   * @param bytesMax living bytes, above which there is no room
   * @param durability what it says that it gives; another than `memory` is not true, and for tests of those who ask for it
   */
  constructor(timers: Timers, bytesMax = 1024 * 1024 * 1024, durability: Durability = 'memory') {
    this.#timers = timers;
    this.#bytesMax = bytesMax;
    this.durability = durability;
  }

  async open(listener: VolumeListener): Promise<void> {
    if (this.#listener) throw new TypeError('The volume was opened before. Make another one.');
    this.#listener = listener;
    this.#open = true;
    this.epoch = 1;
  }

  *actors(): Iterable<ActorInfo> {
    for (const actor of this.#actors.values()) yield infoOf(actor);
  }

  info(key: ActorKey): ActorInfo | undefined {
    const actor = this.#actors.get(key);
    return actor && infoOf(actor);
  }

  commit(writes: readonly Write[]): number {
    this.#check();
    checkWrites(writes, (key) => this.#actors.get(key)?.last);
    for (const write of writes) this.#apply(write);
    this.#position += 1;
    if (this.#told) {
      this.#told = false;
      this.#timers.endOfTurn(() => this.#tell());
    }
    return this.#position;
  }

  sync(_position: number): void {}

  hasRoom(bytes: number): boolean {
    return this.#open && this.#live + bytes <= this.#bytesMax;
  }

  async makeRoom(bytes: number): Promise<void> {
    this.#check();
    if (!this.hasRoom(bytes)) {
      throw new WaysideError(
        'STORAGE_FULL',
        `There is no room for ${bytes} more bytes in memory. Delete or trim something, then send the call again.`,
      );
    }
  }

  read(key: ActorKey, from: number, bytesMax: number, what: 'all' | 'data'): readonly StoredEntry[] {
    const found: StoredEntry[] = [];
    let bytes = 0;
    for (const entry of this.#living(key, from, what)) {
      bytes += entry.bodyBytes;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  entry(key: ActorKey, index: number): StoredEntry | undefined {
    for (const entry of this.#living(key, index, 'data')) return entry.index === index ? entry : undefined;
    return undefined;
  }

  heads(key: ActorKey, from: number, countMax: number, what: 'all' | 'data'): readonly EntryHead[] {
    const found: EntryHead[] = [];
    for (const { body: _, ...head } of this.#living(key, from, what)) {
      if (found.length >= countMax) break;
      found.push(head);
    }
    return found;
  }

  find(key: ActorKey, by: 'sequence' | 'time', value: number): number {
    for (const { index, first, count, time } of this.#living(key, 1, 'data')) {
      if (count > 0 && (by === 'time' ? time : first + count - 1) >= value) return index;
    }
    return (this.#actors.get(key)?.last ?? 0) + 1;
  }

  async section(key: ActorKey, name: string): Promise<Uint8Array | undefined> {
    this.#check();
    return this.#actors.get(key)?.sections.get(name)?.body;
  }

  stats(): VolumeStats {
    return { diskBytes: this.#live, liveBytes: this.#live, segments: 1, segmentBytes: this.#bytesMax, actors: this.#actors.size, syncs: 0 };
  }

  async reopen(): Promise<void> {
    throw new TypeError('The volume has not failed.');
  }

  async close(): Promise<void> {
    this.#open = false;
    await new Promise<void>((resolve) => this.#timers.endOfTurn(resolve));
    this.#tell();
  }

  #check(): void {
    if (!this.#open) throw new WaysideError('SHUTTING_DOWN', 'The volume is closed. Open another one.');
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.written = this.#position;
    this.synced = this.#position;
    this.#listener?.progressed();
  }

  *#living(key: ActorKey, from: number, what: 'all' | 'data'): Iterable<StoredEntry> {
    this.#check();
    const actor = this.#actors.get(key);
    if (!actor) return;
    const { entries } = actor;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.index < from) low = middle + 1;
      else high = middle;
    }
    for (; low < entries.length; low++) {
      const entry = entries[low]!;
      if (isLiving(actor, entry) && (entry.data || what === 'all')) yield entry;
    }
  }

  #apply(write: Write): void {
    if (write.do === 'remove') {
      this.#remove(write.actor);
      return;
    }
    const actor = this.#actor(write.actor);
    switch (write.do) {
      case 'append': {
        const body = joined(write.body);
        const { index, kind, version, first, count, time, data } = write;
        const crc = write.crc ?? crc32c(body);
        const entry = { index, kind, version, epoch: this.epoch, first, count, time, data, crc, bodyBytes: body.length, body };
        actor.last = index;
        if (!isLiving(actor, entry)) return;
        actor.entries.push(entry);
        this.#live += HEAD_BYTES + body.length;
        return;
      }
      case 'section': {
        const before = actor.sections.get(write.name);
        if (before) this.#live -= HEAD_BYTES + before.body.length;
        actor.sections.delete(write.name);
        if (!write.body) return;
        actor.sections.set(write.name, { asOf: write.asOf, body: write.body.slice() });
        this.#live += HEAD_BYTES + write.body.length;
        return;
      }
      case 'trim': {
        actor.data = Math.max(actor.data, write.data);
        actor.state = Math.max(actor.state, write.state);
        actor.last = Math.max(actor.last, Math.min(write.data, write.state) - 1);
        const kept = actor.entries.filter((entry) => isLiving(actor, entry));
        for (const entry of actor.entries) if (!isLiving(actor, entry)) this.#live -= HEAD_BYTES + entry.bodyBytes;
        actor.entries = kept;
        return;
      }
      case 'due':
        actor.due = write.at;
        return;
    }
  }

  #actor(key: ActorKey): Actor {
    let actor = this.#actors.get(key);
    if (!actor) {
      actor = { key, last: 0, data: 0, state: 0, due: null, entries: [], sections: new Map() };
      this.#actors.set(key, actor);
    }
    return actor;
  }

  #remove(key: ActorKey): void {
    const actor = this.#actors.get(key);
    if (!actor) return;
    for (const { bodyBytes } of actor.entries) this.#live -= HEAD_BYTES + bodyBytes;
    for (const { body } of actor.sections.values()) this.#live -= HEAD_BYTES + body.length;
    this.#actors.delete(key);
  }
}

const isLiving = (actor: Actor, entry: EntryHead): boolean => entry.index >= (entry.data ? actor.data : actor.state);

function infoOf({ key, last, data, state, due, sections }: Actor): ActorInfo {
  return { key, last, data, state, due, sections: [...sections].map(([name, { asOf, body }]) => ({ name, asOf, bytes: body.length })) };
}
