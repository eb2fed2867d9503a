/**
 * Reading without a group: pages as JSON, blocks as records, or live as events; and one message, raw.
 *
 * Holds: a page's cursor stands exactly after the last message that is in the page.
 * Elsewhere: events (events.ts), the raw form (raw.ts).
 */
import { RecordCursor } from '../../core/batch/cursor.ts';
import { CRC_BYTES, FLAG_CRC, HEADER_BYTES, putHeader, putU32 } from '../../core/batch/layout.ts';
import { advanceCursor, parsePlace } from '../../core/broker.ts';
import type { Block, ReadInput, ReadResult } from '../../core/calls.ts';
import { crc32c } from '../../core/crc32c.ts';
import { WaysideError } from '../../core/errors.ts';
import type { BodyForm } from '../json/message.ts';
import { writeMessage } from '../json/message.ts';
import { JsonWriter } from '../json/write.ts';
import { EVENTS_TYPE, jsonText, RECORDS_TYPE } from './answer.ts';
import type { Call } from './call.ts';
import { RAW_HEADERS } from './consume.ts';
import { followed } from './events.ts';
import { AS, readQuery, readWhole, text, whole } from './query.ts';
import { rawMessage } from './raw.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Read';

export function readRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const query = {
    partition: whole('All partitions unless said.', 0, limits.partitionsMax - 1),
    from: { kind: 'place', about: 'A sequence, `start` (unless said), `end`, or `time:MS`.' },
    cursor: text('Go on where a read ended. Not together with `from`.'),
    limit: whole(`Messages at most; ${limits.fetchCountDefault} unless said.`, 1, limits.fetchCountMax),
    maxBytes: whole('Record bytes at most, but one message always comes.', 1, limits.fetchBytesMax),
    waitMs: whole('How long to wait for a message, where there is none.', 0, limits.waitMsMax),
    as: AS,
    ticket: text('Instead of a credential, for events.'),
  } as const;

  return [
    {
      method: 'GET',
      path: '/stations/:station/messages',
      where: 'namespace',
      topic: TOPIC,
      id: 'read',
      summary: 'Read messages',
      about: 'In order, without a group, taking nothing away. With `Accept: text/event-stream` it goes on live.',
      query,
      headers: {
        Accept: `\`application/json\`, \`${EVENTS_TYPE}\` or \`${RECORDS_TYPE}\`.`,
        'Last-Event-ID': 'Go on after that event; wins over `from` and `cursor`.',
      },
      answers: {
        200: {
          about: 'A page, or the stream.',
          json: schemas.messages.read,
          types: { [EVENTS_TYPE]: 'An event a message; its `id` is the cursor after it.', [RECORDS_TYPE]: 'Batches end to end.' },
          headers: {
            'Wayside-Cursor': 'With records.',
            'Wayside-End': 'With records: `true` or `false`.',
            'Wayside-Blocks': 'With records: `partition.first.count.producedAt, …`',
          },
          example: {
            messages: [{ partition: 0, sequence: 1, producedAt: 1_760_000_000_000, contentType: 'text/plain', text: 'hello' }],
            cursor: 'c1.1.all.2',
            end: true,
          },
        },
      },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'LIMIT_EXCEEDED'],
      ticketed: true,
      run: async (call) => {
        const { ticket: _, as, from, ...rest } = readQuery(call.request.url, query);
        const form: BodyForm = as === 'base64' ? 'base64' : 'best';
        const input: ReadInput = { ...rest, from: from === undefined ? undefined : parsePlace(from) };
        if (input.cursor !== undefined && from !== undefined) {
          throw new WaysideError('INVALID_REQUEST', 'Give either from or cursor.', { field: 'cursor' });
        }
        const accept = call.header('accept') ?? '';
        if (accept.includes(EVENTS_TYPE)) return followed(service, call, input, form);
        const result = await call.broker.read(call.namespace, call.station, { ...input, signal: call.request.signal });
        return accept.includes(RECORDS_TYPE) ? records(result) : page(result, form);
      },
    },
    {
      method: 'GET',
      path: '/stations/:station/partitions/:partition/messages/:sequence',
      where: 'namespace',
      topic: TOPIC,
      id: 'readMessage',
      summary: 'Read one message, raw',
      answers: { 200: { about: 'Its bytes, as produced.', types: { '*/*': "The message's own type." }, headers: RAW_HEADERS } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'MESSAGE_NOT_FOUND', 'MESSAGE_TRIMMED'],
      run: async (call) => {
        readQuery(call.request.url, {});
        const partition = wholeInPath(call, 'partition', 0);
        const sequence = wholeInPath(call, 'sequence', 1);
        return rawMessage(await call.broker.message(call.namespace, call.station, partition, sequence));
      },
    },
  ];
}

function wholeInPath(call: Call, name: string, min: number): number {
  return readWhole(name, call.text(name), min, Number.MAX_SAFE_INTEGER);
}

function page({ blocks, cursor, end }: ReadResult, form: BodyForm): Response {
  const out = new JsonWriter(blocks.reduce((sum, block) => sum + (block.end - block.start) + block.count * 80, 128));
  let lead = '{"messages":[';
  for (const block of blocks) {
    const { partition, producedAt } = block;
    const record = new RecordCursor(block.bytes, block.start, block.end);
    for (let sequence = block.first; record.next(); sequence++) {
      out.ascii(lead);
      writeMessage(out, record, { partition, sequence, producedAt }, form);
      lead = ',';
    }
  }
  if (blocks.length === 0) out.ascii(lead);
  out.ascii(`],"cursor":${JSON.stringify(cursor)},"end":${end}}`);
  return jsonText(out.finish());
}

/** Clients read some 16 KiB of headers; `Wayside-Blocks` gets half of that at most. */
const BLOCKS_HEADER_MAX = 8 * 1024;

/** Each block as a batch with its CRC, so that it may be sent on as it is. As many as their header has room for. */
function records(result: ReadResult): Response {
  const { blocks, places } = whatFits(result.blocks);
  const size = blocks.reduce((sum, block) => sum + HEADER_BYTES + (block.end - block.start) + CRC_BYTES, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const block of blocks) {
    const length = block.end - block.start;
    const recordsEnd = at + HEADER_BYTES + length;
    putHeader(bytes.subarray(at), FLAG_CRC, block.count, length);
    bytes.set(block.bytes.subarray(block.start, block.end), at + HEADER_BYTES);
    putU32(bytes, recordsEnd, crc32c(bytes, at, recordsEnd));
    at = recordsEnd + CRC_BYTES;
  }
  const whole = blocks.length === result.blocks.length;
  return new Response(bytes, {
    headers: {
      'Content-Type': RECORDS_TYPE,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Wayside-Cursor': whole ? result.cursor : cursorAfter(result.start, blocks),
      'Wayside-End': String(whole && result.end),
      'Wayside-Blocks': places,
    },
  });
}

function whatFits(blocks: readonly Block[]): { blocks: readonly Block[]; places: string } {
  let places = '';
  for (const [index, { partition, first, count, producedAt }] of blocks.entries()) {
    const place = `${index === 0 ? '' : ', '}${partition}.${first}.${count}.${producedAt}`;
    if (places.length + place.length > BLOCKS_HEADER_MAX) return { blocks: blocks.slice(0, index), places };
    places += place;
  }
  return { blocks, places };
}

function cursorAfter(start: string, blocks: readonly Block[]): string {
  return blocks.reduce((cursor, { partition, first, count }) => advanceCursor(cursor, partition, first + count), start);
}
