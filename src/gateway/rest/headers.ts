/**
 * What a produced message brings in headers.
 *
 * Holds: header bytes from 0x80 up are UTF-8, and refused where they are not; only the values of `Message-Header-NAME`
 * are percent-decoded, and strictly; a text that is there but empty is refused, since it most likely comes of a
 * variable that was never set.
 */
import { isUtf8 } from '../../core/batch/utf8.ts';
import { WaysideError } from '../../core/errors.ts';
import type { Call } from './call.ts';

/** A header as text. @throws INVALID_REQUEST it is empty, or not UTF-8 */
export function fromHeader(call: Call, name: string): string | undefined {
  const value = call.header(name);
  if (value === null) return undefined;
  if (value === '') throw refuse(name, 'is there, but empty');
  return isAscii(value) ? value : fromBytes(name, latin1(value));
}

/** A header as a whole number in plain digits. @throws INVALID_REQUEST */
export function wholeHeader(call: Call, name: string, min: number): number | undefined {
  const value = call.header(name);
  if (value === null) return undefined;
  const number = /^(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < min) throw refuse(name, `is a whole number from ${min} to 2^53−1, in plain digits`);
  return number;
}

const PREFIX = 'message-header-';

/** Names and values of `Message-Header-NAME`; undefined where there is none. @throws INVALID_REQUEST */
export function messageHeaders(call: Call): [string, string][] | undefined {
  let headers: [string, string][] | undefined;
  const take = (header: string, value: string) => {
    if (header.length < PREFIX.length || header.slice(0, PREFIX.length).toLowerCase() !== PREFIX) return;
    const name = header.slice(PREFIX.length).toLowerCase();
    if (name === '') throw refuse(PREFIX, 'has no name after it');
    const text = percentDecoded(header, value.trim());
    headers ??= [];
    // Sent twice, a header is one, joined as HTTP joins them.
    const same = headers.find((pair) => pair[0] === name);
    if (same) same[1] = `${same[1]}, ${text}`;
    else headers.push([name, text]);
  };
  for (const [header, value] of call.headers()) take(header, value);
  return headers;
}

function percentDecoded(header: string, value: string): string {
  if (isAscii(value) && !value.includes('%')) return value;
  const bytes = new Uint8Array(value.length);
  let size = 0;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code !== 0x25) bytes[size++] = code;
    else {
      const digits = value.slice(at + 1, at + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw refuse(header, 'has a % that two hex digits do not follow');
      bytes[size++] = Number.parseInt(digits, 16);
      at += 2;
    }
  }
  return fromBytes(header, bytes.subarray(0, size));
}

function fromBytes(header: string, bytes: Uint8Array): string {
  if (!isUtf8(bytes, 0, bytes.length)) throw refuse(header, 'is not UTF-8');
  return UTF8.decode(bytes);
}

/** A header's value has a letter a byte. */
function latin1(value: string): Uint8Array {
  return Uint8Array.from(value, (letter) => letter.charCodeAt(0));
}

function isAscii(value: string): boolean {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) >= 0x80) return false;
  return true;
}

function refuse(header: string, what: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `The header ${header.slice(0, 128)} ${what}. Nothing was stored.`, {
    field: header.slice(0, 128),
  });
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
