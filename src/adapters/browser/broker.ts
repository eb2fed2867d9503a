/**
 * `browserBroker()`: a client of the broker that runs in a worker of this site, started if it is not there.
 *
 * Holds: all tabs of an origin share one broker a name. It runs in a SharedWorker; where there is none, in a worker of whichever tab
 * has the lock `wayside-host:NAME`, and moves when that tab goes. When the worker ends, clients find the next one by themselves.
 * Elsewhere: the worker (worker.ts, host.ts), doors (door.ts), the Service Worker's side (service-worker.ts).
 */
import { connectLink } from '../../client/connect.ts';
import type { Link } from '../../client/frames/link.ts';
import { FrameTransport } from '../../client/frames/transport.ts';
import type { ConnectOptions } from '../../client/options.ts';
import type { Wayside } from '../../client/wayside.ts';
import { RemoteWayside } from '../../client/wayside.ts';
import { WaysideError } from '../../core/errors.ts';
import type { Way } from './door.ts';
import { openDoor } from './door.ts';
import { heldLock } from './lock.ts';
import type { DoorWanted, FromSession, PortOffered, PortWanted, ToSession } from './messages.ts';
import { owned } from './messages.ts';

/** How a page has its broker. Everything is optional. */
export interface BrowserOptions extends Pick<ConnectOptions, 'namespace' | 'timeoutMs' | 'retry' | 'onStatus'> {
  /** 1 to 64 of `a-z 0-9 -`; each name is a broker of its own, with a database of its own. `default` unless given. */
  readonly name?: string | undefined;
  /**
   * Where messages are kept: `indexeddb` unless given. `memory` keeps them until the last tab is closed, and each answer says so
   * (`durability: 'memory'`); for browsers and windows that give a page no IndexedDB.
   */
  readonly storage?: 'indexeddb' | 'memory' | undefined;
  /** The worker's script, where a bundler or a server has put it elsewhere than beside this module. */
  readonly worker?: string | URL | undefined;
  /** The kind of worker; the first that the browser has unless given. */
  readonly host?: 'shared' | 'dedicated' | undefined;
}

/** What the browser says of the site's storage. */
export interface StorageFigures {
  /** The browser has promised not to clear it by itself. */
  readonly persisted: boolean;
  /** Bytes that the site uses, as the browser estimates them. */
  readonly usage: number;
  /** Bytes that it may use: an estimate too, and no promise. */
  readonly quota: number;
}

/** A broker of this site, and a client of it. */
export interface BrowserBroker extends Wayside {
  /** Which kind of worker it runs in. `elsewhere`: in one of another tab. */
  readonly host: 'shared' | 'dedicated' | 'elsewhere';
  /** Another client of the same broker, of another namespace say. Closed apart. */
  connect(options?: Pick<BrowserOptions, 'namespace' | 'timeoutMs' | 'retry' | 'onStatus'>): Wayside;
  /** What the browser says of the storage. */
  storage(): Promise<StorageFigures>;
  /** Asks the browser never to clear the site's data by itself. @returns whether it promises */
  persist(): Promise<boolean>;
}

/** Beside this module, as one whole file: bundlers that know of `import.meta.url` carry it along as it is. */
const SCRIPT = new URL('./worker.js', import.meta.url);
/** Nobody else asks for it. */
const LOCK_MS_MAX = 10_000;
const NAME = /^[a-z0-9-]{1,64}$/;

/**
 * The broker of this site, from a page. Returns at once; the worker is started when it is first needed.
 *
 * @throws TypeError the name is none · WaysideError UNAVAILABLE the browser lacks what is needed, and the message says what
 */
export function browserBroker(options: BrowserOptions = {}): BrowserBroker {
  return new PageBroker(options);
}

class PageBroker extends RemoteWayside implements BrowserBroker {
  readonly #place: Place;
  readonly #options: BrowserOptions;

  constructor(options: BrowserOptions) {
    const place = new Place(options);
    super(
      new FrameTransport({ open: (signal) => place.link(options.namespace, signal), heartbeat: false, prefix: '/v1' }, options),
      options,
    );
    this.#place = place;
    this.#options = options;
  }

  get host(): BrowserBroker['host'] {
    return this.#place.host;
  }

  connect(options: Pick<BrowserOptions, 'namespace' | 'timeoutMs' | 'retry' | 'onStatus'> = {}): Wayside {
    const all = { ...this.#options, ...options };
    return connectLink((signal) => this.#place.link(all.namespace, signal), all);
  }

  async storage(): Promise<StorageFigures> {
    const [persisted, { usage = 0, quota = 0 }] = await Promise.all([navigator.storage.persisted(), navigator.storage.estimate()]);
    return { persisted, usage, quota };
  }

  persist(): Promise<boolean> {
    return navigator.storage.persist();
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      this.#place.leave();
    }
  }
}

function notLoaded(script: string | URL): WaysideError {
  return new WaysideError(
    'UNAVAILABLE',
    `The broker's worker could not be started from ${script}. It is a file of the package (dist/browser/worker.js): serve it, and say where (worker).`,
  );
}

/** Where the worker is, as this page sees it. */
class Place {
  readonly #name: string;
  readonly #scope: string;
  readonly #script: string | URL;
  readonly #kind: 'shared' | 'dedicated';
  readonly #left = new AbortController();
  #way: Way;
  /** Whoever waits for the worker is told that there will be none. */
  #scriptFailed: () => void = () => undefined;

  constructor({ name = 'default', storage = 'indexeddb', worker, host }: BrowserOptions) {
    if (!NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of a broker: 1 to 64 of a-z 0-9 -.`);
    if (typeof navigator === 'undefined' || navigator.locks === undefined || typeof Worker === 'undefined')
      throw new WaysideError(
        'UNAVAILABLE',
        'This browser, or a page that is not served over https or from localhost, has no Web Locks: they are needed.',
      );
    // What is in memory, and what is kept, are two brokers even where they have one name.
    this.#name = storage === 'memory' ? `memory.${name}` : name;
    this.#scope = `${storage === 'memory' ? 'wayside-memory' : 'wayside'}:${this.#name}`;
    this.#script = worker ?? SCRIPT;
    this.#kind = host ?? (typeof SharedWorker === 'undefined' ? 'dedicated' : 'shared');
    this.#way = { name: this.#name, hand: undefined, alive: this.#hold() };
    if (this.#kind === 'dedicated') this.#stand();
    navigator.serviceWorker?.addEventListener('message', (event: MessageEvent<PortWanted>) => this.#offer(event));
  }

  get host(): BrowserBroker['host'] {
    if (this.#kind === 'shared') return 'shared';
    return this.#way.hand === undefined ? 'elsewhere' : 'dedicated';
  }

  leave(): void {
    this.#left.abort();
  }

  async link(namespace: string | undefined, signal: AbortSignal): Promise<Link> {
    const failed = new AbortController();
    this.#scriptFailed = () => failed.abort(notLoaded(this.#script));
    if (this.#kind === 'shared') this.#share();
    const door = await openDoor(this.#way, 'frames', namespace, AbortSignal.any([signal, failed.signal]));
    const { channel } = door;
    let isOpen = true;
    const end = (code: number, reason: string) => {
      if (!isOpen) return;
      isOpen = false;
      door.close();
      link.onClose?.({ code, reason });
    };
    const link: Link = {
      onFrame: undefined,
      onClose: undefined,
      send: (frame) => channel.postMessage({ frame: owned(frame) } satisfies ToSession),
      buffered: () => 0,
      close: () => {
        if (isOpen) channel.postMessage({ bye: true } satisfies ToSession);
        end(1000, '');
      },
    };
    channel.onmessage = ({ data }: MessageEvent<FromSession>) => {
      if (!isOpen) return;
      if ('frame' in data) link.onFrame?.(data.frame);
      else if ('closed' in data) end(data.closed.code, data.closed.reason);
    };
    void door.gone.then(() => end(1006, 'The worker that had the broker is gone.'));
    return link;
  }

  /** Shows by a lock that this page lives. */
  async #hold(): Promise<string> {
    const alive = `wayside-page:${crypto.randomUUID()}`;
    const release = await heldLock(alive, LOCK_MS_MAX);
    this.#left.signal.addEventListener('abort', release, { once: true });
    return alive;
  }

  /** One that has ended is made anew: whoever asks after that finds it, or starts it. */
  #share(): void {
    const worker = new SharedWorker(this.#script, { type: 'module', name: this.#scope });
    worker.onerror = () => this.#scriptFailed();
    worker.port.start();
    this.#way.hand = (message, door) => worker.port.postMessage(message, [door]);
  }

  /** Stands for election: the page that has the lock has the worker, for as long as it lives. */
  #stand(): void {
    const signal = this.#left.signal;
    navigator.locks
      .request(`wayside-host:${this.#name}`, { signal }, async () => {
        const worker = new Worker(this.#script, { type: 'module', name: this.#scope });
        worker.onerror = () => this.#scriptFailed();
        this.#way.hand = (message, door) => worker.postMessage(message, [door]);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        this.#way.hand = undefined;
        worker.terminate();
      })
      .catch(() => undefined); // closed before it was elected
  }

  /** A Service Worker asks for a door. */
  #offer({ data, source }: MessageEvent<PortWanted>): void {
    if (data?.wayside !== 'port-wanted' || data.name !== this.#name || this.#left.signal.aborted) return;
    if (this.#kind === 'shared') this.#share();
    const { hand } = this.#way;
    if (hand === undefined || source === null) return;
    const { port1, port2 } = new MessageChannel();
    hand({ wayside: 'door', kind: 'http' } satisfies DoorWanted, port1);
    (source as ServiceWorker).postMessage({ wayside: 'port', name: this.#name } satisfies PortOffered, [port2]);
  }
}
