/**
 * Export and import of a station or a namespace, as one stream.
 *
 * Holds: bytes leave and arrive at the pace of whoever is at the other end; a stream that breaks off can be gone on with.
 * Elsewhere: what is in the stream (core/transfer/FORMAT.md).
 */
import type { ExportStream } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { EXPORT_TYPE, json } from './answer.ts';
import { mediaType } from './body.ts';
import type { Call } from './call.ts';
import { readQuery, text, whole } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Export and import';
const TYPES = ['', EXPORT_TYPE, 'application/octet-stream'];

export function transferRoutes({ schemas, journal }: Service): Route[] {
  const name = (about: string) => ({ kind: 'name', about }) as const;
  const exported = {
    station: name('One station; all of the namespace unless given.'),
    id: text('The `Export-Id` of an export that broke off less than a minute ago.'),
    offset: whole('With `id`: the byte from which it goes on.', 0),
  };
  const imported = {
    station: name('What the one station of the stream is to be called; its own name unless given.'),
    id: name('A name of your choice, by which the import can be gone on with when it breaks off.'),
    offset: whole('With `id`: the byte of the stream with which the body begins.', 0),
  };
  const progress = { id: { ...imported.id, required: true } };
  return [
    {
      method: 'GET',
      path: '/export',
      where: 'namespace',
      topic: TOPIC,
      id: 'export',
      summary: 'Export a station or a namespace',
      about: 'Messages, sequences, groups, ids, producers, delayed messages and dead letters, as they were in one moment. Others go on.',
      query: exported,
      answers: {
        200: {
          about: 'The stream.',
          types: { [EXPORT_TYPE]: 'Whole only with its last frame; every frame has a CRC.' },
          headers: { 'Export-Id': 'By which it can be gone on with.' },
        },
      },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'NOT_FOUND', 'OVERLOADED', 'UNAVAILABLE'],
      run: async (call) => {
        const query = readQuery(call.request.url, exported);
        if (query.id !== undefined && query.station !== undefined)
          throw new WaysideError('INVALID_REQUEST', 'id names an export that was begun: station has no place beside it.', { field: 'id' });
        if (query.offset !== undefined && query.id === undefined)
          throw new WaysideError('INVALID_REQUEST', 'offset goes with the id of an export that was begun.', { field: 'offset' });
        const stream = await call.broker.exportStream(call.namespace, query);
        return new Response(
          streamOf(stream, (error) => journal.warn(`Export ${stream.id} broke off: ${error}`)),
          {
            headers: {
              'Content-Type': EXPORT_TYPE,
              'Cache-Control': 'no-store',
              'X-Content-Type-Options': 'nosniff',
              'Content-Disposition': `attachment; filename="${query.station ?? call.namespace}.wsx"`,
              'Export-Id': stream.id,
            },
          },
        );
      },
    },
    {
      method: 'GET',
      path: '/import',
      where: 'namespace',
      topic: TOPIC,
      id: 'importProgress',
      summary: 'How far an import has come',
      query: progress,
      answers: { 200: { about: 'Bytes that need not be sent again; 0 where there is no such import.', json: schemas.transfers.progress } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME'],
      run: async (call) => json(await call.broker.importProgress(call.namespace, String(readQuery(call.request.url, progress).id))),
    },
    {
      method: 'POST',
      path: '/import',
      where: 'namespace',
      topic: TOPIC,
      id: 'import',
      summary: 'Import an exported stream',
      about: 'All of its stations, or none: they are there once the whole stream has been checked.',
      query: imported,
      body: { types: { [EXPORT_TYPE]: 'A stream as it was exported, by any host.', 'application/octet-stream': 'The same.' } },
      answers: { 201: { about: 'They are there.', json: schemas.transfers.imported } },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'IMPORT_REFUSED',
        'LIMIT_EXCEEDED',
        'OVERLOADED',
        'UNAVAILABLE',
        'STORAGE_FULL',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const query = readQuery(call.request.url, imported);
        if (query.offset !== undefined && query.id === undefined)
          throw new WaysideError('INVALID_REQUEST', 'offset goes with the id of an import that was begun.', { field: 'offset' });
        if (!TYPES.includes(mediaType(call)))
          throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', `This call takes ${TYPES.filter(Boolean).join(' or ')}.`);
        const result = await call.broker.importStream(call.namespace, query, piecesOf(call));
        return json(
          { stations: result.stations.map(({ loweredFrom, ...each }) => ({ ...each, ...(loweredFrom && { loweredFrom }) })) },
          201,
        );
      },
    },
  ];
}

/** @param target path and query */
export function isStream(target: string): boolean {
  return /^\/v1\/(?:namespaces\/[^/?]+\/)?import(?:\?|$)/.test(target);
}

/** A failure breaks the connection off: the client sees no end. */
function streamOf({ bytes }: ExportStream, broke: (error: string) => void): ReadableStream<Uint8Array> {
  const pieces = bytes[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done === true) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          broke(error instanceof Error ? error.message : String(error));
          controller.error(error);
        }
      },
      async cancel() {
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* piecesOf(call: Call): AsyncGenerator<Uint8Array> {
  const { body } = call.request;
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        call.bodyRead = true;
        return;
      }
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
