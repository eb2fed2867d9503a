/**
 * A simulated disk: what a process sees of its files (live), what a power cut would leave of them (durable), and what is
 * still under way between the two, by sectors of 512 bytes.
 *
 * Holds: a byte is durable only after a sync that began after it was written; size, truncation and names have a
 * durability of their own; a sector that nobody wrote since its last sync never changes in a power cut.
 * Elsewhere: how long calls take, and which of them fail (files.ts).
 *
 * Assumed of real disks: a power cut while a sector is rewritten harms at most the bytes that differ ("powersafe
 * overwrite", as SQLite calls it), unless `sectorGarbage` is asked for.
 */

import type { Chance } from '../world.ts';

export const SECTOR_BYTES = 512;

/** How a power cut treats what was not synced. Each is a share, drawn once a cut, so that all-or-nothing is common. */
export interface CutOdds {
  /** A sector that was written but not synced is there anyway. */
  readonly kept: number;
  /** A kept sector is only partly there. */
  readonly torn: number;
  /** A lost sector holds garbage where it would have changed. */
  readonly garbage: number;
  /** A pending name change, or size change, is there anyway. */
  readonly names: number;
  readonly sizes: number;
  /** Garbage takes the whole sector, also what was durable in it. */
  readonly sectorGarbage: boolean;
}

export function drawCutOdds(chance: Chance): CutOdds {
  const share = (): number => chance.pick([0, 0.1, 0.5, 0.9, 1]);
  return {
    kept: share(),
    torn: chance.pick([0, 0, 0.3]),
    garbage: chance.pick([0, 0, 0.3]),
    names: share(),
    sizes: share(),
    sectorGarbage: false,
  };
}

interface NameChange {
  readonly do: 'create' | 'remove' | 'rename';
  readonly from: string;
  readonly to: string;
  readonly inode: Inode;
}

/** The folder and its files. Survives the processes that use it. */
export class Disk {
  names = new Map<string, Inode>();
  durableNames = new Map<string, Inode>();
  pending: NameChange[] = [];
  /** Sectors there are for all files together. */
  sectorsMax = Number.POSITIVE_INFINITY;
  sectorsUsed = 0;
  #files = 0;

  create(name: string): Inode {
    this.#files += 1;
    const inode = new Inode(this, this.#files);
    this.names.set(name, inode);
    inode.linked = true;
    this.pending.push({ do: 'create', from: name, to: name, inode });
    return inode;
  }

  remove(name: string, inode: Inode): void {
    this.names.delete(name);
    this.pending.push({ do: 'remove', from: name, to: name, inode });
    inode.linked = false;
    inode.releaseIfUnused();
  }

  rename(from: string, to: string, inode: Inode): void {
    const replaced = this.names.get(to);
    this.names.delete(from);
    this.names.set(to, inode);
    this.pending.push({ do: 'rename', from, to, inode });
    if (replaced !== undefined && replaced !== inode) {
      replaced.linked = false;
      replaced.releaseIfUnused();
    }
  }

  /** The first `count` pending changes are durable, each with the odds given (1 after a sync that worked). */
  settleNames(count: number, chance: Chance, odds: number): void {
    for (const change of this.pending.splice(0, count)) {
      if (odds < 1 && !chance.happens(odds)) continue;
      if (change.do === 'create') this.durableNames.set(change.to, change.inode);
      else if (change.do === 'remove') {
        if (this.durableNames.get(change.from) === change.inode) this.durableNames.delete(change.from);
      } else {
        if (this.durableNames.get(change.from) === change.inode) this.durableNames.delete(change.from);
        this.durableNames.set(change.to, change.inode);
      }
    }
  }

  /** The disk after a power cut. */
  cut(chance: Chance, odds: CutOdds): void {
    this.settleNames(this.pending.length, chance, odds.names);
    this.names = new Map(this.durableNames);
    for (const inode of new Set(this.names.values())) {
      inode.cut(chance, odds);
      inode.linked = true;
    }
    this.sectorsUsed = 0;
    for (const inode of new Set(this.names.values())) this.sectorsUsed += inode.sectors;
  }

  /** The disk after the process was killed: all that was written is there, what was not synced still is not. */
  kill(): void {
    for (const inode of this.names.values()) inode.kill();
  }
}

/** A file: its bytes twice, and which sectors differ. */
export class Inode {
  readonly id: number;
  readonly disk: Disk;
  live: Uint8Array = new Uint8Array(0);
  size = 0;
  opens = 0;
  linked = false;
  /** Sectors that take space; a hole takes none. */
  sectors = 0;
  #taken: Uint8Array = new Uint8Array(0);
  #durable: Uint8Array = new Uint8Array(0);
  #durableSize = 0;
  #dirty = new Set<number>();
  /** Least size since the last sync began: a truncation that is not durable yet. */
  #low = Number.POSITIVE_INFINITY;
  /** Places that are wrong at rest and were not overwritten since. */
  readonly #flipped = new Set<number>();
  /** What a sync that is under way will make durable. */
  #flying: Flight | undefined;

  constructor(disk: Disk, id: number) {
    this.disk = disk;
    this.id = id;
  }

  /** Bytes of `[at, at + length)` that can be written before the disk is full. */
  room(at: number, length: number): number {
    let left = this.disk.sectorsMax - this.disk.sectorsUsed;
    const last = Math.floor((at + length - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(at / SECTOR_BYTES); sector <= last; sector += 1) {
      if (this.#taken[sector] === 1) continue;
      if (left <= 0) return Math.max(0, sector * SECTOR_BYTES - at);
      left -= 1;
    }
    return length;
  }

  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    for (const place of this.#flipped) if (place >= at && place < at + bytes.length) this.#flipped.delete(place);
    this.#grow(at + bytes.length);
    this.live.set(bytes, at);
    this.size = Math.max(this.size, at + bytes.length);
    const last = Math.floor((at + bytes.length - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(at / SECTOR_BYTES); sector <= last; sector += 1) {
      this.#dirty.add(sector);
      this.#take(sector);
    }
  }

  read(at: number, length: number): Uint8Array {
    return this.live.slice(Math.min(at, this.size), Math.min(this.size, at + length));
  }

  truncate(size: number): void {
    for (const place of this.#flipped) if (place >= size) this.#flipped.delete(place);
    this.#grow(size);
    if (size < this.size) {
      this.live.fill(0, size, this.size);
      this.#low = Math.min(this.#low, size);
      const first = Math.ceil(size / SECTOR_BYTES);
      for (let sector = first; sector * SECTOR_BYTES < this.size; sector += 1) this.#free(sector);
      for (const sector of this.#dirty) if (sector >= first) this.#dirty.delete(sector);
      if (size % SECTOR_BYTES !== 0) this.#dirty.add(first - 1);
    }
    this.size = size;
  }

  /** Is anything written, resized or cut that no sync covers? */
  get unsynced(): boolean {
    return this.#dirty.size > 0 || this.#flying !== undefined || this.size !== this.#durableSize || this.#low < this.#durableSize;
  }

  syncBegins(): void {
    const sectors = new Map<number, Uint8Array>();
    for (const sector of this.#dirty) sectors.set(sector, this.live.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    this.#flying = { sectors, size: this.size, low: this.#low };
    this.#dirty = new Set();
    this.#low = Number.POSITIVE_INFINITY;
  }

  syncEnds(): void {
    const flight = this.#flying;
    if (flight === undefined) return;
    this.#flying = undefined;
    this.#cutDurable(flight.low);
    for (const [sector, bytes] of flight.sectors) this.#settle(sector, bytes);
    this.#durableSize = flight.size;
  }

  /** Some of it is durable, some is not, and the system calls all of it clean: a later sync will not try it again. */
  syncFails(chance: Chance, kept: number): void {
    const flight = this.#flying;
    if (flight === undefined) return;
    this.#flying = undefined;
    const sized = chance.happens(kept);
    if (sized) this.#cutDurable(flight.low);
    for (const [sector, bytes] of flight.sectors) if (chance.happens(kept)) this.#settle(sector, bytes);
    if (sized) this.#durableSize = flight.size;
  }

  cut(chance: Chance, odds: CutOdds): void {
    const flight = this.#flying;
    if (flight !== undefined) {
      this.#cutSectors(chance, odds, flight.sectors, flight.low, flight.size);
      this.#flying = undefined;
    }
    const sectors = new Map<number, Uint8Array>();
    for (const sector of this.#dirty) sectors.set(sector, this.live.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    this.#cutSectors(chance, odds, sectors, this.#low, this.size);
    this.#dirty = new Set();
    this.#low = Number.POSITIVE_INFINITY;
    this.size = this.#durableSize;
    this.#growDurable(this.size);
    this.#durable.fill(0, this.size);
    this.live = this.#durable.slice();
    this.opens = 0;
    const released = this.sectors === 0;
    this.#grow(this.size);
    for (let sector = 0; sector < this.#taken.length; sector += 1) {
      if (sector * SECTOR_BYTES >= this.size) this.#free(sector);
      else if (released) this.#take(sector);
    }
  }

  kill(): void {
    this.opens = 0;
    const flight = this.#flying;
    if (flight === undefined) return;
    this.#flying = undefined;
    for (const sector of flight.sectors.keys()) if (sector * SECTOR_BYTES < this.size) this.#dirty.add(sector);
    this.#low = Math.min(this.#low, flight.low);
  }

  /** Changes a byte that is at rest, for good: what a bad disk does. Returns how to undo it, unless it was overwritten. */
  flip(at: number, mask: number): () => void {
    const change = (): void => {
      this.live[at] = (this.live[at] ?? 0) ^ mask;
      this.#growDurable(this.live.length);
      this.#durable[at] = (this.#durable[at] ?? 0) ^ mask;
    };
    change();
    this.#flipped.add(at);
    return () => {
      if (this.#flipped.delete(at)) change();
    };
  }

  releaseIfUnused(): void {
    if (this.linked || this.opens > 0) return;
    this.disk.sectorsUsed -= this.sectors;
    this.sectors = 0;
    this.#taken.fill(0);
  }

  /** One generation of unsynced sectors meets the power cut. */
  #cutSectors(chance: Chance, odds: CutOdds, sectors: Map<number, Uint8Array>, low: number, size: number): void {
    const before = this.#durableSize;
    if (low < before && chance.happens(odds.sizes)) {
      this.#cutDurable(low);
      this.#durableSize = low;
    }
    // A truncation that was lost takes what followed it along: sizes are journaled in order.
    const cutLost = low < before && this.#durableSize === before;
    if (!cutLost && size !== this.#durableSize && chance.happens(odds.sizes)) {
      this.#durableSize =
        size > this.#durableSize && odds.sizes < 1 && chance.happens(0.3) ? chance.between(this.#durableSize, size) : size;
    }
    for (const [sector, bytes] of sectors) {
      if (chance.happens(odds.kept)) this.#settle(sector, chance.happens(odds.torn) ? this.#torn(chance, sector, bytes) : bytes);
      else if (chance.happens(odds.garbage)) this.#settle(sector, this.#garbage(chance, sector, bytes, odds.sectorGarbage));
    }
  }

  #torn(chance: Chance, sector: number, bytes: Uint8Array): Uint8Array {
    const torn = bytes.slice();
    const at = chance.between(1, SECTOR_BYTES - 1);
    const old = this.#durableSector(sector);
    if (chance.happens(0.5)) torn.set(old.subarray(at), at);
    else torn.set(old.subarray(0, at), 0);
    return torn;
  }

  #garbage(chance: Chance, sector: number, bytes: Uint8Array, whole: boolean): Uint8Array {
    const garbage = chance.bytes(SECTOR_BYTES);
    if (whole) return garbage;
    const old = this.#durableSector(sector);
    for (let at = 0; at < SECTOR_BYTES; at += 1) if (old[at] === bytes[at]) garbage[at] = bytes[at] as number;
    return garbage;
  }

  #durableSector(sector: number): Uint8Array {
    this.#growDurable((sector + 1) * SECTOR_BYTES);
    return this.#durable.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  }

  #settle(sector: number, bytes: Uint8Array): void {
    this.#growDurable((sector + 1) * SECTOR_BYTES);
    this.#durable.set(bytes, sector * SECTOR_BYTES);
  }

  #cutDurable(low: number): void {
    if (low < this.#durable.length) this.#durable.fill(0, low);
  }

  #take(sector: number): void {
    if (this.#taken[sector] === 1) return;
    this.#taken[sector] = 1;
    this.sectors += 1;
    this.disk.sectorsUsed += 1;
  }

  #free(sector: number): void {
    if (this.#taken[sector] !== 1) return;
    this.#taken[sector] = 0;
    this.sectors -= 1;
    this.disk.sectorsUsed -= 1;
  }

  #grow(size: number): void {
    this.live = grown(this.live, size, SECTOR_BYTES);
    this.#taken = grown(this.#taken, this.live.length / SECTOR_BYTES, 1);
  }

  #growDurable(size: number): void {
    this.#durable = grown(this.#durable, size, SECTOR_BYTES);
  }
}

interface Flight {
  readonly sectors: Map<number, Uint8Array>;
  readonly size: number;
  readonly low: number;
}

/** `bytes`, or a copy at least `size` long, rounded up to whole units and with room to grow. */
function grown(bytes: Uint8Array, size: number, unit: number): Uint8Array {
  if (size <= bytes.length) return bytes;
  const more = new Uint8Array(Math.ceil(Math.max(size, bytes.length * 1.5) / unit) * unit);
  more.set(bytes);
  return more;
}
