/**
 * Groups: made, read, listed, changed, removed, moved; and their leases listed.
 */
import { parsePlace } from '../../core/broker.ts';
import type { GroupInfo } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { etag, json, noContent } from './answer.ts';
import { readJson } from './body.ts';
import { pageParameters, readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';
import { IF_MATCH, ifMatch } from './stations.ts';

const TOPIC = 'Groups';

export function groupRoutes({ limits, schemas }: Service): Route[] {
  const bytesMax = limits.controlBytesMax;
  const page = pageParameters(limits);
  const info = {
    about: 'The group, with live numbers.',
    json: schemas.groups.info,
    headers: { ETag: 'The version, in quotes.' },
    example: EXAMPLE,
  };
  const shown = (group: GroupInfo, status = 200) => json(group, status, etag(group.version));

  return [
    {
      method: 'GET',
      path: '/stations/:station/groups',
      where: 'namespace',
      topic: TOPIC,
      id: 'listGroups',
      summary: 'List groups',
      query: page,
      answers: { 200: { about: 'A page, by name.', json: schemas.groups.list } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND'],
      run: async (call) => json(await call.broker.groups(call.namespace, call.station, readQuery(call.request.url, page))),
    },
    {
      method: 'PUT',
      path: '/stations/:station/groups/:group',
      where: 'namespace',
      topic: TOPIC,
      id: 'putGroup',
      summary: 'Make a group',
      about: 'Only needed to choose something: the first fetch makes a group with the defaults.',
      body: { json: schemas.groups.input, optional: true, example: { startAt: 'end', order: 'key', leaseMs: 60_000 } },
      answers: { 200: { ...info, about: 'It was there, the same.' }, 201: { ...info, about: 'It was made.' } },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_NOT_FOUND',
        'GROUP_EXISTS',
        'LIMIT_EXCEEDED',
        'MESSAGE_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const { namespace, station, group } = call;
        readQuery(call.request.url, {});
        const made = await call.broker.putGroup(
          namespace,
          station,
          group,
          await readJson(call, schemas.groups.input, bytesMax, 'optional'),
        );
        return shown(made.group, made.created ? 201 : 200);
      },
    },
    {
      method: 'GET',
      path: '/stations/:station/groups/:group',
      where: 'namespace',
      topic: TOPIC,
      id: 'getGroup',
      summary: 'Read a group',
      answers: { 200: info },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        return shown(await call.broker.group(call.namespace, call.station, call.group));
      },
    },
    {
      method: 'PATCH',
      path: '/stations/:station/groups/:group',
      where: 'namespace',
      topic: TOPIC,
      id: 'patchGroup',
      summary: 'Change a group',
      about: 'A merge patch (RFC 7396): what it does not name stays, `null` takes a setting back to its default.',
      headers: IF_MATCH,
      body: { json: schemas.groups.patch, types: { 'application/merge-patch+json': 'The same.' }, example: { maxDeliveries: 5 } },
      answers: { 200: info },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'STATION_NOT_FOUND',
        'GROUP_NOT_FOUND',
        'VERSION_MISMATCH',
        'MESSAGE_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
      ],
      run: async (call) => {
        const { namespace, station, group } = call;
        readQuery(call.request.url, {});
        const patch = await readJson(call, schemas.groups.patch, bytesMax, 'patch');
        return shown(await call.broker.patchGroup(namespace, station, group, patch, ifMatch(call)));
      },
    },
    {
      method: 'DELETE',
      path: '/stations/:station/groups/:group',
      where: 'namespace',
      topic: TOPIC,
      id: 'removeGroup',
      summary: 'Remove a group',
      answers: { 204: { about: 'It is gone.' } },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        await call.broker.removeGroup(call.namespace, call.station, call.group);
        return noContent();
      },
    },
    {
      method: 'GET',
      path: '/stations/:station/groups/:group/pending',
      where: 'namespace',
      topic: TOPIC,
      id: 'listPending',
      summary: 'List leases',
      about: 'Which messages are out, with whom, and until when.',
      query: page,
      answers: { 200: { about: 'A page.', json: schemas.groups.pending } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND'],
      run: async (call) => json(await call.broker.pending(call.namespace, call.station, call.group, readQuery(call.request.url, page))),
    },
    {
      method: 'GET',
      path: '/stations/:station/groups/:group/audit',
      where: 'namespace',
      topic: TOPIC,
      id: 'auditGroup',
      summary: 'Add up a group',
      about: 'Where each message that was produced is, for the group: `produced + again` is the sum of all others.',
      answers: { 200: { about: 'The sums, and those of each partition.', json: schemas.groups.audit } },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        return json(await call.broker.audit(call.namespace, call.station, call.group));
      },
    },
    {
      method: 'POST',
      path: '/stations/:station/groups/:group/seek',
      where: 'namespace',
      topic: TOPIC,
      id: 'seekGroup',
      summary: 'Move a group',
      about: 'Back or ahead. What is out is taken back: receipts given before count no more.',
      body: { json: schemas.groups.seek, example: { to: 'time:1760000000000' } },
      answers: { 204: { about: 'It was moved.' } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND', 'MESSAGE_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
      run: async (call) => {
        const { namespace, station, group } = call;
        readQuery(call.request.url, {});
        const { to, partition } = await readJson(call, schemas.groups.seek, bytesMax);
        const place = parsePlace(to);
        if (place === undefined) throw new WaysideError('INVALID_REQUEST', 'to is no place.', { field: 'to' });
        await call.broker.seek(namespace, station, group, place, partition);
        return noContent();
      },
    },
  ];
}

const EXAMPLE = {
  name: 'billing',
  version: 1,
  createdAt: 1_760_000_000_000,
  startAt: 'start',
  order: 'none',
  leaseMs: 30_000,
  maxDeliveries: 10,
  unread: 4,
  inFlight: 1,
  redelivered: 0,
  dead: 0,
  members: [{ consumer: 'worker-1', inFlight: 1, lastSeenAt: 1_760_000_000_000 }],
};
