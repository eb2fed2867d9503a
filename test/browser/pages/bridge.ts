/**
 * The page's side of the bridge: what comes over its WebSocket goes to the broker as a page would ask it, by `fetch` through the
 * Service Worker, and by ports; what comes of it goes back.
 */
import { decode, encode } from '@msgpack/msgpack';
import { browserBroker } from '../../../src/adapters/browser/index.ts';
import type { FromPage, SocketMessage, ToPage } from '../_messages.ts';

const WORKER = '/bridgeworker.js';

async function start(): Promise<void> {
  // It hands the Service Worker its door.
  const broker = browserBroker({ host: 'shared', worker: WORKER });
  await broker.health();
  await navigator.serviceWorker.register('/sw.js', { type: 'module' });
  await navigator.serviceWorker.ready;
  if (navigator.serviceWorker.controller === null)
    await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
  const line = new WebSocket(`${location.origin.replace('http', 'ws')}/bridge`);
  line.binaryType = 'arraybuffer';
  await new Promise((resolve) => line.addEventListener('open', resolve, { once: true }));
  const say = (message: FromPage) => line.send(encode(message));
  const aborts = new Map<number, AbortController>();
  const sockets = new Map<number, MessagePort>();
  line.onmessage = ({ data }) => {
    const message = decode(new Uint8Array(data as ArrayBuffer)) as ToPage;
    const { id } = message;
    if ('request' in message) {
      const abort = new AbortController();
      aborts.set(id, abort);
      ask(id, message.request, abort.signal, say)
        .catch((error: unknown) => say({ id, end: true, broken: String(error) }))
        .finally(() => aborts.delete(id));
    } else if ('abort' in message) aborts.get(id)?.abort();
    else if ('socket' in message) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event: MessageEvent<SocketMessage>) => say({ id, message: event.data });
      sockets.set(id, port1);
      new SharedWorker(WORKER, { type: 'module', name: 'wayside:default' }).port.postMessage(message.socket, [port2]);
    } else sockets.get(id)?.postMessage(message.message);
  };
  Object.assign(globalThis, { isBridged: true });
}

type Asked = Extract<ToPage, { request: unknown }>['request'];

async function ask(
  id: number,
  { method, path, headers, body }: Asked,
  signal: AbortSignal,
  say: (message: FromPage) => void,
): Promise<void> {
  const answer = await fetch(`/wayside${path}`, {
    method,
    headers,
    signal,
    redirect: 'manual',
    body: body === null || method === 'GET' || method === 'HEAD' ? null : new Uint8Array(body),
  });
  say({ id, head: { status: answer.status, headers: [...answer.headers] } });
  const reader = answer.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) break;
    say({ id, chunk: piece.value });
  }
  say({ id, end: true });
}

start().catch((error: unknown) => Object.assign(globalThis, { isBridged: `failed: ${String(error)}` }));
