/**
 * Opening: finds how far the log is valid, tells a torn tail from damage, and starts a new segment behind it.
 *
 * Holds: until the decision is made nothing on disk is changed; a file that existed before is never appended to, only cut to
 * its valid end and sealed. The last segment alone is replayed: it begins with the directory of all before it. A bad
 * place is damage if any block or header behind it was written when more than it was synced; otherwise the log ends there.
 * Elsewhere: walking a file (scan.ts), what a record does (replay.ts), the files' lock (log.ts).
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { ActorKey, File } from '../ports.ts';
import type { Range } from './actors.ts';
import { Actor, addRow, newRange } from './actors.ts';
import { markCopied, recount } from './counting.ts';
import { decodeNotes } from './footer.ts';
import type { FileId, Place, RecordHeader, SegmentHeader, Trailer } from './format.ts';
import { decodeBlockHeader, decodeSegmentHeader, decodeTrailer, isAbove, RECORD_DIRECTORY, RECORD_ENTRY, SEGMENT_HEADER_BYTES, TRAILER_BYTES, viewOf } from './format.ts';
import { addEntry, keyOf, replay } from './replay.ts';
import { findEvidence, newer, scanBlocks } from './scan.ts';
import { seal } from './sealing.ts';
import { SPARE_NAME, Segment, segmentName, segmentNumber } from './segment.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';
import { EntryTable } from './table.ts';
import type { Tables } from './tables.ts';

/** What opening leaves to be done: a new segment is to be begun behind `end`. */
export interface Opened {
  /** Where the log ends: everything before it is synced. */
  readonly end: Place;
  readonly epoch: number;
  /** The number of the segment to begin. */
  readonly number: number;
  /** Dropped or discarded: to be removed once the new segment is synced. */
  readonly leftovers: readonly string[];
}

/** A file as it was found. */
interface Found {
  readonly name: string;
  readonly number: number;
  readonly file: File;
  readonly size: number;
  readonly header: SegmentHeader | undefined;
  /** Its first bytes are zeros, or missing: it was prepared, or its making was interrupted. */
  readonly blank: boolean;
}

/** Ranges that floors cut are counted at once up to so many; more are counted in the background. */
const COUNT_AT_ONCE = 2000;

/**
 * @param trusted where the log ends by the memory of a process that has failed: what lies above was never confirmed, and is
 * not looked at, since what is read there proves nothing
 */
export async function openLog(store: Store, tables: Tables, trusted: Place | undefined): Promise<Opened> {
  const { files } = store.ports;
  const names = await files.list();
  const found: Found[] = [];
  const keep = new Set<File>();
  try {
    for (const name of names) {
      const number = segmentNumber(name);
      if (number !== undefined) found.push(await look(store, name, number));
    }
    found.sort((one, other) => one.number - other.number);
    const opened = await openFound(store, tables, found, trusted, keep);
    return { ...opened, leftovers: [...opened.leftovers, ...names.filter((name) => SPARE_NAME.test(name))] };
  } finally {
    for (const { file } of found) if (!keep.has(file)) await file.close().catch(() => {});
  }
}

async function look(store: Store, name: string, number: number): Promise<Found> {
  const file = await store.ports.files.open(name, false);
  const { size } = file;
  const first = await file.read(0, SEGMENT_HEADER_BYTES);
  const header = decodeSegmentHeader(first);
  if (header === 'newer') {
    await file.close();
    throw newer(name);
  }
  // A file kept for later use still has the header of its former life until it is begun.
  const own = header && header.number === number ? header : undefined;
  const former = header !== undefined && header.number < number;
  return { name, number, file, size, header: own, blank: former || first.every((byte) => byte === 0) };
}

async function openFound(store: Store, tables: Tables, found: readonly Found[], trusted: Place | undefined, keep: Set<File>): Promise<Opened> {
  const highest = found.at(-1)?.number ?? 0;
  let epoch = 0;
  for (const { header } of found) epoch = Math.max(epoch, header?.epoch ?? 0);
  const tail = trusted ? await trustedTail(store, found, trusted) : await findTail(store, found);
  if (!tail) {
    return { end: { segment: 0, offset: 0 }, epoch: epoch + 1, number: highest + 1, leftovers: found.map(({ name }) => name) };
  }
  const head = headSegment(store, tail);
  const known = new Map(found.map((one) => [one.number, one]));
  for (const segment of [...store.segments.values()]) {
    const one = known.get(segment.number);
    if (segment === head) continue;
    if (!one) throw corruption(segment.name, 0, segment.end, 'the file is missing');
    await adoptSegment(store, segment, one);
  }
  const order = [...store.segments.values()].sort((one, other) => one.number - other.number);
  store.segments.clear();
  for (const segment of order) store.segments.set(segment.number, segment);
  // From here on the disk is changed. What lies behind the end goes first: if that is interrupted, the end is found again.
  const leftovers: string[] = [];
  let behind = false;
  for (const one of found) {
    if (store.segments.has(one.number)) continue;
    if (one.number < head.number) leftovers.push(one.name);
    else {
      await store.ports.files.remove(one.name);
      behind = true;
    }
  }
  if (behind) await store.ports.files.syncFolder();
  for (const segment of order) {
    const one = known.get(segment.number)!;
    segment.filled = one.size;
    segment.file = one.file;
    keep.add(one.file);
    if (segment.sealed) {
      store.lend(segment);
      continue;
    }
    await writeAgain(segment, one.file, tail.known);
    await seal(store, segment);
  }
  await countCut(store, tables);
  return { end: { segment: head.number, offset: head.end }, epoch: isPlanted('epoch-stays') ? epoch : epoch + 1, number: highest + 1, leftovers };
}

/** The last segment that belongs to the log, with its bytes and where it ends. */
interface Tail {
  readonly one: Found;
  readonly header: SegmentHeader;
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Everything below this place is known to have been synced. */
  readonly known: Place;
}

async function trustedTail(store: Store, found: readonly Found[], trusted: Place): Promise<Tail | undefined> {
  if (trusted.segment === 0) return undefined;
  const one = found.find(({ number }) => number === trusted.segment);
  if (!one?.header) throw corruption(segmentName(trusted.segment), 0, SEGMENT_HEADER_BYTES, 'the file that was being written is gone');
  const bytes = await one.file.read(0, trusted.offset);
  const end = scanBlocks(one.name, bytes, one.header.id, SEGMENT_HEADER_BYTES, trusted.offset, store.ports.crc32c, () => {});
  if (end !== trusted.offset) throw corruption(one.name, end, trusted.offset, 'a block that was synced is damaged');
  return { one, header: one.header, bytes, end, known: trusted };
}

/** Walks back from the newest header to what is certainly whole, then forward to where the log ends. */
async function findTail(store: Store, found: readonly Found[]): Promise<Tail | undefined> {
  const byNumber = new Map(found.map((one) => [one.number, one]));
  let newest = found.findLast(({ header }) => header);
  await refuseUnreadable(found, newest);
  if (!newest) return undefined;
  for (;;) {
    const chain = [newest];
    for (let first: Found = newest; ; ) {
      const { previous, previousKnown } = first.header!;
      const before = byNumber.get(previous.segment);
      if (previousKnown || !before || (before.header && (await trailerOf(before, before.header.id))?.end === previous.offset)) break;
      chain.unshift(before);
      if (!before.header) break;
      first = before;
    }
    const images = new Map<Found, Uint8Array>();
    for (const one of chain) images.set(one, await one.file.read(0, one.size));
    let last: Tail | undefined;
    let broken: { one: Found; at: number } | undefined;
    for (const [nth, one] of chain.entries()) {
      const tail = readTail(store, one, images.get(one)!, chain[nth + 1]?.header?.previous.offset);
      const before: Place | undefined = last?.known;
      if (tail.whole) last = before && isAbove(before, tail.whole.known.segment, tail.whole.known.offset) ? { ...tail.whole, known: before } : tail.whole;
      if (tail.badAt === undefined) continue;
      broken = { one, at: tail.badAt };
      break;
    }
    if (broken) {
      const later = chain.slice(chain.indexOf(broken.one));
      refuseDamage(later, images, broken.at);
      if (!last) {
        // Not even its directory: the segment was never begun as far as anybody was told, so the one before is the last.
        const { number, header } = broken.one;
        if (header?.previous.segment === 0) return undefined;
        const before = header ? byNumber.get(header.previous.segment) : found.findLast((other) => other.header && other.number < number);
        if (!before?.header) throw corruption(segmentName(header?.previous.segment ?? number), 0, SEGMENT_HEADER_BYTES, 'the file is missing or its header is damaged');
        newest = before;
        continue;
      }
    }
    return last;
  }
}

/** A file's own end, or where it breaks: `badAt` without `whole` means that it has no directory. */
function readTail(store: Store, one: Found, bytes: Uint8Array, until: number | undefined): { whole?: Tail; badAt?: number } {
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

/** Files without a readable header: prepared ones are nothing; one that holds synced blocks is damaged; others are not ours. */
async function refuseUnreadable(found: readonly Found[], newest: Found | undefined): Promise<void> {
  for (const one of found) {
    if (one.header || (newest && one.number < newest.number)) continue;
    const bytes = await one.file.read(0, one.size);
    const evidence = findEvidence(bytes, 0, { segment: one.number, offset: 0 });
    if (evidence || (!newest && !one.blank && hasBlocks(bytes, one.number))) {
      throw corruption(one.name, 0, SEGMENT_HEADER_BYTES, 'the header of the file is damaged');
    }
    if (!newest && !one.blank && one.size > SEGMENT_HEADER_BYTES) {
      throw new WaysideError('UNAVAILABLE', `${one.name} is no log of Wayside. Move it out of the folder, or open another one; nothing was changed.`);
    }
  }
}

/** A first segment may hold blocks although none tells that it was synced. */
function hasBlocks(bytes: Uint8Array, number: number): boolean {
  const block = decodeBlockHeader(viewOf(bytes), bytes, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
  return block === 'newer' || (block !== undefined && block.known.segment <= number);
}

function headSegment(store: Store, tail: Tail): Segment {
  const { one, header, bytes, end } = tail;
  const head = new Segment(one.number, header.id, header.previous);
  head.end = end;
  head.table = new EntryTable();
  scanBlocks(one.name, bytes, header.id, SEGMENT_HEADER_BYTES, end, store.ports.crc32c, (record, body, offset) => {
    if (record.type === RECORD_DIRECTORY) head.base = offset + body.length;
    replay(store, head, record, body, offset);
    if (record.type === RECORD_DIRECTORY) store.segments.set(head.number, head);
  });
  return head;
}

/** Learns from its footer what lies in a segment before the last; without one, from its blocks. */
async function adoptSegment(store: Store, segment: Segment, one: Found): Promise<void> {
  const { crc32c } = store.ports;
  if (one.size < segment.end) throw corruption(segment.name, one.size, segment.end, 'the file is cut short');
  const trailer = await trailerOf(one, segment.id);
  if (trailer && trailer.end === segment.end) {
    const list = await one.file.read(trailer.listAt, trailer.listBytes);
    if (list.length === trailer.listBytes && crc32c(list) === trailer.listCrc) {
      segment.base = trailer.base;
      segment.sealed = true;
      for (const { key, ...note } of decodeNotes(list)) {
        const actor = store.actors.byKey.get(key);
        if (actor) store.actors.adopt(Object.assign(newRange(actor, segment), note));
      }
      return;
    }
  }
  const bytes = await one.file.read(0, segment.end);
  if (one.size > segment.end && (await isFooterLost(one, segment))) store.ports.journal.warn(`${segment.name}: the footer is damaged and is built again.`);
  segment.table = new EntryTable();
  const gone = new Map<ActorKey, Range>();
  const end = scanBlocks(one.name, bytes, segment.id, SEGMENT_HEADER_BYTES, segment.end, crc32c, (record, body, offset) => {
    if (record.type === RECORD_DIRECTORY) segment.base = offset + body.length;
    if (record.type === RECORD_ENTRY) addFound(store, segment, gone, record, offset);
  });
  if (end !== segment.end) throw corruption(segment.name, end, segment.end, 'a block is damaged, and so is the footer that would step over it');
}

/**
 * @param gone ranges of actors that are removed by what comes later: the footer lists them all the same, since what comes
 * later may still be lost in a crash
 */
function addFound(store: Store, segment: Segment, gone: Map<ActorKey, Range>, record: RecordHeader, offset: number): void {
  const key = keyOf(record);
  const row = addEntry(segment, record, offset);
  const actor = store.actors.byKey.get(key);
  if (actor) return store.actors.entry(actor, segment, row);
  let range = gone.get(key);
  if (!range) {
    range = { ...newRange(new Actor(key), segment), rows: [] };
    gone.set(key, range);
    segment.begun.push(range);
  }
  addRow(range, segment.table!, row);
}

async function isFooterLost(one: Found, segment: Segment): Promise<boolean> {
  const first = await one.file.read(segment.end, 8);
  return first.some((byte) => byte !== 0);
}

async function trailerOf(one: Found, id: FileId): Promise<Trailer | undefined> {
  if (one.size < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return undefined;
  return decodeTrailer(await one.file.read(one.size - TRAILER_BYTES, TRAILER_BYTES), one.size, id);
}

/**
 * What is not known to have been synced is written again where it lies. It may have been read from the system's cache: after
 * a sync that failed in a former process the cache has it, the disk has not, and another sync would write nothing.
 */
async function writeAgain(segment: Segment, file: File, known: Place): Promise<void> {
  if (segment.number < known.segment || isPlanted('trust-the-page-cache')) return;
  const from = segment.number === known.segment ? known.offset : 0;
  if (from >= segment.end) return;
  await file.writeAhead(from, await file.read(from, segment.end - from));
  // A footer says that what is before it is synced, so it comes after.
  await file.sync();
}

async function countCut(store: Store, tables: Tables): Promise<void> {
  const { stale } = store.actors;
  markCopied(store.actors);
  if (stale.size > COUNT_AT_ONCE) return;
  for (const range of [...stale] as Range[]) {
    try {
      await recount(store.actors, tables, range);
    } catch (error) {
      // Damaged: it is counted as living, and reads of it will say so.
      store.ports.journal.error(`${range.segment.name}: ${error instanceof Error ? error.message : String(error)}`);
      stale.delete(range);
    }
  }
}
