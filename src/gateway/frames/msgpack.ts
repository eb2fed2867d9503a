/**
 * Frames as msgpack: records pass in both directions as the bytes that they are.
 *
 * Holds: nothing is decoded before all of it is known to be msgpack within bounds; `records` that come are a view of the
 * frame's own bytes; those that go are copied into the frame. Whole numbers above 2^53 stay exact where they are
 * part of a payload, and are numbers everywhere else.
 */
import { Encoder } from '@msgpack/msgpack';
import { WaysideError } from '../../core/errors.ts';
import { decode } from '../msgpack/batch.ts';
import { msgpackFault } from '../msgpack/check.ts';
import type { Codec } from './codec.ts';
import { blocksIn, plain } from './outgoing.ts';

export const msgpackCodec: Codec = {
  isBinary: true,

  decode(bytes) {
    const fault = msgpackFault(bytes);
    if (fault !== undefined) throw new WaysideError('INVALID_REQUEST', `The frame is no msgpack that is taken here: ${fault}.`);
    const frame = decode(bytes);
    return isFields(frame) ? numbered(frame) : frame;
  },

  encode(frame) {
    const carried = blocksIn(frame);
    if (carried === undefined) return SMALL.encode(plain(frame)) as Uint8Array<ArrayBuffer>;
    const size = carried.blocks.reduce((sum, { records }) => sum + records.length + BLOCK_BYTES, FRAME_BYTES);
    // An encoder of its own: its buffer is the frame, so that nothing is copied a second time.
    return new Encoder({ ...OPTIONS, initialBufferSize: size }).encodeSharedRef(frame) as Uint8Array<ArrayBuffer>;
  },
};

/** What surrounds the records of a block: names of fields, four numbers, a lease. */
const BLOCK_BYTES = 160;
const FRAME_BYTES = 256;
/** Answers of calls may be nested as deep as JSON may. */
const OPTIONS = { ignoreUndefined: true, maxDepth: 1024 };
const SMALL = new Encoder(OPTIONS);

/** Where a number of 64 bits is part of what is stored: the messages of a produce (of credit they are a number), a body. */
function staysExact(name: string, value: unknown): boolean {
  return name === 'body' || (name === 'messages' && Array.isArray(value));
}

/** 64-bit numbers as numbers, but in payloads: some encoders take eight bytes for whatever does not fit into four. */
function numbered(frame: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(frame)) if (!staysExact(name, value)) frame[name] = asNumbers(value);
  return frame;
}

function asNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) if (typeof item === 'bigint' || typeof item === 'object') value[at] = asNumbers(item);
    return value;
  }
  return numbered(value as Record<string, unknown>);
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
