/**
 * What a frame may carry that its codec has not turned into values: messages and bodies whose bytes must stay as they came.
 *
 * Holds: only a codec makes these; nothing that came over a wire, or by structured clone, is an instance of them.
 */
import { exactJson } from '../json/exact.ts';
import { readJsonMessages } from '../json/spans.ts';
import { readValues } from '../msgpack/batch.ts';
import type { GivenMessage } from '../rest/given.ts';

/** JSON that was not parsed: a view of the frame's bytes. */
export class RawJson {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/**
 * Reads the messages of a produce frame, whatever they were made of.
 *
 * @returns whether there were any to read
 * @throws INVALID_REQUEST with the index of the message
 */
export function readMessages(messages: unknown, visit: (message: GivenMessage, index: number) => void): boolean {
  if (messages instanceof RawJson) readJsonMessages(messages.bytes, visit);
  else if (Array.isArray(messages)) readValues(messages, visit);
  else return false;
  return true;
}

/** About as many bytes as their records will take; undefined where nothing says. */
export function sizeOf(messages: unknown): number | undefined {
  return messages instanceof RawJson ? messages.bytes.length : undefined;
}

/**
 * The bytes of a call's body: JSON, or bytes as they are. Undefined where there is none.
 *
 * @throws TypeError it holds what JSON cannot say
 */
export function bodyOf(body: unknown): { readonly bytes: Uint8Array; readonly isJson: boolean } | undefined {
  if (body === undefined) return undefined;
  if (body instanceof RawJson) return { bytes: body.bytes, isJson: true };
  if (body instanceof Uint8Array) return { bytes: body, isJson: false };
  return { bytes: ENCODER.encode(exactJson(body)), isJson: true };
}

const ENCODER = new TextEncoder();
