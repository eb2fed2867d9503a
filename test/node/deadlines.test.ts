/** Requests that take too long to come in are cut off; streams have time as long as something comes. */
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { Deadlines } from '../../src/adapters/node/deadlines.ts';
import { isStream } from '../../src/gateway/rest/transfers.ts';

const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

async function listening(): Promise<number> {
  const deadlines = new Deadlines(300, 50, (request: IncomingMessage) => request.socket.destroy());
  const server = createServer((incoming, outgoing) => {
    deadlines.watch(incoming, isStream(incoming.url ?? ''));
    incoming.resume();
    incoming.on('end', () => outgoing.end('all'));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  ends.push(() => {
    deadlines.stop();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Sends a byte every `everyMs`, ten of them. @returns what was answered */
async function trickle(path: string, everyMs: number): Promise<string> {
  const socket = connect(await listening(), '127.0.0.1');
  let said = '';
  socket.on('data', (data) => {
    said += String(data);
  });
  socket.on('error', () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n`);
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
  });
  const timer = setInterval(() => socket.write('x'), everyMs);
  await closed;
  clearInterval(timer);
  return said;
}

test('a body that trickles is cut off', async () => {
  expect(await trickle('/v1/stations/s/messages', 100)).toBe('');
});

test('an import that comes slowly is not; one that stops is', async () => {
  expect(await trickle('/v1/namespaces/n/import?id=x', 100)).toContain('all');
  expect(await trickle('/v1/import', 600)).toBe('');
});

test('which requests are streams', () => {
  for (const target of ['/v1/import', '/v1/import?id=1', '/v1/namespaces/a.b/import']) expect(isStream(target)).toBe(true);
  for (const target of ['/v1/importx', '/v1/stations/import', '/v1/export', '/v1/namespaces/a/b/import'])
    expect(isStream(target)).toBe(false);
});
