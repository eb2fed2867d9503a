/** Who may call: tokens, loopback, origins, tickets. */
import { describe, expect, it } from 'vitest';
import { isLoopback, same } from '../../src/gateway/rest/access.ts';
import { Tickets } from '../../src/gateway/rest/tickets.ts';
import { openGateway, problem } from './_gateway.ts';

const EVERY = [
  ['GET', '/v1/stations'],
  ['PUT', '/v1/stations/x'],
  ['GET', '/v1/stations/x'],
  ['POST', '/v1/stations/x/messages'],
  ['POST', '/v1/stations/x/groups/g/fetch'],
  ['GET', '/v1/namespaces/default/stations'],
  ['POST', '/v1/tickets'],
  ['GET', '/v1/nothing'],
  ['DELETE', '/v1/tickets'],
] as const;

describe('with a token', () => {
  it('every call without it is 401, whether or not there is something, and before anything is read', async () => {
    const { call, broker } = await openGateway({ token: 'right-token' });
    for (const [method, path] of EVERY) {
      for (const authorization of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'Bearer wrong',
        'Bearer right-toke',
        'Bearer right-tokenx',
        'right-token',
        'Basic cmlnaHQ=',
        'Bearer right-token right-token',
      ]) {
        const answer = await call(method, path, authorization === undefined ? {} : { headers: { authorization } });
        expect(answer.headers.get('www-authenticate')).toContain('Bearer');
        await problem(answer, 401, 'UNAUTHENTICATED');
      }
    }
    expect((await broker.stations('default', {})).items).toEqual([]);
  });

  it('with it everything is answered, under any Host', async () => {
    const { call } = await openGateway({ token: 'right-token' });
    const headers = { authorization: 'Bearer right-token', host: 'broker.example' };
    expect((await call('GET', '/v1/stations', { headers })).status).toBe(200);
    await problem(call('GET', '/v1/nothing', { headers }), 404, 'NOT_FOUND');
  });

  it('health, the description and the reference page need none', async () => {
    const { call } = await openGateway({ token: 'right-token' });
    for (const path of ['/v1/health', '/openapi.json', '/docs', '/docs/page.js', '/docs/page.css'])
      expect((await call('GET', path)).status, path).toBe(200);
  });

  it('a ticket is good for one stream of events, and for nothing else', async () => {
    const { call, broker } = await openGateway({ token: 'right-token' });
    await broker.putStation('default', 's', {});
    const { ticket } = (await (await call('POST', '/v1/tickets', { headers: { authorization: 'Bearer right-token' } })).json()) as {
      ticket: string;
    };
    expect(ticket.length).toBeGreaterThanOrEqual(32);
    await problem(call('GET', `/v1/stations?ticket=${ticket}`), 401, 'UNAUTHENTICATED');
    const path = `/v1/stations/s/messages?ticket=${ticket}`;
    const first = await call('GET', path, { headers: { accept: 'text/event-stream' } });
    expect(first.status).toBe(200);
    await first.body?.cancel();
    await problem(call('GET', path, { headers: { accept: 'text/event-stream' } }), 401, 'UNAUTHENTICATED');
  });

  it('tickets end, and their number is bounded', () => {
    let now = 0;
    let seed = 1;
    const tickets = new Tickets(
      { now: () => 1000 + now, monotonic: () => now },
      { u32: () => Math.imul(seed++, 2_654_435_761) >>> 0 },
      60_000,
    );
    const { ticket, expiresAt } = tickets.issue();
    expect(expiresAt).toBe(61_000);
    now = 60_000;
    expect(tickets.redeem(ticket)).toBe(false);
    for (let i = 0; i < 10_000; i++) tickets.issue();
    expect(() => tickets.issue()).toThrow('tickets are waiting');
    now = 120_001;
    expect(() => tickets.issue()).not.toThrow();
  });
});

describe('without a token', () => {
  it('a Host that is not loopback is 403', async () => {
    const { call } = await openGateway();
    for (const host of ['localhost', 'localhost:4300', '127.0.0.1:1', '127.9.8.7', '[::1]', '[::1]:4300', 'LOCALHOST']) {
      expect((await call('GET', '/v1/stations', { headers: { host } })).status, host).toBe(200);
    }
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1@evil.example',
      '0.0.0.0',
      '10.0.0.1',
      '[::ffff:127.0.0.1]',
      'localhost:',
      '1270.0.0.1',
    ]) {
      await problem(call('GET', '/v1/stations', { headers: { host } }), 403, 'FORBIDDEN');
    }
  });

  it('a page of another origin is 403, one of ours or one that is set is answered', async () => {
    const { call, broker } = await openGateway({ corsOrigins: ['https://console.example'] });
    for (const origin of ['http://evil.example', 'null', 'http://localhost:1', 'https://console.example.evil.example', 'file://']) {
      await problem(call('PUT', '/v1/stations/x', { headers: { host: 'localhost:4300', origin } }), 403, 'FORBIDDEN');
    }
    expect((await broker.stations('default', {})).items).toEqual([]);
    for (const origin of ['http://localhost:4300', 'https://console.example'])
      expect((await call('GET', '/v1/stations', { headers: { host: 'localhost:4300', origin } })).status, origin).toBe(200);
  });
});

describe('CORS', () => {
  it('is there for origins that are set, on refusals too, and for no other', async () => {
    const { call } = await openGateway({ token: 't', corsOrigins: ['https://console.example'] });
    const ask = (origin: string, path = '/v1/stations') => call('GET', path, { headers: { origin, authorization: 'Bearer t' } });
    expect((await ask('https://console.example')).headers.get('access-control-allow-origin')).toBe('https://console.example');
    expect((await ask('https://console.example', '/v1/stations/none')).headers.get('access-control-allow-origin')).toBe(
      'https://console.example',
    );
    expect((await ask('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('a preflight is answered without a credential, for origins that are set only', async () => {
    const { call } = await openGateway({ token: 't', corsOrigins: ['https://console.example'] });
    const ask = (origin: string) =>
      call('OPTIONS', '/v1/stations/s/messages', {
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,message-key' },
      });
    const answer = await ask('https://console.example');
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-methods')).toBe('GET, POST');
    expect(answer.headers.get('access-control-allow-headers')).toBe('authorization,message-key');
    await problem(ask('https://evil.example'), 401, 'UNAUTHENTICATED');
  });
});

it('same: exact, whatever the lengths', () => {
  for (const [given, secret, wanted] of [
    ['a', 'a', true],
    ['', 'a', false],
    ['a', 'ab', false],
    ['ab', 'a', false],
    ['aa', 'a', false],
    ['abab', 'ab', false],
    ['é', 'e', false],
  ] as const)
    expect(same(given, secret), `${given} ${secret}`).toBe(wanted);
});

it('isLoopback: no port but digits', () => {
  expect(isLoopback('localhost:99999')).toBe(true);
  for (const host of ['localhost:x', 'localhost:123456', '', ':80', '::1', '[::1', '127.0.0']) expect(isLoopback(host), host).toBe(false);
});
