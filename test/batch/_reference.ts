/**
 * `WSR1` read in the plainest way, from FORMAT.md alone: the fuzzer's judge. It shares no code with the core.
 */
import type { NewMessage } from '../../src/core/batch/build.ts';

/** The messages of a producer's batch, or undefined where any rule is broken. */
export function readPlainly(bytes: Uint8Array): NewMessage[] | undefined {
  try {
    return batch(bytes);
  } catch (error) {
    if (error instanceof Broken) return undefined;
    throw error;
  }
}

export function plainCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

class Broken extends Error {}

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function demand(condition: boolean): asserts condition {
  if (!condition) throw new Broken();
}

function batch(bytes: Uint8Array): NewMessage[] {
  demand(bytes.length >= 17);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  demand(view.getUint32(0) === 0x57535231 && bytes[4] === 1);
  const count = view.getUint32(5, true);
  const end = 13 + view.getUint32(9, true);
  demand(end + 4 === bytes.length && view.getUint32(end, true) === plainCrc(bytes.subarray(0, end)));
  const messages: NewMessage[] = [];
  let at = 13;
  while (at < end) {
    demand(at + 6 <= end);
    const next = at + 4 + view.getUint32(at, true);
    demand(next >= at + 6 && next <= end);
    messages.push(message(bytes.slice(at + 4, next)));
    at = next;
  }
  demand(messages.length === count && count > 0);
  return messages;
}

function message(body: Uint8Array): NewMessage {
  const attrs = (body[0] as number) + 256 * (body[1] as number);
  demand(attrs < 64);
  let at = 2;
  const number = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = body[at++];
      demand(byte !== undefined && shift < 56n);
      value |= BigInt(byte & 127) << shift;
      if (byte > 127) continue;
      demand((byte > 0 || shift === 0n) && value <= BigInt(Number.MAX_SAFE_INTEGER));
      return Number(value);
    }
  };
  const text = (): string => {
    const size = number();
    demand(size <= body.length - at);
    at += size;
    try {
      return UTF8.decode(body.subarray(at - size, at));
    } catch {
      throw new Broken();
    }
  };
  const headers = (): [string, string][] => {
    const pairs: [string, string][] = [];
    for (let left = number(); left > 0; left--) pairs.push([text(), text()]);
    return pairs;
  };
  return {
    ...(attrs & 1 ? { key: text() } : {}),
    ...(attrs & 2 ? { id: text() } : {}),
    ...(attrs & 4 ? { contentType: text() } : {}),
    ...(attrs & 8 ? { headers: headers() } : {}),
    ...(attrs & 16 ? { delayMs: number() } : {}),
    ...(attrs & 32 ? { expiresMs: number() } : {}),
    payload: body.subarray(at),
  };
}
