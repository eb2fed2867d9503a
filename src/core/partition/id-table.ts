/**
 * Where ids may be found: a table of fingerprints, nine bytes an id, that grows and forgets a bucket at a time.
 *
 * Holds: whatever was added and is not forgotten is among the candidates of its fingerprint; one in about 2^40 / n of others is
 * too, so whoever asks compares the ids themselves. Nothing it does touches more than two buckets (some hundred entries), so
 * nothing stalls, however large it is.
 * Source: linear hashing (W. Litwin, "Linear hashing: a new tool for file and table addressing", 1980).
 */

/** Mean entries of a bucket, above which one more is made of it. */
const LOAD = 96;
/** How a bucket grows: by an eighth of this at least. */
const STEP = 16;

/**
 * A bucket as one array: `room` tags, `room` ordinals, and `room / 4` words of extra bits, a byte each.
 */
interface Bucket {
  words: Uint32Array;
  room: number;
  count: number;
}

export class IdTable {
  #buckets: Bucket[] = [];
  /** There are `2^level + split` buckets; those below `split` are divided already. */
  #level = 0;
  #split = 0;
  /** Entries, forgotten ones that are still there included. */
  #count = 0;
  /** The ordinal that comes next; kept modulo 2^32 in the entries. */
  #next = 0;

  get isEmpty(): boolean {
    return this.#buckets.length === 0;
  }

  /** Bytes of the arrays, for measuring. */
  get bytes(): number {
    return this.#buckets.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  /**
   * @param tag 32 bits of the id's hash, and 8 of another one
   * @param ordinal of the id: one more each time
   * @param floor ordinals below are forgotten
   */
  add(tag: number, extra: number, ordinal: number, floor: number): void {
    if (this.#buckets.length === 0) this.#buckets.push(newBucket(STEP));
    this.#next = ordinal + 1;
    this.#put(this.#buckets[this.#indexOf(tag)]!, tag, extra, ordinal, floor);
    this.#count++;
    if (this.#count > this.#buckets.length * LOAD) this.#divide(floor);
  }

  /** Ordinals that the id may have, not below `floor`, the latest first. */
  candidates(tag: number, extra: number, floor: number): readonly number[] {
    if (this.#buckets.length === 0) return NONE;
    const { words, room, count } = this.#buckets[this.#indexOf(tag)]!;
    let found: number[] | undefined;
    for (let at = 0; at < count; at++) {
      if (words[at] !== tag || extraAt(words, room, at) !== extra) continue;
      const ordinal = this.#ordinal(words[room + at]!);
      if (ordinal < floor) continue;
      found ??= [];
      found.push(ordinal);
    }
    return found === undefined ? NONE : found.sort((a, b) => b - a);
  }

  clear(): void {
    this.#buckets = [];
    this.#level = 0;
    this.#split = 0;
    this.#count = 0;
  }

  #indexOf(tag: number): number {
    const index = tag & (2 ** this.#level - 1);
    return index < this.#split ? tag & (2 ** (this.#level + 1) - 1) : index;
  }

  /** Of those within 2^32 below the next one. */
  #ordinal(kept: number): number {
    const back = (this.#next - 1 - kept) >>> 0;
    return this.#next - 1 - back;
  }

  #put(bucket: Bucket, tag: number, extra: number, ordinal: number, floor: number): void {
    if (bucket.count === bucket.room) {
      this.#forget(bucket, floor);
      if (bucket.count > bucket.room - bucket.room / 8) grow(bucket);
    }
    put(bucket, tag, extra, ordinal);
  }

  /** Makes what is left of it close up. */
  #forget(bucket: Bucket, floor: number): void {
    const { words, room, count } = bucket;
    bucket.count = 0;
    for (let at = 0; at < count; at++) {
      const kept = words[room + at]!;
      if (this.#ordinal(kept) >= floor) put(bucket, words[at]!, extraAt(words, room, at), kept);
    }
    this.#count -= count - bucket.count;
  }

  /** The next bucket in turn is divided in two. */
  #divide(floor: number): void {
    const from = this.#buckets[this.#split]!;
    this.#forget(from, floor);
    const bit = 2 ** this.#level;
    const moving = countOf(from, bit);
    const to = newBucket(roomFor(moving));
    const stays = newBucket(roomFor(from.count - moving));
    for (let at = 0; at < from.count; at++) {
      const { words, room } = from;
      put((words[at]! & bit) === 0 ? stays : to, words[at]!, extraAt(words, room, at), words[room + at]!);
    }
    this.#buckets[this.#split] = stays;
    this.#buckets.push(to);
    this.#split++;
    if (this.#split < bit) return;
    this.#level++;
    this.#split = 0;
  }
}

const NONE: readonly number[] = [];

function newBucket(room: number): Bucket {
  return { words: new Uint32Array(2 * room + room / 4), room, count: 0 };
}

function roomFor(count: number): number {
  return Math.max(STEP, Math.ceil((count + count / 8) / STEP) * STEP);
}

function grow(bucket: Bucket): void {
  const { words, room, count } = bucket;
  const grown = newBucket(roomFor(count));
  grown.words.set(words.subarray(0, count));
  grown.words.set(words.subarray(room, room + count), grown.room);
  grown.words.set(words.subarray(2 * room, 2 * room + Math.ceil(count / 4)), 2 * grown.room);
  bucket.words = grown.words;
  bucket.room = grown.room;
}

function put(bucket: Bucket, tag: number, extra: number, ordinal: number): void {
  const { words, room, count } = bucket;
  words[count] = tag;
  words[room + count] = ordinal;
  const word = 2 * room + (count >>> 2);
  const shift = (count & 3) * 8;
  words[word] = (words[word]! & ~(255 << shift)) | (extra << shift);
  bucket.count = count + 1;
}

function extraAt(words: Uint32Array, room: number, at: number): number {
  return (words[2 * room + (at >>> 2)]! >>> ((at & 3) * 8)) & 255;
}

function countOf({ words, count }: Bucket, bit: number): number {
  let set = 0;
  for (let at = 0; at < count; at++) if ((words[at]! & bit) !== 0) set++;
  return set;
}
