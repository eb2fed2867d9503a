/**
 * The Service Worker's part: answers `fetch` of `/wayside/v1/…` from the broker of this site, as any server's API.
 *
 * Holds: it has no way to a worker of its own, so a page hands it a door; with no page open it answers 503 with Retry-After. A
 * worker that has ended is noticed by its lock, since ports tell nobody, and the next request asks for another door. Nothing is kept
 * from one life of the Service Worker to the next.
 */
import { WaysideError } from '../../core/errors.ts';
import { problemOf } from '../../gateway/problem.ts';
import { lockFree } from './lock.ts';
import type { DoorOpened, FromHttp, PortOffered, PortWanted, ToHttp } from './messages.ts';
import { ownerLock } from './rows.ts';

/** The part of a ServiceWorkerGlobalScope that is used. */
interface WorkerScope {
  readonly location: { readonly origin: string };
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<readonly { postMessage(message: unknown): void }[]>;
    claim(): Promise<void>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: 'install' | 'activate', run: (event: { waitUntil(done: Promise<unknown>): void }) => void): void;
  addEventListener(type: 'message', run: (event: MessageEvent<PortOffered>) => void): void;
  addEventListener(type: 'fetch', run: (event: { readonly request: Request; respondWith(answer: Promise<Response>): void }) => void): void;
}

/** Where the API is served, and of which broker. */
export interface ServeOptions {
  /** What stands before `/v1`; `/wayside` unless given. All below it is the broker's: no file of the site can lie there. */
  readonly path?: string | undefined;
  /** The broker's name; `default` unless given. */
  readonly name?: string | undefined;
}

/** How long pages have to hand over a door. */
const PORT_MS_MAX = 2_000;

/** Call it once, in the Service Worker's script. */
export function serveWayside({ path = '/wayside', name = 'default' }: ServeOptions = {}): void {
  const scope = self as unknown as WorkerScope;
  const doors = new HttpDoors(scope, name);
  scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
  scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
  scope.addEventListener('fetch', (event) => {
    const url = new URL(event.request.url);
    if (url.origin !== scope.location.origin || !url.pathname.startsWith(`${path}/`)) return;
    event.respondWith(doors.answer(event.request, event.request.url.replace(`${url.origin}${path}`, url.origin)));
  });
}

/** One door at a time, asked for by whoever needs it first. */
class HttpDoors {
  readonly #scope: WorkerScope;
  readonly #name: string;
  #door: Promise<HttpDoor> | undefined;
  #offered: ((port: MessagePort) => void) | undefined;

  constructor(scope: WorkerScope, name: string) {
    this.#scope = scope;
    this.#name = name;
    scope.addEventListener('message', ({ data, ports: [port] }) => {
      if (data?.wayside !== 'port' || data.name !== name || port === undefined) return;
      if (this.#offered === undefined) port.close();
      else this.#offered(port);
    });
  }

  async answer(request: Request, url: string): Promise<Response> {
    try {
      this.#door ??= this.#open();
      const door = await this.#door;
      return await door.ask(request, url);
    } catch (error) {
      this.#door = undefined;
      const known =
        error instanceof WaysideError
          ? error
          : new WaysideError('UNAVAILABLE', `The broker did not answer: ${String(error)}`, { retryAfterMs: 1000 });
      const { status, headers, body } = problemOf(known);
      return new Response(body, { status, headers });
    }
  }

  async #open(): Promise<HttpDoor> {
    const port = await new Promise<MessagePort>((resolve, reject) => {
      const late = () =>
        reject(
          new WaysideError('UNAVAILABLE', 'No page of this site is open, and the broker lives in its pages. Open one, and ask again.', {
            retryAfterMs: 1000,
          }),
        );
      const timer = setTimeout(late, PORT_MS_MAX);
      this.#offered = (offered) => {
        clearTimeout(timer);
        this.#offered = undefined;
        resolve(offered);
      };
      void this.#scope.clients.matchAll({ type: 'window', includeUncontrolled: true }).then((pages) => {
        if (pages.length === 0) late();
        for (const page of pages) page.postMessage({ wayside: 'port-wanted', name: this.#name } satisfies PortWanted);
      });
    });
    const door = new HttpDoor(port);
    await door.opened;
    void lockFree(ownerLock(this.#name), new AbortController().signal).then(() => {
      this.#door = undefined;
      door.end();
    });
    return door;
  }
}

interface Asked {
  head(status: number, headers: [string, string][]): void;
  chunk(bytes: Uint8Array): void;
  end(broken: boolean): void;
}

class HttpDoor {
  readonly opened: Promise<void>;
  readonly #port: MessagePort;
  readonly #asked = new Map<number, Asked>();
  #next = 1;
  #isOver = false;

  constructor(port: MessagePort) {
    this.#port = port;
    this.opened = new Promise((resolve, reject) => {
      port.onmessage = ({ data }: MessageEvent<DoorOpened>) => {
        port.onmessage = (event: MessageEvent<FromHttp>) => this.#receive(event.data);
        if (data.opened) resolve();
        else reject(new WaysideError('UNAVAILABLE', data.error.detail, { retryAfterMs: 500 }));
      };
    });
  }

  async ask(request: Request, url: string): Promise<Response> {
    const body = request.method === 'GET' || request.method === 'HEAD' ? null : await request.arrayBuffer();
    if (this.#isOver) throw new Error('The worker that had the broker is gone.');
    const id = this.#next++;
    const headers = Array.from(request.headers, ([name, value]): [string, string] => [name, asBytes(value)]);
    const cancel = () => this.#port.postMessage({ id, cancel: true } satisfies ToHttp);
    request.signal.addEventListener('abort', cancel, { once: true });
    return new Promise<Response>((resolve, reject) => {
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const stream = new ReadableStream<Uint8Array>({
        start: (given) => {
          controller = given;
        },
        cancel,
      });
      this.#asked.set(id, {
        head: (status, given) => resolve(new Response(status === 204 || status === 304 ? null : stream, { status, headers: given })),
        chunk: (bytes) => controller?.enqueue(bytes),
        end: (broken) => {
          this.#asked.delete(id);
          const gone = new Error('The worker that had the broker is gone.');
          if (broken) {
            controller?.error(gone);
            reject(gone);
          } else controller?.close();
        },
      });
      this.#port.postMessage({ id, request: { method: request.method, url, headers, body } } satisfies ToHttp, body === null ? [] : [body]);
    });
  }

  /** Its worker is gone: what is under way has no end, and nobody knows whether it counted. */
  end(): void {
    this.#isOver = true;
    for (const asked of [...this.#asked.values()]) asked.end(true);
    this.#port.close();
  }

  #receive(message: FromHttp): void {
    const asked = this.#asked.get(message.id);
    if (asked === undefined) return;
    if ('head' in message) asked.head(message.head.status, message.head.headers);
    else if ('chunk' in message) asked.chunk(message.chunk);
    else attempt(() => asked.end(message.broken === true));
  }
}

const encoder = new TextEncoder();

/** A letter a byte: browsers decode the bytes of headers as UTF-8 for a Service Worker, and a request takes them as bytes again. */
function asBytes(value: string): string {
  return String.fromCharCode(...encoder.encode(value));
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // It was cancelled meanwhile.
  }
}
