/**
 * Consuming with a group: fetch, next, and what is said of a message afterwards (ack, nack, extend, reject).
 *
 * Holds: a client that has gone takes no message with it: its call is taken back while it still waits.
 */

import { RecordCursor } from '../../core/batch/cursor.ts';
import type { FetchResult, LeasedBlock, ReceiptFailure, SettleVerb } from '../../core/calls.ts';
import type { BodyForm } from '../json/message.ts';
import { writeMessage } from '../json/message.ts';
import { JsonWriter } from '../json/write.ts';
import { json, jsonText, noContent } from './answer.ts';
import { readJson } from './body.ts';
import { AS, readQuery, whole } from './query.ts';
import { rawMessage } from './raw.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Consume';
const FETCH_QUERY = { as: AS };

export function consumeRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const bytesMax = receiptBytesMax(service);
  const next = {
    consumer: { kind: 'name', about: 'Who asks.', required: true },
    waitMs: whole('How long to wait for a message.', 0, limits.waitMsMax),
    leaseMs: whole("How long it is kept from others; the group's unless said.", limits.leaseMsMin, limits.leaseMsMax),
  } as const;

  return [
    {
      method: 'POST',
      path: '/stations/:station/groups/:group/fetch',
      where: 'namespace',
      topic: TOPIC,
      id: 'fetch',
      summary: 'Fetch messages',
      about:
        "Leases what it gives; ack each message, or it comes again. The first fetch makes the group, at the station's start unless `startAt` says else.",
      query: FETCH_QUERY,
      body: { json: schemas.groups.fetch, example: { consumer: 'worker-1', max: 10, waitMs: 20_000 } },
      answers: {
        200: {
          about: 'Messages; none when the wait was in vain. `failed` is there when receipts given with `ack` did not count.',
          json: schemas.groups.settled.partial().extend({ messages: schemas.messages.delivered.array() }),
          example: {
            messages: [
              {
                partition: 0,
                sequence: 1,
                producedAt: 1_760_000_000_000,
                receipt: '0.1.1-1-9-0a1b2c3',
                deliveries: 1,
                contentType: 'application/json',
                payload: { total: 12 },
              },
            ],
          },
        },
      },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'LIMIT_EXCEEDED', 'MESSAGE_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
      run: async (call) => {
        const { namespace, station, group } = call;
        const form: BodyForm = readQuery(call.request.url, FETCH_QUERY).as === 'base64' ? 'base64' : 'best';
        const input = await readJson(call, schemas.groups.fetch, bytesMax);
        return fetched(await call.broker.fetch(namespace, station, group, { ...input, signal: call.request.signal }), form);
      },
    },
    {
      method: 'POST',
      path: '/stations/:station/groups/:group/next',
      where: 'namespace',
      topic: TOPIC,
      id: 'next',
      summary: 'Fetch one message, raw',
      about: "For curl: the message's bytes are the body, the rest is in headers. Give `Message-Receipt` to ack.",
      query: next,
      answers: {
        200: { about: 'The message as it was produced.', types: { '*/*': "The message's own type." }, headers: RAW_HEADERS },
        204: { about: 'None came.' },
      },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'LIMIT_EXCEEDED'],
      run: async (call) => {
        const { namespace, station, group, request } = call;
        const { consumer = '', waitMs, leaseMs } = readQuery(request.url, next);
        const { blocks } = await call.broker.fetch(namespace, station, group, {
          consumer,
          max: 1,
          waitMs,
          leaseMs,
          signal: request.signal,
        });
        const block = blocks[0];
        if (block === undefined) return noContent();
        return rawMessage(block, { receipt: `${block.partition}.${block.first}.${block.lease}`, deliveries: block.deliveries });
      },
    },
    ...SETTLES.map(([verb, summary, about]) => settleRoute(service, verb, summary, about)),
  ];
}

export const RAW_HEADERS = {
  'Message-Partition': '',
  'Message-Sequence': '',
  'Message-Produced-At': 'Milliseconds since 1970.',
  'Message-Key': 'If it has one. `Message-Key-Base64` instead, where a header cannot carry it.',
  'Idempotency-Key': 'Its id, if it has one; `Idempotency-Key-Base64` likewise.',
  'Message-Header-NAME': 'Each of its headers, percent-encoded.',
  'Message-Receipt': 'Of a delivery.',
  'Message-Deliveries': 'Of a delivery.',
};

const SETTLES: readonly (readonly [SettleVerb, string, string])[] = [
  ['ack', 'Ack messages', 'They are done; acking twice is fine.'],
  ['nack', 'Give messages back', 'They come again, at once or after `delayMs`.'],
  ['extend', 'Lengthen leases', 'So that a slow message is not given to another consumer.'],
  ['reject', 'Reject messages', 'They become dead letters, with the reason.'],
];

function settleRoute(service: Service, verb: SettleVerb, summary: string, about: string): Route {
  const { schemas } = service;
  const schema = schemas.groups.settle[verb];
  const more = verb === 'extend' ? { leaseMs: 60_000 } : verb === 'reject' ? { reason: 'cannot parse' } : {};
  return {
    method: 'POST',
    path: `/stations/:station/groups/:group/${verb}`,
    where: 'namespace',
    topic: TOPIC,
    id: verb,
    summary,
    about,
    body: { json: schema, example: { receipts: ['0.1.1-1-9-0a1b2c3'], ...more } },
    answers: {
      200: { about: 'All counted.', json: schemas.groups.settled, example: { failed: [] } },
      207: {
        about: 'Some did not.',
        json: schemas.groups.settled,
        example: { failed: [{ receipt: '0.1.1-1-9-0a1b2c3', code: 'LEASE_EXPIRED', detail: '…' }] },
      },
    },
    codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND', 'MESSAGE_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
    run: async (call) => {
      const { namespace, station, group } = call;
      readQuery(call.request.url, {});
      const failed = await call.broker.settle(namespace, station, group, verb, await readJson(call, schema, receiptBytesMax(service)));
      return json({ failed: failed.map(shownFailure) }, failed.length === 0 ? 200 : 207);
    },
  };
}

/** A call with as many receipts as are taken is larger than other control calls. */
export function receiptBytesMax({ limits }: Service): number {
  return limits.controlBytesMax + limits.receiptsMax * 96;
}

function fetched({ blocks, failed }: FetchResult, form: BodyForm): Response {
  const out = new JsonWriter(sizeOf(blocks));
  let lead = '{"messages":[';
  for (const block of blocks) {
    const { partition, producedAt, deliveries, lease } = block;
    const record = new RecordCursor(block.bytes, block.start, block.end);
    for (let sequence = block.first; record.next(); sequence++) {
      out.ascii(lead);
      writeMessage(out, record, { partition, sequence, producedAt, deliveries, receipt: `${partition}.${sequence}.${lease}` }, form);
      lead = ',';
    }
  }
  out.ascii(blocks.length === 0 ? '{"messages":[]' : ']');
  if (failed.length > 0) {
    out.ascii(',"failed":');
    const bytes = new TextEncoder().encode(JSON.stringify(failed.map(shownFailure)));
    out.raw(bytes, 0, bytes.length);
  }
  out.ascii('}');
  return jsonText(out.finish());
}

function shownFailure({ receipt, code, detail }: ReceiptFailure): ReceiptFailure {
  return { receipt, code, detail };
}

/** About what the answer takes: the records, and what surrounds each. */
function sizeOf(blocks: readonly LeasedBlock[]): number {
  return blocks.reduce((sum, block) => sum + (block.end - block.start) + block.count * 160, 64);
}
