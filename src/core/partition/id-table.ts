/**
 * Where ids may be found: fingerprints, each with the group of ids that it is one of; six bytes an id and some room.
 *
 * Holds: whatever was added and is not forgotten is among the candidates of its fingerprint; one in about 2^40 / n of others is
 * too, so whoever asks compares the ids themselves. What is there lies in segments, by 8 of the fingerprint's 40 bits; the other
 * 32 are its tag, and each segment is in the order of its tags, so that looking ends at the first one that is larger, and
 * growing is one pass from front to back. Only one segment is rewritten at a time: of a million ids, four thousand. What they hold
 * differs by chance, and so does when each has to grow.
 * Source: ordered hash tables (O. Amble, D. E. Knuth, "Ordered hash tables", 1974), without wrapping round.
 */

const SEGMENTS = 256;
/** Ids up to which one segment holds all: of so many arrays, each would cost more than what is in it. */
const ALONE_MAX = 16_384;
/** How full a segment gets, and what a new one begins with: what lies between is gained by a rewriting. */
const FULL = 7 / 8;
const FILLED = 13 / 16;
const ROOM_MIN = 16;
/** Groups are kept modulo 2^16. */
const MASK = 0xffff;

/** Places are by tag; a free one has tag 0, and the last one always is free. */
interface Places {
  readonly tags: Uint32Array;
  readonly groups: Uint16Array;
  /** Bits that say which segment, while there is only one; later empty. */
  readonly extras: Uint8Array;
  readonly isWide: boolean;
}

interface Segment {
  places: Places;
  /** What tags are spread over; places beyond are for what the last ones push on. */
  room: number;
  count: number;
  /** Groups below are not in it. */
  floor: number;
}

export class IdTable {
  /** One, then SEGMENTS of them. */
  #segments: Segment[] = [];
  /** The latest group. */
  #last = 0;
  /** Of what `bring` has read: so that no engine leaves the reading out. */
  brought = 0;

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  /** Bytes of the arrays, for measuring. */
  get bytes(): number {
    const bytesOf = ({ places: { tags, groups, extras } }: Segment) => tags.byteLength + groups.byteLength + extras.byteLength;
    return this.#segments.reduce((sum, segment) => sum + bytesOf(segment), 0);
  }

  /**
   * @param tag 32 bits of the id's hash
   * @param extra 8 more of them
   * @param group never less than before
   * @param floor groups below are forgotten
   */
  add(tag: number, extra: number, group: number, floor: number): void {
    this.#last = group;
    if (this.#segments.length === 0) this.#segments.push(newSegment(ROOM_MIN, true, floor));
    this.#put(tag, extra, group, floor);
  }

  /** Groups that the id may be in, not below `floor`, the latest first. */
  candidates(tag: number, extra: number, floor: number): readonly number[] {
    if (this.#segments.length === 0) return NONE;
    const { places, room } = this.#segmentOf(extra);
    const { tags, groups, extras, isWide } = places;
    const wanted = tag || 1;
    let at = homeOf(wanted, room);
    let there = tags[at]!;
    while (there !== 0 && there < wanted) there = tags[++at]!;
    if (there !== wanted) return NONE;
    const found = new Set<number>();
    for (; tags[at] === wanted; at++) {
      if (isWide && extras[at] !== extra) continue;
      // Groups that far apart look the same: each that is there may be it.
      const latest = this.#last - ((this.#last - groups[at]!) & MASK);
      for (let group = latest; group >= floor; group -= MASK + 1) found.add(group);
    }
    return [...found].sort((a, b) => b - a);
  }

  /**
   * Reads where the id would be, for one that is asked for soon. Done for many in turn, what is far away in memory
   * comes for all at once and not for one after the other, which takes longer than anything else here.
   */
  bring(tag: number, extra: number): void {
    if (this.#segments.length === 0) return;
    const { places, room } = this.#segmentOf(extra);
    const home = homeOf(tag, room);
    this.brought ^= places.tags[home]! ^ places.groups[home]!;
  }

  clear(): void {
    this.#segments = [];
  }

  #segmentOf(extra: number): Segment {
    return this.#segments[this.#segments.length === 1 ? 0 : extra]!;
  }

  #put(tag: number, extra: number, group: number, floor: number): void {
    const segment = this.#segmentOf(extra);
    const end = insert(segment, tag || 1, group & MASK, extra);
    const isPushedOut = end === segment.places.tags.length - 1;
    if (isPushedOut || segment.count > segment.room * FULL) this.#makeRoom(segment, floor, isPushedOut);
  }

  #makeRoom(segment: Segment, floor: number, isPushedOut: boolean): void {
    const span = this.#last - floor;
    if (segment.floor < floor) segment.count = liveOf(segment, this.#last, span);
    segment.floor = floor;
    const { count } = segment;
    if (count > ALONE_MAX && this.#segments.length === 1) {
      this.#spread(segment, floor);
      return;
    }
    const wanted = roomFor(count);
    const isKept = wanted <= segment.room && wanted >= segment.room / 2;
    if (!isKept) segment.room = wanted;
    const { isWide } = segment.places;
    let places = isKept && !isPushedOut ? segment.places : newPlaces(placesFor(segment.room), isWide);
    while (!rewrite(segment.places, places, segment.room, this.#last, span)) places = newPlaces(2 * places.tags.length, isWide);
    segment.places = places;
  }

  #spread({ places, count }: Segment, floor: number): void {
    const last = this.#last;
    const room = roomFor(count / SEGMENTS);
    this.#segments = Array.from({ length: SEGMENTS }, () => newSegment(room, false, floor));
    const { tags, groups, extras } = places;
    const free = new Float64Array(SEGMENTS);
    for (let at = 0; at < tags.length; at++) {
      const [tag, extra] = [tags[at]!, extras[at]!];
      const group = last - ((last - groups[at]!) & MASK);
      if (tag === 0 || group < floor) continue;
      const segment = this.#segments[extra]!;
      const place = Math.max(free[extra]!, homeOf(tag, segment.room));
      // They come in order, so that each is the last of its segment; unless that is at its end.
      if (append(segment, place, tag, group & MASK)) free[extra] = place + 1;
      else {
        free[extra] = Infinity;
        this.#put(tag, extra, group, floor);
      }
    }
  }
}

const NONE: readonly number[] = [];
const NO_BYTES = new Uint8Array(0);

function newSegment(room: number, isWide: boolean, floor: number): Segment {
  return { places: newPlaces(placesFor(room), isWide), room, count: 0, floor };
}

function newPlaces(count: number, isWide: boolean): Places {
  const bytes = new ArrayBuffer(count * (isWide ? 7 : 6));
  return {
    tags: new Uint32Array(bytes, 0, count),
    groups: new Uint16Array(bytes, 4 * count, count),
    extras: isWide ? new Uint8Array(bytes, 6 * count, count) : NO_BYTES,
    isWide,
  };
}

function placesFor(room: number): number {
  return room + (room >> 6) + 16;
}

function roomFor(count: number): number {
  return Math.max(ROOM_MIN, Math.ceil(count / FILLED));
}

function homeOf(tag: number, room: number): number {
  return (tag * (room / 2 ** 32)) | 0;
}

/** @returns the place that is no longer free */
function insert(segment: Segment, newTag: number, newGroup: number, newExtra: number): number {
  const { tags, groups, extras, isWide } = segment.places;
  let at = homeOf(newTag, segment.room);
  let there = tags[at]!;
  while (there !== 0 && there <= newTag) there = tags[++at]!;
  let end = at;
  while (tags[end] !== 0) end++;
  // All up to the next free place move one on.
  for (let to = end; to > at; to--) {
    tags[to] = tags[to - 1]!;
    groups[to] = groups[to - 1]!;
    if (isWide) extras[to] = extras[to - 1]!;
  }
  tags[at] = newTag;
  groups[at] = newGroup;
  if (isWide) extras[at] = newExtra;
  segment.count++;
  return end;
}

/** @returns false where the place is at the end, or behind it */
function append(segment: Segment, place: number, tag: number, group: number): boolean {
  const { tags, groups } = segment.places;
  if (place >= tags.length - 1) return false;
  tags[place] = tag;
  groups[place] = group;
  segment.count++;
  return true;
}

function liveOf({ places: { tags, groups } }: Segment, last: number, span: number): number {
  let count = 0;
  for (let at = 0; at < tags.length; at++) if (tags[at] !== 0 && ((last - groups[at]!) & MASK) <= span) count++;
  return count;
}

/**
 * Moves what is not forgotten to where it belongs in that room. In the same places all of it stays or moves towards the front.
 *
 * @returns false, and `from` is as it was, where the places end before all is moved
 */
function rewrite(from: Places, to: Places, room: number, last: number, span: number): boolean {
  const { tags, groups, extras, isWide } = from;
  const stop = to.tags.length - 1;
  let free = 0;
  for (let at = 0; at < tags.length; at++) {
    const tag = tags[at]!;
    if (tag === 0) continue;
    const group = groups[at]!;
    if (to === from) tags[at] = 0;
    if (((last - group) & MASK) > span) continue;
    const home = homeOf(tag, room);
    if (home > free) free = home;
    if (free >= stop) return false;
    to.tags[free] = tag;
    to.groups[free] = group;
    if (isWide) to.extras[free] = extras[at]!;
    free++;
  }
  return true;
}
