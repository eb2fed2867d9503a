/**
 * The heads of many entries, a column a field: an object an entry would cost several times the memory.
 *
 * Holds: rows are only added. In memory for the segment being written; packed into the footer of a sealed one, where each
 * actor's rows lie together in the order of their index (12 to 20 bytes an entry) and are unpacked when needed.
 * Elsewhere: which rows are whose (actors.ts), which live (reading.ts).
 */
import type { EntryHead } from '../ports.ts';
import { recordBytes } from './format.ts';

export class EntryTable {
  count = 0;
  offset: Uint32Array;
  bodyBytes: Uint32Array;
  crc: Uint32Array;
  epoch: Uint32Array;
  messages: Uint32Array;
  index: Float64Array;
  first: Float64Array;
  time: Float64Array;
  kind: Uint8Array;
  version: Uint8Array;
  data: Uint8Array;

  constructor(room = 256) {
    this.offset = new Uint32Array(room);
    this.bodyBytes = new Uint32Array(room);
    this.crc = new Uint32Array(room);
    this.epoch = new Uint32Array(room);
    this.messages = new Uint32Array(room);
    this.index = new Float64Array(room);
    this.first = new Float64Array(room);
    this.time = new Float64Array(room);
    this.kind = new Uint8Array(room);
    this.version = new Uint8Array(room);
    this.data = new Uint8Array(room);
  }

  /** @returns the row */
  add(
    offset: number,
    index: number,
    kind: number,
    version: number,
    epoch: number,
    first: number,
    messages: number,
    time: number,
    data: boolean,
    crc: number,
    bodyBytes: number,
  ): number {
    if (this.count === this.offset.length) this.#grow();
    const row = this.count++;
    this.offset[row] = offset;
    this.index[row] = index;
    this.kind[row] = kind;
    this.version[row] = version;
    this.epoch[row] = epoch;
    this.first[row] = first;
    this.messages[row] = messages;
    this.time[row] = time;
    this.data[row] = data ? 1 : 0;
    this.crc[row] = crc;
    this.bodyBytes[row] = bodyBytes;
    return row;
  }

  head(row: number): EntryHead {
    return {
      index: this.index[row]!,
      kind: this.kind[row]!,
      version: this.version[row]!,
      epoch: this.epoch[row]!,
      first: this.first[row]!,
      count: this.messages[row]!,
      time: this.time[row]!,
      data: this.data[row] === 1,
      crc: this.crc[row]!,
      bodyBytes: this.bodyBytes[row]!,
    };
  }

  /** Bytes that the entry of a row occupies in the log. */
  bytes(row: number): number {
    return recordBytes(this.bodyBytes[row]!);
  }

  #grow(): void {
    const room = this.offset.length * 2;
    this.offset = copied(this.offset, new Uint32Array(room));
    this.bodyBytes = copied(this.bodyBytes, new Uint32Array(room));
    this.crc = copied(this.crc, new Uint32Array(room));
    this.epoch = copied(this.epoch, new Uint32Array(room));
    this.messages = copied(this.messages, new Uint32Array(room));
    this.index = copied(this.index, new Float64Array(room));
    this.first = copied(this.first, new Float64Array(room));
    this.time = copied(this.time, new Float64Array(room));
    this.kind = copied(this.kind, new Uint8Array(room));
    this.version = copied(this.version, new Uint8Array(room));
    this.data = copied(this.data, new Uint8Array(room));
  }
}

function copied<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Rows of one actor in the order of their index: those of a shared table, or all of a table of its own. */
export interface Rows {
  readonly table: EntryTable;
  readonly rows: readonly number[] | undefined;
  readonly count: number;
}

export const rowAt = (rows: Rows, at: number): number => (rows.rows ? rows.rows[at]! : at);

/** The first place in `rows` whose index is at least `index`. */
export function placeOf(rows: Rows, index: number): number {
  let low = 0;
  let high = rows.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows.table.index[rowAt(rows, middle)]! < index) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Longest packed row: a byte of flags, the CRC, three bytes of kind, version and so on, and seven varints. */
const ROW_BYTES_MAX = 1 + 4 + 2 + 8 * 8;
const PACKED_DATA = 1;
const PACKED_AS_BEFORE = 2;
/** The difference is downwards: a sign of its own, since doubling would leave the whole numbers. */
const PACKED_OFFSET_DOWN = 4;
const PACKED_FIRST_DOWN = 8;
const PACKED_TIME_DOWN = 16;

/** Rows packed in one go, about a millisecond. */
const ROWS_A_STEP = 8192;

/**
 * Differences to the row before, as varints: an entry of an ordinary stream takes 12 to 20 bytes. Yields now and then, since
 * a segment of small entries has half a million of them.
 */
export function* packRows(rows: Rows): Generator<void, Uint8Array> {
  const out = new Packed(new Uint8Array(Math.min(rows.count, 64) * ROW_BYTES_MAX));
  const { table } = rows;
  let offset = 0;
  let index = 0;
  let kind = -1;
  let version = -1;
  let epoch = -1;
  let next = 0;
  let time = 0;
  for (let at = 0; at < rows.count; at++) {
    out.reserve(ROW_BYTES_MAX);
    const row = rowAt(rows, at);
    const same = table.kind[row] === kind && table.version[row] === version && table.epoch[row] === epoch;
    const offsetBy = table.offset[row]! - offset;
    const firstBy = table.first[row]! - next;
    const timeBy = table.time[row]! - time;
    out.byte(
      (table.data[row] === 1 ? PACKED_DATA : 0) |
        (same ? PACKED_AS_BEFORE : 0) |
        (offsetBy < 0 ? PACKED_OFFSET_DOWN : 0) |
        (firstBy < 0 ? PACKED_FIRST_DOWN : 0) |
        (timeBy < 0 ? PACKED_TIME_DOWN : 0),
    );
    if (!same) {
      kind = table.kind[row]!;
      version = table.version[row]!;
      epoch = table.epoch[row]!;
      out.byte(kind);
      out.byte(version);
      out.number(epoch);
    }
    const messages = table.messages[row]!;
    out.number(table.index[row]! - index);
    out.number(Math.abs(offsetBy));
    out.number(table.bodyBytes[row]!);
    out.number(messages);
    out.number(Math.abs(firstBy));
    out.number(Math.abs(timeBy));
    out.u32(table.crc[row]!);
    offset = table.offset[row]!;
    index = table.index[row]!;
    next = nextAfter(table.first[row]!, messages, next);
    time = table.time[row]!;
    if (at % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
  }
  return out.bytes.subarray(0, out.at);
}

/** The bytes were checked against their CRC before: what does not parse now is a mistake of ours. */
export function unpackRows(bytes: Uint8Array, count: number): Rows {
  const table = new EntryTable(count);
  const from = new Packed(bytes);
  let kind = 0;
  let version = 0;
  let epoch = 0;
  let index = 0;
  let offset = 0;
  let next = 0;
  let time = 0;
  for (let at = 0; at < count; at++) {
    const flags = from.takeByte();
    if ((flags & PACKED_AS_BEFORE) === 0) {
      kind = from.takeByte();
      version = from.takeByte();
      epoch = from.takeNumber();
    }
    index += from.takeNumber();
    offset += signed(from.takeNumber(), flags & PACKED_OFFSET_DOWN);
    const bodyBytes = from.takeNumber();
    const messages = from.takeNumber();
    const first = next + signed(from.takeNumber(), flags & PACKED_FIRST_DOWN);
    time += signed(from.takeNumber(), flags & PACKED_TIME_DOWN);
    next = nextAfter(first, messages, next);
    table.add(offset, index, kind, version, epoch, first, messages, time, (flags & PACKED_DATA) !== 0, from.takeU32(), bodyBytes);
  }
  return { table, rows: undefined, count };
}

const signed = (value: number, down: number): number => (down ? -value : value);

/** The sequence that the next data entry is expected to begin with; kept where differences to it are exact. */
function nextAfter(first: number, messages: number, before: number): number {
  if (messages === 0) return before;
  return first + messages <= 2 ** 52 ? first + messages : 0;
}

/** Bytes with a cursor. Numbers up to 2^53, which 32-bit shifts would spoil. */
class Packed {
  bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    this.bytes = copied(this.bytes, new Uint8Array(this.bytes.length * 2 + more));
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  number(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at++] = rest;
  }

  u32(value: number): void {
    const { bytes } = this;
    bytes[this.at++] = value;
    bytes[this.at++] = value >>> 8;
    bytes[this.at++] = value >>> 16;
    bytes[this.at++] = value >>> 24;
  }

  takeByte(): number {
    return this.bytes[this.at++]!;
  }

  takeNumber(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  takeU32(): number {
    const { bytes, at } = this;
    this.at += 4;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }
}
