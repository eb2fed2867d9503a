/**
 * Producing one message: the body's bytes as they are, the rest in headers. The hot path: no schema, no object per header.
 *
 * Holds: what is stored is what was sent; a header that makes no sense is refused before anything is stored.
 * Leaves to the broker: the partition, ids, the expected sequence, the station's own limits.
 */
import { BatchBuilder } from '../../core/batch/build.ts';
import type { ProduceResult, Producer } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { JSON_HEADERS } from './answer.ts';
import { readBody } from './body.ts';
import type { Call } from './call.ts';
import { fromHeader, messageHeaders, wholeHeader } from './headers.ts';
import type { Values } from './query.ts';
import { readQuery, whole } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

export function produceQuery({ limits }: Service) {
  return {
    partition: whole('Chooses the partition; without it the key decides, else the id, else turns are taken.', 0, limits.partitionsMax - 1),
  };
}

export const EXPECTED_SEQUENCE = "Append only if the partition's next sequence is this.";

export function produceRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const query = produceQuery(service);
  const limit = { bytes: limits.messageBytesMax, code: 'MESSAGE_TOO_LARGE' } as const;
  // One buffer for all: a message is put in and taken out within a turn.
  const builder = new BatchBuilder();

  const run = async (call: Call): Promise<Response> => {
    const { namespace, station } = call;
    const { partition }: Values<typeof query> = readQuery(call.request.url, query);
    const expectedSequence = wholeHeader(call, 'expected-sequence', 1);
    const producer = producerOf(call);
    const message = {
      key: fromHeader(call, 'message-key'),
      id: fromHeader(call, 'idempotency-key'),
      // An empty one is how some clients say that there is none.
      contentType: call.header('content-type') === '' ? undefined : fromHeader(call, 'content-type'),
      headers: messageHeaders(call),
      // A delay of 0 is no delay.
      delayMs: wholeHeader(call, 'message-delay-ms', 0) || undefined,
      expiresMs: wholeHeader(call, 'message-expires-ms', 0),
      payload: await readBody(call, limit),
    };
    builder.reset();
    builder.append(message);
    // Atomic: whatever the message is refused for, its producer's sequence is not used by it.
    const input = { partition, expectedSequence, producer, atomic: producer !== undefined, trusted: true };
    return answer(await call.broker.produce(namespace, station, builder.finish(), input));
  };

  return [
    {
      method: 'POST',
      path: '/stations/:station/messages',
      where: 'namespace',
      topic: 'Produce',
      id: 'produce',
      summary: 'Produce a message',
      about: "The body's bytes are kept as they are, with any content type.",
      query,
      headers: {
        'Idempotency-Key': "An id: stored once within the station's `dedupWindowMs`.",
        'Message-Key': 'Decides the partition, and the order within it.',
        'Message-Delay-Ms': 'The message comes after so long, at most a year: it gets its sequence then.',
        'Message-Expires-Ms': 'After so long, counted from its sequence, it is given to no group any more.',
        'Message-Header-NAME': 'A header of the message; the value is percent-encoded UTF-8.',
        'Expected-Sequence': `${EXPECTED_SEQUENCE} A repeat of an id wins over it.`,
        ...PRODUCER_HEADERS,
      },
      body: { types: { '*/*': 'Any bytes.' }, example: '{"total":12}' },
      answers: {
        200: {
          about: "A repeat: this is the first one's place.",
          json: schemas.messages.produced,
          example: { partition: 0, sequence: 1, duplicate: true, durability: 'synced' },
        },
        201: {
          about: 'It is stored, as durably as `durability` says.',
          json: schemas.messages.produced,
          example: { partition: 0, sequence: 1, duplicate: false, durability: 'synced' },
        },
        202: {
          about: 'It is delayed, and kept as durably as `durability` says. A repeat is answered with the same `scheduleId`.',
          json: schemas.messages.delayed,
          example: { scheduleId: '0-1-1x2y3z4', dueAt: 1_760_000_060_000, durability: 'synced' },
        },
      },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_NOT_FOUND',
        'SEQUENCE_MISMATCH',
        'PRODUCER_FENCED',
        'PRODUCER_GAP',
        'MESSAGE_TOO_LARGE',
        'LIMIT_EXCEEDED',
        'UNSUPPORTED_MEDIA_TYPE',
        'OVERLOADED',
        'STORAGE_FULL',
      ],
      run,
    },
  ];
}

/** Whose message, or batch, it is; undefined where nobody counts. @throws INVALID_REQUEST */
export function producerOf(call: Call): Producer | undefined {
  const id = fromHeader(call, 'producer-id');
  const epoch = wholeHeader(call, 'producer-epoch', 1);
  const sequence = wholeHeader(call, 'producer-sequence', 1);
  if (id === undefined && epoch === undefined && sequence === undefined) return undefined;
  if (id === undefined || epoch === undefined || sequence === undefined) {
    throw new WaysideError('INVALID_REQUEST', 'A producer sends Producer-Id, Producer-Epoch and Producer-Sequence, all three.', {
      field: id === undefined ? 'producer-id' : epoch === undefined ? 'producer-epoch' : 'producer-sequence',
    });
  }
  return { id, epoch, sequence };
}

export const PRODUCER_HEADERS = {
  'Producer-Id': 'A name: what it sends is stored once, in order. Needs `?partition=` on a station with several.',
  'Producer-Epoch': 'From 1. A newer one fences the older ones, which are refused from then on.',
  'Producer-Sequence': "Counts the producer's messages from 1 in each partition and epoch; of a batch, that of its first message.",
};

function answer({ ranges, duplicates, scheduled, errors, durability }: ProduceResult): Response {
  const [range] = ranges;
  if (range !== undefined) return placed(range[0], range[1], false, durability, 201);
  const [duplicate] = duplicates;
  if (duplicate !== undefined) return placed(duplicate[1], duplicate[2], true, durability, 200);
  const [delayed] = scheduled;
  if (delayed !== undefined) {
    const { scheduleId, dueAt } = delayed;
    return new Response(JSON.stringify({ scheduleId, dueAt, durability }), { status: 202, headers: JSON_HEADERS });
  }
  const [error] = errors;
  throw error === undefined ? new TypeError('a message that was neither stored nor refused') : new WaysideError(error.code, error.detail);
}

function placed(partition: number, sequence: number, duplicate: boolean, durability: string, status: number): Response {
  const body = `{"partition":${partition},"sequence":${sequence},"duplicate":${duplicate},"durability":"${durability}"}`;
  return new Response(body, { status, headers: JSON_HEADERS });
}
