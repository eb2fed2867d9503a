/**
 * Ids of one stretch of time: in memory while they are added, then as the bytes of their section.
 *
 * Layout of a section (little endian): version u32 · number of ids u32 · time of the first f64 · sequence of the first f64 ·
 * then an array each of: sequence above the first u32 · age above the first u32 · end of the id's bytes u32 · and the bytes.
 * Holds: places are in the order in which ids were added, so sequences and ages never fall.
 */
import { WaysideError } from '../errors.ts';

const VERSION = 2;
const HEAD_BYTES = 24;
const U32 = 2 ** 32;

/** An id in one of them. */
export interface Noted {
  readonly sequence: number;
  readonly time: number;
}

/** One that ids are added to, with an index of its own. */
export class OpenSlice {
  readonly name: number;
  /** Time and sequence of the first id. */
  readonly since: number;
  readonly first: number;
  until: number;
  count = 0;
  dirty = true;
  /** There is a section of it. */
  saved = false;
  #ids = new Uint8Array(256);
  #idEnds = new Uint32Array(16);
  #sequences = new Uint32Array(16);
  #ages = new Uint32Array(16);
  #hashes = new Uint32Array(16);
  #extras = new Uint8Array(16);
  /** Open addressing: place in the arrays + 1, or 0. */
  #slots = new Uint32Array(32);

  constructor(name: number, since: number, first: number) {
    this.name = name;
    this.since = since;
    this.first = first;
    this.until = since;
  }

  get #idBytes(): number {
    return this.count === 0 ? 0 : this.#idEnds[this.count - 1]!;
  }

  /** May the id be added here? @param spanMs no slice is of a longer time. @param most ids of a slice */
  takes(sequence: number, time: number, spanMs: number, most: number): boolean {
    const { count, since, first } = this;
    return count < most && time < since + spanMs && time - since < U32 && sequence >= first && sequence - first < U32;
  }

  /** @returns the place of the latest one of that id; −1 where there is none */
  find(source: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const place = this.#slots[slot]! - 1;
      if (place < 0 || (this.#hashes[place] === hash && this.#same(place, source, start, end))) return place;
    }
  }

  noted(place: number): Noted {
    return { sequence: this.first + this.#sequences[place]!, time: this.since + this.#ages[place]! };
  }

  /** @param hash finds it here. @param extra bits of another one, for when the slice is closed */
  add(source: Uint8Array, start: number, end: number, hash: number, extra: number, sequence: number, time: number): void {
    const length = end - start;
    const begin = this.#idBytes;
    if (begin + length > this.#ids.length) this.#ids = grown(this.#ids, Math.max(this.#ids.length * 2, begin + length));
    if (this.count === this.#ages.length) this.#growPlaces();
    for (let i = 0; i < length; i++) this.#ids[begin + i] = source[start + i]!;
    this.#idEnds[this.count] = begin + length;
    this.#sequences[this.count] = sequence - this.first;
    this.#ages[this.count] = time - this.since;
    this.#hashes[this.count] = hash;
    this.#extras[this.count] = extra;
    this.#put(hash, this.count);
    this.count++;
    this.until = time;
    this.dirty = true;
  }

  /** Hash of the id at a place. */
  hash(place: number): number {
    return this.#hashes[place]!;
  }

  extra(place: number): number {
    return this.#extras[place]!;
  }

  encode(): Uint8Array {
    const { count } = this;
    const idBytes = this.#idBytes;
    const section = new Uint8Array(HEAD_BYTES + 12 * count + idBytes);
    const view = new DataView(section.buffer);
    view.setUint32(0, VERSION, true);
    view.setUint32(4, count, true);
    view.setFloat64(8, this.since, true);
    view.setFloat64(16, this.first, true);
    for (let place = 0; place < count; place++) {
      const at = HEAD_BYTES + 4 * place;
      view.setUint32(at, this.#sequences[place]!, true);
      view.setUint32(at + 4 * count, this.#ages[place]!, true);
      view.setUint32(at + 8 * count, this.#idEnds[place]!, true);
    }
    section.set(this.#ids.subarray(0, idBytes), HEAD_BYTES + 12 * count);
    return section;
  }

  #same(place: number, source: Uint8Array, start: number, end: number): boolean {
    const begin = place === 0 ? 0 : this.#idEnds[place - 1]!;
    if (this.#idEnds[place]! - begin !== end - start) return false;
    for (let i = start; i < end; i++) if (source[i] !== this.#ids[begin + i - start]) return false;
    return true;
  }

  #put(hash: number, place: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) {
      // An id that is there already has come again after its window: the latest counts.
      const other = this.#slots[slot]! - 1;
      if (this.#hashes[other] === hash && this.#sameIds(other, place)) break;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = place + 1;
  }

  #sameIds(a: number, b: number): boolean {
    const [begin, end] = [b === 0 ? 0 : this.#idEnds[b - 1]!, this.#idEnds[b]!];
    return this.#same(a, this.#ids, begin, end);
  }

  #growPlaces(): void {
    const room = this.#ages.length * 2;
    this.#idEnds = grown(this.#idEnds, room);
    this.#sequences = grown(this.#sequences, room);
    this.#ages = grown(this.#ages, room);
    this.#hashes = grown(this.#hashes, room);
    this.#extras = grown(this.#extras, room);
    this.#slots = new Uint32Array(room * 2);
    for (let place = 0; place < this.count; place++) this.#put(this.#hashes[place]!, place);
  }
}

/** A section of ids, read where it lies. */
export class IdSection {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly since: number;
  readonly first: number;
  readonly #view: DataView;

  /** @throws CORRUPTION · UNAVAILABLE it is of another version */
  constructor(bytes: Uint8Array) {
    if (bytes.length < HEAD_BYTES) throw damaged();
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const version = this.#view.getUint32(0, true);
    if (version !== VERSION)
      throw new WaysideError('UNAVAILABLE', `The data holds ids in layout ${version}, and this version of the broker knows ${VERSION}.`);
    this.count = this.#view.getUint32(4, true);
    this.since = this.#view.getFloat64(8, true);
    this.first = this.#view.getFloat64(16, true);
    const ids = HEAD_BYTES + 12 * this.count;
    if (ids > bytes.length || (this.count > 0 && ids + this.#end(this.count - 1) !== bytes.length)) throw damaged();
  }

  get until(): number {
    return this.count === 0 ? this.since : this.noted(this.count - 1).time;
  }

  noted(place: number): Noted {
    const at = HEAD_BYTES + 4 * place;
    return {
      sequence: this.first + this.#view.getUint32(at, true),
      time: this.since + this.#view.getUint32(at + 4 * this.count, true),
    };
  }

  /** Where the id at a place begins and ends in `bytes`. */
  start(place: number): number {
    return HEAD_BYTES + 12 * this.count + (place === 0 ? 0 : this.#end(place - 1));
  }

  end(place: number): number {
    return HEAD_BYTES + 12 * this.count + this.#end(place);
  }

  /** @returns the latest place from `from` on, below `to`, that has the id; −1 where none has */
  find(from: number, to: number, source: Uint8Array, start: number, end: number): number {
    for (let place = Math.min(to, this.count) - 1; place >= from; place--) if (this.#isId(place, source, start, end)) return place;
    return -1;
  }

  #isId(place: number, source: Uint8Array, start: number, end: number): boolean {
    const begin = this.start(place);
    if (this.end(place) - begin !== end - start) return false;
    // Neighbours differ at their ends, if anywhere.
    for (let i = end - start - 1; i >= 0; i--) if (this.bytes[begin + i] !== source[start + i]) return false;
    return true;
  }

  #end(place: number): number {
    return this.#view.getUint32(HEAD_BYTES + 8 * this.count + 4 * place, true);
  }
}

function damaged(): WaysideError {
  return new WaysideError('CORRUPTION', 'A section of ids does not fit its layout.');
}

function grown<T extends Uint8Array | Uint32Array>(array: T, room: number): T {
  const made = new (array.constructor as new (length: number) => T)(room);
  made.set(array);
  return made;
}
