/** §3: health is told at once, whatever goes on; the reference is there. */
import type { Check } from './checks.ts';
import { equal, has, ok, status } from './expect.ts';
import { upTo } from './station.ts';

export const health: Check[] = [
  {
    name: 'health says ok, which runtime, which version',
    async run(t) {
      has(status(await t.get('/v1/health'), 200).json, { status: 'ok', runtime: t.runtime.name }, 'health');
    },
  },
  {
    name: 'health answers within a second while large batches, waits and bad input come at once',
    async run(t) {
      const s = await t.station({ partitions: 4 });
      const messages = upTo(2_000).map((n) => ({ text: 'x'.repeat(500), key: `k${n}` }));
      const load = Promise.all([
        ...upTo(4).map(() => s.batch(messages)),
        ...upTo(30).map((n) => s.group(`g${n}`).fetch({ waitMs: 1_500, max: 1 })),
        ...upTo(20).map(() =>
          t.post(`${s.path}/messages/batch`, {
            body: `{"messages":${'['.repeat(50_000)}`,
            headers: { 'content-type': 'application/json' },
          }),
        ),
      ]);
      for (const _ of upTo(10)) {
        const began = Date.now();
        status(await t.get('/v1/health'), 200);
        ok(Date.now() - began < 1_000, 'within a second', Date.now() - began);
      }
      await load;
      equal((await s.info()).messages, 8_000, 'messages');
    },
  },
  {
    name: 'the reference is there: OpenAPI 3.1 that names every call of the contract',
    async run(t) {
      const { openapi, paths } = status(await t.get('/openapi.json'), 200).json;
      ok(/^3\.1\./.test(openapi), 'OpenAPI 3.1', openapi);
      const calls = [
        '/v1/health',
        '/v1/stations',
        '/v1/stations/{station}',
        '/v1/stations/{station}/messages',
        '/v1/stations/{station}/messages/batch',
        '/v1/stations/{station}/groups/{group}/fetch',
        '/v1/stations/{station}/dead-letters/redrive',
      ];
      for (const call of calls) ok(call in paths, call, Object.keys(paths));
    },
  },
];
