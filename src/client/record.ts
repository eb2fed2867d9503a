/**
 * Records of a delivered block, found and read one by one.
 *
 * Holds: every offset that is given lies inside of the record, whatever the bytes are; nothing is decoded that is not
 * asked for.
 */
import { HAS_CONTENT_TYPE, HAS_DELAY, HAS_EXPIRES, HAS_HEADERS, HAS_ID, HAS_KEY, RECORD_HEAD_BYTES, u32At } from '../core/batch/layout.ts';
import { readVarint, varintBytes } from '../core/batch/varint.ts';
import { decodeText } from './payload.ts';

/** Where the record at `at` ends. @throws RangeError there is no whole record */
export function recordEnd(bytes: Uint8Array, at: number): number {
  const end = at + RECORD_HEAD_BYTES <= bytes.length ? at + 4 + u32At(bytes, at) : Infinity;
  if (end > bytes.length || end < at + RECORD_HEAD_BYTES) throw new RangeError('a record ends after its block');
  return end;
}

export interface Fields {
  key?: string | undefined;
  id?: string | undefined;
  contentType?: string | undefined;
  headers?: Record<string, string> | undefined;
  payloadStart: number;
}

const TEXTS: readonly (readonly [number, 'key' | 'id' | 'contentType'])[] = [
  [HAS_KEY, 'key'],
  [HAS_ID, 'id'],
  [HAS_CONTENT_TYPE, 'contentType'],
];

/** The fields of the record `start … end`. @throws RangeError one of them ends after it */
export function readFields(bytes: Uint8Array, start: number, end: number): Fields {
  const attrs = bytes[start + 4]! | (bytes[start + 5]! << 8);
  const fields: Fields = { payloadStart: start + RECORD_HEAD_BYTES };
  if (attrs === 0) return fields;
  const reader = new Reader(bytes, start + RECORD_HEAD_BYTES, end);
  for (const [bit, name] of TEXTS) if (attrs & bit) fields[name] = reader.text();
  if (attrs & HAS_HEADERS) fields.headers = headersOf(reader);
  if (attrs & HAS_DELAY) reader.number();
  if (attrs & HAS_EXPIRES) reader.number();
  fields.payloadStart = reader.at;
  return fields;
}

/** A name that is there twice is joined, as HTTP joins headers. */
function headersOf(reader: Reader): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let left = reader.number(); left > 0; left--) {
    const name = reader.text();
    const value = reader.text();
    const joined = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value;
    // Not by assignment: a header may be named __proto__.
    Object.defineProperty(headers, name, { value: joined, enumerable: true, configurable: true, writable: true });
  }
  return headers;
}

class Reader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  number(): number {
    const value = readVarint(this.#bytes, this.at, this.#end);
    if (value < 0) throw new RangeError('a number of a record is cut off');
    this.at += varintBytes(value);
    return value;
  }

  text(): string {
    const length = this.number();
    const start = this.at;
    if (length > this.#end - start) throw new RangeError('a text of a record ends after it');
    this.at = start + length;
    return length === TYPE.length && isType(this.#bytes, start) ? TYPE : decodeText(this.#bytes.subarray(start, this.at));
  }
}

/** By far the most frequent text of all: not worth a decoder. */
const TYPE = 'application/json';

function isType(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < TYPE.length; i++) if (bytes[start + i] !== TYPE.charCodeAt(i)) return false;
  return true;
}
