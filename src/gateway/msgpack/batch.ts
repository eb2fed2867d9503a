/**
 * A msgpack batch: decoded within bounds, its fields checked as a JSON batch's are.
 *
 * Holds: nothing of a batch is visited before all of it is known to be msgpack; a payload that is no bytes becomes JSON
 * that says exactly the same (64-bit numbers too), or is refused.
 */
import { Decoder } from '@msgpack/msgpack';
import { WaysideError } from '../../core/errors.ts';
import { exactJson, isMap } from '../json/exact.ts';
import type { GivenMessage } from '../rest/given.ts';
import { msgpackFault } from './check.ts';

/** As `readJsonBatch`. @throws INVALID_REQUEST */
export function readMsgpackBatch(body: Uint8Array, visit: (message: GivenMessage, index: number) => void): { atomic: boolean } {
  const fault = msgpackFault(body);
  if (fault !== undefined) throw new WaysideError('INVALID_REQUEST', `The body is not msgpack that this call takes: ${fault}.`);
  const batch = decode(body);
  if (!isMap(batch)) throw new WaysideError('INVALID_REQUEST', 'The body is a map with "messages".');
  for (const field of Object.keys(batch)) {
    if (field !== 'messages' && field !== 'atomic')
      throw new WaysideError('INVALID_REQUEST', `The field "${field.slice(0, 64)}" is unknown here.`, { field: field.slice(0, 64) });
  }
  const { messages, atomic = false } = batch;
  if (!Array.isArray(messages)) throw new WaysideError('INVALID_REQUEST', 'messages is a list.', { field: 'messages' });
  if (typeof atomic !== 'boolean') throw new WaysideError('INVALID_REQUEST', 'atomic is true or false.', { field: 'atomic' });
  readValues(messages, visit);
  return { atomic };
}

/** Messages that are values already: decoded, or handed over as objects. */
export function readValues(messages: readonly unknown[], visit: (message: GivenMessage, index: number) => void): void {
  for (const [index, value] of messages.entries()) visit(given(value, index), index);
}

/** @param body has no fault (`msgpackFault`) @throws INVALID_REQUEST a key is no text, or `__proto__` */
export function decode(body: Uint8Array): unknown {
  try {
    return new Decoder({ useBigInt64: true, keyDecoder: null, mapKeyConverter: textKey }).decode(body);
  } catch {
    // The check before has judged the bytes; what is left are keys that are no texts, and `__proto__`.
    throw new WaysideError(
      'INVALID_REQUEST',
      'This is not msgpack that is taken here: every key of a map is a text, and none is __proto__.',
    );
  }
}

function textKey(key: unknown): string {
  if (typeof key !== 'string') throw new TypeError('a key that is no text');
  return key;
}

function given(value: unknown, index: number): GivenMessage {
  if (!isMap(value)) throw refuse(index, 'is a map');
  const message: GivenMessage = {};
  for (const [field, item] of Object.entries(value)) {
    switch (field) {
      case 'payload':
        message.binary = item instanceof Uint8Array;
        message.payload = item instanceof Uint8Array ? item : ENCODER.encode(payloadJson(item, index));
        break;
      case 'text':
      case 'base64':
      case 'key':
      case 'id':
      case 'contentType':
        if (typeof item !== 'string') throw refuse(index, `${field} is a text`, field);
        message[field] = item;
        break;
      case 'headers':
        message.headers = headersOf(item, index);
        break;
      case 'delayMs':
      case 'expiresMs':
        message[field] = wholeOf(item, index, field);
        break;
      default:
        throw refuse(index, `the field "${field.slice(0, 64)}" is unknown here`, field.slice(0, 64));
    }
  }
  return message;
}

function headersOf(value: unknown, index: number): [string, string][] {
  if (!isMap(value)) throw refuse(index, 'headers is a map', 'headers');
  return Object.entries(value).map(([name, text]) => {
    if (typeof text !== 'string') throw refuse(index, 'headers holds texts only', 'headers');
    return [name, text];
  });
}

function wholeOf(value: unknown, index: number, field: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0)
    throw refuse(index, `${field} is a whole number of milliseconds from 0`, field);
  return number;
}

function payloadJson(value: unknown, index: number): string {
  try {
    return exactJson(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw refuse(index, `payload is bytes or a JSON value, and holds ${error.message}`, 'payload');
  }
}

function refuse(index: number, what: string, field?: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `Message ${index}: ${what}.`, field === undefined ? { index } : { field, index });
}

const ENCODER = new TextEncoder();
