/** Over real WebSockets: to the real broker, and to servers that are none, or of another version. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { startHost } from '../../src/adapters/node/host.ts';
import type { WaysideError } from '../../src/client/index.ts';
import { connect } from '../../src/client/index.ts';

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const failure = (promise: Promise<unknown>): Promise<WaysideError> =>
  promise.then(
    (value) => expect.unreachable(`it gave ${JSON.stringify(value)}`),
    (error) => error,
  );

/** A server that speaks what it is told to. */
async function server(onSocket: (socket: WebSocket) => void, protocol: string | false = 'wayside.msgpack.v1'): Promise<string> {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => protocol });
  sockets.on('connection', onSocket);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

async function broker(token?: string): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'wayside-client-'));
  const host = await startHost({ data, port: 0, host: '127.0.0.1', ...(token !== undefined && { token }) });
  ends.push(
    () => rm(data, { recursive: true }),
    () => host.close(),
  );
  return host.url;
}

test.each(['websocket', 'http'] as const)('the real broker over %s: everything, with a token and a namespace', async (transport) => {
  const address = await broker('secret');
  expect(await failure(connect(address, { transport, token: 'wrong' }).station('orders').info())).toMatchObject({
    code: 'UNAUTHENTICATED',
  });
  const wayside = connect(address, { transport, token: async () => 'secret', namespace: 'team' });
  ends.push(() => wayside.close());
  const station = wayside.station<{ n: number }>('orders');
  await station.create({ partitions: 2 });
  expect(await station.update({ retention: { maxMessages: 1_000 } }, { version: 1 })).toMatchObject({ version: 2 });
  expect(await failure(station.update({}, { version: 1 }))).toMatchObject({ code: 'VERSION_MISMATCH', status: 412 });
  await Promise.all(Array.from({ length: 100 }, (_, n) => station.produce({ n }, { key: `k${n}` })));
  expect((await station.produceMany([{ payload: { n: 100 } }, { payload: { n: 101 } }], { atomic: true })).results).toHaveLength(2);
  expect(await failure(station.produce({ n: 1 }, { partition: 0, expectedSequence: 1 }))).toMatchObject({
    code: 'SEQUENCE_MISMATCH',
    outcome: 'refused',
  });

  const group = station.group('billing');
  const seen = new Set<number>();
  for await (const message of group.messages({ prefetch: { messages: 7 } })) {
    seen.add(message.payload.n);
    if (message.payload.n === 13) await message.reject('unlucky');
    else void message.ack();
    if (seen.size === 102) break;
  }
  await group.info();
  const letters: unknown[] = [];
  for await (const letter of station.deadLetters.list()) letters.push(letter.message.payload);
  expect(letters).toEqual([{ n: 13 }]);
  const read: number[] = [];
  for await (const { payload } of station.read()) read.push(payload.n);
  expect(read.sort((a, b) => a - b)).toEqual(Array.from({ length: 102 }, (_, n) => n));
  const names: string[] = [];
  for await (const { name } of wayside.stations()) names.push(name);
  expect(names).toEqual(['orders']);
  for await (const other of station.groups()) expect(other).toMatchObject({ name: 'billing' });
  // Nothing of it is in another namespace.
  const elsewhere = connect(address, { transport, token: 'secret' });
  ends.push(() => elsewhere.close());
  expect(await failure(elsewhere.station('orders').info())).toMatchObject({ code: 'STATION_NOT_FOUND' });
  expect(await elsewhere.health()).toMatchObject({ status: 'ok', runtime: 'node' });
});

test.each(['websocket', 'http'] as const)('headers of any name over %s: read, delivered, in dead letters', async (transport) => {
  const wayside = connect(await broker(), { transport });
  ends.push(() => wayside.close());
  const station = wayside.station<number>('orders');
  await station.create();
  const headers = JSON.parse('{"__proto__":"a","constructor":"b","größe":"1 m²"}') as Record<string, string>;
  await station.produce(1, { headers });
  const [fetched] = await station.group('g').fetch();
  await fetched!.reject();
  const got = [fetched!.headers, (await station.message(0, 1)).headers];
  for await (const { message } of station.deadLetters.list()) got.push(message.headers);
  expect(got.map((one) => Object.entries(one))).toEqual(new Array(3).fill(Object.entries(headers)));
});

test('over HTTP, what is on its way when a consumer stops is given back', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const nacked: unknown[] = [];
  const handled: number[] = [];
  const wayside = connect('http://broker.test', {
    transport: 'http',
    fetch: async (url, init) => {
      const path = String(url);
      if (path.includes('/fetch')) {
        init?.signal?.addEventListener('abort', () => answer.reject(new Error('aborted')));
        asked.resolve();
        return answer.promise;
      }
      if (path.endsWith('/nack')) nacked.push(JSON.parse(String(init?.body)));
      return Response.json({ leaseMs: 30_000 });
    },
  });
  ends.push(() => wayside.close());
  const consumer = wayside
    .station<number>('orders')
    .group('g')
    .handle(({ sequence }) => void handled.push(sequence));
  await asked.promise;
  const stopped = consumer.stop();
  // All that stopping does by itself is done by then.
  await new Promise(setImmediate);
  const message = { partition: 0, sequence: 1, receipt: '0.1.lease', deliveries: 1, producedAt: 1, headers: {}, base64: 'MQ==' };
  answer.resolve(Response.json({ messages: [message] }));
  await stopped;
  expect(nacked).toEqual([{ receipts: ['0.1.lease'] }]);
  expect(handled).toEqual([]);
});

test('nobody there: an error that names the address and what to do, once the time is over', async () => {
  const address = await server(() => undefined);
  await ends.pop()?.();
  const { host } = new URL(address);
  const error = await failure(connect(address, { timeoutMs: 300 }).health());
  expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused' });
  expect(error.message).toContain(`No broker answers at ws://${host}/v1/ws`);
  const overHttp = await failure(connect(`ws://${host}`, { transport: 'http', timeoutMs: 300 }).health());
  expect(overHttp).toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused' });
  expect(overHttp.message).toContain(`http://${host}/v1 cannot be reached`);
});

test.each([
  ['a text', (socket: WebSocket) => socket.send('hello')],
  ['garbage', (socket: WebSocket) => socket.send(Uint8Array.of(0xc1, 1, 2))],
  ['a number', (socket: WebSocket) => socket.send(Uint8Array.of(7))],
  ['nothing, and closes', (socket: WebSocket) => socket.close(1011, 'no')],
])('a server that says %s to hello: a clear error', async (_, speak) => {
  const address = await server((socket) => socket.on('message', () => speak(socket)));
  const wayside = connect(address, { timeoutMs: 500, retry: { maxMs: 50 } });
  ends.push(() => wayside.close());
  const error = await failure(wayside.health());
  expect(error.code).toBe('UNAVAILABLE');
  expect(error.message).toMatch(/msgpack|version|ended/);
});

test('a server that picks no subprotocol, or none of ours, is none', async () => {
  const none = await server(() => undefined, false);
  const error = await failure(connect(none, { timeoutMs: 500, retry: { maxMs: 50 } }).health());
  expect(error.code).toBe('UNAVAILABLE');
  expect(error.message).toMatch(/protocol|No broker answers/);
});

test('a runtime without WebSocket says what to do', async () => {
  const own = globalThis.WebSocket;
  ends.push(() => {
    globalThis.WebSocket = own;
  });
  // @ts-expect-error as in Node 20
  delete globalThis.WebSocket;
  expect((await failure(connect('http://127.0.0.1:9').health())).message).toMatch(/Node has one from 22 on.*'ws'.*'http'/);
});

test.each(['127.0.0.1:4300', 'ftp://host', 'http://host/?a=1', ''])('%j is no address', (address) => {
  expect(() => connect(address)).toThrow(TypeError);
});
