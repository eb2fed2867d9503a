/** WebSockets on Node: the handshake, who may, bytes in pieces, what is too large or too much, and the end. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from '@msgpack/msgpack';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Host } from '../../../src/adapters/node/host.ts';
import { startHost } from '../../../src/adapters/node/host.ts';
import type { Frame } from './_frames.ts';
import { Client } from './_frames.ts';
import { closeCode, handshake, masked } from './_raw.ts';

const folder = mkdtempSync(join(tmpdir(), 'wayside-'));
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TOKEN = 'a-token';
let open: Host;
let guarded: Host;

beforeAll(async () => {
  open = await startHost({ data: join(folder, 'open'), port: 0, journal: quiet });
  guarded = await startHost({
    data: join(folder, 'guarded'),
    port: 0,
    journal: quiet,
    token: TOKEN,
    corsOrigins: ['https://page.example'],
  });
  await fetch(`${open.url}/v1/stations/s`, { method: 'PUT' });
});
afterAll(async () => {
  await Promise.all([open.close(), guarded.close()]);
  rmSync(folder, { recursive: true, force: true });
});

interface Opened extends Client {
  readonly socket: WebSocket;
}

/** A socket that speaks frames; `code` of its end is in `closed`. */
async function dial(
  host: Host,
  {
    protocol = 'wayside.json.v1',
    path = '/v1/ws',
    headers = {},
  }: { protocol?: string; path?: string; headers?: Record<string, string> } = {},
): Promise<Opened> {
  const socket = new WebSocket(host.url.replace('http', 'ws') + path, protocol.split(','), { headers });
  const isText = () => socket.protocol === 'wayside.json.v1';
  const client = new Client((frame) => socket.send(isText() ? JSON.stringify(frame) : encode(frame)));
  socket.on('message', (data: Buffer) => client.take(isText() ? JSON.parse(data.toString()) : decode(data)));
  socket.on('close', (code, reason) => client.end(code, reason.toString()));
  socket.on('error', () => undefined);
  await once(socket, 'open');
  return Object.assign(client, { socket });
}

async function isWell(host: Host): Promise<void> {
  const client = await dial(host, { headers: { authorization: `Bearer ${TOKEN}` } });
  await client.hello();
  expect(await client.do('call', { method: 'GET', path: '/v1/health' })).toMatchObject({ status: 200 });
  client.socket.close();
}

describe('the handshake', () => {
  it('chooses among what is offered, ours in front', async () => {
    for (const [offered, chosen] of [
      ['wayside.json.v1', 'wayside.json.v1'],
      ['odd.v9,wayside.json.v1', 'wayside.json.v1'],
      ['wayside.json.v1,wayside.msgpack.v1', 'wayside.msgpack.v1'],
    ]) {
      const client = await dial(open, { protocol: offered! });
      expect(client.socket.protocol).toBe(chosen);
      expect(await client.hello()).toMatchObject({ op: 'welcome' });
      client.socket.close();
    }
  });

  it('is refused as a problem, with a code, before anything is upgraded', async () => {
    const cases: [string[], string | null, number, string][] = [
      [[], null, 400, 'INVALID_REQUEST'],
      [[], 'odd.v9', 400, 'INVALID_REQUEST'],
      [['GET /v1/nonsense HTTP/1.1'], 'wayside.json.v1', 404, 'NOT_FOUND'],
      [['GET /v1/namespaces/%2e%2e/ws HTTP/1.1'], 'wayside.json.v1', 400, 'INVALID_NAME'],
      [['GET /v1/namespaces/../ws HTTP/1.1'], 'wayside.json.v1', 400, 'INVALID_NAME'],
      [['Host: example.org'], 'wayside.json.v1', 403, 'FORBIDDEN'],
      [['Origin: https://elsewhere.example'], 'wayside.json.v1', 403, 'FORBIDDEN'],
      [['POST /v1/ws HTTP/1.1'], 'wayside.json.v1', 400, 'INVALID_REQUEST'],
    ];
    for (const [lines, protocol, status, code] of cases) {
      const { head, socket } = await handshake(open, lines, protocol);
      expect(head, lines.join()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(head).toContain('application/problem+json');
      expect(head).toContain(`"code":"${code}"`);
      await once(socket, 'close');
    }
    const { head } = await handshake(open, ['Sec-WebSocket-Key: x', 'Sec-WebSocket-Version: 99']);
    expect(head).toMatch(/^HTTP\/1.1 400 /);
    await isWell(open);
  });

  it('names its protocols where none was offered', async () => {
    const { head } = await handshake(open, [], null);
    expect(head).toContain('wayside.msgpack.v1 or wayside.json.v1');
  });

  it('a plain GET is 426, and says what there is', async () => {
    for (const path of ['/v1/ws', '/v1/ws?station=s', '/v1/namespaces/other/ws']) {
      const answer = await fetch(open.url + path);
      expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket']);
      expect(await answer.json()).toMatchObject({ status: 426, code: 'INVALID_REQUEST' });
    }
    const h2c = await fetch(`${open.url}/v1/health`, { headers: { 'x-ask': '1' } });
    expect(h2c.status).toBe(200);
  });

  it('a request that would like to be HTTP/2 is answered as it is', async () => {
    const socket = connect(Number(new URL(open.url).port), '127.0.0.1');
    socket.write(`GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`);
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('a namespace in the path is that of the session', async () => {
    await fetch(`${open.url}/v1/namespaces/other/stations/there`, { method: 'PUT' });
    const client = await dial(open, { path: '/v1/namespaces/other/ws?station=there' });
    await client.hello();
    await client.do('produce', { station: 'there', messages: [{ text: 'a' }] });
    expect(await client.refused('produce', { station: 's', messages: [{ text: 'a' }] })).toBe('STATION_NOT_FOUND');
    client.socket.close();
  });
});

describe('with a token', () => {
  it('it comes in the hello, in a header, or as a ticket, once', async () => {
    const authorization = { authorization: `Bearer ${TOKEN}` };
    const byHello = await dial(guarded);
    await byHello.hello(TOKEN);
    const byHeader = await dial(guarded, { headers: authorization });
    await byHeader.hello();
    const { ticket } = (await (await fetch(`${guarded.url}/v1/tickets`, { method: 'POST', headers: authorization })).json()) as Frame;
    const byTicket = await dial(guarded, { path: `/v1/ws?ticket=${ticket}` });
    await byTicket.hello();
    for (const client of [byHello, byHeader, byTicket]) {
      expect(await client.do('call', { method: 'PUT', path: '/v1/stations/s', body: {} })).toMatchObject({ body: { name: 's' } });
      client.socket.close();
    }
    const again = await dial(guarded, { path: `/v1/ws?ticket=${ticket}` });
    again.send({ op: 'hello' });
    expect(await again.ended()).toBe(4401);
  });

  it('a wrong one is 4401, wherever it came', async () => {
    for (const [options, token] of [
      [{}, undefined],
      [{}, 'wrong'],
      [{}, `${TOKEN}x`],
      [{ headers: { authorization: 'Bearer wrong' } }, undefined],
      [{ headers: { authorization: `Basic ${TOKEN}` } }, undefined],
      [{ path: '/v1/ws?ticket=wrong' }, undefined],
      [{ headers: { authorization: `Bearer ${TOKEN}` } }, 'wrong'],
    ] as const) {
      const client = await dial(guarded, options);
      client.send({ op: 'hello', ...(token === undefined ? {} : { token }) });
      expect(await client.ended(), JSON.stringify(options)).toBe(4401);
    }
    await isWell(guarded);
  });

  it('a call from inside asks for no credential, and nobody outside can pretend to be one', async () => {
    for (const headers of [{}, { host: 'session' }, { 'x-inner': '1' }, { authorization: 'Bearer undefined' }] as Record<string, string>[])
      expect((await fetch(`${guarded.url}/v1/stations`, { headers })).status).toBe(401);
    expect((await fetch(`${guarded.url}/v1/ws`)).status).toBe(401);
  });
});

describe('bytes', () => {
  it('in pieces: split anywhere, fragmented, and several frames at once', async () => {
    const { socket } = await handshake(open, []);
    const hello = masked(Buffer.from('{"op":"hello"}'));
    for (const byte of hello) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const body = Buffer.from('{"op":"produce","id":1,"station":"s","messages":[{"text":"in pieces: ü"}]}');
    // Cut in the middle of a letter.
    const cut = body.indexOf(0xc3) + 1;
    socket.write(masked(body.subarray(0, cut), { fin: false }));
    socket.write(masked(Buffer.alloc(0), { opcode: 9 }));
    socket.write(masked(body.subarray(cut), { opcode: 0 }));
    socket.write(
      Buffer.concat(
        ['{"op":"ping"}', '{"id":2,"op":"nonsense"}', '{"id":3,"op":"call","method":"GET","path":"/v1/health"}'].map((text) =>
          masked(Buffer.from(text)),
        ),
      ),
    );
    let text = '';
    while (!['"id":1', '"pong"', '"id":2', '"id":3'].every((part) => text.includes(part))) {
      const [data] = (await once(socket, 'data')) as [Buffer];
      text += data.toString('latin1');
    }
    expect(text).toContain('"sequence":1');
    socket.destroy();
  });

  it.each(['wayside.json.v1', 'wayside.msgpack.v1'])('%s: a frame above the limit is 4413', async (protocol) => {
    const client = await dial(open, { protocol });
    await client.hello();
    client.socket.send(protocol === 'wayside.json.v1' ? 'x'.repeat(18 * 1024 * 1024) : new Uint8Array(18 * 1024 * 1024));
    expect(await client.ended()).toBe(4413);
    await isWell(open);
  });

  it('a batch of the largest size that is allowed fits', async () => {
    const client = await dial(open, { protocol: 'wayside.json.v1' });
    await client.hello();
    const messages = Array.from({ length: 8 }, () => ({ base64: Buffer.alloc(1_000_000).toString('base64') }));
    expect((await client.do('produce', { station: 's', messages })).results).toHaveLength(8);
    messages.push(...messages.slice(0, 1));
    expect(await client.refused('produce', { station: 's', messages })).toBe('BATCH_TOO_LARGE');
    client.socket.close();
  });

  it('a first frame that is large is 4413, before it is all there', async () => {
    const { socket } = await handshake(guarded, []);
    socket.write(masked(Buffer.alloc(12 * 1024 * 1024)).subarray(0, 1024 * 1024));
    expect(await closeCode(socket)).toBe(4413);
  });

  it('endless fragments are 4413', async () => {
    const { socket } = await handshake(open, []);
    socket.write(masked(Buffer.from('{"op":"hello"}')));
    socket.write(masked(Buffer.from('{'), { fin: false }));
    for (let i = 0; i < 5_000; i++) socket.write(masked(Buffer.from(' '), { opcode: 0, fin: false }));
    expect(await closeCode(socket)).toBe(4413);
    await isWell(open);
  });

  it('a frame without a mask, or that breaks the rules of WebSockets, ends that socket alone', async () => {
    for (const bytes of [
      Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
      Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
      Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    ]) {
      const { socket } = await handshake(open, []);
      socket.write(bytes);
      expect(await closeCode(socket)).toBe(1002);
    }
    await isWell(open);
  });

  it('hundreds of thousands of tiny frames disturb nobody', async () => {
    const { socket } = await handshake(open, []);
    socket.write(masked(Buffer.from('{"op":"hello"}')));
    const pongs = Buffer.concat(Array.from({ length: 10_000 }, () => masked(Buffer.from('{"op":"pong"}'))));
    for (let i = 0; i < 30; i++) {
      if (!socket.write(pongs)) await once(socket, 'drain');
      if (i % 10 === 0) await isWell(open);
    }
    socket.write(masked(Buffer.from('{"op":"call","id":1,"method":"GET","path":"/v1/health"}')));
    let text = '';
    while (!text.includes('"status":200')) text += ((await once(socket, 'data')) as [Buffer])[0].toString('latin1');
    socket.destroy();
  });

  it('calls without a pause, each of them slow, end in 4429', async () => {
    const { socket } = await handshake(open, []);
    socket.write(masked(Buffer.from('{"op":"hello"}')));
    const call = (id: number) =>
      masked(Buffer.from(`{"op":"fetch","id":${id},"station":"s","group":"slow","consumer":"c","startAt":"end","waitMs":30000}`));
    socket.write(Buffer.concat(Array.from({ length: 4_200 }, (_, id) => call(id))));
    expect(await closeCode(socket)).toBe(4429);
    await isWell(open);
  });
});

describe('a socket that never reads', () => {
  it('holds up nobody (what it costs: room.test.ts)', async () => {
    await fetch(`${open.url}/v1/stations/large`, { method: 'PUT' });
    const writer = await dial(open, { protocol: 'wayside.msgpack.v1' });
    await writer.hello();
    const payload = new Uint8Array(512 * 1024);
    for (let i = 0; i < 64; i++) await writer.do('produce', { station: 'large', messages: [{ payload }] });
    const stuck: Socket[] = [];
    for (let i = 0; i < 8; i++) {
      const { socket } = await handshake(open, []);
      socket.pause();
      stuck.push(socket);
      socket.write(masked(Buffer.from('{"op":"hello"}')));
      for (let sub = 0; sub < 8; sub++) {
        const frame = {
          op: 'subscribe',
          id: sub,
          sub,
          station: 'large',
          group: `stuck-${i}-${sub}`,
          consumer: 'c',
          credit: { messages: 1e6, bytes: 1e9 },
        };
        socket.write(masked(Buffer.from(JSON.stringify(frame))));
      }
    }
    await writer.do('subscribe', { sub: 1, station: 'large', group: 'reading', consumer: 'c', credit: { messages: 100, bytes: 1e9 } });
    let got = 0;
    while (got < 64) got += (await writer.next(({ sub }) => sub === 1)).blocks.length;
    await isWell(open);
    for (const socket of stuck) socket.destroy();
    writer.socket.close();
  });
});

describe('the end', () => {
  it('goaway, the calls under way are answered, then 1012; nothing is left open', async () => {
    const host = await startHost({ data: join(folder, 'ending'), port: 0, journal: quiet });
    const clients = [await dial(host), await dial(host, { protocol: 'wayside.msgpack.v1' })];
    for (const client of clients) {
      await client.hello();
      await client.do('call', { method: 'PUT', path: '/v1/stations/s', body: {} });
    }
    const [first, second] = clients;
    const produced = Array.from({ length: 20 }, (_, i) => first!.ask('produce', { station: 's', messages: [{ text: `m${i}` }] }));
    const waiting = second!.ask('fetch', { station: 's', group: 'g', consumer: 'c', startAt: 'end', waitMs: 20_000 });
    const stuck = await handshake(host, []);
    stuck.socket.pause();
    await second!.do('call', { method: 'GET', path: '/v1/health' });
    await host.close();
    for (const answer of await Promise.all(produced)) expect(answer.ok?.results ?? answer.error.code).toBeDefined();
    expect((await waiting).error?.code ?? 'none').toMatch(/SHUTTING_DOWN|none/);
    for (const client of clients) {
      expect(client.frames.find(({ op }) => op === 'goaway')).toEqual({ op: 'goaway', afterMs: 2_000 });
      expect(await client.ended()).toBe(1012);
    }
    await expect(fetch(`${host.url}/v1/health`)).rejects.toThrow();
    stuck.socket.destroy();
  });
});
