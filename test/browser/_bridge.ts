/**
 * A broker in Chromium behind an address: HTTP and WebSockets are carried to a page, which asks the broker as pages do.
 *
 * Holds: the browser is a process of its own with a profile that stays, so that it can be closed, killed, and started again; nothing is
 * judged here: what the broker says goes back as it came.
 */
import { spawnSync } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode, encode } from '@msgpack/msgpack';
import type { BrowserContext } from 'playwright-core';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import type { Site } from './_browser.ts';
import { startProfile, startSite } from './_browser.ts';
import type { FromPage, SocketMessage, ToPage } from './_messages.ts';

const FRAME_MAX = 64 * 1024 * 1024;
const CLOSE_MS_MAX = 5_000;

interface Answering {
  take(message: FromPage): void;
  lost(): void;
}

export class Bridge {
  readonly #profile: string;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_MAX,
    handleProtocols: (_, request) => this.#protocols.get(request) ?? false,
  });
  readonly #protocols = new WeakMap<IncomingMessage, string>();
  readonly #answering = new Map<number, Answering>();
  #site: Site | undefined;
  #context: BrowserContext | undefined;
  #line: WebSocket | undefined;
  #next = 1;

  constructor(profile: string) {
    this.#profile = profile;
  }

  get base(): string {
    return this.#site?.origin.replace('localhost', '127.0.0.1') ?? '';
  }

  async start(): Promise<void> {
    this.#site ??= await startSite({
      request: (request, response) => this.#request(request, response),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
    });
    this.#context = await startProfile(this.#profile);
    const page = await this.#context.newPage();
    page.on('pageerror', (error) => console.error(`the bridge's page: ${error.message}`));
    await page.goto(`${this.#site.origin}/bridge.html`);
    const state = await (await page.waitForFunction('globalThis.isBridged', undefined, { timeout: 20_000 })).jsonValue();
    if (state !== true) throw new Error(`The bridge's page ${String(state)}`);
  }

  /** As its user would close it. */
  async stop(): Promise<void> {
    await this.#context?.close();
    this.#lost();
  }

  /** Without a warning. */
  async kill(): Promise<void> {
    // Every process of the browser has the profile's folder in its command.
    spawnSync('pkill', ['-9', '-f', this.#profile]);
    // Whoever drives a browser that was killed just as it was asked something may wait for its answer for ever.
    await Promise.race([this.#context?.close().catch(() => undefined), sleep(CLOSE_MS_MAX)]);
    this.#lost();
  }

  async close(): Promise<void> {
    await this.#context?.close().catch(() => undefined);
    await this.#site?.close();
  }

  #lost(): void {
    this.#line?.terminate();
    this.#line = undefined;
    for (const answering of [...this.#answering.values()]) answering.lost();
    this.#answering.clear();
  }

  #say(message: ToPage): void {
    this.#line?.send(encode(message));
  }

  #joined(line: WebSocket): void {
    this.#line = line;
    line.on('message', (data: Buffer) => {
      const message = decode(data) as FromPage;
      this.#answering.get(message.id)?.take(message);
    });
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = this.#next++;
    const body = Buffer.concat(await request.toArray().catch(() => []));
    const headers: [string, string][] = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      if (!HOP.has(request.rawHeaders[i]!.toLowerCase())) headers.push([request.rawHeaders[i]!, request.rawHeaders[i + 1]!]);
    this.#answering.set(id, {
      take: (message) => {
        if ('head' in message) {
          response.writeHead(message.head.status, message.head.headers.flat());
          response.flushHeaders();
        } else if ('chunk' in message) response.write(message.chunk);
        else if ('end' in message) {
          this.#answering.delete(id);
          if (message.broken === undefined) response.end();
          else response.destroy();
        }
      },
      lost: () => response.destroy(),
    });
    response.on('close', () => {
      if (this.#answering.delete(id)) this.#say({ id, abort: true });
    });
    if (this.#line === undefined) response.destroy();
    const method = request.method ?? 'GET';
    this.#say({ id, request: { method, path: request.url ?? '/', headers, body: body.length === 0 ? null : body } });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (request.url === '/bridge') {
      this.#sockets.handleUpgrade(request, socket, head, (line) => this.#joined(line));
      return;
    }
    const id = this.#next++;
    const headers = Object.fromEntries(
      Object.entries(request.headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
    );
    let webSocket: WebSocket | undefined;
    const take = (message: SocketMessage) => {
      if ('opened' in message) {
        this.#protocols.set(request, message.opened);
        this.#sockets.handleUpgrade(request, socket, head, (made) => {
          webSocket = made;
          const say = (said: SocketMessage) => this.#say({ id, message: said });
          made.on('message', (data: Buffer, isBinary) => say({ data, isBinary }));
          made.on('close', (code, reason) => {
            this.#answering.delete(id);
            say({ close: { code, reason: reason.toString() } });
          });
          made.on('error', () => undefined);
        });
      } else if ('refused' in message) refuse(socket, message.refused);
      else if ('data' in message) webSocket?.send(message.data, { binary: message.isBinary });
      else webSocket?.close(message.close.code, message.close.reason);
    };
    this.#answering.set(id, {
      take: (message) => 'message' in message && take(message.message),
      lost: () => (webSocket === undefined ? socket.destroy() : webSocket.terminate()),
    });
    if (this.#line === undefined) socket.destroy();
    this.#say({ id, socket: { socket: true, path: request.url ?? '/', headers } });
  }
}

/** What is of a connection, or a page may not set. */
const HOP = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'keep-alive', 'upgrade', 'origin']);

function refuse(
  socket: Duplex,
  { status, headers, body }: { status: number; headers: Readonly<Record<string, string>>; body: string },
): void {
  const lines = Object.entries({ ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' });
  socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
}
