/** The Durable Object that has the catalog: wires the ports of Cloudflare to it, and holds nothing of its own. */
import { DurableObject } from 'cloudflare:workers';
import { openCatalog } from '../../core/broker.ts';
import type { ExportInput, ImportInput } from '../../core/calls.ts';
import { asWaysideError } from '../../core/errors.ts';
import { makeLimits } from '../../core/limits.ts';
import { RowVolume } from '../../core/rows/volume.ts';
import type { CatalogBroker } from '../../core/spread/catalog.ts';
import { askCatalog } from '../../core/spread/catalog.ts';
import { RemotePlaces } from '../../core/spread/places.ts';
import type { Answer } from '../../core/spread/wire.ts';
import { answered } from '../../core/spread/wire.ts';
import { MemoryVolume } from '../memory/volume.ts';
import { partitionLink } from './links.ts';
import { Opening } from './opening.ts';
import type { ObjectState, WaysideEnv } from './platform.ts';
import { ALARM_AGAIN_MS, journal, objectPorts } from './ports.ts';
import { bytesOf, streamOf } from './streams.ts';
import { StoredTickets } from './tickets.ts';

/** The Durable Object that has the catalog: export it from your Worker's script under this name. The runtime makes it. */
export class WaysideCatalog extends DurableObject<WaysideEnv> {
  readonly #ports: ReturnType<typeof objectPorts>;
  readonly #broker: Opening<CatalogBroker>;
  readonly #limits = makeLimits();

  /** By the runtime, once for each instance. */
  constructor(state: ObjectState, env: WaysideEnv) {
    super(state, env);
    this.#ports = objectPorts(state, env);
    this.#broker = new Opening(() => this.#open());
  }

  #open(): Promise<CatalogBroker> {
    const { rows, ...ports } = this.#ports;
    return openCatalog({
      ...ports,
      volume: new RowVolume({ rows: rows(), ...ports }),
      memory: new MemoryVolume(ports.timers),
      limits: this.#limits,
      places: new RemotePlaces(partitionLink(this.env.WAYSIDE_PARTITION), ports.timers),
    });
  }

  /** A call of the Worker, or of a partition. */
  ask(what: 'broker' | 'lookups', method: string, args: readonly unknown[]): Promise<Answer> {
    return this.#answered(async (broker) => {
      const answer = await askCatalog(broker, what, method, args, journal);
      return answer;
    });
  }

  async #answered(run: (broker: CatalogBroker) => Promise<Answer>): Promise<Answer> {
    try {
      return await run(await this.#broker.get());
    } catch (error) {
      return answered(() => Promise.reject(error), journal);
    }
  }

  /** The bytes of an export, with its id. */
  exportStream(namespace: string, input: ExportInput): Promise<Answer> {
    return this.#answered((broker) =>
      answered(async () => {
        const { id, bytes } = await broker.exportStream(namespace, input);
        return { id, bytes: streamOf(bytes) };
      }, journal),
    );
  }

  /** Takes the bytes of an export in. */
  importStream(namespace: string, input: ImportInput, bytes: ReadableStream<Uint8Array>): Promise<Answer> {
    return this.#answered((broker) => answered(() => broker.importStream(namespace, input, bytesOf(bytes)), journal));
  }

  #tickets(): StoredTickets {
    return new StoredTickets(this.ctx.storage.sql, this.#ports.random, this.#limits.ticketMs);
  }

  /** A credential for one call. */
  issueTicket(): Promise<Answer> {
    return answered(async () => {
      const issued = this.#tickets().issue();
      await this.ctx.storage.sync();
      return issued;
    }, journal);
  }

  /** Whether a ticket is good; it is good no more. */
  redeemTicket(ticket: string): Promise<Answer> {
    return answered(async () => {
      const isGood = this.#tickets().redeem(ticket);
      await this.ctx.storage.sync();
      return isGood;
    }, journal);
  }

  /** Does what is due. */
  async alarm(): Promise<void> {
    try {
      await this.#broker.get();
      this.#ports.timers.rang();
    } catch (error) {
      journal.error(`What was due could not be done: ${asWaysideError(error).message}`);
      await this.ctx.storage.setAlarm(Date.now() + ALARM_AGAIN_MS);
    }
  }
}
