/**
 * Delayed messages: listed, cancelled.
 */
import { json, noContent } from './answer.ts';
import { pageParameters, readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const TOPIC = 'Delayed messages';

export function scheduleRoutes({ limits, schemas }: Service): Route[] {
  const page = pageParameters(limits);
  return [
    {
      method: 'GET',
      path: '/stations/:station/schedules',
      where: 'namespace',
      topic: TOPIC,
      id: 'listSchedules',
      summary: 'List delayed messages',
      about: 'Those that are not due yet, by partition, then by due time.',
      query: page,
      answers: { 200: { about: 'A page.', json: schemas.messages.schedules } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME', 'STATION_NOT_FOUND'],
      run: async (call) => json(await call.broker.schedules(call.namespace, call.station, readQuery(call.request.url, page))),
    },
    {
      method: 'DELETE',
      path: '/stations/:station/schedules/:id',
      where: 'namespace',
      topic: TOPIC,
      id: 'cancelSchedule',
      summary: 'Cancel a delayed message',
      answers: { 204: { about: 'It will not come.' } },
      codes: ['INVALID_NAME', 'STATION_NOT_FOUND', 'NOT_FOUND'],
      run: async (call) => {
        readQuery(call.request.url, {});
        await call.broker.cancelSchedule(call.namespace, call.station, call.text('id'));
        return noContent();
      },
    },
  ];
}
