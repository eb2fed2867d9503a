/**
 * A broker in this process behind the interface of the SDK: the same core, the same sessions, no socket.
 *
 * Holds: closing ends the clients first (what they produce is flushed, what they consume is given back), then the broker;
 * after it no timer and no handle is left. Two of them know nothing of each other.
 * Elsewhere: which clock and which storage (embed.ts, and that of adapters/node).
 */
import about from '../../../package.json' with { type: 'json' };
import { connectLink } from '../../client/connect.ts';
import { FrameTransport } from '../../client/frames/transport.ts';
import type { ConnectOptions } from '../../client/options.ts';
import type { Wayside } from '../../client/wayside.ts';
import { RemoteWayside } from '../../client/wayside.ts';
import type { Broker } from '../../core/broker.ts';
import type { Code } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { Clock, Journal, Random, Timers } from '../../core/ports.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Runtime } from '../../protocol/schemas.ts';
import type { Operation } from './wire.ts';
import { Wire } from './wire.ts';

// Node loads its fetch, some 30 ms of it, when it is first mentioned: with this module then, not in the first call.
void globalThis.Request;

/** Options of a client whose broker is in the same process: it needs no address and no credential. */
export type EmbeddedClientOptions = Pick<ConnectOptions, 'namespace' | 'timeoutMs' | 'retry' | 'onStatus'>;

type ClientOptions = EmbeddedClientOptions & Pick<ConnectOptions, 'clock'>;

/** An open broker, and what it lives on. */
export interface Opened {
  readonly broker: Broker;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
}

/** A broker in this process, and a client of it: what `embed` gives. */
export interface Embedded extends Wayside {
  /**
   * Another client of the same broker, with a connection of its own: of another namespace, or to be closed apart. Those
   * that are still open are closed with the broker.
   *
   * @param options those of `embed` where left out
   */
  connect(options?: EmbeddedClientOptions): Wayside;
  /**
   * Cuts the connections of all clients, as a network would: calls under way have no answer, and the clients connect again
   * by themselves after a backoff, which with a virtual clock needs `advance` or `run`.
   */
  disconnect(): void;
  /**
   * The next call of that kind fails with that code, and the broker never sees it. What may be tried again is: the client
   * waits and sends the call once more, as it would over a network. Asked for several times, it is for as many calls.
   *
   * @param detail the text of the error
   */
  failNext(operation: Operation, code: Code, detail?: string): void;
  /** Stops consumers, flushes producers, closes every client, then the broker. Closing twice is fine. */
  close(): Promise<void>;
}

export class EmbeddedBroker extends RemoteWayside implements Embedded {
  readonly #broker: Broker;
  readonly #wire: Wire;
  readonly #options: ClientOptions;
  readonly #others = new Set<Wayside>();
  #ending: Promise<void> | undefined;

  constructor({ broker, ...ports }: Opened, options: ClientOptions) {
    const { frames } = createGateway(broker, { ...ports, runtime: runtimeOf(globalThis.navigator?.userAgent), version: about.version });
    const wire = new Wire((namespace) => frames.link(namespace));
    super(new FrameTransport({ open: () => wire.open(options.namespace), heartbeat: false, prefix: '/v1' }, options), options);
    this.#broker = broker;
    this.#wire = wire;
    this.#options = options;
  }

  connect(options: EmbeddedClientOptions = {}): Wayside {
    const all = { ...this.#options, ...options };
    const client = connectLink(() => this.#wire.open(all.namespace), all);
    this.#others.add(client);
    return client;
  }

  disconnect(): void {
    this.#wire.cut();
  }

  failNext(operation: Operation, code: Code, detail = 'This failure was asked for by a test.'): void {
    this.#wire.failNext(operation, code, detail);
  }

  override close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    const fates = await Promise.allSettled([super.close(), ...Array.from(this.#others, (client) => client.close())]);
    await this.#broker.close();
    for (const fate of fates) if (fate.status === 'rejected') throw fate.reason;
  }
}

const AGENTS: readonly (readonly [start: string, runtime: Runtime])[] = [
  ['Node.js', 'node'],
  ['Deno', 'deno'],
  ['Bun', 'bun'],
  ['Cloudflare-Workers', 'workerd'],
];

function runtimeOf(agent = ''): Runtime {
  return AGENTS.find(([start]) => agent.startsWith(start))?.[1] ?? 'browser';
}
