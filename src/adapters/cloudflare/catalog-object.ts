/** The Durable Object that has the catalog: wires the ports of Cloudflare to it, and holds nothing of its own. */
import { openCatalog } from '../../core/broker.ts';
import type { ExportInput, ImportInput } from '../../core/calls.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { CatalogBroker } from '../../core/spread/catalog.ts';
import { askCatalog } from '../../core/spread/catalog.ts';
import { RemotePlaces } from '../../core/spread/places.ts';
import type { Answer } from '../../core/spread/wire.ts';
import { answered } from '../../core/spread/wire.ts';
import { Tickets } from '../../gateway/rest/tickets.ts';
import { MemoryVolume } from '../memory/volume.ts';
import { partitionLink } from './links.ts';
import { journal, WaysideObject } from './object.ts';
import { bytesOf, streamOf } from './streams.ts';
import { SqlShelf } from './tickets.ts';

/** The Durable Object that has the catalog: export it from your Worker's script under this name. The runtime makes it. */
export class WaysideCatalog extends WaysideObject<CatalogBroker> {
  readonly #limits = makeLimits();

  protected override open(): Promise<CatalogBroker> {
    const { ports } = this;
    return openCatalog({
      ...ports,
      volume: this.volume(),
      memory: new MemoryVolume(ports.timers),
      limits: this.#limits,
      places: new RemotePlaces(partitionLink(this.env.WAYSIDE_PARTITION), ports.timers),
    });
  }

  /** A call of the Worker, or of a partition. */
  ask(what: 'broker' | 'lookups', method: string, args: readonly unknown[]): Promise<Answer> {
    return this.answered((broker) => askCatalog(broker, what, method, args));
  }

  /** The bytes of an export, with its id. */
  exportStream(namespace: string, input: ExportInput): Promise<Answer> {
    return this.answered(async (broker) => {
      const { id, bytes } = await broker.exportStream(namespace, input);
      return { id, bytes: streamOf(bytes) };
    });
  }

  /** Takes the bytes of an export in. */
  importStream(namespace: string, input: ImportInput, bytes: ReadableStream<Uint8Array>): Promise<Answer> {
    return this.answered((broker) => broker.importStream(namespace, input, bytesOf(bytes)));
  }

  /** A credential for one call. */
  issueTicket(): Promise<Answer> {
    return this.#ticketed((tickets) => tickets.issue());
  }

  /** Whether a ticket is good; it is good no more. */
  redeemTicket(ticket: string): Promise<Answer> {
    return this.#ticketed((tickets) => tickets.redeem(ticket));
  }

  #ticketed(use: (tickets: Tickets) => unknown): Promise<Answer> {
    const { sql } = this.ctx.storage;
    return answered(async () => {
      const used = use(new Tickets(WALL_CLOCK, this.ports.random, this.#limits.ticketMs, new SqlShelf(sql)));
      await this.ctx.storage.sync();
      return used;
    }, journal);
  }
}

/** What outlives an instance has to be told by a clock that does too. */
const WALL_CLOCK: Clock = { now: () => Date.now(), monotonic: () => Date.now() };
