/**
 * The HTTP server: connections, their time limits, and an end to all of them.
 *
 * Holds: a request that trickles in is cut off within half a minute; one that HTTP's own rules refuse is told so in the
 * same form as any other refusal; after `close` no connection is left.
 * Elsewhere: what is answered (`fetch`, of the gateway).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { Deadlines } from './deadlines.ts';

/** What the gateway is called with beside the request. */
export interface NodeEnv {
  readonly incoming: IncomingMessage;
}

export interface ServerOptions {
  fetch(request: Request, env: NodeEnv): Response | Promise<Response>;
  readonly host: string;
  readonly port: number;
  /** Takes a request that asks for a WebSocket, with its connection. Without it there are none. */
  upgrade?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** May the body of a request for this target be of any length? None may unless given. */
  isStream?(url: string): boolean;
  /** The refusal of a request that cannot be understood, for each status that HTTP's own rules give. */
  refusal(status: 400 | 408 | 431): { readonly headers: Readonly<Record<string, string>>; readonly body: string };
}

export interface RunningServer {
  readonly url: string;
  /** Takes no more connections; resolves when the last one is gone, which is `graceMs` from now at the latest. */
  close(graceMs: number): Promise<void>;
}

const HEADERS_MS_MAX = 10_000;
/** Of a body. What trickles is cut off at the next look after it: within half a minute with its headers. */
const REQUEST_MS_MAX = 20_000;
const LOOK_EVERY_MS = 2_500;
const KEEP_ALIVE_MS = 75_000;
/** A message's 16 KiB of headers, percent-encoded, and the request's own. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Above it a client that asks first (`Expect: 100-continue`) is answered without being told to go on. */
const CONTINUE_BYTES_MAX = 16 * 1024 * 1024;

/** @throws what listening throws: EADDRINUSE, EACCES, … */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const answer = getRequestListener((request, env) => options.fetch(request, env as NodeEnv), {
    errorHandler: () => {
      // The gateway answers whatever can be made a Request; this is one that could not.
      const { headers, body } = options.refusal(400);
      return new Response(body, { status: 400, headers });
    },
  });
  const deadlines = new Deadlines(REQUEST_MS_MAX, LOOK_EVERY_MS, ({ socket }) => {
    refuseConnection(options, Object.assign(new Error('It took too long.'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
  });
  const watched = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    deadlines.watch(incoming, options.isStream?.(incoming.url ?? '/') ?? false);
    void answer(incoming, outgoing);
  };
  const server = createServer(
    {
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: 0,
      connectionsCheckingInterval: LOOK_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
      // Whatever else a request would like to become (h2c, say), it is answered as it is.
      shouldUpgradeCallback: ({ headers }) => options.upgrade !== undefined && headers.upgrade?.toLowerCase() === 'websocket',
    },
    watched,
  );
  server.on('close', () => deadlines.stop());
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    options.upgrade?.(request, socket, head);
  });
  server.on('checkContinue', (incoming: IncomingMessage, outgoing) => {
    if (!(Number(incoming.headers['content-length']) > CONTINUE_BYTES_MAX)) outgoing.writeContinue();
    watched(incoming, outgoing);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseConnection(options, error, socket as Socket));

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { url: urlOf(server), close: (graceMs) => closeServer(server, graceMs) };
}

const STATUS_BY_ERROR: Record<string, 408 | 431> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };

/** Of a connection whose bytes are no HTTP request, or that took too long to be one. */
function refuseConnection(options: ServerOptions, error: NodeJS.ErrnoException, socket: Socket): void {
  // Bytes of an answer that is under way must not be followed by others.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status = STATUS_BY_ERROR[error.code ?? ''] ?? 400;
  endWith(socket, { status, ...options.refusal(status) });
}

export interface WrittenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** In place of an upgrade. Nobody watches over that connection any more, so it does not wait for the client to end it. */
export function refuseUpgrade(socket: Duplex, answer: WrittenAnswer): void {
  socket.once('finish', () => socket.destroy());
  endWith(socket, answer);
}

/** One answer, written by hand on a connection that ends with it. */
function endWith(socket: Duplex, { status, headers, body }: WrittenAnswer): void {
  const lines = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // A connection that answers its last call now becomes idle only after that.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
