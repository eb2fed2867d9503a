/**
 * The exported stream: frames, each with a CRC that goes on from the one before, so that none can be missing, doubled or
 * moved. FORMAT.md has the bytes drawn.
 *
 * Holds: a stream is whole only with its `end`, which counts what came before; a later layout gets another version, and this
 * one stays readable.
 * Elsewhere: what is in it (export.ts), what is made of it (import.ts).
 */
import { crc32c } from '../crc32c.ts';
import { stationRecord } from '../entry/catalog.ts';
import type { Codec, Of } from '../entry/codec.ts';
import { bytes, decode, encode, list, number, struct, text } from '../entry/codec.ts';
import { WaysideError } from '../errors.ts';

/** `WSX`, and the version of the stream. */
const MAGIC = Uint8Array.of(0x57, 0x53, 0x58);
const VERSION = 1;
export const PREAMBLE_BYTES = 4;
/** Length of what is behind it, CRC, type. */
const FRAME_HEAD_BYTES = 9;
/** A section or an entry has to fit. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** `at`: ms since 1970. */
const begin = struct({ id: text, at: number, stations: number });

/**
 * A station as its catalog had it. Of each partition: the index of its last entry, and what was on its way to others
 * and is there (the numbers of those intents).
 */
const station = struct({
  station: stationRecord,
  partitions: list(struct({ last: number, arrived: list(number) })),
});

const section = struct({ station: number, partition: number, name: text, body: bytes });

const entry = struct({
  station: number,
  partition: number,
  index: number,
  kind: number,
  version: number,
  first: number,
  count: number,
  time: number,
  body: bytes,
});

const end = struct({ stations: number, sections: number, entries: number });

const LAYOUTS = { begin, station, section, entry, end } as const;
const TYPES = ['begin', 'station', 'section', 'entry', 'end'] as const;

export type FrameType = (typeof TYPES)[number];
type FrameOf<T extends FrameType> = { readonly type: T } & Of<(typeof LAYOUTS)[T]>;
export type Frame = { [T in FrameType]: FrameOf<T> }[FrameType];

export function preamble(): Uint8Array {
  return Uint8Array.of(...MAGIC, VERSION);
}

/** @returns the frame, and the CRC that the next one goes on from */
export function encodeFrame<T extends FrameType>(
  type: T,
  value: Of<(typeof LAYOUTS)[T]>,
  crcBefore: number,
): { readonly bytes: Uint8Array; readonly crc: number } {
  const body = encode(LAYOUTS[type] as Codec<unknown>, value);
  const frame = new Uint8Array(FRAME_HEAD_BYTES + body.length);
  frame[8] = TYPES.indexOf(type);
  frame.set(body, FRAME_HEAD_BYTES);
  const crc = crc32c(frame, 8, frame.length, crcBefore);
  const view = new DataView(frame.buffer);
  view.setUint32(0, body.length, true);
  view.setUint32(4, crc, true);
  return { bytes: frame, crc };
}

/** Takes a stream apart, piece by piece as it comes. */
export class FrameReader {
  /** Of the stream, up to the last whole frame. */
  offset = 0;
  #crc = 0;
  #bytes = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  feed(piece: Uint8Array): void {
    const left = this.#end - this.#start;
    if (this.#end + piece.length > this.#bytes.length) {
      const larger = left + piece.length > this.#bytes.length / 2;
      const bytes = larger ? new Uint8Array(Math.max(this.#bytes.length * 2, left + piece.length)) : this.#bytes;
      bytes.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = left;
    }
    this.#bytes.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** Bytes have come that are no whole frame. */
  get hasRest(): boolean {
    return this.#end > this.#start;
  }

  /** Bytes that are no whole frame yet: those are forgotten, since whoever goes on sends them again. */
  rewind(): void {
    this.#end = this.#start;
  }

  /**
   * The next whole frame, undefined until more is fed. Its bytes are the caller's.
   *
   * @throws IMPORT_REFUSED it is no such stream, a newer one, or damaged
   */
  next(): Frame | undefined {
    if (this.offset === 0 && !this.#readPreamble()) return undefined;
    const left = this.#end - this.#start;
    if (left < FRAME_HEAD_BYTES) return undefined;
    const view = new DataView(this.#bytes.buffer, this.#start);
    const length = view.getUint32(0, true);
    if (length > FRAME_BYTES_MAX) throw this.#damaged();
    if (left < FRAME_HEAD_BYTES + length) return undefined;
    const frame = this.#bytes.slice(this.#start, this.#start + FRAME_HEAD_BYTES + length);
    const crc = crc32c(frame, 8, frame.length, this.#crc);
    if (crc !== view.getUint32(4, true)) throw this.#damaged();
    const type = TYPES[frame[8]!];
    if (type === undefined) throw this.#damaged();
    this.#crc = crc;
    const found = this.#decode(type, frame.subarray(FRAME_HEAD_BYTES));
    this.#start += frame.length;
    this.offset += frame.length;
    return found;
  }

  #readPreamble(): boolean {
    const found = this.#bytes.subarray(this.#start, Math.min(this.#end, this.#start + PREAMBLE_BYTES));
    if (MAGIC.some((byte, at) => at < found.length && found[at] !== byte))
      throw importRefused('This is no exported stream: it does not begin like one.');
    if (found.length < PREAMBLE_BYTES) return false;
    if (found[3] !== VERSION)
      throw importRefused(`The stream is of version ${found[3]}, and this broker reads version ${VERSION}. Use a broker that wrote it.`);
    this.#start += PREAMBLE_BYTES;
    this.offset = PREAMBLE_BYTES;
    return true;
  }

  #decode(type: FrameType, body: Uint8Array): Frame {
    try {
      return { type, ...(decode(LAYOUTS[type] as Codec<object>, body) as object) } as Frame;
    } catch (error) {
      if (error instanceof WaysideError && error.code === 'CORRUPTION') throw this.#damaged();
      throw error;
    }
  }

  #damaged(): WaysideError {
    return importRefused(`The stream is damaged at byte ${this.offset}, or was not continued where it broke off.`);
  }
}

export function importRefused(detail: string): WaysideError {
  return new WaysideError('IMPORT_REFUSED', `${detail} Nothing was imported.`);
}
