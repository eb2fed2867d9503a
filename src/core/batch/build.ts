/**
 * Building a record batch (`WSR1`, FORMAT.md): in the SDK from messages, in the gateway from JSON, in a partition from
 * records of another batch.
 *
 * Holds: what `finish` gives passes `checkBatch`, but for limits and for a batch without records; an `append` that
 * throws leaves the builder as it was. One buffer grows and is kept over `reset`; nothing else lives a message long.
 * Leaves to the caller: limits (`count` and `byteLength` say when to finish).
 */
import type { Crc32c } from '../crc32c.ts';
import { crc32c } from '../crc32c.ts';
import { WaysideError } from '../errors.ts';
import {
  CRC_BYTES,
  FLAG_CRC,
  HAS_CONTENT_TYPE,
  HAS_DELAY,
  HAS_EXPIRES,
  HAS_HEADERS,
  HAS_ID,
  HAS_KEY,
  HEADER_BYTES,
  putHeader,
  putU32,
  RECORD_HEAD_BYTES,
} from './layout.ts';
import { varintBytes, writeVarint } from './varint.ts';

/** A message to encode. What is absent or undefined takes no byte; an empty text or `[]` does, and comes back as such. */
export interface NewMessage {
  readonly key?: string | undefined;
  readonly id?: string | undefined;
  readonly contentType?: string | undefined;
  /** Name and value in order; names may repeat. */
  readonly headers?: readonly (readonly [string, string])[] | undefined;
  /** Whole milliseconds, 0 to 2^53−1. */
  readonly delayMs?: number | undefined;
  readonly expiresMs?: number | undefined;
  readonly payload: Uint8Array;
}

export class BatchBuilder {
  /** Records so far. */
  count = 0;
  readonly #crcOf: Crc32c;
  #bytes: Uint8Array<ArrayBuffer>;
  #end = HEADER_BYTES;

  /**
   * @param capacity bytes held from the start; the buffer doubles when they do not do
   * @param crcOf a host's faster CRC-32C; the core's unless given
   */
  constructor(capacity = 4096, crcOf: Crc32c = crc32c) {
    this.#bytes = new Uint8Array(Math.max(capacity, HEADER_BYTES + CRC_BYTES));
    this.#crcOf = crcOf;
  }

  /** The size of the batch that `finish` would give now: header, records and CRC. */
  get byteLength(): number {
    return this.#end + CRC_BYTES;
  }

  /**
   * Encodes a message at the end of the batch.
   *
   * @throws INVALID_REQUEST a text holds a lone surrogate, which UTF-8 has no bytes for, or a time is no whole
   * number of milliseconds from 0; nothing is appended
   */
  append(message: NewMessage): void {
    const { key, id, contentType, headers, delayMs, expiresMs, payload } = message;
    const start = this.#end;
    let attrs = 0;
    let at = start + RECORD_HEAD_BYTES;
    if (key !== undefined) {
      attrs |= HAS_KEY;
      at = this.#putText(at, key, 'key');
    }
    if (id !== undefined) {
      attrs |= HAS_ID;
      at = this.#putText(at, id, 'id');
    }
    if (contentType !== undefined) {
      attrs |= HAS_CONTENT_TYPE;
      at = this.#putText(at, contentType, 'contentType');
    }
    if (headers !== undefined) {
      attrs |= HAS_HEADERS;
      at = this.#putNumber(at, headers.length, 'headers');
      for (const [name, value] of headers) at = this.#putText(this.#putText(at, name, 'headers'), value, 'headers');
    }
    if (delayMs !== undefined) {
      attrs |= HAS_DELAY;
      at = this.#putNumber(at, delayMs, 'delayMs');
    }
    if (expiresMs !== undefined) {
      attrs |= HAS_EXPIRES;
      at = this.#putNumber(at, expiresMs, 'expiresMs');
    }
    const end = at + payload.length;
    this.#reserve(end);
    const bytes = this.#bytes;
    bytes.set(payload, at);
    putU32(bytes, start, end - start - 4);
    bytes[start + 4] = attrs;
    bytes[start + 5] = 0;
    // Only now does the record count: whatever threw before has left nothing behind.
    this.#end = end;
    this.count++;
  }

  /** Copies one record as it lies in a checked batch, `start` (its length) up to `end`. */
  appendRecord(bytes: Uint8Array, start: number, end: number): void {
    this.appendRecords(bytes, start, end, 1);
  }

  /** Copies a run of `count` whole records, which lie end to end in a checked batch. */
  appendRecords(bytes: Uint8Array, start: number, end: number, count: number): void {
    const to = this.#end;
    this.#reserve(to + end - start);
    // A short run is copied by hand, which costs less than the view that `set` asks for.
    if (end - start <= 64) for (let from = start, at = to; from < end; ) this.#bytes[at++] = bytes[from++]!;
    else this.#bytes.set(bytes.subarray(start, end), to);
    this.#end = to + end - start;
    this.count += count;
  }

  /** @returns the batch, which is the caller's; the builder goes on from where it is, or from nothing after `reset` */
  finish(): Uint8Array<ArrayBuffer> {
    const end = this.#end;
    this.#reserve(end + CRC_BYTES);
    putHeader(this.#bytes, FLAG_CRC, this.count, end - HEADER_BYTES);
    putU32(this.#bytes, end, this.#crcOf(this.#bytes, 0, end));
    return this.#bytes.slice(0, end + CRC_BYTES);
  }

  /** Forgets the records and keeps the buffer. */
  reset(): void {
    this.count = 0;
    this.#end = HEADER_BYTES;
  }

  /** @returns the offset after the text */
  #putText(at: number, text: string, field: string): number {
    const size = utf8Bytes(text);
    if (size < 0)
      throw new WaysideError('INVALID_REQUEST', `${field} holds half of a surrogate pair, which UTF-8 cannot carry.`, { field });
    this.#reserve(at + varintBytes(size) + size);
    const bytes = this.#bytes;
    const start = writeVarint(bytes, at, size);
    // Short ASCII texts are the rule: by hand they cost less than a call out of the engine.
    if (size === text.length && size <= 64) for (let i = 0; i < size; i++) bytes[start + i] = text.charCodeAt(i);
    else UTF8.encodeInto(text, bytes.subarray(start, start + size));
    return start + size;
  }

  #putNumber(at: number, value: number, field: string): number {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new WaysideError('INVALID_REQUEST', `${field} is ${value}; it is a whole number from 0 to 2^53−1.`, { field });
    }
    this.#reserve(at + varintBytes(value));
    return writeVarint(this.#bytes, at, value);
  }

  /** Room up to `end`, exclusive. What lies in the buffer stays, a half-written record too. */
  #reserve(end: number): void {
    if (end <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(end + CRC_BYTES, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

const UTF8 = new TextEncoder();

/** How many bytes a text takes as UTF-8; −1 where it holds a lone surrogate (`encodeInto` would replace it silently). */
function utf8Bytes(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) size += 1;
    else if (unit < 0xd800 || unit > 0xdfff) size += 2;
    else {
      const next = unit < 0xdc00 ? text.charCodeAt(i + 1) : 0;
      // A pair: two units, four bytes. `NaN` after the text's end is refused here too.
      if (!(next >= 0xdc00 && next <= 0xdfff)) return -1;
      size += 2;
      i++;
    }
  }
  return size;
}
