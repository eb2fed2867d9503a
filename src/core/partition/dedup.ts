/**
 * The ids that were produced within the deduplication window, each with the sequence it got.
 *
 * Holds: an id is found if and only if it was added within the window (`time > now − window`); a hit is confirmed against
 * the id's bytes, so the hash only says where to look. Ids live in slices of an eighth of the window, which are dropped
 * whole; a slice is only added to while it is the newest, and its section is written once it is not. Trimming messages
 * does not touch ids.
 */
import { bytes, decode, encode, list, number, struct } from '../entry/codec.ts';
import { xxh32 } from '../xxh32.ts';

const SLICES_PER_WINDOW = 8;
/** Bounds what writing the newest slice's section costs. */
const SLICE_COUNT_MAX = 65_536;

const sliceLayout = struct({ name: number, since: number, items: list(struct({ id: bytes, sequence: number, age: number })) });

class Slice {
  readonly name: number;
  /** Time of the first id; each id's time is kept as its distance from it. */
  readonly since: number;
  until: number;
  count = 0;
  dirty = true;
  /** There is a section of it. */
  saved = false;
  #ids = new Uint8Array(256);
  #idEnds = new Uint32Array(16);
  #sequences = new Float64Array(16);
  #ages = new Float64Array(16);
  #hashes = new Uint32Array(16);
  /** Open addressing: place in the arrays + 1, or 0. */
  #slots = new Uint32Array(32);

  constructor(name: number, since: number) {
    this.name = name;
    this.since = since;
    this.until = since;
  }

  /** @returns the place of the id's latest entry, or −1 */
  find(source: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = this.#slots[slot]! - 1;
      if (place < 0) return -1;
      if (this.#hashes[place] === hash && this.#same(place, source, start, end)) return place;
    }
  }

  sequence(place: number): number {
    return this.#sequences[place]!;
  }

  time(place: number): number {
    return this.since + this.#ages[place]!;
  }

  add(source: Uint8Array, start: number, end: number, hash: number, sequence: number, time: number): void {
    const length = end - start;
    const begin = this.count === 0 ? 0 : this.#idEnds[this.count - 1]!;
    if (begin + length > this.#ids.length) this.#ids = grown(this.#ids, Math.max(this.#ids.length * 2, begin + length));
    if (this.count === this.#ages.length) this.#growPlaces();
    for (let i = 0; i < length; i++) this.#ids[begin + i] = source[start + i]!;
    this.#idEnds[this.count] = begin + length;
    this.#sequences[this.count] = sequence;
    this.#ages[this.count] = time - this.since;
    this.#hashes[this.count] = hash;
    this.#put(hash, this.count);
    this.count++;
    this.until = time;
    this.dirty = true;
  }

  encode(): Uint8Array {
    const items = Array.from({ length: this.count }, (_, place) => ({
      id: this.#id(place),
      sequence: this.#sequences[place]!,
      age: this.#ages[place]!,
    }));
    return encode(sliceLayout, { name: this.name, since: this.since, items });
  }

  #id(place: number): Uint8Array {
    return this.#ids.subarray(place === 0 ? 0 : this.#idEnds[place - 1]!, this.#idEnds[place]!);
  }

  #same(place: number, source: Uint8Array, start: number, end: number): boolean {
    const begin = place === 0 ? 0 : this.#idEnds[place - 1]!;
    if (this.#idEnds[place]! - begin !== end - start) return false;
    for (let i = start, at = begin; i < end; i++, at++) if (source[i] !== this.#ids[at]) return false;
    return true;
  }

  /** An id that is in the slice already (its window had ended) is replaced: the newer one is met first. */
  #put(hash: number, place: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]! - 1;
      const id = this.#id(place);
      if (this.#hashes[other] === hash && this.#same(other, id, 0, id.length)) break;
    }
    this.#slots[slot] = place + 1;
  }

  #growPlaces(): void {
    const size = this.#ages.length * 2;
    this.#idEnds = grown(this.#idEnds, size);
    this.#sequences = grown(this.#sequences, size);
    this.#ages = grown(this.#ages, size);
    this.#hashes = grown(this.#hashes, size);
    this.#slots = new Uint32Array(size * 2);
    for (let place = 0; place < this.count; place++) this.#put(this.#hashes[place]!, place);
  }
}

function grown<A extends Uint8Array | Uint32Array | Float64Array>(array: A, size: number): A {
  const larger = new (array.constructor as new (size: number) => A)(size);
  larger.set(array as never);
  return larger;
}

export class Dedup {
  /** Oldest first. */
  #slices: Slice[] = [];
  #dropped: string[] = [];
  /** Not part of the state: it keeps a sender from choosing ids that collide. */
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get count(): number {
    return this.#slices.reduce((sum, slice) => sum + slice.count, 0);
  }

  /** @returns the sequence that the id got within the window, or 0 */
  find(source: Uint8Array, start: number, end: number, now: number, windowMs: number): number {
    if (this.#slices.length === 0) return 0;
    const hash = xxh32(source, this.#seed, start, end);
    for (let i = this.#slices.length - 1; i >= 0; i--) {
      const slice = this.#slices[i]!;
      if (slice.until <= now - windowMs) return 0;
      const place = slice.find(source, start, end, hash);
      if (place >= 0) return slice.time(place) > now - windowMs ? slice.sequence(place) : 0;
    }
    return 0;
  }

  add(source: Uint8Array, start: number, end: number, sequence: number, time: number, windowMs: number): void {
    // Without a window nothing is found again.
    if (windowMs === 0) return;
    let newest = this.#slices[this.#slices.length - 1];
    if (newest === undefined || time >= newest.since + windowMs / SLICES_PER_WINDOW || newest.count >= SLICE_COUNT_MAX) {
      newest = new Slice((newest?.name ?? 0) + 1, time);
      this.#slices.push(newest);
      this.drop(time, windowMs);
    }
    newest.add(source, start, end, xxh32(source, this.#seed, start, end), sequence, time);
  }

  /** Forgets slices whose ids are all out of the window. */
  drop(now: number, windowMs: number): void {
    let gone = 0;
    while (gone < this.#slices.length - 1 && this.#slices[gone]!.until <= now - windowMs) gone++;
    for (const slice of this.#slices.splice(0, gone)) if (slice.saved) this.#dropped.push(sectionName(slice.name));
  }

  /** What changed since the last call: sections to write, and (null) to remove. */
  takeSections(): [string, Uint8Array | null][] {
    const changed: [string, Uint8Array | null][] = this.#dropped.map((name) => [name, null]);
    this.#dropped = [];
    for (const slice of this.#slices) {
      if (!slice.dirty) continue;
      changed.push([sectionName(slice.name), slice.encode()]);
      slice.dirty = false;
      slice.saved = true;
    }
    return changed;
  }

  /** All is written again. */
  touchAll(): void {
    for (const slice of this.#slices) slice.dirty = true;
  }

  /** Sections come in any order. */
  load(section: Uint8Array): void {
    const { name, since, items } = decode(sliceLayout, section);
    const slice = new Slice(name, since);
    for (const { id, sequence, age } of items) slice.add(id, 0, id.length, xxh32(id, this.#seed), sequence, since + age);
    slice.dirty = false;
    slice.saved = true;
    this.#slices.push(slice);
    this.#slices.sort((a, b) => a.name - b.name);
  }

  /** Every id in the window, for comparing two states. */
  *ids(now: number, windowMs: number): Iterable<{ id: Uint8Array; sequence: number; time: number }> {
    for (const slice of this.#slices) {
      const { since, items } = decode(sliceLayout, slice.encode());
      for (const { id, sequence, age } of items) if (since + age > now - windowMs) yield { id, sequence, time: since + age };
    }
  }
}

function sectionName(slice: number): string {
  return `ids:${slice}`;
}
