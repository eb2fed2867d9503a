/**
 * One stored message as JSON: its place, its fields, and its bytes in the first of three forms that fits.
 *
 * Holds: `payload` is the stored JSON, byte for byte, where the content type is JSON and the bytes are valid JSON;
 * else `text`, where they are UTF-8; else `base64`. Nothing is decoded that is only copied.
 */
import type { RecordCursor } from '../../core/batch/cursor.ts';
import { isUtf8 } from '../../core/batch/utf8.ts';
import { isJson } from './scan.ts';
import type { JsonWriter } from './write.ts';

/** What the message's block says of it. */
export interface MessagePlace {
  readonly partition: number;
  readonly sequence: number;
  readonly producedAt: number;
  /** Of a delivery. */
  readonly receipt?: string | undefined;
  readonly deliveries?: number | undefined;
}

export type BodyForm = 'best' | 'base64';

/** @param events the answer is a stream of events, where a line break has a meaning */
export function writeMessage(out: JsonWriter, record: RecordCursor, place: MessagePlace, form: BodyForm, events = false): void {
  const { bytes } = record;
  out.ascii(`{"partition":${place.partition},"sequence":${place.sequence},"producedAt":${place.producedAt}`);
  if (place.receipt !== undefined) out.ascii(`,"receipt":"${place.receipt}","deliveries":${place.deliveries}`);
  if (record.keyStart >= 0) {
    out.ascii(',"key":');
    out.utf8(bytes, record.keyStart, record.keyEnd);
  }
  if (record.idStart >= 0) {
    out.ascii(',"id":');
    out.utf8(bytes, record.idStart, record.idEnd);
  }
  if (record.headersStart >= 0) writeHeaders(out, record.headers ?? []);
  if (record.contentTypeStart >= 0) {
    out.ascii(',"contentType":');
    out.utf8(bytes, record.contentTypeStart, record.contentTypeEnd);
  }
  writeBody(out, record, form, events);
  out.ascii('}');
}

function writeHeaders(out: JsonWriter, headers: readonly [string, string][]): void {
  let lead = ',"headers":{';
  for (const [name, value] of headers) {
    out.ascii(lead);
    out.string(name);
    out.ascii(':');
    out.string(value);
    lead = ',';
  }
  out.ascii(headers.length === 0 ? ',"headers":{}' : '}');
}

function writeBody(out: JsonWriter, record: RecordCursor, form: BodyForm, events: boolean): void {
  const { bytes, payloadStart: start, payloadEnd: end } = record;
  if (form === 'base64' || !isUtf8(bytes, start, end)) {
    out.ascii(',"base64":');
    out.base64(bytes, start, end);
  } else if (
    record.contentTypeStart >= 0 &&
    isJsonType(bytes, record.contentTypeStart, record.contentTypeEnd) &&
    isJson(bytes, start, end)
  ) {
    out.ascii(',"payload":');
    if (events) out.eventLines(bytes, start, end);
    else out.raw(bytes, start, end);
  } else {
    out.ascii(',"text":');
    out.utf8(bytes, start, end);
  }
}

/** `application/json`, `text/json` or `…+json`, with or without parameters, in any case of letters. */
export function isJsonType(bytes: Uint8Array, start: number, end: number): boolean {
  let stop = start;
  while (stop < end && bytes[stop] !== 0x3b) stop++;
  while (stop > start && (bytes[stop - 1] === 0x20 || bytes[stop - 1] === 0x09)) stop--;
  let from = start;
  while (from < stop && (bytes[from] === 0x20 || bytes[from] === 0x09)) from++;
  return (
    isWord(bytes, from, stop, 'application/json') ||
    isWord(bytes, from, stop, 'text/json') ||
    (stop - from > 5 && isWord(bytes, stop - 5, stop, '+json'))
  );
}

function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[start + i]!;
    if ((byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte) !== word.charCodeAt(i)) return false;
  }
  return true;
}
