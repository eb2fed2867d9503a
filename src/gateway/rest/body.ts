/**
 * Bodies: read up to a limit and not a byte further, then understood.
 *
 * Holds: a declared length above the limit is refused before a byte is read, a stream as soon as it passes it; JSON is
 * strict UTF-8, bounded in depth, and has no field that its schema does not know, at any depth.
 * Elsewhere: how an early refusal reaches a client that is still sending (`drained`, used by gateway.ts).
 */
import type * as z from 'zod';
import { isUtf8 } from '../../core/batch/utf8.ts';
import { WaysideError } from '../../core/errors.ts';
import { isJson } from '../json/scan.ts';
import type { Call } from './call.ts';

export interface BodyLimit {
  readonly bytes: number;
  readonly code: 'MESSAGE_TOO_LARGE' | 'BATCH_TOO_LARGE';
}

/** @throws MESSAGE_TOO_LARGE or BATCH_TOO_LARGE · UNSUPPORTED_MEDIA_TYPE it is compressed · INVALID_REQUEST it broke off */
export async function readBody(call: Call, limit: BodyLimit): Promise<Uint8Array> {
  const { request } = call;
  const encoding = call.header('content-encoding');
  if (encoding !== null && encoding.trim().toLowerCase() !== 'identity') {
    throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', 'Bodies are taken as they are, without Content-Encoding.');
  }
  const declared = call.header('content-length');
  if (declared !== null && !(Number(declared) <= limit.bytes)) throw tooLarge(limit);
  try {
    const bytes = declared === null ? await gather(request, limit) : new Uint8Array(await request.arrayBuffer());
    if (bytes.length > limit.bytes) throw tooLarge(limit);
    call.bodyRead = true;
    return bytes;
  } catch (error) {
    if (error instanceof WaysideError) throw error;
    // The connection broke, or what came was no body by HTTP's own rules: nobody reads this answer, most likely.
    throw new WaysideError('INVALID_REQUEST', 'The body broke off before its end. Nothing was stored.');
  }
}

/** A body of unknown length, piece by piece. */
async function gather(request: Request, limit: BodyLimit): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit.bytes) {
      reader.releaseLock();
      throw tooLarge(limit);
    }
    pieces.push(value);
  }
  return pieces.length === 1 ? pieces[0]! : joined(pieces, size);
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function tooLarge({ bytes, code }: BodyLimit): WaysideError {
  return new WaysideError(code, `The body has more than ${bytes} bytes, which is the limit of this call. Nothing was stored.`);
}

/** The media type alone, in small letters; empty where there is none. */
export function mediaType(call: Call): string {
  const header = call.header('content-type') ?? '';
  const end = header.indexOf(';');
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

const JSON_TYPES = ['', 'application/json'];
const PATCH_TYPES = [...JSON_TYPES, 'application/merge-patch+json'];

/** @param form `patch`: a merge patch, which has a type of its own as well; `optional`: no body is an empty object */
export async function readJson<T>(call: Call, schema: z.ZodType<T>, bytesMax: number, form?: 'optional' | 'patch'): Promise<T> {
  const bytes = await readBody(call, { bytes: bytesMax, code: 'MESSAGE_TOO_LARGE' });
  if (bytes.length === 0 && form === 'optional') return validated(schema, {});
  const types = form === 'patch' ? PATCH_TYPES : JSON_TYPES;
  const type = mediaType(call);
  if (!types.includes(type)) throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', `This call takes ${types.filter(Boolean).join(' or ')}.`);
  return validated(schema, parse(bytes));
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw new WaysideError('INVALID_REQUEST', 'This call needs a body: a JSON object.');
  if (!isUtf8(bytes, 0, bytes.length)) throw new WaysideError('INVALID_REQUEST', 'The body is not UTF-8.');
  if (!isJson(bytes, 0, bytes.length)) throw new WaysideError('INVALID_REQUEST', 'The body is not JSON, or nested too deep.');
  return JSON.parse(UTF8.decode(bytes));
}

/** @throws INVALID_REQUEST names the field */
export function validated<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String) ?? [];
  if (issue?.code === 'unrecognized_keys') {
    const unknown = (issue.keys[0] ?? '').slice(0, 64);
    const field = [...path, unknown].join('.');
    throw new WaysideError('INVALID_REQUEST', `The field "${field}" is unknown here.`, { field });
  }
  const field = path.join('.').slice(0, 128);
  const what = issue?.message.replace(/^Invalid input: /, '') ?? 'not valid';
  throw new WaysideError('INVALID_REQUEST', field === '' ? `The body: ${what}.` : `${field}: ${what}.`, field === '' ? {} : { field });
}

/** How much of an unwanted body is taken off the wire, and for how long, so that the client comes to read the answer. */
const DRAIN_BYTES_MAX = 64 * 1024 * 1024;
const DRAIN_MS_MAX = 2_000;
const SOON_MS = 400;

/**
 * An answer that goes out at once and ends only when the rest of the request's body has been taken in and thrown away,
 * within bounds. Closing a connection on which unread bytes arrive makes the system drop the answer as well.
 */
export function drained(request: Request, answer: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(answer);
    },
    async pull(controller) {
      await drain(request).catch(() => undefined);
      controller.close();
    },
  });
}

/** Takes in the rest of a request's body and throws it away; resolves soon in any case, and goes on. */
export async function drainedSoon(request: Request): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SOON_MS);
  });
  await Promise.race([drain(request).catch(() => undefined), late]);
  clearTimeout(timer);
}

/** Within bounds. */
async function drain(request: Request): Promise<void> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS_MAX, 'late');
  });
  try {
    for (let size = 0; size < DRAIN_BYTES_MAX; ) {
      const piece = await Promise.race([reader.read(), late]);
      if (piece === 'late' || piece.done) return;
      size += piece.value.length;
    }
  } finally {
    clearTimeout(timer);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
