/**
 * A message as a program gives it, and what it is told of it.
 */
import type { NewMessage as Encodable } from '../../core/batch/build.ts';
import { WaysideError } from '../errors.ts';
import { encodePayload, impliedType } from '../payload.ts';

/** What a message may have beside its payload. Texts are Unicode; half a surrogate pair is refused. */
export interface MessageOptions {
  /** Decides the partition, and the order within it; 1 KiB at most. */
  readonly key?: string | undefined;
  /** Stored once within the station's `dedupWindowMs`; 1 KiB at most. The SDK's own retries need none. */
  readonly id?: string | undefined;
  /** 16 KiB at most, names included. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What the payload implies unless given: none for bytes, `text/plain` for a text, else `application/json`. */
  readonly contentType?: string | undefined;
  /** Chooses the partition, from 0; the key decides unless given, else the id, else turns are taken. */
  readonly partition?: number | undefined;
  /** Milliseconds until it gets its sequence and can be consumed, up to a year. */
  readonly delayMs?: number | undefined;
  /** Milliseconds from its sequence on after which it is given to no group any more, up to a year. */
  readonly expiresMs?: number | undefined;
}

/** A message to produce. */
export interface NewMessage<T = unknown> extends MessageOptions {
  /** Bytes go as they are, a text as UTF-8, anything else as JSON. */
  readonly payload: T;
}

/** Where a message was stored. */
export interface Produced {
  /** From 0. */
  readonly partition: number;
  /** Its place in the partition, from 1. 0 when it is only due later. */
  readonly sequence: number;
  /** A message of the same id was there already: this is where. */
  readonly duplicate: boolean;
  /** How durable it is: `memory`, `buffered`, `local`, `synced` or `replicated`; never less than the station asks for. */
  readonly durability: string;
  /** Of a delayed message: what cancels it. */
  readonly scheduleId?: string;
  /** Of a delayed message: milliseconds since 1970. */
  readonly dueAt?: number;
}

/** The form that a batch is built from. @param keeps whether it is kept beyond the next call. @throws INVALID_REQUEST there is none */
export function encodable(payload: unknown, options: MessageOptions | undefined, keeps: boolean): Encodable {
  const bytes = encodePayload(payload, keeps);
  if (options === undefined) return { contentType: impliedType(payload), payload: bytes };
  const { key, id, headers, contentType = impliedType(payload), delayMs, expiresMs } = options;
  const pairs = headers === undefined ? undefined : Object.entries(headers);
  // Programs without types give numbers.
  if (!isText(key) || !isText(id) || !isText(contentType) || pairs?.some(([, text]) => typeof text !== 'string'))
    throw new WaysideError('INVALID_REQUEST', 'key, id, contentType and headers are texts.');
  return { key, id, contentType, headers: pairs, delayMs, expiresMs, payload: bytes };
}

function isText(text: unknown): boolean {
  return text === undefined || typeof text === 'string';
}
