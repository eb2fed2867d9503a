/**
 * msgpack, as much of it as frames need: no extension types, whole numbers up to 2^53−1. A whole codec is a third of what a
 * page would load for the SDK.
 *
 * Holds: nothing is read beyond the bytes that are there, and no list is believed longer than they could hold; bytes come
 * as views. Source: the msgpack specification (msgpack/msgpack, spec.md).
 */

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** Lists and maps within each other: more than any answer has. */
const DEPTH_MAX = 64;
const WORD = 2 ** 32;

export class MsgpackEncoder {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** @returns a view that holds until the next call */
  encode(value: unknown): Uint8Array<ArrayBuffer> {
    this.#end = 0;
    this.#put(value);
    return this.#bytes.subarray(0, this.#end);
  }

  #put(value: unknown): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#number(value);
    else if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (value instanceof Uint8Array) {
      this.#head(value.length, 0, -1, 0xc4);
      const at = this.#reserve(value.length);
      this.#bytes.set(value, at);
    } else if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 15, 0xdb);
      for (const item of value) this.#put(item);
    } else {
      // As JSON has it: what is undefined is not there.
      const fields = Object.entries(value as object).filter(([, field]) => field !== undefined);
      this.#head(fields.length, 0x80, 15, 0xdd);
      for (const [name, field] of fields) {
        this.#text(name);
        this.#put(field);
      }
    }
  }

  /** @param tag for one byte of size; −1, and the size is within the tag up to `most`. Lists and maps have no one-byte form */
  #head(size: number, within: number, most: number, tag: number): void {
    if (size <= most) this.#byte(within | size);
    else if (size < 0x100 && tag !== 0xdb && tag !== 0xdd) {
      this.#byte(tag);
      this.#byte(size);
    } else if (size < 0x10000) {
      this.#byte(tag + 1);
      const at = this.#reserve(2);
      this.#view.setUint16(at, size);
    } else {
      this.#byte(tag + 2);
      const at = this.#reserve(4);
      this.#view.setUint32(at, size);
    }
  }

  #text(text: string): void {
    const { length } = text;
    // Most texts are short and ASCII: by hand they cost less than a call out of the engine.
    if (length < 32) {
      const at = this.#reserve(length + 1);
      const bytes = this.#bytes;
      let i = 0;
      for (let code = 0; i < length; i++) {
        code = text.charCodeAt(i);
        if (code > 0x7f) break;
        bytes[at + 1 + i] = code;
      }
      if (i === length) {
        bytes[at] = 0xa0 | length;
        return;
      }
      this.#end = at;
    }
    const encoded = UTF8.encode(text);
    this.#head(encoded.length, 0xa0, 31, 0xd9);
    const at = this.#reserve(encoded.length);
    this.#bytes.set(encoded, at);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) {
      this.#byte(0xcb);
      const at = this.#reserve(8);
      this.#view.setFloat64(at, value);
    } else if (value < WORD && value >= 0) {
      if (value < 0x80) this.#byte(value);
      else {
        this.#byte(0xce);
        const at = this.#reserve(4);
        this.#view.setUint32(at, value);
      }
    } else {
      this.#byte(value < 0 ? 0xd3 : 0xcf);
      const at = this.#reserve(8);
      this.#view.setInt32(at, Math.floor(value / WORD));
      this.#view.setUint32(at + 4, value % WORD);
    }
  }

  #byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** @returns where the room begins */
  #reserve(size: number): number {
    const at = this.#end;
    this.#end += size;
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** @throws RangeError it ends too early, has something after its end, or what frames do not have */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new RangeError('something follows its end');
  return value;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new RangeError('it is nested too deep');
    const tag = this.#size(1);
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.#map(tag & 15, depth);
    if (tag < 0xa0) return this.#list(tag & 15, depth);
    if (tag < 0xc0) return this.#text(tag & 31);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return tag === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#size(1 << (tag - 0xc4)));
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#size(1 << (tag - 0xcc));
      case 0xcf:
        return this.#size(4) * WORD + this.#size(4);
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return this.#view.getInt32(this.#skip(4)) * WORD + this.#size(4);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#size(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#size(2 << (tag - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#size(2 << (tag - 0xde)), depth);
      default:
        throw new RangeError(`0x${tag.toString(16)} is not of a frame`);
    }
  }

  /** A whole number of 1, 2 or 4 bytes. */
  #size(width: number): number {
    const at = this.#skip(width);
    if (width === 1) return this.#bytes[at]!;
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(size: number): number {
    const at = this.at;
    this.at += size;
    if (this.at > this.#bytes.length) throw new RangeError('it ends too early');
    return at;
  }

  #take(size: number): Uint8Array {
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  #text(size: number): string {
    const bytes = this.#take(size);
    if (size > 32) return TEXT.decode(bytes);
    let text = '';
    for (const byte of bytes) {
      if (byte > 0x7f) return TEXT.decode(bytes);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #list(size: number, depth: number): unknown[] {
    const list: unknown[] = [];
    for (let i = 0; i < size; i++) list.push(this.value(depth + 1));
    return list;
  }

  #map(size: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let i = 0; i < size; i++) {
      const name = String(this.value(depth + 1));
      const value = this.value(depth + 1);
      // A header may be called so: as in JSON it is a field like any other.
      if (name === '__proto__') Object.defineProperty(map, name, { value, enumerable: true });
      else map[name] = value;
    }
    return map;
  }
}
