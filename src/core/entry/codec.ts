/**
 * Building blocks for the layouts of entries and sections: a layout is declared once, and written and read by it.
 *
 * Holds: what was written is read back equal; reading checks every length, and what does not fit is CORRUPTION.
 * Layout: numbers are unsigned LEB128 up to 2^53−1; texts and bytes are length + content; a list is its number + items;
 * an optional value is 0, or 1 + value; a struct is its fields in the order declared, with nothing between them.
 * A layout that has been released never changes: a new one gets a new version in kinds.ts.
 */
import { WaysideError } from '../errors.ts';

export interface Codec<T> {
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
}

/** The type that a codec carries. */
export type Of<C> = C extends Codec<infer T> ? T : never;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Writer {
  bytes = new Uint8Array(128);
  length = 0;

  /** Makes room for `more` bytes at `length`. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  number(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${value} cannot be written as a number of an entry.`);
    this.reserve(8);
    while (value >= 128) {
      this.bytes[this.length++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    this.bytes[this.length++] = value;
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export class Reader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || scale > 2 ** 49) throw damaged();
      value += (byte & 127) * scale;
      if (byte < 128) return Number.isSafeInteger(value) ? value : fail();
    }
  }

  raw(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw damaged();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  get done(): boolean {
    return this.at === this.bytes.length;
  }
}

export const number: Codec<number> = { write: (writer, value) => writer.number(value), read: (reader) => reader.number() };

export const flag: Codec<boolean> = { write: (writer, value) => writer.number(value ? 1 : 0), read: (reader) => reader.number() === 1 };

export const bytes: Codec<Uint8Array> = {
  write(writer, value) {
    writer.number(value.length);
    writer.raw(value);
  },
  read: (reader) => reader.raw(reader.number()),
};

export const text: Codec<string> = {
  write: (writer, value) => bytes.write(writer, encoder.encode(value)),
  read(reader) {
    try {
      return decoder.decode(bytes.read(reader));
    } catch {
      throw damaged();
    }
  },
};

export function optional<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    write(writer, value) {
      writer.number(value === undefined ? 0 : 1);
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (reader.number() === 0 ? undefined : item.read(reader)),
  };
}

export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write(writer, value) {
      writer.number(value.length);
      for (const each of value) item.write(writer, each);
    },
    read(reader) {
      const count = reader.number();
      // An item takes a byte at least, so a damaged count cannot ask for more than is there.
      if (count > reader.bytes.length - reader.at) throw damaged();
      return Array.from({ length: count }, () => item.read(reader));
    },
  };
}

/** One of some words, written as its place: words are only ever added at the end. */
export function oneOf<const W extends string>(...words: readonly W[]): Codec<W> {
  return {
    write: (writer, value) => writer.number(words.indexOf(value)),
    read: (reader) => words[reader.number()] ?? fail(),
  };
}

export function struct<T extends Record<string, unknown>>(
  fields: { [N in keyof T]: Codec<T[N]> },
): Codec<{ readonly [N in keyof T]: T[N] }> {
  const entries = Object.entries(fields) as [keyof T & string, Codec<unknown>][];
  return {
    write(writer, value) {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) value[name] = codec.read(reader);
      return value as T;
    },
  };
}

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.finish();
}

/** @throws CORRUPTION the bytes do not fit the layout, or some are left over */
export function decode<T>(codec: Codec<T>, encoded: Uint8Array): T {
  const reader = new Reader(encoded);
  const value = codec.read(reader);
  if (!reader.done) throw damaged();
  return value;
}

/**
 * Decodes a section: its first field is the version of its layout.
 *
 * @throws UNAVAILABLE it is of another version · CORRUPTION
 */
export function decodeLayout<T extends { layout: number }>(codec: Codec<T>, encoded: Uint8Array, version: number): T {
  const found = new Reader(encoded).number();
  if (found === version) return decode(codec, encoded);
  throw new WaysideError(
    'UNAVAILABLE',
    `The data holds a section in layout ${found}, and this version of the broker knows ${version}. Use the version that wrote it.`,
  );
}

function damaged(): WaysideError {
  return new WaysideError('CORRUPTION', 'A stored entry does not fit its layout.');
}

function fail(): never {
  throw damaged();
}
