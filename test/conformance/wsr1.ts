/**
 * A writer and a reader of record batches (API.md §6) of the suite's own, from the text of the contract alone, so that a
 * mistake of the broker's codec is not made here a second time.
 */

export interface RecordOf {
  readonly key?: string;
  readonly id?: string;
  readonly contentType?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly delayMs?: number;
  readonly expiresMs?: number;
  readonly payload?: string | readonly number[];
}

export function batchOf(records: readonly RecordOf[]): Uint8Array<ArrayBuffer> {
  const body = records.flatMap(record);
  return sealed([...text('WSR1'), 1, ...u32(records.length), ...u32(body.length), ...body]);
}

/** Bytes with their CRC after them. */
export function sealed(bytes: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...bytes, ...u32(crc32c(bytes))]);
}

function record({ key, id, contentType, headers, delayMs, expiresMs, payload = '' }: RecordOf): number[] {
  const fields: number[] = [];
  let attrs = 0;
  const put = (bit: number, bytes: number[] | undefined): void => {
    if (bytes === undefined) return;
    attrs |= 1 << bit;
    fields.push(...bytes);
  };
  put(0, key === undefined ? undefined : str(key));
  put(1, id === undefined ? undefined : str(id));
  put(2, contentType === undefined ? undefined : str(contentType));
  put(3, headers === undefined ? undefined : [...vN(headers.length), ...headers.flat().flatMap(str)]);
  put(4, delayMs === undefined ? undefined : vN(delayMs));
  put(5, expiresMs === undefined ? undefined : vN(expiresMs));
  const rest = [attrs & 0xff, attrs >> 8, ...fields, ...(typeof payload === 'string' ? text(payload) : payload)];
  return [...u32(rest.length), ...rest];
}

/** The payloads of batches that lie end to end, as texts. Their CRCs are checked, where they have one. */
export function payloadsOf(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 13 + view.getUint32(at + 9, true);
    const hasCrc = bytes[at + 4] === 1;
    if (hasCrc && view.getUint32(end, true) !== crc32c([...bytes.subarray(at, end)]))
      throw new Error(`a batch at ${at} whose CRC is wrong`);
    for (let from = at + 13; from < end; ) {
      const stop = from + 4 + view.getUint32(from, true);
      found.push(new TextDecoder().decode(bytes.subarray(payloadStart(bytes, from), stop)));
      from = stop;
    }
    at = end + (hasCrc ? 4 : 0);
  }
  return found;
}

function payloadStart(bytes: Uint8Array, from: number): number {
  const attrs = bytes[from + 4]! | (bytes[from + 5]! << 8);
  let at = from + 6;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const skip = (): void => {
    const length = number();
    at += length;
  };
  for (const bit of [0, 1, 2]) if (attrs & (1 << bit)) skip();
  if (attrs & 8) for (let left = number() * 2; left > 0; left--) skip();
  for (const bit of [4, 5]) if (attrs & (1 << bit)) number();
  return at;
}

const text = (value: string): number[] => [...new TextEncoder().encode(value)];
const str = (value: string): number[] => [...vN(text(value).length), ...text(value)];
const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

function vN(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** CRC-32C (Castagnoli), a bit at a time. */
export function crc32c(bytes: readonly number[]): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
