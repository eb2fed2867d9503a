/**
 * A cursor over the records of a batch: where each field of the current record lies, without an object a record.
 *
 * Holds: offsets are absolute in `bytes`, and −1 where the record lacks the field; texts and headers are decoded only
 * when asked for, anew each time. `bytes` is never copied or kept beyond the cursor.
 * Leaves to `checkBatch` that the bytes are well-formed: a cursor over anything else reads nonsense.
 */
import { HAS_CONTENT_TYPE, HAS_DELAY, HAS_EXPIRES, HAS_HEADERS, HAS_ID, HAS_KEY, RECORD_HEAD_BYTES, u32At } from './layout.ts';
import { readVarint, varintBytes } from './varint.ts';

export class RecordCursor {
  readonly bytes: Uint8Array;
  /** Where the records end; exclusive. */
  readonly stop: number;
  /** Of the current record, from 0; −1 before the first `next`. */
  index = -1;
  /** The current record, its length included: `offset` up to `end`. */
  offset: number;
  end: number;
  attrs = 0;
  keyStart = -1;
  keyEnd = -1;
  idStart = -1;
  idEnd = -1;
  contentTypeStart = -1;
  contentTypeEnd = -1;
  /** The first header's name, after the count; `headersEnd` is after the last value. */
  headersStart = -1;
  headersEnd = -1;
  headersCount = -1;
  /** Whole milliseconds up to 2^53−1; −1 where the record has none. */
  delayMs = -1;
  expiresMs = -1;
  payloadStart = -1;
  payloadEnd = -1;

  /**
   * @param start where a record begins
   * @param end where the last one ends; exclusive
   */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.stop = end;
    this.offset = start;
    this.end = start;
  }

  /** Goes to the next record. False, and the last record stays current, where there is none. */
  next(): boolean {
    const offset = this.end;
    if (offset >= this.stop) return false;
    const bytes = this.bytes;
    const attrs = bytes[offset + 4]! | (bytes[offset + 5]! << 8);
    const end = offset + 4 + u32At(bytes, offset);
    // Most neighbours carry the same fields; what differs is cleared once, when it changes.
    if (attrs !== this.attrs) this.#forget(attrs);
    this.index++;
    this.offset = offset;
    this.end = end;
    this.payloadEnd = end;
    this.payloadStart = attrs === 0 ? offset + RECORD_HEAD_BYTES : this.#fields(offset + RECORD_HEAD_BYTES, end, attrs);
    return true;
  }

  get key(): string | undefined {
    return this.keyStart < 0 ? undefined : textOf(this.bytes, this.keyStart, this.keyEnd);
  }

  get id(): string | undefined {
    return this.idStart < 0 ? undefined : textOf(this.bytes, this.idStart, this.idEnd);
  }

  get contentType(): string | undefined {
    return this.contentTypeStart < 0 ? undefined : textOf(this.bytes, this.contentTypeStart, this.contentTypeEnd);
  }

  /** Name and value in the order sent, repeated names too. Pairs, because a name may be `__proto__`. */
  get headers(): [string, string][] | undefined {
    if (this.headersStart < 0) return undefined;
    const { bytes, headersCount, headersEnd } = this;
    const pairs: [string, string][] = [];
    let at = this.headersStart;
    for (let i = 0; i < headersCount; i++) {
      const nameStart = textStart(bytes, at, headersEnd);
      const nameEnd = textEnd(bytes, at, headersEnd);
      const valueStart = textStart(bytes, nameEnd, headersEnd);
      at = textEnd(bytes, nameEnd, headersEnd);
      pairs.push([textOf(bytes, nameStart, nameEnd), textOf(bytes, valueStart, at)]);
    }
    return pairs;
  }

  /** Value of the first header of that name (its UTF-8). Only the value is decoded. */
  header(name: Uint8Array): string | undefined {
    if (this.headersStart < 0) return undefined;
    const { bytes, headersCount, headersEnd } = this;
    let at = this.headersStart;
    for (let i = 0; i < headersCount; i++) {
      const nameStart = textStart(bytes, at, headersEnd);
      const nameEnd = textEnd(bytes, at, headersEnd);
      at = textEnd(bytes, nameEnd, headersEnd);
      if (nameEnd - nameStart === name.length && name.every((byte, j) => byte === bytes[nameStart + j]))
        return textOf(bytes, textStart(bytes, nameEnd, headersEnd), at);
    }
    return undefined;
  }

  /** A view, not a copy: it lives as long as `bytes` and changes with them. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** @returns where the payload begins */
  #fields(from: number, end: number, attrs: number): number {
    const bytes = this.bytes;
    let at = from;
    if (attrs & HAS_KEY) {
      this.keyStart = textStart(bytes, at, end);
      at = this.keyEnd = textEnd(bytes, at, end);
    }
    if (attrs & HAS_ID) {
      this.idStart = textStart(bytes, at, end);
      at = this.idEnd = textEnd(bytes, at, end);
    }
    if (attrs & HAS_CONTENT_TYPE) {
      this.contentTypeStart = textStart(bytes, at, end);
      at = this.contentTypeEnd = textEnd(bytes, at, end);
    }
    if (attrs & HAS_HEADERS) {
      this.headersCount = readVarint(bytes, at, end);
      at = this.headersStart = at + varintBytes(this.headersCount);
      for (let texts = this.headersCount * 2; texts > 0; texts--) at = textEnd(bytes, at, end);
      this.headersEnd = at;
    }
    if (attrs & HAS_DELAY) {
      this.delayMs = readVarint(bytes, at, end);
      at += varintBytes(this.delayMs);
    }
    if (attrs & HAS_EXPIRES) {
      this.expiresMs = readVarint(bytes, at, end);
      at += varintBytes(this.expiresMs);
    }
    return at;
  }

  #forget(attrs: number): void {
    this.attrs = attrs;
    this.keyStart = this.keyEnd = this.idStart = this.idEnd = -1;
    this.contentTypeStart = this.contentTypeEnd = -1;
    this.headersStart = this.headersEnd = this.headersCount = -1;
    this.delayMs = this.expiresMs = -1;
  }
}

/** Goes from one record with an id to the next, and past everything else unread. */
export class IdCursor {
  readonly bytes: Uint8Array;
  /** Of the current record among all, with an id or without. */
  index = -1;
  idStart = -1;
  idEnd = -1;
  readonly #stop: number;
  #next: number;

  /** As a RecordCursor takes them. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.#stop = end;
    this.#next = start;
  }

  /** Goes to the next record that has an id. False where there is none. */
  next(): boolean {
    const bytes = this.bytes;
    while (this.#next < this.#stop) {
      const offset = this.#next;
      const end = offset + 4 + u32At(bytes, offset);
      const attrs = bytes[offset + 4]!;
      this.#next = end;
      this.index++;
      if ((attrs & HAS_ID) === 0) continue;
      const at = attrs & HAS_KEY ? textEnd(bytes, offset + RECORD_HEAD_BYTES, end) : offset + RECORD_HEAD_BYTES;
      this.idStart = textStart(bytes, at, end);
      this.idEnd = textEnd(bytes, at, end);
      return true;
    }
    return false;
  }

  get id(): string {
    return textOf(this.bytes, this.idStart, this.idEnd);
  }
}

function textStart(bytes: Uint8Array, at: number, end: number): number {
  return at + varintBytes(readVarint(bytes, at, end));
}

function textEnd(bytes: Uint8Array, at: number, end: number): number {
  const length = readVarint(bytes, at, end);
  return at + varintBytes(length) + length;
}

/** `ignoreBOM`: a text that begins with U+FEFF keeps it. `fatal`: never another text than the one that was sent. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return UTF8.decode(bytes.subarray(start, end));
}
