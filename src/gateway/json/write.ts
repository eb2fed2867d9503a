/**
 * JSON written as bytes into one growing buffer, so that stored bytes are copied into an answer and never become texts.
 *
 * Holds: what is written is well-formed as long as the caller keeps JSON's order of things; spans that are given as
 * text are UTF-8 (the caller has checked). `finish` hands the buffer over: a writer serves one answer.
 */
import { base64Length, writeBase64 } from './base64.ts';

export class JsonWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #end = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#end;
  }

  /** The bytes so far. The writer must not be used after. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Text of ASCII letters, as it is: punctuation, names of fields, numbers. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const bytes = this.#bytes;
    const to = this.#end;
    for (let i = 0; i < length; i++) bytes[to + i] = text.charCodeAt(i);
    this.#end = to + length;
  }

  /** Any text, in quotes. */
  string(text: string): void {
    const json = JSON.stringify(text);
    this.#reserve(json.length * 3);
    this.#end += ENCODER.encodeInto(json, this.#bytes.subarray(this.#end)).written;
  }

  /** A span of UTF-8 as a string in quotes. */
  utf8(bytes: Uint8Array, start: number, end: number): void {
    // An escape takes six bytes at most; that much is reserved only for what is left after the first of them.
    this.#reserve(end - start + 2);
    this.#bytes[this.#end++] = 0x22;
    let from = start;
    for (;;) {
      let at = from;
      while (at < end && !isEscaped(bytes[at]!)) at++;
      this.raw(bytes, from, at);
      if (at === end) break;
      this.#escape(bytes[at]!);
      from = at + 1;
    }
    this.#reserve(1);
    this.#bytes[this.#end++] = 0x22;
  }

  /** A span as it is. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    // A short run is copied by hand, which costs less than the view that `set` asks for.
    if (length <= 48) for (let from = start, to = this.#end; from < end; ) this.#bytes[to++] = bytes[from++]!;
    else this.#bytes.set(bytes.subarray(start, end), this.#end);
    this.#end += length;
  }

  /** A span of JSON, with each line break (which is only space between its parts) as a new `data:` line of an event. */
  eventLines(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte !== 0x0a && byte !== 0x0d) continue;
      this.raw(bytes, from, at);
      if (byte === 0x0d && at + 1 < end && bytes[at + 1] === 0x0a) at++;
      this.ascii('\ndata: ');
      from = at + 1;
    }
    this.raw(bytes, from, end);
  }

  /** A span as base64, in quotes. */
  base64(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(base64Length(end - start) + 2);
    this.#bytes[this.#end++] = 0x22;
    this.#end = writeBase64(this.#bytes, this.#end, bytes, start, end);
    this.#bytes[this.#end++] = 0x22;
  }

  #escape(byte: number): void {
    const short = SHORT[byte];
    this.ascii(short ?? `\\u00${byte < 16 ? '0' : ''}${byte.toString(16)}`);
  }

  #reserve(more: number): void {
    const need = this.#end + more;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}

function isEscaped(byte: number): boolean {
  return byte < 0x20 || byte === 0x22 || byte === 0x5c;
}

const SHORT: Record<number, string> = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 34: '\\"', 92: '\\\\' };
const ENCODER = new TextEncoder();
