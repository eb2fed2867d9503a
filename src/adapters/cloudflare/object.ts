/**
 * The Durable Object that holds a broker: wires the ports of Cloudflare to it, and holds nothing of its own.
 *
 * Holds: it is opened once in an instance, and a call waits for that; one that cannot be opened tells every caller why, and
 * is tried again by the next one.
 */
import about from '../../../package.json' with { type: 'json' };
import type { Broker } from '../../core/broker.ts';
import { openBroker } from '../../core/broker.ts';
import { asWaysideError } from '../../core/errors.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Journal } from '../../core/ports.ts';
import { RowVolume } from '../../core/rows/volume.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { problemOf } from '../../gateway/problem.ts';
import { systemRandom } from '../memory/random.ts';
import { systemClock, systemTimers } from '../memory/timers.ts';
import { MemoryVolume } from '../memory/volume.ts';
import type { ObjectNamespace, ObjectState } from './platform.ts';
import { SqliteRows } from './rows.ts';
import { openSocket } from './sockets.ts';
import { ObjectTimers } from './timers.ts';

/** The bindings and variables of the Worker: `wrangler.jsonc` has them. */
export interface WaysideEnv {
  /** The objects. */
  readonly WAYSIDE: ObjectNamespace;
  /** A secret: who has it may do everything. Without it only calls to localhost are answered. */
  readonly WAYSIDE_TOKEN?: string | undefined;
  /** Origins whose pages may call, with commas between. */
  readonly WAYSIDE_CORS_ORIGINS?: string | undefined;
  /** Bytes that an object may hold. */
  readonly WAYSIDE_BYTES_MAX?: string | undefined;
}

interface Opened {
  readonly broker: Broker;
  readonly gateway: Gateway;
}

const journal: Journal = {
  info: (text) => console.log(`wayside: ${text}`),
  warn: (text) => console.warn(`wayside: ${text}`),
  error: (text) => console.error(`wayside: ${text}`),
};

/** The Durable Object that has the broker: export it from your Worker's script under this name. The runtime makes it. */
export class WaysideObject {
  readonly #state: ObjectState;
  readonly #env: WaysideEnv;
  readonly #timers: ObjectTimers;
  readonly #limits = makeLimits();
  #opened: Promise<Opened> | undefined;

  /** By the runtime, once for each instance. */
  constructor(state: ObjectState, env: WaysideEnv) {
    this.#state = state;
    this.#env = env;
    this.#timers = new ObjectTimers(
      systemTimers(),
      (at) => state.storage.setAlarm(at),
      (error) => journal.error(`The alarm could not be set: ${String(error)}`),
    );
  }

  /** Answers the API, and upgrades to a WebSocket; a broker that cannot be opened is a refusal that says why. */
  async fetch(request: Request): Promise<Response> {
    try {
      const { gateway } = await this.#open();
      if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return await gateway.fetch(request);
      return openSocket(gateway.frames.upgrade(request, new URL(request.url).pathname), this.#limits.frameBytesMax);
    } catch (error) {
      const { status, headers, body } = problemOf(asWaysideError(error));
      return new Response(body, { status, headers });
    }
  }

  /** Does what is due. */
  async alarm(): Promise<void> {
    // Whoever throws here is called again a few times only: what cannot be opened now is tried by the next call.
    try {
      await this.#open();
      this.#timers.rang();
    } catch (error) {
      journal.error(`What was due could not be done: ${asWaysideError(error).message}`);
      await this.#state.storage.setAlarm(Date.now() + ALARM_AGAIN_MS);
    }
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#begin().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #begin(): Promise<Opened> {
    const ports = { clock: systemClock, timers: this.#timers, random: systemRandom(), journal };
    const bytesMax = this.#env.WAYSIDE_BYTES_MAX === undefined ? undefined : Number(this.#env.WAYSIDE_BYTES_MAX);
    const rows = new SqliteRows(this.#state.storage, { bytesMax, abort: (reason) => this.#state.abort(reason) });
    const limits = this.#limits;
    const broker = await openBroker({
      volume: new RowVolume({ rows, ...ports }),
      memory: new MemoryVolume(ports.timers),
      ...ports,
      limits,
    });
    const gateway = createGateway(broker, {
      ...ports,
      limits,
      token: this.#env.WAYSIDE_TOKEN,
      runtime: 'workerd',
      version: about.version,
      answersWhole: true,
      headersAreText: true,
      corsOrigins: this.#env.WAYSIDE_CORS_ORIGINS?.split(',').map((origin) => origin.trim()),
    });
    return { broker, gateway };
  }
}

/** Until what was due is tried again. */
const ALARM_AGAIN_MS = 30_000;
