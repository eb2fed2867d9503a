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
import { json, jsonText, RECORDS_TYPE } from './answer.ts';
import { mediaType, readBody } from './body.ts';
import type { Call } from './call.ts';
import { appendGiven } from './given.ts';
import { wholeHeader } from './headers.ts';
import { EXPECTED_SEQUENCE, produceQuery, refuseLater } from './produce.ts';
import { readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const MSGPACK_TYPES = ['application/msgpack', 'application/vnd.msgpack', 'application/x-msgpack'];

export function batchRoutes(service: Service): Route[] {
  const { broker, limits, schemas } = service;
  const query = produceQuery(service);
  const recordsLimit = { bytes: limits.batchBytesMax, code: 'BATCH_TOO_LARGE' } as const;
  // Base64 and the names of fields make JSON larger than the records it becomes; how large those are is counted later.
  const formsLimit = { bytes: limits.batchBytesMax * 2, code: 'BATCH_TOO_LARGE' } as const;

  const run = async (call: Call): Promise<Response> => {
    const { namespace, station } = call;
    const { partition } = readQuery(call.request.url, query);
    refuseLater(call);
    const expectedSequence = wholeHeader(call, 'expected-sequence', 1);
    const type = mediaType(call);
    if (type === RECORDS_TYPE) {
      const batch = await readBody(call, recordsLimit);
      return recordsAnswer(await broker.produce(namespace, station, batch, { partition, expectedSequence }));
    }
    const read = type === 'application/json' ? readJsonBatch : MSGPACK_TYPES.includes(type) ? readMsgpackBatch : undefined;
    if (read === undefined) {
      throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', `A batch is application/json, ${MSGPACK_TYPES[0]} or ${RECORDS_TYPE}.`);
    }
    const body = await readBody(call, formsLimit);
    const builder = new BatchBuilder(Math.min(body.length + 1024, limits.batchBytesMax));
    const { atomic } = read(body, (message, index) => appendGiven(builder, message, index, limits));
    if (builder.count === 0) throw new WaysideError('INVALID_REQUEST', 'messages is empty; send one at least.', { field: 'messages' });
    return formsAnswer(await broker.produce(namespace, station, builder.finish(), { partition, atomic, expectedSequence, trusted: true }));
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
      headers: { 'Expected-Sequence': EXPECTED_SEQUENCE },
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

function recordsAnswer({ ranges, duplicates, errors, durability }: ProduceResult): Response {
  const told = { ranges, duplicates, scheduled: [], errors: errors.map(({ index, code }) => [index, code]), durability };
  return json(told, errors.length === 0 ? 201 : 207);
}

function formsAnswer(result: ProduceResult): Response {
  return jsonText(`{"results":[${placesOf(result).join(',')}]}`, result.errors.length === 0 ? 201 : 207);
}

/** Each message's place, or why it has none, in the order sent; as JSON. */
function placesOf({ count, ranges, duplicates, errors, partitions, durability }: ProduceResult): string[] {
  const places = new Array<string>(count);
  const rest = `,"durability":"${durability}"}`;
  for (const { index, code, detail } of errors) places[index] = JSON.stringify({ code, detail });
  for (const [index, partition, sequence] of duplicates)
    places[index] = `{"partition":${partition},"sequence":${sequence},"duplicate":true${rest}`;

  // What is left was stored: in each partition the ranges, in order, are its sequences.
  const only = ranges[0]?.[0] ?? 0;
  const sequences = new Map<number, Iterator<number, undefined>>();
  for (let index = 0; index < count; index++) {
    if (places[index] !== undefined) continue;
    const partition = partitions?.[index] ?? only;
    let next = sequences.get(partition);
    if (next === undefined) {
      next = sequencesOf(ranges, partition);
      sequences.set(partition, next);
    }
    places[index] = `{"partition":${partition},"sequence":${next.next().value},"duplicate":false${rest}`;
  }
  return places;
}

function* sequencesOf(ranges: ProduceResult['ranges'], partition: number): Generator<number, undefined> {
  for (const [of, first, count] of ranges) {
    if (of !== partition) continue;
    for (let sequence = first; sequence < first + count; sequence++) yield sequence;
  }
  return undefined;
}
