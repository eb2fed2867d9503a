/**
 * Dead letters: listed, read, removed, sent again.
 */
import { RecordCursor } from '../../core/batch/cursor.ts';
import type { DeadLetter, DeadReason } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import type { BodyForm } from '../json/message.ts';
import { writeMessage } from '../json/message.ts';
import { JsonWriter } from '../json/write.ts';
import { json, jsonText, noContent } from './answer.ts';
import { readJson } from './body.ts';
import type { Call } from './call.ts';
import { receiptBytesMax } from './consume.ts';
import { AS, choice, pageParameters, readQuery, text, whole } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Dead letters';
const ONE_QUERY = { as: AS };

export function deadLetterRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const listQuery = {
    ...pageParameters(limits),
    group: { kind: 'name', about: 'Only those of this group.' },
    reason: choice('Only those that died so.', 'rejected', 'max-deliveries', 'expired'),
    key: text('Only those with this key. A page may hold fewer than its limit then, and another one follow.'),
    from: whole('Only those that died at this time or later, in ms since 1970.', 0),
    until: whole('Only those that died before this time.', 0),
    as: AS,
  } as const;

  return [
    {
      method: 'GET',
      path: '/stations/:station/dead-letters',
      where: 'namespace',
      topic: TOPIC,
      id: 'listDeadLetters',
      summary: 'List dead letters',
      query: listQuery,
      answers: { 200: { about: 'A page.', json: schemas.deadLetters.list } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND'],
      run: async (call) => {
        const { as, ...asked } = readQuery(call.request.url, listQuery);
        const filter = asked as Omit<typeof asked, 'reason'> & { reason?: DeadReason };
        const { items, next } = await call.broker.deadLetters(call.namespace, call.station, filter);
        const out = new JsonWriter();
        out.ascii('{"items":[');
        for (const [index, letter] of items.entries()) {
          if (index > 0) out.ascii(',');
          writeLetter(out, letter, as === 'base64' ? 'base64' : 'best');
        }
        out.ascii('],"next":');
        if (next === null) out.ascii('null');
        else out.string(next);
        out.ascii('}');
        return jsonText(out.finish());
      },
    },
    {
      method: 'GET',
      path: '/stations/:station/dead-letters/:id',
      where: 'namespace',
      topic: TOPIC,
      id: 'getDeadLetter',
      summary: 'Read a dead letter',
      query: ONE_QUERY,
      answers: { 200: { about: 'The letter, with its message.', json: schemas.deadLetters.letter } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'DEAD_LETTER_NOT_FOUND'],
      run: async (call) => {
        const { as } = readQuery(call.request.url, ONE_QUERY);
        const out = new JsonWriter();
        writeLetter(out, await call.broker.deadLetter(call.namespace, call.station, letterId(call)), as === 'base64' ? 'base64' : 'best');
        return jsonText(out.finish());
      },
    },
    {
      method: 'DELETE',
      path: '/stations/:station/dead-letters/:id',
      where: 'namespace',
      topic: TOPIC,
      id: 'removeDeadLetter',
      summary: 'Remove a dead letter',
      answers: { 204: { about: 'It is gone.' } },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND', 'DEAD_LETTER_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        await call.broker.removeDeadLetter(call.namespace, call.station, letterId(call));
        return noContent();
      },
    },
    {
      method: 'POST',
      path: '/stations/:station/dead-letters/redrive',
      where: 'namespace',
      topic: TOPIC,
      id: 'redrive',
      summary: 'Send dead letters again',
      about: 'To the group that failed, to all groups as a new message, or to another station. A letter that was sent is gone.',
      body: { json: schemas.deadLetters.redrive, example: { all: true, to: 'group' } },
      answers: { 200: { about: 'How many went.', json: schemas.deadLetters.redriven, example: { redriven: 1, kept: 0, left: 0 } } },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_NOT_FOUND',
        'LIMIT_EXCEEDED',
        'STORAGE_FULL',
        'MESSAGE_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const { namespace, station } = call;
        readQuery(call.request.url, {});
        return json(
          await call.broker.redrive(namespace, station, await readJson(call, schemas.deadLetters.redrive, receiptBytesMax(service))),
        );
      },
    },
  ];
}

function letterId(call: Call): string {
  const id = call.text('id');
  if (id.length > 256) throw new WaysideError('DEAD_LETTER_NOT_FOUND', 'There is no dead letter with such an id.');
  return id;
}

function writeLetter(out: JsonWriter, letter: DeadLetter, form: BodyForm): void {
  const { message, ...fields } = letter;
  const head = new TextEncoder().encode(JSON.stringify(fields).slice(0, -1));
  out.raw(head, 0, head.length);
  out.ascii(',"message":');
  const record = new RecordCursor(message.bytes, message.start, message.end);
  record.next();
  writeMessage(out, record, { partition: message.partition, sequence: message.first, producedAt: message.producedAt }, form);
  out.ascii('}');
}
