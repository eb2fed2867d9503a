/**
 * Producing many messages: JSON, msgpack, or records. All become one record batch, and take one path from there.
 *
 * Holds: a body that is no batch stores nothing; results are in the order sent.
 * Leaves to the broker: which messages it refuses (207), and `atomic`.
 */
import { BatchBuilder } from '../../core/batch/build.ts';
import type { ProduceResult } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { readJsonBatch } from '../json/spans.ts';
import { readMsgpackBatch } from '../msgpack/batch.ts';
import { placesOf, rangesOf } from '../results.ts';
import { json, jsonText, RECORDS_TYPE } from './answer.ts';
import { mediaType, readBody } from './body.ts';
import type { Call } from './call.ts';
import { appendGiven } from './given.ts';
import { wholeHeader } from './headers.ts';
import { EXPECTED_SEQUENCE, PRODUCER_HEADERS, produceQuery, producerOf } from './produce.ts';
import { choice, readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const MSGPACK_TYPES = ['application/msgpack', 'application/vnd.msgpack', 'application/x-msgpack'];

export function batchRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const query = {
    ...produceQuery(service),
    atomic: choice('Of records: all or nothing. Batches of JSON and msgpack have a field for it.', 'true', 'false'),
  };
  const recordsLimit = { bytes: limits.batchBytesMax, code: 'BATCH_TOO_LARGE' } as const;
  // Base64 and the names of fields make JSON larger than the records it becomes; how large those are is counted later.
  const formsLimit = { bytes: limits.batchBytesMax * 2, code: 'BATCH_TOO_LARGE' } as const;

  const run = async (call: Call): Promise<Response> => {
    const { namespace, station } = call;
    const { partition, atomic: asked } = readQuery(call.request.url, query);
    refuseOfOne(call);
    const expectedSequence = wholeHeader(call, 'expected-sequence', 1);
    const producer = producerOf(call);
    const type = mediaType(call);
    if (type === RECORDS_TYPE) {
      const batch = await readBody(call, recordsLimit);
      const input = { partition, atomic: asked === 'true', expectedSequence, producer };
      return recordsAnswer(await call.broker.produce(namespace, station, batch, input));
    }
    const read = type === 'application/json' ? readJsonBatch : MSGPACK_TYPES.includes(type) ? readMsgpackBatch : undefined;
    if (read === undefined) {
      throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', `A batch is application/json, ${MSGPACK_TYPES[0]} or ${RECORDS_TYPE}.`);
    }
    if (asked !== undefined) {
      throw new WaysideError('INVALID_REQUEST', 'atomic is a field of a batch of this type, not a parameter.', { field: 'atomic' });
    }
    const body = await readBody(call, formsLimit);
    const builder = new BatchBuilder(Math.min(body.length + 1024, limits.batchBytesMax));
    const { atomic } = read(body, (message, index) => appendGiven(builder, message, index, limits));
    if (builder.count === 0) throw new WaysideError('INVALID_REQUEST', 'messages is empty; send one at least.', { field: 'messages' });
    const input = { partition, atomic, expectedSequence, producer, trusted: true };
    return formsAnswer(await call.broker.produce(namespace, station, builder.finish(), input));
  };

  return [
    {
      method: 'POST',
      path: '/stations/:station/messages/batch',
      where: 'namespace',
      topic: 'Produce',
      id: 'produceBatch',
      summary: 'Produce many messages',
      about: 'Each message has exactly one of `payload`, `text`, `base64`. `atomic` messages must fall in one partition.',
      query,
      headers: { 'Expected-Sequence': EXPECTED_SEQUENCE, ...PRODUCER_HEADERS },
      body: {
        json: schemas.messages.batch,
        types: { 'application/msgpack': 'The same; there `payload` may be bytes.', [RECORDS_TYPE]: 'A record batch.' },
        example: { messages: [{ payload: { total: 12 }, key: 'customer-7', id: 'order-17' }, { text: 'hello' }] },
      },
      answers: {
        201: {
          about: 'All are stored. For records: ranges.',
          json: schemas.messages.results.or(schemas.messages.recordsResult),
          example: { results: [{ partition: 0, sequence: 1, duplicate: false, durability: 'synced' }] },
        },
        207: {
          about: 'Some are stored; the others have a code.',
          json: schemas.messages.results.or(schemas.messages.recordsResult),
          example: { results: [{ code: 'MESSAGE_TOO_LARGE', detail: '…' }] },
        },
      },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'INVALID_RECORDS',
        'STATION_NOT_FOUND',
        'SEQUENCE_MISMATCH',
        'PRODUCER_FENCED',
        'PRODUCER_GAP',
        'MESSAGE_TOO_LARGE',
        'BATCH_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
        'LIMIT_EXCEEDED',
        'OVERLOADED',
        'STORAGE_FULL',
      ],
      run,
    },
  ];
}

/** What only one message can have is not passed over in silence. @throws INVALID_REQUEST */
function refuseOfOne(call: Call): void {
  for (const [header, field] of [
    ['message-delay-ms', 'delayMs'],
    ['message-expires-ms', 'expiresMs'],
  ] as const) {
    if (wholeHeader(call, header, 0) === undefined) continue;
    throw new WaysideError(
      'INVALID_REQUEST',
      `${header} is of one message. In a batch each message has its own ${field}. Nothing was stored.`,
      {
        field: header,
      },
    );
  }
}

function recordsAnswer(result: ProduceResult): Response {
  return json(rangesOf(result), result.errors.length === 0 ? 201 : 207);
}

/** Written by hand: ten thousand objects would be made only to become text. */
function formsAnswer(result: ProduceResult): Response {
  const rest = `,"durability":"${result.durability}"}`;
  const places = placesOf(result, {
    placed: (partition, sequence, isDuplicate) => `{"partition":${partition},"sequence":${sequence},"duplicate":${isDuplicate}${rest}`,
    delayed: (scheduleId, dueAt) => `{"scheduleId":"${scheduleId}","dueAt":${dueAt}${rest}`,
    refused: (code, detail) => JSON.stringify({ code, detail }),
  });
  return jsonText(`{"results":[${places.join(',')}]}`, result.errors.length === 0 ? 201 : 207);
}
