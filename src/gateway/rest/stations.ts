/**
 * Stations: made, read, listed, changed, removed, purged.
 */

import type { StationInfo } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { etag, json, noContent } from './answer.ts';
import { readJson } from './body.ts';
import type { Call } from './call.ts';
import { pageParameters, readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Stations';
export const IF_MATCH = { 'If-Match': 'The `ETag` that the change rests on; with another one current it is refused (412).' };

export function stationRoutes({ limits, schemas }: Service): Route[] {
  const bytesMax = limits.controlBytesMax;
  const page = pageParameters(limits);
  const info = {
    about: 'The station, with live counts.',
    json: schemas.stations.info,
    headers: { ETag: 'The version, in quotes.' },
    example: EXAMPLE,
  };
  const shown = (station: StationInfo, status = 200) => json(station, status, etag(station.version));

  return [
    {
      method: 'GET',
      path: '/stations',
      where: 'namespace',
      topic: TOPIC,
      id: 'listStations',
      summary: 'List stations',
      query: page,
      answers: { 200: { about: 'A page, by name.', json: schemas.stations.list } },
      codes: ['INVALID_REQUEST'],
      run: async (call) => json(await call.broker.stations(call.namespace, readQuery(call.request.url, page))),
    },
    {
      method: 'PUT',
      path: '/stations/:station',
      where: 'namespace',
      topic: TOPIC,
      id: 'putStation',
      summary: 'Make a station',
      about: 'Making the same one again is fine. What is left out takes its default.',
      body: { json: schemas.stations.input, optional: true, example: { partitions: 3, retention: { maxAgeMs: 86_400_000 } } },
      answers: { 200: { ...info, about: 'It was there, the same.' }, 201: { ...info, about: 'It was made.' } },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_EXISTS',
        'DURABILITY_UNAVAILABLE',
        'LIMIT_EXCEEDED',
        'MESSAGE_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const { namespace, station } = call;
        readQuery(call.request.url, {});
        const made = await call.broker.putStation(namespace, station, await readJson(call, schemas.stations.input, bytesMax, 'optional'));
        return shown(made.station, made.created ? 201 : 200);
      },
    },
    {
      method: 'GET',
      path: '/stations/:station',
      where: 'namespace',
      topic: TOPIC,
      id: 'getStation',
      summary: 'Read a station',
      answers: { 200: info },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        return shown(await call.broker.station(call.namespace, call.station));
      },
    },
    {
      method: 'PATCH',
      path: '/stations/:station',
      where: 'namespace',
      topic: TOPIC,
      id: 'patchStation',
      summary: 'Change a station',
      about: 'A merge patch (RFC 7396): what it does not name stays, `null` takes a setting back to its default.',
      headers: IF_MATCH,
      body: {
        json: schemas.stations.patch,
        types: { 'application/merge-patch+json': 'The same.' },
        example: { retention: { maxMessages: 100_000 } },
      },
      answers: { 200: info },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_NOT_FOUND',
        'VERSION_MISMATCH',
        'DURABILITY_UNAVAILABLE',
        'MESSAGE_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const { namespace, station } = call;
        readQuery(call.request.url, {});
        const patch = await readJson(call, schemas.stations.patch, bytesMax, 'patch');
        // A schema cannot say which settings have no default to go back to (`discard`, `untilAcked` do): the broker does.
        return shown(await call.broker.patchStation(namespace, station, patch, ifMatch(call)));
      },
    },
    {
      method: 'DELETE',
      path: '/stations/:station',
      where: 'namespace',
      topic: TOPIC,
      id: 'removeStation',
      summary: 'Remove a station',
      about: 'With its messages, groups and dead letters. Made again under the same name it is another one.',
      answers: { 204: { about: 'It is gone.' } },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        await call.broker.removeStation(call.namespace, call.station);
        return noContent();
      },
    },
    {
      method: 'POST',
      path: '/stations/:station/purge',
      where: 'namespace',
      topic: TOPIC,
      id: 'purgeStation',
      summary: 'Remove messages',
      about: 'Up to and with a sequence, or all. Dead letters stay, and later sequences go on.',
      body: { json: schemas.stations.purge, optional: true, example: { upTo: 1000 } },
      answers: { 200: { about: 'How many went.', json: schemas.stations.purged, example: { purged: 1000 } } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'MESSAGE_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
      run: async (call) => {
        const { namespace, station } = call;
        readQuery(call.request.url, {});
        return json(await call.broker.purge(namespace, station, await readJson(call, schemas.stations.purge, bytesMax, 'optional')));
      },
    },
  ];
}

/** The version that a change rests on. `*` is any. @throws VERSION_MISMATCH the text is no version that there ever was */
export function ifMatch(call: Call): number | undefined {
  const header = call.header('if-match')?.trim();
  if (header === undefined || header === '*') return undefined;
  const [, digits] = /^(?:W\/)?"([1-9]\d{0,15})"$/.exec(header) ?? [];
  if (digits !== undefined) return Number(digits);
  throw new WaysideError('VERSION_MISMATCH', 'If-Match is not the ETag of any version. Read it again and use its ETag.');
}

const EXAMPLE = {
  name: 'orders',
  version: 1,
  createdAt: 1_760_000_000_000,
  partitions: 1,
  retention: { discard: 'old' },
  durability: 'synced',
  dedupWindowMs: 120_000,
  maxMessageBytes: 1_048_576,
  deadLetter: {},
  messages: 2,
  bytes: 310,
  counts: [{ partition: 0, messages: 2, bytes: 310, first: 1, last: 2 }],
  slots: [[0, 4095, 0]],
};
