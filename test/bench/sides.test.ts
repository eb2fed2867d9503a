/**
 * Every side of the bench runs for a moment and does what it claims: what was counted as published is there to be consumed.
 * Peers that are missing are installed from Debian's packages; where that cannot be, the test fails and says what to do.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode } from '@msgpack/msgpack';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ClientKind } from '../../bench/clients/client.ts';
import { Load } from '../../bench/load.ts';
import { batchOf, folder } from '../../bench/place.ts';
import { startBare } from '../../bench/servers/bare.ts';
import { startNats } from '../../bench/servers/nats.ts';
import { startRedis } from '../../bench/servers/redis.ts';
import type { Server } from '../../bench/servers/server.ts';
import { cpuMicros } from '../../bench/servers/server.ts';
import { startWayside } from '../../bench/servers/wayside.ts';
import { program } from '../../scripts/setup.ts';
import type { Driven, Latency } from '../../src/cli/bench/drive.ts';

const SIZE = 128;
const undo: (() => unknown)[] = [];
beforeAll(() => {
  program('redis');
  program('nats');
}, 300_000);
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each();
});

test('the bare baseline has every byte that it answered for in its file, and no other', async () => {
  const { server, path } = await started(startBare);
  const load = await loadOf(server, 'frames');
  await load.do({ do: 'prepare', stream: 's' });
  const { messages } = await load.do<Driven>({ do: 'publish', stream: 's', gather: 'batch', ms: 50 });
  expect(messages).toBeGreaterThan(0);
  expect(statSync(join(path, 'log')).size).toBe((messages / 100) * batchOf(100, SIZE).length);
});

test('the bare baseline refuses a batch whose CRC does not match', async () => {
  const { server } = await started(startBare);
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`, ['wayside.msgpack.v1']);
  undo.push(() => socket.terminate());
  const answers = new Promise<unknown[]>((resolve) => {
    const list: unknown[] = [];
    socket.on('message', (data) => list.push(decode(data as Buffer)) === 3 && resolve(list));
  });
  await new Promise((resolve) => socket.once('open', resolve));
  const records = batchOf(2, SIZE);
  const damaged = records.slice();
  damaged[30]! ^= 1;
  socket.send(encode({ op: 'hello' }));
  socket.send(encode({ id: 1, op: 'produce', station: 's', records: damaged }));
  socket.send(encode({ id: 2, op: 'produce', station: 's', records }));
  expect(await answers).toMatchObject([
    { op: 'welcome' },
    { id: 1, error: { code: 'INVALID_RECORDS' } },
    { id: 2, ok: { ranges: [[0, 1, 2]], durability: 'synced' } },
  ]);
});

test('frames by hand and the SDK drive the same broker', async () => {
  const { server } = await started(startWayside);
  const frames = await loadOf(server, 'frames');
  await frames.do({ do: 'prepare', stream: 's' });
  const { messages } = await frames.do<Driven>({ do: 'publish', stream: 's', gather: 'batch', ms: 50 });
  const sdk = await loadOf(server, 'sdk');
  const more = await sdk.do<Driven>({ do: 'publish', stream: 's', gather: 'one', ms: 50 });
  const info = (await (await fetch(`http://127.0.0.1:${server.port}/v1/stations/s`)).json()) as { messages: number };
  expect(info.messages).toBe(messages + more.messages);
  await sdk.do({ do: 'makeGroup', stream: 's', group: 'g', byKey: true });
  await sdk.do({ do: 'consume', stream: 's', group: 'g', count: info.messages, isShared: false });
  const group = await (await fetch(`http://127.0.0.1:${server.port}/v1/stations/s/groups/g`)).json();
  expect(group).toMatchObject({ unread: 0, inFlight: 0 });
  expect(cpuMicros(server.pid)).not.toBe(0);
});

const SIDES: [ClientKind, (path: string) => Promise<Server>][] = [
  ['sdk', startWayside],
  ['redis', (path) => startRedis(path, 'always')],
  ['nats', (path) => startNats(path, 'always')],
];
for (const [kind, start] of SIDES) {
  test(`${kind} publishes, consumes and measures latency`, async () => {
    const { server } = await started(start);
    const load = await loadOf(server, kind);
    await load.do({ do: 'prepare', stream: 's' });
    const { messages } = await load.do<Driven>({ do: 'publish', stream: 's', gather: 'batch', ms: 50 });
    await load.do({ do: 'makeGroup', stream: 's', group: 'g', byKey: false });
    await load.do({ do: 'consume', stream: 's', group: 'g', count: messages, isShared: true });
    await load.do({ do: 'removeGroup', stream: 's', group: 'g' });
    await load.do({ do: 'clean', stream: 's' });
    await load.do({ do: 'prepare', stream: 't' });
    expect(await load.do<Latency>({ do: 'latency', stream: 't', perSecond: 500, ms: 100 })).toMatchObject({ messages: 40 });
  });
}

async function started(start: (path: string) => Promise<Server>): Promise<{ server: Server; path: string }> {
  const place = folder();
  undo.push(place.remove);
  const path = join(place.path, 'data');
  mkdirSync(path);
  const server = await start(path);
  undo.push(server.stop);
  return { server, path };
}

async function loadOf(server: Server, kind: ClientKind): Promise<Load> {
  const load = await Load.start({ kind, port: server.port, durability: 'synced', size: SIZE });
  undo.push(() => load.stop());
  return load;
}
