/** §2: who may call. Without a token only this machine; with one, whoever has it. */
import type { Check, Context } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';

/** Calls of every kind; none may be made by a stranger. */
async function everyCall(
  t: Context,
  headers: Record<string, string>,
  judge: (what: string, answer: Awaited<ReturnType<Context['get']>>) => void,
): Promise<void> {
  const s = await t.station();
  await s.produce('a');
  const calls: [string, string][] = [
    ['GET', '/v1/stations'],
    ['PUT', `${s.path}-new`],
    ['GET', s.path],
    ['PATCH', s.path],
    ['DELETE', s.path],
    ['POST', `${s.path}/purge`],
    ['POST', `${s.path}/messages`],
    ['POST', `${s.path}/messages/batch`],
    ['GET', `${s.path}/messages`],
    ['GET', `${s.path}/partitions/0/messages/1`],
    ['GET', `${s.path}/groups`],
    ['PUT', `${s.path}/groups/g`],
    ['GET', `${s.path}/groups/g`],
    ['PATCH', `${s.path}/groups/g`],
    ['DELETE', `${s.path}/groups/g`],
    ['GET', `${s.path}/groups/g/pending`],
    ['POST', `${s.path}/groups/g/fetch`],
    ['POST', `${s.path}/groups/g/next?consumer=c`],
    ...['ack', 'nack', 'extend', 'reject', 'seek'].map((verb): [string, string] => ['POST', `${s.path}/groups/g/${verb}`]),
    ['GET', `${s.path}/dead-letters`],
    ['GET', `${s.path}/dead-letters/x`],
    ['DELETE', `${s.path}/dead-letters/x`],
    ['POST', `${s.path}/dead-letters/redrive`],
    ['POST', '/v1/tickets'],
    ['GET', '/v1/namespaces/other/stations'],
    ['PUT', '/v1/namespaces/other/stations/x'],
    ['GET', '/v1/nothing'],
  ];
  for (const [method, path] of calls) judge(`${method} ${path}`, await t.call(method, path, { headers, anonymous: true }));
  await s.stored(['a']);
  equal(status(await t.get('/v1/namespaces/other/stations'), 200).json.items, [], 'what a stranger has made');
}

export const access: Check[] = [
  {
    name: 'with a token: 401 for every call without it, or with a wrong one, and nothing is told or changed',
    needs: ['servers', 'token'],
    async run(t) {
      const own = await t.own({ token: 'secret-1' });
      for (const authorization of [
        undefined,
        'Bearer wrong',
        'Bearer secret-',
        'Bearer secret-11',
        'bearer',
        'Basic c2VjcmV0LTE=',
        'secret-1',
      ]) {
        await everyCall(own, authorization === undefined ? {} : { authorization }, (what, answer) => {
          refused(answer, 401, 'UNAUTHENTICATED', `${what} with ${authorization}`);
          ok(answer.header('www-authenticate') !== null, 'WWW-Authenticate');
        });
      }
    },
  },
  {
    name: 'with a token: health needs none; the token opens the rest, whatever Host and Origin say',
    needs: ['servers', 'raw', 'token'],
    async run(t) {
      const own = await t.own({ token: 'secret-1' });
      status(await own.get('/v1/health', { anonymous: true }), 200);
      status(await own.get('/v1/stations'), 200);
      const head = ['GET /v1/stations HTTP/1.1', 'Host: broker.example', 'Authorization: Bearer secret-1'];
      status(await own.raw(head), 200, 'another Host');
      refused(await own.raw(head.slice(0, 2)), 401, 'UNAUTHENTICATED');
    },
  },
  {
    name: 'a ticket opens one call of events, once, and no other call',
    needs: ['servers', 'token'],
    async run(t) {
      const own = await t.own({ token: 'secret-1' });
      const s = await own.station();
      const ticket = async (): Promise<string> => status(await own.post('/v1/tickets'), 201).json.ticket;
      const events = `${s.path}/messages?from=start&ticket=`;
      const first = await ticket();
      status(await own.get(events + first, { anonymous: true }), 200, 'the first time');
      refused(await own.get(events + first, { anonymous: true }), 401, 'UNAUTHENTICATED', 'the second time');
      refused(await own.get(`${s.path}?ticket=${await ticket()}`, { anonymous: true }), 401, 'UNAUTHENTICATED', 'another call');
      refused(await own.get(`${events}made-up`, { anonymous: true }), 401, 'UNAUTHENTICATED', 'one that was made up');
    },
  },
  {
    name: 'without a token: a Host that is not loopback is 403, whatever it resolves to',
    needs: ['raw'],
    async run(t) {
      for (const host of ['example.org', 'localhost.example.org', '127.0.0.1.example.org', '10.0.0.1', '0.0.0.0', '[::2]', 'localhost.']) {
        for (const path of ['/v1/stations', '/v1/health', '/'])
          refused(await t.raw([`GET ${path} HTTP/1.1`, `Host: ${host}`]), 403, 'FORBIDDEN', `${path} at ${host}`);
      }
      for (const host of ['localhost', 'LOCALHOST:80', '127.0.0.1', '127.1.2.3:9', '[::1]:4300'])
        status(await t.raw(['GET /v1/stations HTTP/1.1', `Host: ${host}`]), 200, host);
    },
  },
  {
    name: 'without a token: pages of other origins may do nothing, and are told nothing',
    needs: ['origins'],
    async run(t) {
      const { host } = new URL(t.server.base);
      for (const origin of ['https://example.org', 'http://localhost:1', 'null', `http://${host}.example.org`]) {
        await everyCall(t, { origin }, (what, answer) => {
          refused(answer, 403, 'FORBIDDEN', `${what} from ${origin}`);
          equal(answer.header('access-control-allow-origin'), null, 'Access-Control-Allow-Origin');
        });
      }
      status(await t.get('/v1/stations', { headers: { origin: `http://${host}` } }), 200, 'its own origin');
    },
  },
  {
    name: 'a preflight of another origin opens nothing',
    needs: ['origins'],
    async run(t) {
      const answer = await t.call('OPTIONS', '/v1/stations/x/messages', {
        headers: { origin: 'https://example.org', 'access-control-request-method': 'POST' },
      });
      refused(answer, 403, 'FORBIDDEN');
      equal([answer.header('access-control-allow-origin'), answer.header('access-control-allow-methods')], [null, null], 'what it opens');
    },
  },
  {
    name: 'an answer tells nothing of what runs it, and no cache keeps it',
    async run(t) {
      const answer = await t.get('/v1/stations');
      equal([answer.header('server'), answer.header('x-powered-by')], [null, null], 'headers');
      has(
        { cache: answer.header('cache-control'), sniff: answer.header('x-content-type-options') },
        { cache: 'no-store', sniff: 'nosniff' },
        'headers',
      );
    },
  },
];
