import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startHost, TrustedWebSocket } from '../../src/adapters/node/index.ts';
import { connect } from '../../src/client/index.ts';
import { temporaryFolder } from './_process.ts';

test('the SDK over a trusted socket stores what it was given, whatever becomes of the bytes after', async () => {
  const folder = temporaryFolder();
  const host = await startHost({ data: folder.path, port: 0 });
  const broker = connect(host.url, { WebSocket: TrustedWebSocket });
  onTestFinished(async () => {
    await broker.close();
    await host.close();
    folder.remove();
  });
  const station = broker.station('s');
  await station.create();
  const sent: string[] = [];
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < 300; i++) {
    const text = `${i} ${'x'.repeat(i * 7)}`;
    const bytes = new TextEncoder().encode(text);
    sent.push(text);
    answers.push(station.produce(bytes));
    // Now and then a frame of its own, while others are on their way.
    if (i % 10 === 0) await Promise.race([answers.at(-1), new Promise(setImmediate)]);
  }
  await Promise.all(answers);
  const stored: string[] = [];
  for await (const message of station.read()) if (stored.push(message.text()) === sent.length) break;
  expect(stored).toEqual(sent);
});

test('a trusted socket masks with zeros: its frames can be read as they come', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const socket = new TrustedWebSocket(`ws://127.0.0.1:${port}/`, ['p']);
  socket.on('error', () => undefined);
  onTestFinished(() => socket.terminate());
  const [peer] = (await once(server, 'connection')) as [import('node:net').Socket];
  const [request] = (await once(peer, 'data')) as [Buffer];
  const [, key = ''] = /sec-websocket-key: (.*)\r/i.exec(request.toString()) ?? [];
  const accept = Buffer.from(
    await crypto.subtle.digest('SHA-1', new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)),
  ).toString('base64');
  peer.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: p\r\n\r\n`,
  );
  await once(socket, 'open');
  const bytes = new TextEncoder().encode('hello');
  socket.send(bytes);
  bytes.fill(0);
  const [frame] = (await once(peer, 'data')) as [Buffer];
  expect([...frame]).toEqual([0x82, 0x80 | 5, 0, 0, 0, 0, ...new TextEncoder().encode('hello')]);
});
