/**
 * A broker in a worker of the browser: opened on IndexedDB, served through doors.
 *
 * Holds: it is opened once, and a door waits for that; one that cannot be opened (another context has the place) is told so, and
 * the next one tries again. It holds nothing of its own: a host.
 */
import about from '../../../package.json' with { type: 'json' };
import type { Broker } from '../../core/broker.ts';
import { openBroker } from '../../core/broker.ts';
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Clock, Journal, Timers, Volume } from '../../core/ports.ts';
import { RowVolume } from '../../core/rows/volume.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { systemRandom } from '../memory/random.ts';
import { systemClock, systemTimers } from '../memory/timers.ts';
import { MemoryVolume } from '../memory/volume.ts';
import { serveHttp } from './http.ts';
import { heldLock, lockFree } from './lock.ts';
import type { Channel, DoorWanted, FromSession, ToSession } from './messages.ts';
import { owned } from './messages.ts';
import { IndexedDbRows, ownerLock } from './rows.ts';

export interface BrowserHostOptions {
  /** Of the database: each name is a broker of its own. */
  readonly name: string;
  /** `memory` keeps nothing, and says so with every answer. */
  readonly storage: 'indexeddb' | 'memory';
}

/** Until a worker that is about to end has ended. */
const LOCK_MS_MAX = 5_000;

const journal: Journal = {
  info: (text) => console.info(`wayside: ${text}`),
  warn: (text) => console.warn(`wayside: ${text}`),
  error: (text) => console.error(`wayside: ${text}`),
};

interface Opened {
  readonly broker: Broker;
  readonly gateway: Gateway;
}

export class BrowserHost {
  readonly #options: BrowserHostOptions;
  #opened: Promise<Opened> | undefined;

  constructor(options: BrowserHostOptions) {
    this.#options = options;
  }

  /** Serves a door; what it says first is whether there is a broker behind it. */
  async serve(channel: Channel, { kind, namespace, alive }: DoorWanted): Promise<void> {
    let opened: Opened;
    // What comes before the broker is open waits.
    const early: MessageEvent[] = [];
    channel.onmessage = (event) => void early.push(event);
    try {
      opened = await this.open();
    } catch (error) {
      const { code, message } = asWaysideError(error);
      journal.error(`The broker could not be opened: ${error instanceof Error ? error.stack : String(error)}`);
      channel.postMessage({ opened: false, error: { code, detail: message } });
      channel.close();
      return;
    }
    channel.postMessage({ opened: true });
    if (kind === 'http') serveHttp(channel, opened.gateway);
    else serveFrames(channel, opened.gateway, namespace, alive);
    for (const event of early) channel.onmessage?.(event);
  }

  open(): Promise<Opened> {
    this.#opened ??= this.#begin().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #begin(): Promise<Opened> {
    const ports = { clock: systemClock, timers: systemTimers(), random: systemRandom(), journal };
    const limits = makeLimits();
    if (this.#options.storage === 'memory') await heldLock(ownerLock(this.#options.name), LOCK_MS_MAX);
    const broker = await openBroker({ volume: this.#volume(ports), memory: new MemoryVolume(ports.timers), ...ports, limits });
    const gateway = createGateway(broker, { ...ports, limits, runtime: 'browser', version: about.version, isPrivate: true });
    return { broker, gateway };
  }

  #volume({ timers, clock }: { timers: Timers; clock: Clock }): Volume {
    if (this.#options.storage === 'memory') return new MemoryVolume(timers);
    if (typeof indexedDB === 'undefined')
      throw new WaysideError(
        'UNAVAILABLE',
        "This browser gives the page no IndexedDB (a private window may not). Ask for storage: 'memory' to keep everything in memory, until the tab is closed.",
      );
    return new RowVolume({ rows: new IndexedDbRows(this.#options.name), timers, clock });
  }
}

function serveFrames(channel: Channel, { frames }: Gateway, namespace: string | undefined, alive: string | undefined): void {
  const link = frames.link(namespace);
  const over = new AbortController();
  if (alive !== undefined)
    lockFree(alive, over.signal).then(
      () => link.close(),
      () => undefined,
    );
  const say = (message: FromSession) => channel.postMessage(message);
  link.onFrame = (frame) => say({ frame: owned(frame) });
  link.onClose = (code, reason) => {
    over.abort();
    say({ closed: { code, reason } });
    channel.close();
  };
  channel.onmessage = ({ data }: MessageEvent<ToSession>) => {
    if ('frame' in data) link.send(data.frame);
    else link.close();
  };
}
