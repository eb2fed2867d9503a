/**
 * Payloads: what a program gives as bytes with a content type, and back.
 *
 * Holds: bytes go as they are and without a content type; what comes back is decided by the content type alone.
 */
import { WaysideError } from './errors.ts';

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

export const JSON_TYPE = 'application/json';
export const TEXT_TYPE = 'text/plain';

/** Texts up to so many units are encoded here: a buffer of its own costs a text several times what encoding it does. */
const SCRATCH_UNITS = 16 * 1024;
const SCRATCH = new Uint8Array(SCRATCH_UNITS * 3);

/**
 * A payload's bytes. Bytes and buffers as they are, a text as UTF-8, anything else as JSON.
 *
 * @param keeps whether the bytes are kept beyond the next call; else they may be overwritten then
 * @throws INVALID_REQUEST it has no JSON (undefined, a function, a BigInt, a circle)
 */
export function encodePayload(payload: unknown, keeps: boolean): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (typeof payload === 'string') return encodeText(payload, keeps);
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(payload);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return encodeText(text, keeps);
  const why = cause instanceof Error ? cause.message : `${typeof payload} is none`;
  throw new WaysideError('INVALID_REQUEST', `The payload has no form as JSON: ${why}. Give bytes, a text, or JSON.`, {
    field: 'payload',
    cause,
  });
}

function encodeText(text: string, keeps: boolean): Uint8Array {
  if (keeps || text.length > SCRATCH_UNITS) return ENCODER.encode(text);
  return SCRATCH.subarray(0, ENCODER.encodeInto(text, SCRATCH).written);
}

/** The content type that a payload implies, where none is given. */
export function impliedType(payload: unknown): string | undefined {
  if (typeof payload === 'string') return TEXT_TYPE;
  return payload instanceof ArrayBuffer || ArrayBuffer.isView(payload) ? undefined : JSON_TYPE;
}

/** @throws INVALID_REQUEST the content type says JSON, and the bytes are none */
export function decodePayload(contentType: string | undefined, bytes: Uint8Array): unknown {
  if (contentType === undefined) return bytes;
  const type = contentType === JSON_TYPE ? contentType : contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (type === JSON_TYPE || type === 'text/json' || type.endsWith('+json')) return parseJson(bytes);
  return type.startsWith('text/') ? decodeText(bytes) : bytes;
}

export function decodeText(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** @throws INVALID_REQUEST */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeText(bytes));
  } catch (cause) {
    throw new WaysideError('INVALID_REQUEST', 'The payload is not JSON. Read the bytes, or reject the message.', {
      field: 'payload',
      cause,
    });
  }
}

const WORDS = 0x8000;

/** @throws TypeError it is no base64 */
export function fromBase64(text: string): Uint8Array {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  let letters = '';
  for (let at = 0; at < bytes.length; at += WORDS) letters += String.fromCharCode(...bytes.subarray(at, at + WORDS));
  return btoa(letters);
}
