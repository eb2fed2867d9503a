/**
 * A message as a JSON or msgpack batch gives it, and how it becomes a record.
 *
 * Holds: exactly one of the three forms of a payload; what is stored is the payload's bytes as they came.
 * Leaves to the broker: sizes, delays that it cannot do, everything that depends on the station.
 */
import type { BatchBuilder, NewMessage } from '../../core/batch/build.ts';
import { WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import { fromBase64 } from '../json/base64.ts';

/** One object may serve many messages, so its fields are written and cleared. */
export interface GivenMessage {
  /** JSON as it came, or (msgpack) any bytes: then `binary`. */
  payload?: Uint8Array | undefined;
  binary?: boolean | undefined;
  text?: string | undefined;
  base64?: string | undefined;
  key?: string | undefined;
  id?: string | undefined;
  contentType?: string | undefined;
  headers?: [string, string][] | undefined;
  delayMs?: number | undefined;
  expiresMs?: number | undefined;
}

/** @throws INVALID_REQUEST with the index; BATCH_TOO_LARGE, so that no more of it need be read */
export function appendGiven(builder: BatchBuilder, message: GivenMessage, index: number, limits: Limits): void {
  if (index >= limits.batchCountMax) {
    throw new WaysideError(
      'BATCH_TOO_LARGE',
      `The batch has more than ${limits.batchCountMax} messages. Send fewer at once; nothing was stored.`,
    );
  }
  const forms = count(message.payload) + count(message.text) + count(message.base64);
  if (forms !== 1) throw refuse(index, 'takes exactly one of "payload", "text", "base64"');
  if (message.delayMs !== undefined && message.delayMs > limits.delayMsMax)
    throw refuse(index, `may be delayed by ${limits.delayMsMax} ms at most`, 'delayMs');
  if (message.expiresMs !== undefined && (message.expiresMs < 1 || message.expiresMs > limits.delayMsMax))
    throw refuse(index, `may expire after 1 to ${limits.delayMsMax} ms`, 'expiresMs');
  const record: NewMessage = {
    key: message.key,
    id: message.id,
    contentType: message.contentType ?? impliedType(message),
    headers: message.headers?.length === 0 ? undefined : message.headers,
    // A delay of 0 is no delay.
    delayMs: message.delayMs === 0 ? undefined : message.delayMs,
    expiresMs: message.expiresMs,
    payload: bytesOf(message, index),
  };
  try {
    builder.append(record);
  } catch (error) {
    if (!(error instanceof WaysideError)) throw error;
    throw new WaysideError(error.code, `Message ${index}: ${error.message}`, { ...error.extra, index });
  }
  if (builder.byteLength > limits.batchBytesMax) {
    throw new WaysideError(
      'BATCH_TOO_LARGE',
      `The batch has more than ${limits.batchBytesMax} bytes as records. Send fewer messages at once; nothing was stored.`,
    );
  }
}

function count(value: unknown): number {
  return value === undefined ? 0 : 1;
}

function impliedType(message: GivenMessage): string | undefined {
  if (message.payload !== undefined) return message.binary ? undefined : 'application/json';
  return message.text === undefined ? undefined : 'text/plain';
}

function bytesOf(message: GivenMessage, index: number): Uint8Array {
  if (message.payload !== undefined) return message.payload;
  if (message.text !== undefined) {
    if (!message.text.isWellFormed()) throw refuse(index, 'has half of a surrogate pair in its text, which UTF-8 cannot carry', 'text');
    return ENCODER.encode(message.text);
  }
  const bytes = fromBase64(message.base64 ?? '');
  if (bytes === undefined) throw refuse(index, 'has no valid base64', 'base64');
  return bytes;
}

function refuse(index: number, what: string, field?: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `Message ${index} ${what}.`, field === undefined ? { index } : { field, index });
}

const ENCODER = new TextEncoder();
