/**
 * A JSON batch, read without parsing what it carries: each message's fields as texts, its payload as a span of the body.
 *
 * Holds: `payload` is never parsed and written again (that would change numbers, keys and spaces); unknown fields, a
 * field twice, and values of a wrong kind are refused with the message's index; one object serves all messages.
 * Leaves to the caller: that exactly one of payload, text, base64 is there, limits, and what the fields mean.
 */
import { isUtf8 } from '../../core/batch/utf8.ts';
import { WaysideError } from '../../core/errors.ts';
import type { GivenMessage } from '../rest/given.ts';
import { DEPTH_MAX, skipSpace, skipString, skipValue } from './scan.ts';

/**
 * Calls `visit` with each message, in order. `atomic` may stand after the messages, so it is the answer.
 *
 * @param visit gets an object that is valid until it returns
 * @throws INVALID_REQUEST the body is not a batch; messages before the fault were visited
 */
export function readJsonBatch(body: Uint8Array, visit: (message: GivenMessage, index: number) => void): { atomic: boolean } {
  if (!isUtf8(body, 0, body.length)) throw new WaysideError('INVALID_REQUEST', 'The body is not UTF-8.');
  const reader = new Reader(body);
  let atomic: boolean | undefined;
  let messages = false;
  reader.object((name) => {
    if (name === 'messages' && !messages) {
      messages = true;
      readMessages(reader, visit);
    } else if (name === 'atomic' && atomic === undefined) atomic = reader.boolean('atomic');
    else reader.unexpected(name);
  });
  reader.finish();
  if (!messages) throw new WaysideError('INVALID_REQUEST', 'The body has no "messages".', { field: 'messages' });
  return { atomic: atomic ?? false };
}

/** The messages alone: a JSON list, as `readJsonObject` gives its span. @throws INVALID_REQUEST */
export function readJsonMessages(list: Uint8Array, visit: (message: GivenMessage, index: number) => void): void {
  const reader = new Reader(list);
  readMessages(reader, visit);
  reader.finish();
}

/** Calls `each` with the bytes of every item of a list, which are JSON. @throws INVALID_REQUEST */
export function readJsonList(list: Uint8Array, name: string, each: (item: Uint8Array) => void): void {
  const reader = new Reader(list);
  reader.list(name, () => each(reader.span('the item')));
  reader.finish();
}

/**
 * Calls `field` with each name of an object and the bytes of its value, which are JSON.
 *
 * @throws INVALID_REQUEST the bytes are no JSON object, or are nested too deep
 */
export function readJsonObject(body: Uint8Array, field: (name: string, value: Uint8Array) => void): void {
  const reader = new Reader(body);
  reader.object((name) => field(name, reader.span('the value')));
  reader.finish();
}

function readMessages(reader: Reader, visit: (message: GivenMessage, index: number) => void): void {
  const message: GivenMessage = {};
  reader.list('messages', (index) => {
    reader.index = index;
    clear(message);
    reader.object((name) => readField(reader, message, name));
    visit(message, index);
    reader.index = undefined;
  });
}

function clear(message: GivenMessage): void {
  message.payload = message.text = message.base64 = undefined;
  message.key = message.id = message.contentType = undefined;
  message.headers = undefined;
  message.delayMs = message.expiresMs = undefined;
}

function readField(reader: Reader, message: GivenMessage, name: string): void {
  switch (name) {
    case 'payload':
    case 'text':
    case 'base64':
    case 'key':
    case 'id':
    case 'contentType':
    case 'headers':
    case 'delayMs':
    case 'expiresMs':
      if (message[name] !== undefined) reader.unexpected(name);
      break;
    default:
      reader.unexpected(name);
  }
  if (name === 'payload') message.payload = reader.span();
  else if (name === 'headers') message.headers = readHeaders(reader);
  else if (name === 'delayMs' || name === 'expiresMs') message[name] = reader.whole(name);
  else message[name as 'text'] = reader.string(name);
}

function readHeaders(reader: Reader): [string, string][] {
  const headers: [string, string][] = [];
  const names = new Set<string>();
  reader.object((name) => {
    if (names.has(name)) reader.unexpected(name);
    names.add(name);
    headers.push([name, reader.string('headers')]);
  });
  return headers;
}

/** Walks one body. Its position is always at the value that is due, or after the one just read. */
class Reader {
  /** Of the message that is being read, for refusals. */
  index: number | undefined;
  readonly #body: Uint8Array;
  #at: number;

  constructor(body: Uint8Array) {
    this.#body = body;
    this.#at = skipSpace(body, 0, body.length);
  }

  /** Calls `field` with each name; `field` reads the value. */
  object(field: (name: string) => void): void {
    if (this.#next() !== 0x7b) this.#refuse('an object is expected');
    this.#step();
    if (this.#next() === 0x7d) {
      this.#step();
      return;
    }
    for (;;) {
      const name = this.string('');
      if (this.#next() !== 0x3a) this.#refuse('a colon is expected');
      this.#step();
      field(name);
      const byte = this.#next();
      this.#step();
      if (byte === 0x7d) return;
      if (byte !== 0x2c) this.#refuse('a comma or the end of an object is expected', -1);
    }
  }

  list(name: string, item: (index: number) => void): void {
    if (this.#next() !== 0x5b) this.#refuse(`${name} is a list`);
    this.#step();
    if (this.#next() === 0x5d) {
      this.#step();
      return;
    }
    for (let index = 0; ; index++) {
      item(index);
      const byte = this.#next();
      this.#step();
      if (byte === 0x5d) return;
      if (byte !== 0x2c) this.#refuse('a comma or the end of a list is expected', -1);
    }
  }

  /** The bytes of any value, without the space round it. A view of the body. */
  span(what = 'the payload'): Uint8Array {
    const start = this.#at;
    const end = skipValue(this.#body, start, this.#body.length, DEPTH_MAX - 3);
    if (end < 0) this.#refuse(`${what} is not JSON, or nested deeper than ${DEPTH_MAX - 3}`);
    this.#at = end;
    return this.#body.subarray(start, end);
  }

  /** @param field its name in a refusal; empty where a name itself is read */
  string(field: string): string {
    const start = this.#at;
    const end = this.#next() === 0x22 ? skipString(this.#body, start, this.#body.length) : -1;
    if (end < 0) this.#refuse(field === '' ? 'a name in quotes is expected' : `${field} is a text`);
    this.#at = end;
    const text = UTF8.decode(this.#body.subarray(start + 1, end - 1));
    return text.includes('\\') ? JSON.parse(`"${text}"`) : text;
  }

  boolean(field: string): boolean {
    const text = this.#word();
    if (text !== 'true' && text !== 'false') this.#refuse(`${field} is true or false`);
    return text === 'true';
  }

  whole(field: string): number {
    const text = this.#word();
    const value = /^-?\d/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < 0) this.#refuse(`${field} is a whole number of milliseconds from 0`);
    return value;
  }

  finish(): void {
    if (skipSpace(this.#body, this.#at, this.#body.length) !== this.#body.length) this.#refuse('something follows the end of the JSON');
  }

  unexpected(name: string): never {
    const where = this.index === undefined ? '' : `Message ${this.index}: `;
    throw new WaysideError(
      'INVALID_REQUEST',
      `${where}the field "${short(name)}" is unknown here, or there twice.`,
      this.#extra(short(name)),
    );
  }

  /** A number, or one of the three words, as text; empty where the value is none. */
  #word(): string {
    const start = this.#at;
    const byte = this.#next();
    const end = byte === 0x22 || byte === 0x7b || byte === 0x5b ? -1 : skipValue(this.#body, start, this.#body.length);
    if (end < 0) return '';
    this.#at = end;
    return UTF8.decode(this.#body.subarray(start, end));
  }

  /** The byte that is due, past white space; −1 at the end. */
  #next(): number {
    this.#at = skipSpace(this.#body, this.#at, this.#body.length);
    return this.#at < this.#body.length ? this.#body[this.#at]! : -1;
  }

  #step(): void {
    this.#at = skipSpace(this.#body, this.#at + 1, this.#body.length);
  }

  #extra(field?: string) {
    return { ...(field === undefined ? {} : { field }), ...(this.index === undefined ? {} : { index: this.index }) };
  }

  #refuse(what: string, shift = 0): never {
    const where = this.index === undefined ? '' : `Message ${this.index}: `;
    throw new WaysideError('INVALID_REQUEST', `${where}${what}, at byte ${Math.max(0, this.#at + shift)} of the body.`, this.#extra());
  }
}

function short(name: string): string {
  return name.length > 64 ? `${name.slice(0, 64)}…` : name;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
