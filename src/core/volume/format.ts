/**
 * The bytes of a segment file: the lengths and codecs of its four headers. FORMAT.md draws them.
 *
 * Holds: every header carries a CRC-32C seeded by its place (file id + offset), so that stale or misdirected bytes never
 * parse; all numbers are little-endian; every header and body starts at a multiple of 8.
 * Elsewhere: what the records mean (replay.ts), where they go (writer.ts), who refuses damage (opening.ts).
 */
import { crc32c } from '../crc32c.ts';

export const FORMAT_VERSION = 1;

export const SEGMENT_HEADER_BYTES = 512;
export const BLOCK_HEADER_BYTES = 40;
export const RECORD_HEADER_BYTES = 64;
export const TRAILER_BYTES = 48;

const SEGMENT_MAGIC = 0x47455357; // "WSEG"
export const BLOCK_MAGIC = 0x31425357; // "WSB1"
const TRAILER_MAGIC = 0x52545357; // "WSTR"

/** What a block holds. */
export const BLOCK_RECORDS = 1;
export const BLOCK_FOOTER = 2;

/** What a record is. Only an entry's body belongs to an actor; the others are the volume's own. */
export const RECORD_ENTRY = 1;
export const RECORD_SECTION = 2;
export const RECORD_TRIM = 3;
export const RECORD_DUE = 4;
export const RECORD_REMOVE = 5;
export const RECORD_DROP = 6;
export const RECORD_DIRECTORY = 7;
const RECORD_TYPE_MAX = RECORD_DIRECTORY;

/** Flags of a record. `COPIED`: a leftover carried forward, its index may be lower than the last. `NONE`: a value taken away. */
export const FLAG_DATA = 1;
export const FLAG_COPIED = 2;
export const FLAG_NONE = 4;
const FLAGS_KNOWN = FLAG_DATA | FLAG_COPIED | FLAG_NONE;

/** The identity of one life of a file: a recycled file gets another one. */
export interface FileId {
  readonly a: number;
  readonly b: number;
}

/** A place in the log: segments are ordered by number, bytes by offset. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

export const pad8 = (bytes: number): number => (bytes + 7) & ~7;

/** What an entry or a section with a body of so many bytes occupies. */
export const recordBytes = (bodyBytes: number): number => RECORD_HEADER_BYTES + pad8(bodyBytes);

export const isAbove = (place: Place, segment: number, offset: number): boolean =>
  place.segment > segment || (place.segment === segment && place.offset > offset);

/** The start of a file's CRCs; with an offset added, the seed of one header. */
export function seedOf(id: FileId): number {
  return (Math.imul(id.a ^ (id.a >>> 15), 0x2c1b3c6d) ^ Math.imul(id.b ^ (id.b >>> 13), 0x297a2d39)) >>> 0;
}

const place = (seed: number, offset: number): number => (seed + offset) >>> 0;

export function setU48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint16(at + 4, Math.floor(value / 2 ** 32), true);
}

export function getU48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
}

/** A whole number up to 2^53−1, in eight bytes. */
export function setWhole(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

export function getWhole(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The first 512 bytes of a file. */
export interface SegmentHeader {
  readonly id: FileId;
  readonly number: number;
  readonly epoch: number;
  /** The segment before this one (0 for none) and how many of its bytes are valid. */
  readonly previous: Place;
  /** `previous` was synced, or cut there, before this header was written: nothing beyond it was ever valid. */
  readonly previousKnown: boolean;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, SEGMENT_MAGIC, true);
  view.setUint8(8, FORMAT_VERSION);
  view.setUint8(9, header.previousKnown ? 1 : 0);
  view.setUint32(16, header.id.a, true);
  view.setUint32(20, header.id.b, true);
  view.setUint32(24, header.number, true);
  view.setUint32(28, header.epoch, true);
  view.setUint32(32, header.previous.segment, true);
  view.setUint32(36, header.previous.offset, true);
  view.setUint32(4, crc32c(bytes, 8, SEGMENT_HEADER_BYTES, seedOf(header.id)), true);
  return bytes;
}

/** @returns `newer` where a later version of the format wrote it, undefined where it is damaged or no header at all */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | 'newer' | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== SEGMENT_MAGIC) return undefined;
  const id = { a: view.getUint32(16, true), b: view.getUint32(20, true) };
  if (view.getUint32(4, true) !== crc32c(bytes, 8, SEGMENT_HEADER_BYTES, seedOf(id))) return undefined;
  if (view.getUint8(8) !== FORMAT_VERSION) return 'newer';
  return {
    id,
    number: view.getUint32(24, true),
    epoch: view.getUint32(28, true),
    previous: { segment: view.getUint32(32, true), offset: view.getUint32(36, true) },
    previousKnown: (view.getUint8(9) & 1) === 1,
  };
}

export interface BlockHeader {
  readonly id: FileId;
  readonly type: number;
  /** Bytes that follow the header. */
  readonly length: number;
  readonly epoch: number;
  /** All bytes of the log below this place were synced before this block was written. */
  readonly known: Place;
}

/** Writes the header of a block that lies at `at` of `view`, and at `offset` of its file. */
export function encodeBlockHeader(view: DataView, bytes: Uint8Array, at: number, offset: number, seed: number, block: BlockHeader): void {
  view.setUint32(at, BLOCK_MAGIC, true);
  view.setUint8(at + 8, FORMAT_VERSION);
  view.setUint8(at + 9, block.type);
  view.setUint16(at + 10, 0, true);
  view.setUint32(at + 12, block.length, true);
  view.setUint32(at + 16, block.id.a, true);
  view.setUint32(at + 20, block.id.b, true);
  view.setUint32(at + 24, block.epoch, true);
  view.setUint32(at + 28, block.known.segment, true);
  view.setUint32(at + 32, block.known.offset, true);
  view.setUint32(at + 36, 0, true);
  view.setUint32(at + 4, crc32c(bytes, at + 8, at + BLOCK_HEADER_BYTES, place(seed, offset)), true);
}

/** @param id where it is known, blocks of another file are refused; `newer` as for segments */
export function decodeBlockHeader(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  offset: number,
  id?: FileId,
): BlockHeader | 'newer' | undefined {
  if (at + BLOCK_HEADER_BYTES > bytes.length || view.getUint32(at, true) !== BLOCK_MAGIC) return undefined;
  const found = { a: view.getUint32(at + 16, true), b: view.getUint32(at + 20, true) };
  if (id && (id.a !== found.a || id.b !== found.b)) return undefined;
  if (view.getUint32(at + 4, true) !== crc32c(bytes, at + 8, at + BLOCK_HEADER_BYTES, place(seedOf(found), offset))) return undefined;
  const type = view.getUint8(at + 9);
  if (view.getUint8(at + 8) !== FORMAT_VERSION || (type !== BLOCK_RECORDS && type !== BLOCK_FOOTER)) return 'newer';
  const length = view.getUint32(at + 12, true);
  if (length % 8 !== 0) return undefined;
  return {
    id: found,
    type,
    length,
    epoch: view.getUint32(at + 24, true),
    known: { segment: view.getUint32(at + 28, true), offset: view.getUint32(at + 32, true) },
  };
}

/** One layout for every record; FORMAT.md says what each type keeps in `index`, `first`, `count` and `time`. */
export interface RecordHeader {
  readonly type: number;
  readonly kind: number;
  readonly version: number;
  readonly flags: number;
  readonly bodyBytes: number;
  readonly crc: number;
  readonly namespace: number;
  readonly station: number;
  readonly partition: number;
  readonly epoch: number;
  readonly index: number;
  readonly first: number;
  readonly count: number;
  readonly time: number;
}

export function encodeRecordHeader(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  offset: number,
  seed: number,
  record: RecordHeader,
): void {
  view.setUint8(at + 4, record.type);
  view.setUint8(at + 5, record.kind);
  view.setUint8(at + 6, record.version);
  view.setUint8(at + 7, record.flags);
  view.setUint32(at + 8, record.bodyBytes, true);
  view.setUint32(at + 12, record.crc, true);
  view.setUint32(at + 16, record.namespace, true);
  view.setUint16(at + 20, record.partition, true);
  setU48(view, at + 22, record.station);
  view.setUint32(at + 28, record.epoch, true);
  setWhole(view, at + 32, record.index);
  setWhole(view, at + 40, record.first);
  setWhole(view, at + 48, record.time);
  view.setUint32(at + 56, record.count, true);
  view.setUint32(at + 60, 0, true);
  view.setUint32(at, crc32c(bytes, at + 4, at + RECORD_HEADER_BYTES, place(seed, offset)), true);
}

/** @returns undefined where the header is damaged or belongs elsewhere, `newer` where its type or flags are unknown */
export function decodeRecordHeader(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  offset: number,
  seed: number,
): RecordHeader | 'newer' | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length) return undefined;
  if (view.getUint32(at, true) !== crc32c(bytes, at + 4, at + RECORD_HEADER_BYTES, place(seed, offset))) return undefined;
  const type = view.getUint8(at + 4);
  const flags = view.getUint8(at + 7);
  if (type < 1 || type > RECORD_TYPE_MAX || (flags & ~FLAGS_KNOWN) !== 0) return 'newer';
  return {
    type,
    kind: view.getUint8(at + 5),
    version: view.getUint8(at + 6),
    flags,
    bodyBytes: view.getUint32(at + 8, true),
    crc: view.getUint32(at + 12, true),
    namespace: view.getUint32(at + 16, true),
    station: getU48(view, at + 22),
    partition: view.getUint16(at + 20, true),
    epoch: view.getUint32(at + 28, true),
    index: getWhole(view, at + 32),
    first: getWhole(view, at + 40),
    count: view.getUint32(at + 56, true),
    time: getWhole(view, at + 48),
  };
}

/** The last bytes of a sealed file: where its blocks end and where the list of its ranges lies. */
export interface Trailer {
  readonly id: FileId;
  /** End of the directory, and of the blocks: there the footer begins. */
  readonly base: number;
  readonly end: number;
  readonly listAt: number;
  readonly listBytes: number;
  readonly listCrc: number;
}

/** @param size of the whole file, which the CRC covers: a trailer counts only at the end of its file */
export function encodeTrailer(trailer: Trailer, size: number): Uint8Array {
  const bytes = new Uint8Array(TRAILER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, TRAILER_MAGIC, true);
  view.setUint8(8, FORMAT_VERSION);
  view.setUint32(16, trailer.id.a, true);
  view.setUint32(20, trailer.id.b, true);
  view.setUint32(24, trailer.end, true);
  view.setUint32(28, trailer.listAt, true);
  view.setUint32(32, trailer.listBytes, true);
  view.setUint32(36, trailer.listCrc, true);
  view.setUint32(40, trailer.base, true);
  view.setUint32(4, crc32c(bytes, 8, TRAILER_BYTES, place(seedOf(trailer.id), size)), true);
  return bytes;
}

export function decodeTrailer(bytes: Uint8Array, size: number, id: FileId): Trailer | undefined {
  if (bytes.length < TRAILER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== TRAILER_MAGIC || view.getUint8(8) !== FORMAT_VERSION) return undefined;
  if (view.getUint32(16, true) !== id.a || view.getUint32(20, true) !== id.b) return undefined;
  if (view.getUint32(4, true) !== crc32c(bytes, 8, TRAILER_BYTES, place(seedOf(id), size))) return undefined;
  return {
    id,
    base: view.getUint32(40, true),
    end: view.getUint32(24, true),
    listAt: view.getUint32(28, true),
    listBytes: view.getUint32(32, true),
    listCrc: view.getUint32(36, true),
  };
}

/** A section's body begins with its name; `kind` says how long that is. */
export function sectionName(record: RecordHeader, body: Uint8Array): string {
  return String.fromCharCode(...body.subarray(0, record.kind));
}
