/**
 * Entries in memory: how many stay, and reading them.
 *
 * Holds: what is not written stays; of the rest the oldest go, whichever actor's they are.
 * Elsewhere: an actor's own list of them (actor.ts), what is older (reading.ts).
 */
import { isPlanted } from '../faults.ts';
import type { EntryHead, StoredEntry } from '../ports.ts';
import type { Actor, Item } from './actor.ts';
import { HEAD_BYTES } from './row.ts';

export class Resident {
  readonly #bytesMax: number;
  /** Oldest first, each by its actor; those before `#from` are out of it already. */
  #entries: { readonly actor: Actor; readonly index: number }[] = [];
  #from = 0;
  #bytes = 0;

  /** @param bytesMax of what is written */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  keep(actor: Actor, entry: StoredEntry, position: number): void {
    actor.push(entry, position);
    this.#entries.push({ actor, index: entry.index });
    this.#bytes += HEAD_BYTES + entry.bodyBytes;
  }

  forgetAll(actor: Actor): void {
    while (actor.oldest !== undefined) this.#forget(actor, actor.oldest);
  }

  /** Lets the oldest go that are written, as long as there are more than there is room for. */
  evict(written: number): void {
    while (this.#bytes > this.#bytesMax) {
      const next = this.#entries[this.#from];
      if (next === undefined) break;
      const { oldest } = next.actor;
      if (oldest?.entry.index === next.index) {
        if (oldest.position > written && !isPlanted('rows-evict-unwritten')) break;
        this.#forget(next.actor, oldest);
      }
      this.#from++;
    }
    if (this.#from > 4_096 && this.#from * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#from);
      this.#from = 0;
    }
  }

  #forget(actor: Actor, { entry }: Item): void {
    this.#bytes -= HEAD_BYTES + entry.bodyBytes;
    actor.shift();
  }
}

/** What is in memory from an index on. */
export function gather(actor: Actor, from: number, what: 'all' | 'data', basket: Basket): readonly StoredEntry[] {
  const { tail } = actor;
  for (let at = actor.place(({ entry }) => entry.index >= from); at < tail.length; at++) {
    const { entry } = tail[at]!;
    if (!actor.isLiving(entry) || (what === 'data' && !entry.data)) continue;
    if (!basket.takes(entry)) break;
  }
  return basket.entries;
}

/** Gathers entries until there are enough. */
export class Basket {
  readonly entries: StoredEntry[] = [];
  readonly #countMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  /** @returns whether it was taken: the first always is */
  takes(entry: StoredEntry): boolean {
    this.#bytes += entry.bodyBytes;
    if (this.entries.length >= this.#countMax || (this.entries.length > 0 && this.#bytes > this.#bytesMax)) return false;
    this.entries.push(entry);
    return true;
  }
}

export function headsOf(entries: readonly StoredEntry[]): EntryHead[] {
  return entries.map(({ body: _, ...head }) => head);
}

/** The least index at which something can live. */
export function firstOf({ data, state }: Actor, what: 'all' | 'data'): number {
  return what === 'data' ? data : Math.min(data, state);
}

export function findInMemory(actor: Actor, by: 'sequence' | 'time', value: number): number {
  const { tail } = actor;
  const reaches = (item: Item) => item[by] >= value && item.entry.index >= actor.data;
  for (let at = actor.place(reaches); at < tail.length; at++) {
    const { entry } = tail[at]!;
    if (entry.data && entry.count > 0) return entry.index;
  }
  return actor.last + 1;
}
