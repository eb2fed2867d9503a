/**
 * A message as it was produced: its bytes as the body, the rest in headers.
 *
 * Holds: no browser runs or guesses anything of it, whatever its content type says: it is someone else's bytes on our
 * origin. What a header cannot carry goes as base64 under a name of its own, so nothing is bent to fit.
 */
import { RecordCursor } from '../../core/batch/cursor.ts';
import type { Block } from '../../core/calls.ts';
import { base64Length, writeBase64 } from '../json/base64.ts';

export interface Delivery {
  readonly receipt: string;
  readonly deliveries: number;
}

export function rawMessage(block: Block, delivery?: Delivery): Response {
  const record = new RecordCursor(block.bytes, block.start, block.end);
  record.next();
  const headers: Record<string, string> = {
    'Content-Type': 'application/octet-stream',
    'Message-Partition': String(block.partition),
    'Message-Sequence': String(block.first),
    'Message-Produced-At': String(block.producedAt),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Cross-Origin-Resource-Policy': 'same-origin',
  };
  if (delivery !== undefined) {
    headers['Message-Receipt'] = delivery.receipt;
    headers['Message-Deliveries'] = String(delivery.deliveries);
  }
  const { bytes } = record;
  put(headers, 'Content-Type', 'Message-Content-Type-Base64', bytes, record.contentTypeStart, record.contentTypeEnd);
  put(headers, 'Message-Key', 'Message-Key-Base64', bytes, record.keyStart, record.keyEnd);
  put(headers, 'Idempotency-Key', 'Idempotency-Key-Base64', bytes, record.idStart, record.idEnd);
  for (const [name, value] of record.headers ?? []) {
    const header = `Message-Header-${headerName(name)}`;
    // A name that is there twice, which only records can send, is joined as HTTP joins headers.
    headers[header] = header in headers ? `${headers[header]}, ${encodeURIComponent(value)}` : encodeURIComponent(value);
  }
  // A copy: a view would keep a chunk of some MiB alive as long as the answer is on its way.
  return new Response(record.payload.slice(), { status: 200, headers });
}

/** @param start −1 where the record has no such field */
function put(headers: Record<string, string>, name: string, otherwise: string, bytes: Uint8Array, start: number, end: number): void {
  if (start < 0) return;
  if (fitsHeader(bytes, start, end)) headers[name] = String.fromCharCode(...bytes.subarray(start, end));
  else headers[otherwise] = base64Of(bytes, start, end);
}

/** Letters, and spaces within: what arrives as it was sent. Bytes from 0x80 up are UTF-8, one letter of a header each. */
function fitsHeader(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end || bytes[start] === 0x20 || bytes[end - 1] === 0x20) return false;
  for (let at = start; at < end; at++) if (bytes[at]! < 0x20 || bytes[at] === 0x7f) return false;
  return true;
}

/** What no header may be named with is percent-encoded. */
function headerName(name: string): string {
  return name.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/gu, encodeURIComponent);
}

function base64Of(bytes: Uint8Array, start: number, end: number): string {
  const letters = new Uint8Array(base64Length(end - start));
  writeBase64(letters, 0, bytes, start, end);
  return new TextDecoder().decode(letters);
}
