/**
 * Frames as JSON text: payloads pass in both directions as the bytes that they are.
 *
 * Holds: the messages of a produce and the body of a call are never parsed here, only found; deliveries are messages of
 * API.md §5. A delivery is larger than its records: by about 150 bytes a message, a third where bytes go as base64, and
 * at most six times where a text is all control characters.
 */
import { RecordCursor } from '../../core/batch/cursor.ts';
import { HEADER_BYTES, u32At } from '../../core/batch/layout.ts';
import { isUtf8 } from '../../core/batch/utf8.ts';
import { WaysideError } from '../../core/errors.ts';
import { writeMessage } from '../json/message.ts';
import { readJsonObject } from '../json/spans.ts';
import { JsonWriter } from '../json/write.ts';
import type { Codec } from './codec.ts';
import { RawJson } from './incoming.ts';
import type { FetchedBlocks, Outgoing } from './outgoing.ts';
import { Answered, blocksIn } from './outgoing.ts';

export const jsonCodec: Codec = {
  isBinary: false,

  decode(bytes) {
    if (!isUtf8(bytes, 0, bytes.length)) throw new WaysideError('INVALID_REQUEST', 'The frame is not UTF-8.');
    const fields = new Map<string, unknown>();
    readJsonObject(bytes, (name, value) => {
      if (fields.has(name)) throw new WaysideError('INVALID_REQUEST', `The field "${name.slice(0, 64)}" is there twice.`);
      fields.set(name, staysRaw(name, value) ? new RawJson(value) : JSON.parse(UTF8.decode(value)));
    });
    // A field of any name, __proto__ too, is a field.
    return Object.fromEntries(fields);
  },

  encode(frame) {
    const carried = blocksIn(frame);
    if (carried !== undefined) return deliveryText(frame, carried);
    if ('ok' in frame && frame.ok instanceof Answered) return answerText(frame.id, frame.ok);
    return JSON.stringify(frame);
  },
};

/** The messages of a produce (of credit they are a number), and the body of a call. */
function staysRaw(name: string, value: Uint8Array): boolean {
  return name === 'body' || (name === 'messages' && value[0] === 0x5b);
}

/** `{"sub":1,"messages":[…]}`, or the same as the `ok` of a fetch. */
function deliveryText(frame: Outgoing, { blocks, failed }: FetchedBlocks): Uint8Array<ArrayBuffer> {
  const isFetch = 'id' in frame;
  const out = new JsonWriter(blocks.reduce((sum, { records }) => sum + records.length + countIn(records) * MESSAGE_BYTES, 256));
  out.ascii(isFetch ? `{"id":${frame.id},"ok":{"messages":[` : `{"sub":${(frame as { sub: number }).sub},"messages":[`);
  let lead = '';
  for (const { partition, first, producedAt, deliveries, lease, records } of blocks) {
    const record = new RecordCursor(records, HEADER_BYTES, records.length);
    for (let sequence = first; record.next(); sequence++) {
      out.ascii(lead);
      writeMessage(out, record, { partition, sequence, producedAt, deliveries, receipt: `${partition}.${sequence}.${lease}` }, 'best');
      lead = ',';
    }
  }
  out.ascii(']');
  if (failed !== undefined) text(out, `,"failed":${JSON.stringify(failed)}`);
  out.ascii(isFetch ? '}}' : '}');
  const bytes = out.finish();
  // It may wait for a slow reader, with the whole buffer behind it: one that has grown far too large is not kept.
  return bytes.length < bytes.buffer.byteLength * 0.75 ? bytes.slice() : bytes;
}

/** Where a batch's head has its count. */
const COUNT_AT = 5;
/** What surrounds a message, more or less. */
const MESSAGE_BYTES = 160;

/** Messages of a batch, as its head says. */
function countIn(records: Uint8Array): number {
  return u32At(records, COUNT_AT);
}

function answerText(id: number, { status, bytes, isJson }: Answered): Uint8Array<ArrayBuffer> {
  const out = new JsonWriter(bytes.length + 64);
  out.ascii(`{"id":${id},"ok":{"status":${status},"body":`);
  if (isJson) out.raw(bytes, 0, bytes.length);
  else if (bytes.length === 0) out.ascii('null');
  else notJson(out, bytes);
  out.ascii('}}');
  return out.finish();
}

/** A body that is no JSON: a text, or where it is none, `{"base64": …}`. */
function notJson(out: JsonWriter, bytes: Uint8Array): void {
  if (isUtf8(bytes, 0, bytes.length)) out.utf8(bytes, 0, bytes.length);
  else {
    out.ascii('{"base64":');
    out.base64(bytes, 0, bytes.length);
    out.ascii('}');
  }
}

function text(out: JsonWriter, json: string): void {
  const bytes = ENCODER.encode(json);
  out.raw(bytes, 0, bytes.length);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();
