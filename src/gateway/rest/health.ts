/** Is the server there, and which is it? */
import { json } from './answer.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

export function healthRoutes({ schemas, runtime, version }: Service): Route[] {
  return [
    {
      method: 'GET',
      path: '/health',
      where: 'version',
      topic: 'Service',
      id: 'health',
      summary: 'Is it well?',
      about: 'Needs no credential.',
      answers: { 200: { about: 'It is.', json: schemas.health, example: { status: 'ok', runtime, version } } },
      codes: [],
      open: true,
      run: () => json({ status: 'ok', runtime, version }),
    },
  ];
}
