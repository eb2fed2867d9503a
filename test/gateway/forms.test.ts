/** The forms of answers and refusals, as a client sees them. */
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import type { Broker } from '../../src/core/broker.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { openGateway, problem } from './_gateway.ts';

const records = (...payloads: string[]) => {
  const builder = new BatchBuilder();
  for (const payload of payloads) builder.append({ payload: new TextEncoder().encode(payload) });
  return builder.finish();
};

describe('refusals', () => {
  it('a path that is none is 404; a method that a path has not is 405 and names those it has', async () => {
    const { call } = await openGateway();
    for (const path of ['/', '/v1', '/v2/stations', '/v1/stations/', '/v1/stations/x/nothing', '/v1//stations'])
      await problem(call('GET', path), 404, 'NOT_FOUND');
    const answer = await call('DELETE', '/v1/stations/x/messages');
    expect(answer.headers.get('allow')).toBe('GET, POST, HEAD');
    await problem(answer, 405, 'METHOD_NOT_ALLOWED');
    await problem(call('OPTIONS', '/v1/stations'), 405, 'METHOD_NOT_ALLOWED');
  });

  it('a mistake of ours is 500 without its text, and the journal has it', async () => {
    const broken = (broker: Broker) =>
      ({ close: () => broker.close(), stations: () => Promise.reject(new Error('secret inside')) }) as unknown as Broker;
    const { call, errors } = await openGateway({}, broken);
    const body = await problem(call('GET', '/v1/stations'), 500, 'INTERNAL');
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('secret inside');
  });

  it('what an error says beside its text is in it; when to come again is in a header too', async () => {
    const busy = (broker: Broker) =>
      ({
        close: () => broker.close(),
        stations: () => Promise.reject(new WaysideError('OVERLOADED', 'Later.', { retryAfterMs: 1500 })),
      }) as unknown as Broker;
    const { call, errors } = await openGateway({}, busy);
    const answer = await call('GET', '/v1/stations');
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await problem(answer, 503, 'OVERLOADED')).toMatchObject({ retryAfterMs: 1500, detail: 'Later.' });
    expect(errors).toEqual([]);
  });

  it('a parameter that is unknown, there twice, or no plain number is refused', async () => {
    const { call, station } = await openGateway();
    const path = await station();
    for (const query of [
      'limt=1',
      'limit=1&limit=2',
      'limit=',
      'limit=0x1',
      'limit=1e1',
      'limit=+1',
      'limit=01',
      '__proto__=1',
      'from=start&cursor=c1.1.all.1',
      'partition=-1',
      'as=text',
      'waitMs=30001',
    ]) {
      await problem(call('GET', `${path}/messages?${query}`), 400, 'INVALID_REQUEST');
    }
    await problem(call('POST', `${path}/groups/g/next`), 400, 'INVALID_REQUEST');
    await problem(call('POST', `${path}/groups/g/next?consumer=.x`), 400, 'INVALID_NAME');
  });

  it('__proto__, constructor and prototype are unknown fields at every depth, and change nothing', async () => {
    const { send } = await openGateway();
    const headers = { 'content-type': 'application/json' };
    for (const word of ['__proto__', 'constructor', 'prototype']) {
      for (const body of [`{"${word}":{"partitions":5}}`, `{"retention":{"${word}":{"maxMessages":1}}}`, `{"\\u005f${word.slice(1)}":1}`]) {
        await problem(send('PUT', '/v1/stations/s', body, headers), 400, 'INVALID_REQUEST');
      }
    }
    expect(Object.hasOwn(Object.prototype, 'partitions')).toBe(false);
  });

  it('what only one message can have is refused in a batch, never left out; a delay of 0 is none', async () => {
    const { send, station } = await openGateway();
    const path = await station();
    const said = async (answer: Promise<Response>) => (await problem(answer, 400, 'INVALID_REQUEST')).detail;
    const batch = { messages: [{ text: 'x' }] };
    expect(await said(send('POST', `${path}/messages/batch`, batch, { 'message-delay-ms': '5' }))).toContain('is of one message');
    expect(await said(send('POST', `${path}/messages/batch`, batch, { 'message-expires-ms': '5' }))).toContain('has its own expiresMs');
    expect((await send('POST', `${path}/messages`, 'x', { 'message-delay-ms': '0' })).status).toBe(201);
  });
});

describe('names in a path', () => {
  it('what is no name stays inside of its place', async () => {
    const { call, broker } = await openGateway();
    for (const name of [
      '%2f',
      'a%2fb',
      '%00',
      '.x',
      '%2e%2e%2f',
      '%',
      '%e',
      '%ff',
      '%25',
      '%252e%252e',
      'gr%C3%BC',
      'a:b',
      'x'.repeat(129),
    ]) {
      await problem(call('PUT', `/v1/stations/${name}`), 400, 'INVALID_NAME');
      await problem(call('PUT', `/v1/namespaces/${name}/stations/s`), 400, 'INVALID_NAME');
    }
    expect((await broker.stations('default', {})).items).toEqual([]);
  });

  it('an escape of a letter that a name may have is that letter', async () => {
    const { call } = await openGateway();
    await call('PUT', '/v1/stations/abc');
    expect((await call('GET', '/v1/stations/%61b%63')).status).toBe(200);
  });
});

describe('produce', () => {
  it('header bytes are UTF-8; key and id are not percent-decoded; the values of headers are', async () => {
    const { send, call, station } = await openGateway();
    const path = await station();
    const utf8 = Buffer.from('Zürich 東京').toString('latin1');
    await send('POST', `${path}/messages`, 'x', {
      'message-key': utf8,
      'idempotency-key': 'a%20b',
      'message-header-a': '%C3%BC',
      'message-header-b': utf8,
    });
    const { messages } = (await (await call('GET', `${path}/messages`)).json()) as { messages: unknown[] };
    expect(messages).toMatchObject([{ key: 'Zürich 東京', id: 'a%20b', headers: { a: 'ü', b: 'Zürich 東京' } }]);
    const raw = await call('GET', `${path}/partitions/0/messages/1`);
    expect(raw.headers.get('message-key')).toBe(utf8);
    for (const headers of [
      { 'message-key': 'Z\u00fcrich' },
      { 'idempotency-key': '' },
      { 'message-key': '' },
      { 'message-header-': 'x' },
      { 'message-header-a': '%fc' },
    ]) {
      await problem(send('POST', `${path}/messages`, 'x', headers as Record<string, string>), 400, 'INVALID_REQUEST');
    }
  });

  it('a compressed body is 415, a body above the limit 413, by its length or by its bytes', async () => {
    const { send, call, station } = await openGateway({ limits: { messageBytesMax: 10 } });
    const path = await station();
    await problem(send('POST', `${path}/messages`, 'x', { 'content-encoding': 'gzip' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
    await problem(send('POST', `${path}/messages`, 'x', { 'content-length': '11' }), 413, 'MESSAGE_TOO_LARGE');
    await problem(send('POST', `${path}/messages`, 'x'.repeat(11), { 'content-length': '1' }), 413, 'MESSAGE_TOO_LARGE');
    let pulled = 0;
    const body = new ReadableStream(
      { pull: (controller) => (pulled++ < 1000 ? controller.enqueue(new Uint8Array(4)) : controller.close()) },
      { highWaterMark: 0 },
    );
    await problem(call('POST', `${path}/messages`, { body, duplex: 'half' } as RequestInit), 413, 'MESSAGE_TOO_LARGE');
    expect(pulled).toBeLessThan(20);
  });

  it('a batch over partitions: each result is where the message is', async () => {
    const { send, call, station } = await openGateway({ limits: { messageBytesMax: 100 } });
    const path = await station({ partitions: 4, maxMessageBytes: 20 });
    const messages = Array.from({ length: 50 }, (_, i) => ({
      text: i % 7 === 3 ? 'far too long for this station' : `m${i}`,
      key: `k${i % 9}`,
      id: `i${i % 45}`,
    }));
    const answer = await send('POST', `${path}/messages/batch`, { messages });
    expect(answer.status).toBe(207);
    const { results } = (await answer.json()) as { results: { partition: number; sequence: number; duplicate: boolean; code?: string }[] };
    expect(results).toHaveLength(50);
    for (const [i, result] of results.entries()) {
      if (i % 7 === 3) expect(result).toEqual({ code: 'MESSAGE_TOO_LARGE', detail: expect.any(String) });
      else if (!result.duplicate)
        expect(await (await call('GET', `${path}/partitions/${result.partition}/messages/${result.sequence}`)).text(), String(i)).toBe(
          `m${i}`,
        );
    }
  });
});

describe('reading', () => {
  it('raw: nothing of a message runs in a browser, and what a header cannot carry comes as base64', async () => {
    const { send, call, station } = await openGateway();
    const path = await station();
    await send('POST', `${path}/messages/batch`, {
      messages: [
        { text: '<script>alert(1)</script>', contentType: 'text/html' },
        { text: 'x', contentType: 'a\r\nSet-Cookie: b=c', key: ' a\n', headers: { 'a b': 'c\r\nd', ok: 'ü' } },
      ],
    });
    const html = await call('GET', `${path}/partitions/0/messages/1`);
    expect(html.headers.get('content-type')).toBe('text/html');
    expect(html.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect(html.headers.get('x-content-type-options')).toBe('nosniff');
    const odd = await call('GET', `${path}/partitions/0/messages/2`);
    expect(odd.headers.get('content-type')).toBe('application/octet-stream');
    expect(odd.headers.get('set-cookie')).toBeNull();
    expect(atob(odd.headers.get('message-key-base64') ?? '')).toBe(' a\n');
    expect(odd.headers.get('message-header-a%20b')).toBe('c%0D%0Ad');
    expect(odd.headers.get('message-header-ok')).toBe('%C3%BC');
  });

  it('records: as many blocks as their header has room for, and a cursor behind the last of them', async () => {
    const { send, call, station } = await openGateway();
    const path = await station();
    for (let i = 0; i < 400; i++) await send('POST', `${path}/messages`, `m${i}`);
    let seen = 0;
    let query = 'limit=1000';
    for (let end = 'false', pages = 0; end === 'false'; pages++) {
      const answer = await call('GET', `${path}/messages?${query}`, { headers: { accept: 'application/vnd.wayside.records' } });
      const blocks = answer.headers.get('wayside-blocks') ?? '';
      expect(blocks.length).toBeLessThanOrEqual(8192);
      for (const block of blocks.split(', ')) {
        const [partition, first, count] = block.split('.').map(Number);
        expect([partition, first]).toEqual([0, seen + 1]);
        seen += count ?? 0;
      }
      end = answer.headers.get('wayside-end') ?? '';
      query = `cursor=${answer.headers.get('wayside-cursor')}&limit=1000`;
      expect(pages).toBeLessThan(10);
    }
    expect(seen).toBe(400);
  });

  it('records that were read may be sent as they are', async () => {
    const { send, call, station } = await openGateway();
    const [from, to] = [await station(), await station()];
    await send('POST', `${from}/messages/batch`, records('a', 'b'), { 'content-type': 'application/vnd.wayside.records' });
    const body = new Uint8Array(
      await (await call('GET', `${from}/messages`, { headers: { accept: 'application/vnd.wayside.records' } })).arrayBuffer(),
    );
    expect((await send('POST', `${to}/messages/batch`, body, { 'content-type': 'application/vnd.wayside.records' })).status).toBe(201);
    expect(
      ((await (await call('GET', `${to}/messages`)).json()) as { messages: { text: string }[] }).messages.map(({ text }) => text),
    ).toEqual(['a', 'b']);
  });

  it('events: nothing is read ahead of a client that does not read, and one that goes leaves nothing waiting', async () => {
    let reads = 0;
    let waiting = 0;
    const counted = (broker: Broker): Broker =>
      new Proxy(broker, {
        get(target, name) {
          const value = Reflect.get(target, name) as unknown;
          if (typeof value !== 'function') return value;
          if (name !== 'read') return value.bind(target);
          return async (...args: Parameters<Broker['read']>) => {
            reads++;
            waiting++;
            try {
              return await target.read(...args);
            } finally {
              waiting--;
            }
          };
        },
      });
    const { send, call, station } = await openGateway({}, counted);
    const path = await station();
    for (let i = 0; i < 5; i++) await send('POST', `${path}/messages/batch`, { messages: Array(100).fill({ text: 'x'.repeat(100) }) });
    const answer = await call('GET', `${path}/messages`, { headers: { accept: 'text/event-stream' } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reads).toBe(1);
    const reader = answer.body!.getReader();
    let text = '';
    while ((text.match(/^data: /gm)?.length ?? 0) < 500) text += new TextDecoder().decode((await reader.read()).value);
    expect(reads).toBe(5);
    expect(new Set(text.match(/^id: .*$/gm)).size).toBe(500);
    const next = reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(waiting).toBe(1);
    await reader.cancel();
    await next;
    await expect.poll(() => waiting).toBe(0);
  });

  it('HEAD has the headers and no body', async () => {
    const { call, station } = await openGateway();
    const answer = await call('HEAD', await station());
    expect([answer.status, answer.headers.get('etag'), await answer.text()]).toEqual([200, '"1"', '']);
  });
});

describe('/openapi.json', () => {
  it('names every call that is served, and its examples are valid by its own schemas', async () => {
    const { app, call } = await openGateway();
    const api = (await (await call('GET', '/openapi.json')).json()) as {
      openapi: string;
      paths: Record<
        string,
        Record<string, { operationId: string; requestBody?: { content: Record<string, { schema: object; example?: unknown }> } }>
      >;
    };
    expect(api.openapi).toMatch(/^3\.1\./);
    const served = app.routes
      .filter(({ path }) => path.startsWith('/v1'))
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const named = Object.entries(api.paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method} ${path}`));
    expect(named.sort()).toEqual(served.sort());
    const ids = Object.values(api.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('the example of each body is taken by its call', async () => {
    const { call, send } = await openGateway();
    const api = (await (await call('GET', '/openapi.json')).json()) as {
      paths: Record<string, Record<string, { requestBody?: { content: Record<string, { example?: unknown }> } }>>;
    };
    for (const [path, item] of Object.entries(api.paths)) {
      for (const [method, { requestBody }] of Object.entries(item)) {
        const example = requestBody?.content['application/json']?.example;
        if (example === undefined || path.startsWith('/v1/namespaces')) continue;
        const answer = await send(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'none'), example);
        // The station is not there; that the body was refused would have come first.
        const body = (await answer.json()) as { code?: string; detail?: string };
        expect(['STATION_NOT_FOUND', undefined], `${method} ${path}: ${body.detail}`).toContain(body.code);
        if (body.code === undefined) await call('DELETE', '/v1/stations/none');
      }
    }
  });
});
