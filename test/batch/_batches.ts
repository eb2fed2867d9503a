/**
 * What the tests of the byte layer share: a seeded generator, messages, and batches from and to messages.
 *
 * Holds: the same seed gives the same messages. `frame` and `record` take any bytes, so that a test can lie.
 */
import type { NewMessage } from '../../src/core/batch/build.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { RecordCursor, viewStored } from '../../src/core/batch/walk.ts';
import { crc32c } from '../../src/core/crc32c.ts';

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
export const join = (...parts: Iterable<number>[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
export const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

export function batchOf(messages: Iterable<NewMessage>): Uint8Array<ArrayBuffer> {
  const builder = new BatchBuilder();
  for (const message of messages) builder.append(message);
  return builder.finish();
}

/** Every record as a message, fields that it lacks left out. */
export function messagesOf(block: Uint8Array): NewMessage[] {
  const view = viewStored(block);
  const cursor = new RecordCursor(block, view.recordsStart, view.recordsEnd);
  const messages: NewMessage[] = [];
  while (cursor.next()) messages.push(messageAt(cursor));
  return messages;
}

export function messageAt(cursor: RecordCursor): NewMessage {
  const { key, id, contentType, headers, delayMs, expiresMs } = cursor;
  return {
    ...(key === undefined ? {} : { key }),
    ...(id === undefined ? {} : { id }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(headers === undefined ? {} : { headers }),
    ...(delayMs < 0 ? {} : { delayMs }),
    ...(expiresMs < 0 ? {} : { expiresMs }),
    payload: cursor.payload.slice(),
  };
}

/** One record of any attributes and bytes. */
export const record = (attrs: number, ...rest: Iterable<number>[]): Uint8Array => {
  const body = join(...rest);
  return join(u32(2 + body.length), [attrs & 255, attrs >>> 8], body);
};

/** A batch round any bytes, with a right CRC; `change` lies about a field. */
export function frame(count: number, records: Uint8Array, change: { flags?: number; length?: number } = {}): Uint8Array {
  const head = join(utf8('WSR1'), [change.flags ?? 1], u32(count), u32(change.length ?? records.length), records);
  return join(head, u32(crc32c(head)));
}

/** mulberry32: small, seeded, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number from 0, below `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  oneOf<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}

const TEXTS = ['', 'k', 'order-4711', 'Grüße', 'ключ', '日本語', '🚲🚲', '\ufeffbom', '__proto__', 'constructor', '\0', 'x'.repeat(130)];
const TIMES = [0, 1, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 35, 2 ** 42, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1];

/** Messages small enough that a change is likely to hit structure and not payload. */
export function randomMessages(random: Random): NewMessage[] {
  return Array.from({ length: 1 + random.below(5) }, () => {
    const has = random.oneOf([0, 1, 2, 8, 63, random.below(64)]);
    const headers = Array.from({ length: random.below(4) }, (): [string, string] => [random.oneOf(TEXTS), random.oneOf(TEXTS)]);
    return {
      ...(has & 1 ? { key: random.oneOf(TEXTS) } : {}),
      ...(has & 2 ? { id: random.oneOf(TEXTS) } : {}),
      ...(has & 4 ? { contentType: random.oneOf(TEXTS) } : {}),
      ...(has & 8 ? { headers } : {}),
      ...(has & 16 ? { delayMs: random.oneOf(TIMES) } : {}),
      ...(has & 32 ? { expiresMs: random.oneOf(TIMES) } : {}),
      payload: random.bytes(random.below(12)),
    };
  });
}
