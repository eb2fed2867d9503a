/**
 * Where the log ends: the files as they are found, and how far what is in them is valid.
 *
 * Holds: nothing on disk is changed here. A bad place is damage if any block or header behind it was written when more than
 * it was synced; otherwise the log ends there. What is before the last segment's directory need not be looked at.
 * A folder without a readable beginning counts as new only where nothing can have been acknowledged in it: no block tells of
 * anything synced, and no file is longer than what a first opening writes before its first sync (`FIRST_WRITE_BYTES`). Until
 * that sync nothing else is written, filled or promised (running.ts); whatever is acknowledged makes the file longer.
 * Elsewhere: walking a file (scan.ts), what is done about the end (opening.ts).
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { File } from '../ports.ts';
import { EMPTY_DIRECTORY_BYTES } from './directory.ts';
import type { FileId, Place, SegmentHeader, Trailer } from './format.ts';
import {
  BLOCK_HEADER_BYTES,
  decodeBlockHeader,
  decodeSegmentHeader,
  decodeTrailer,
  isAbove,
  RECORD_DIRECTORY,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  TRAILER_BYTES,
  viewOf,
} from './format.ts';
import { findEvidence, newer, scanBlocks } from './scan.ts';
import { segmentName } from './segment.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';

/** What is not as it should be is read so often before it is believed. */
export const READS_MAX = 3;

/** All that the first opening of a folder writes before its first sync: a header, and the directory of nothing. */
export const FIRST_WRITE_BYTES = SEGMENT_HEADER_BYTES + BLOCK_HEADER_BYTES + recordBytes(EMPTY_DIRECTORY_BYTES);

/** A file as it was found. */
export interface Found {
  readonly name: string;
  readonly number: number;
  readonly file: File;
  readonly size: number;
  readonly header: SegmentHeader | undefined;
  /** Its first bytes are zeros, or missing: it was prepared, or its making was interrupted. */
  readonly blank: boolean;
}

/** @throws UNAVAILABLE a newer version wrote it */
export async function look(store: Store, name: string, number: number): Promise<Found> {
  const file = await store.ports.files.open(name, false);
  const { size } = file;
  let first = await file.read(0, SEGMENT_HEADER_BYTES);
  let header = decodeSegmentHeader(first);
  for (let reads = 1; reads < READS_MAX && header === undefined && !isZero(first); reads++) {
    first = await file.read(0, SEGMENT_HEADER_BYTES);
    header = decodeSegmentHeader(first);
  }
  if (header === 'newer') {
    await file.close();
    throw newer(name);
  }
  // A file kept for later use still has the header of its former life until it is begun.
  const own = header && header.number === number ? header : undefined;
  const former = header !== undefined && header.number < number;
  return { name, number, file, size, header: own, blank: former || isZero(first) };
}

/** The last segment that belongs to the log, with its bytes and where it ends. */
export interface Tail {
  readonly one: Found;
  readonly header: SegmentHeader;
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Everything below this place is known to have been synced. */
  readonly known: Place;
}

export async function trustedTail(store: Store, found: readonly Found[], trusted: Place): Promise<Tail | undefined> {
  if (trusted.segment === 0) return undefined;
  const one = found.find(({ number }) => number === trusted.segment);
  if (!one?.header) throw corruption(segmentName(trusted.segment), 0, SEGMENT_HEADER_BYTES, 'the file that was being written is gone');
  const bytes = await one.file.read(0, trusted.offset);
  const end = scanBlocks(one.name, bytes, one.header.id, SEGMENT_HEADER_BYTES, trusted.offset, store.ports.crc32c, () => {});
  if (end !== trusted.offset) throw corruption(one.name, end, trusted.offset, 'a block that was synced is damaged');
  return { one, header: one.header, bytes, end, known: trusted };
}

/** Walks back from the newest header to what is certainly whole, then forward to where the log ends. */
export async function findTail(store: Store, found: readonly Found[]): Promise<Tail | undefined> {
  const byNumber = new Map(found.map((one) => [one.number, one]));
  let newest = found.findLast(({ header }) => header);
  await refuseUnreadable(found, newest);
  if (!newest) return undefined;
  for (;;) {
    const chain = await chainTo(newest, byNumber);
    const images = new Map<Found, Uint8Array>();
    for (const one of chain) images.set(one, await one.file.read(0, one.size));
    if (isOrphan(chain, images, byNumber)) {
      const first = chain[0]!;
      const before = found.findLast((other) => other.header && other.number < first.number);
      if (!before) throw headless(first.header!.previous.segment);
      newest = before;
      continue;
    }
    let last: Tail | undefined;
    let broken: { one: Found; at: number } | undefined;
    for (const [nth, one] of chain.entries()) {
      const tail = await readFar(store, one, images, chain[nth + 1]?.header?.previous.offset);
      const before: Place | undefined = last?.known;
      if (tail.whole)
        last = before && isAbove(before, tail.whole.known.segment, tail.whole.known.offset) ? { ...tail.whole, known: before } : tail.whole;
      if (tail.badAt === undefined) continue;
      broken = { one, at: tail.badAt };
      break;
    }
    if (broken) {
      const later = chain.slice(chain.indexOf(broken.one));
      refuseDamage(later, images, broken.at);
      if (!last) {
        // Not even its directory: the segment was never begun as far as anybody was told, so the one before is the last.
        const { name, number, header, size } = broken.one;
        if (header?.previous.segment === 0) {
          if (size > FIRST_WRITE_BYTES) throw corruption(name, broken.at, size, 'the first block of the log is damaged');
          return undefined;
        }
        const before = header ? byNumber.get(header.previous.segment) : found.findLast((other) => other.header && other.number < number);
        if (!before?.header) throw headless(header?.previous.segment ?? number);
        newest = before;
        continue;
      }
    }
    return last;
  }
}

/** The segments up to this one, from the first whose end is not certain. */
async function chainTo(newest: Found, byNumber: ReadonlyMap<number, Found>): Promise<Found[]> {
  const chain = [newest];
  for (let first = newest; first.header && !first.header.previousKnown; ) {
    const { segment, offset } = first.header.previous;
    const before = byNumber.get(segment);
    if (!before || (before.header && (await trailerOf(before, before.header.id))?.end === offset)) break;
    chain.unshift(before);
    first = before;
  }
  return chain;
}

/**
 * The segment before the first is missing. Either it was dropped: then a block here was written when it had long been synced.
 * Or all of this lay behind the end of the log, and its removal was interrupted.
 */
function isOrphan(chain: readonly Found[], images: ReadonlyMap<Found, Uint8Array>, byNumber: ReadonlyMap<number, Found>): boolean {
  const header = chain[0]?.header;
  if (!header || header.previousKnown || header.previous.segment === 0 || byNumber.has(header.previous.segment)) return false;
  const { segment, offset } = header.previous;
  return !chain.some((one) => findEvidence(images.get(one)!, SEGMENT_HEADER_BYTES, { segment, offset: offset - 1 }, one.header?.id));
}

/** Reads a file again where it breaks within what was written: a bit that one read has turned must not end the log. */
async function readFar(store: Store, one: Found, images: Map<Found, Uint8Array>, until: number | undefined): Promise<Ends> {
  let tail = readTail(store, one, images.get(one)!, until);
  for (
    let reads = 1;
    reads < READS_MAX && tail.badAt !== undefined && !isZero(images.get(one)!.subarray(tail.badAt, tail.badAt + 8));
    reads++
  ) {
    const bytes = await one.file.read(0, one.size);
    const again = readTail(store, one, bytes, until);
    if ((again.badAt ?? Infinity) <= tail.badAt) continue;
    images.set(one, bytes);
    tail = again;
  }
  return tail;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

interface Ends {
  readonly whole?: Tail;
  readonly badAt?: number;
}

/** A file's own end, or where it breaks: `badAt` without `whole` means that it has no directory. */
function readTail(store: Store, one: Found, bytes: Uint8Array, until: number | undefined): Ends {
  const { header } = one;
  if (!header) return { badAt: 0 };
  const trailer = decodeTrailer(bytes.subarray(Math.max(0, bytes.length - TRAILER_BYTES)), one.size, header.id);
  const limit = trailer?.end ?? until ?? one.size;
  let directory = false;
  let known = header.previousKnown ? header.previous : { segment: 0, offset: 0 };
  const end = scanBlocks(
    one.name,
    bytes,
    header.id,
    SEGMENT_HEADER_BYTES,
    limit,
    store.ports.crc32c,
    ({ type }) => {
      directory ||= type === RECORD_DIRECTORY;
    },
    (place) => {
      if (isAbove(place, known.segment, known.offset)) known = place;
    },
  );
  if (trailer && end !== trailer.end) throw corruption(one.name, end, trailer.end, 'a block of a sealed segment is damaged');
  if (!directory) return { badAt: SEGMENT_HEADER_BYTES };
  const whole = { one, header, bytes, end, known };
  // The last segment ends wherever it ends; whether that is a torn tail or damage is looked at all the same.
  if (until === undefined && trailer) return { whole };
  return until !== undefined && end === until ? { whole } : { whole, badAt: end };
}

function refuseDamage(later: readonly Found[], images: ReadonlyMap<Found, Uint8Array>, at: number): void {
  const [first] = later;
  const bad = { segment: first!.number, offset: at };
  for (const one of later) {
    const { header } = one;
    const bytes = images.get(one)!;
    const from = one === first ? Math.ceil(at / 8) * 8 : SEGMENT_HEADER_BYTES;
    const evidence = findEvidence(bytes, from, bad, header?.id);
    if (!evidence || isPlanted('cut-tail-that-was-not-torn')) continue;
    throw corruption(first!.name, at, one === first ? evidence.at : first!.size, 'a block that was synced is damaged');
  }
}

/**
 * Files without a readable header. Behind the last one that has it they are prepared, or torn, unless a block in them was
 * synced; where none has it they are the whole log.
 */
async function refuseUnreadable(found: readonly Found[], newest: Found | undefined): Promise<void> {
  for (const one of found) {
    if (one.header || (newest && one.number < newest.number)) continue;
    const bytes = await one.file.read(0, one.size);
    const evidence = findEvidence(bytes, 0, newest ? { segment: one.number, offset: 0 } : { segment: 0, offset: 0 });
    const isBegun = newest === undefined && one.size > FIRST_WRITE_BYTES;
    if (evidence || (isBegun && (one.blank || beginsWithBlock(bytes))))
      throw corruption(one.name, 0, SEGMENT_HEADER_BYTES, 'the header of the file is damaged');
    if (isBegun) {
      throw new WaysideError(
        'UNAVAILABLE',
        `${one.name} is no log of Wayside. Move it out of the folder, or open another one; nothing was changed.`,
      );
    }
  }
}

/** A header that is damaged must not give its epoch to another: the first block has it too. */
export async function blockEpoch({ file }: Found): Promise<number> {
  const bytes = await file.read(0, SEGMENT_HEADER_BYTES + BLOCK_HEADER_BYTES);
  const block = decodeBlockHeader(viewOf(bytes), bytes, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
  return block === undefined || block === 'newer' ? 0 : block.epoch;
}

function beginsWithBlock(bytes: Uint8Array): boolean {
  return decodeBlockHeader(viewOf(bytes), bytes, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES) !== undefined;
}

function headless(number: number): Error {
  return corruption(segmentName(number), 0, SEGMENT_HEADER_BYTES, 'the file is missing or its header is damaged');
}

export async function trailerOf(one: Found, id: FileId): Promise<Trailer | undefined> {
  if (one.size < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return undefined;
  return decodeTrailer(await one.file.read(one.size - TRAILER_BYTES, TRAILER_BYTES), one.size, id);
}
