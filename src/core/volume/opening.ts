/**
 * Opening: finds how far the log is valid, tells a torn tail from damage, and starts a new segment behind it.
 *
 * Holds: until the decision is made nothing on disk is changed; a file that existed before is never appended to, only cut to
 * its valid end and sealed. The last segment alone is replayed: it begins with the directory of all before it.
 * Elsewhere: where the log ends (tail.ts), what a record does (replay.ts), the files' lock (log.ts).
 */
import { isPlanted } from '../faults.ts';
import type { ActorKey, File } from '../ports.ts';
import type { Range } from './actors.ts';
import { Actor, addRow, newRange } from './actors.ts';
import { markCopied, recount } from './counting.ts';
import { decodeNotes } from './footer.ts';
import type { Place, RecordHeader } from './format.ts';
import { decodeSegmentHeader, RECORD_DIRECTORY, RECORD_ENTRY, SEGMENT_HEADER_BYTES } from './format.ts';
import { addEntry, keyOf, replay } from './replay.ts';
import { scanBlocks } from './scan.ts';
import { seal } from './sealing.ts';
import { Segment, SPARE_NAME, segmentNumber } from './segment.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';
import { EntryTable } from './table.ts';
import type { Tables } from './tables.ts';
import type { Found, Tail } from './tail.ts';
import { blockEpoch, findTail, look, READS_MAX, trailerOf, trustedTail } from './tail.ts';

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

async function openFound(
  store: Store,
  tables: Tables,
  found: readonly Found[],
  trusted: Place | undefined,
  keep: Set<File>,
): Promise<Opened> {
  const highest = found.at(-1)?.number ?? 0;
  let epoch = 0;
  for (const one of found) epoch = Math.max(epoch, one.header?.epoch ?? (await blockEpoch(one)));
  const tail = trusted ? await trustedTail(store, found, trusted) : await findTail(store, found);
  if (!tail) {
    for (const { name } of found)
      store.ports.journal.warn(`${name}: the first start in this folder was interrupted; nothing was in it yet.`);
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
    await writeAgain(store, segment, one.file, tail.known);
    await seal(store, segment);
  }
  await countCut(store, tables);
  return {
    end: { segment: head.number, offset: head.end },
    epoch: isPlanted('epoch-stays') ? epoch : epoch + 1,
    number: highest + 1,
    leftovers,
  };
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
  if (one.size > segment.end && (await isFooterLost(one, segment)))
    store.ports.journal.warn(`${segment.name}: the footer is damaged and is built again.`);
  segment.table = new EntryTable();
  const gone = new Map<ActorKey, Range>();
  const end = scanBlocks(one.name, bytes, segment.id, SEGMENT_HEADER_BYTES, segment.end, crc32c, (record, body, offset) => {
    if (record.type === RECORD_DIRECTORY) segment.base = offset + body.length;
    if (record.type === RECORD_ENTRY) addFound(store, segment, gone, record, offset);
  });
  if (end !== segment.end)
    throw corruption(segment.name, end, segment.end, 'a block is damaged, and so is the footer that would step over it');
}

/**
 * @param gone ranges of actors that are removed by what comes later: the footer lists them all the same, since what comes
 * later may still be lost in a crash
 */
function addFound(store: Store, segment: Segment, gone: Map<ActorKey, Range>, record: RecordHeader, offset: number): void {
  const key = keyOf(record);
  const row = addEntry(segment, record, offset);
  const actor = store.actors.byKey.get(key);
  if (actor) {
    store.actors.entry(actor, segment, row);
    return;
  }
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

/**
 * What is not known to have been synced is written again where it lies. It may have been read from the system's cache: after
 * a sync that failed in a former process the cache has it, the disk has not, and another sync would write nothing.
 */
async function writeAgain(store: Store, segment: Segment, file: File, known: Place): Promise<void> {
  if (segment.number < known.segment || isPlanted('trust-the-page-cache')) return;
  const from = segment.number === known.segment ? known.offset : 0;
  if (from >= segment.end) return;
  await file.writeAhead(from, (await readWhole(store, segment, file)).subarray(from));
  // A footer says that what is before it is synced, so it comes after.
  await file.sync();
}

/** What is written again is checked before: a bit that only this read has turned must not come to rest. */
async function readWhole(store: Store, segment: Segment, file: File): Promise<Uint8Array> {
  for (let attempt = 0; attempt < READS_MAX; attempt++) {
    const bytes = await file.read(0, segment.end);
    const header = decodeSegmentHeader(bytes);
    if (header === undefined || header === 'newer') continue;
    const end = scanBlocks(segment.name, bytes, segment.id, SEGMENT_HEADER_BYTES, segment.end, store.ports.crc32c, () => {});
    if (end === segment.end) return bytes;
  }
  throw corruption(segment.name, 0, segment.end, 'it reads otherwise than a moment ago');
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
