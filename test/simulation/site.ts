/**
 * A broker spread over objects, as src/adapters/cloudflare wires it: the catalog in one, each partition in one of its own, and fronts.
 *
 * Holds: what is done here is what the adapter does, line by line; only time, chance, storage and what lies between are simulated.
 * Elsewhere: how objects live and die (faults/objects.ts), who asks for what (spread.ts, workloads/).
 */
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import type { Ledger } from '../../src/core/broker/produce.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openCatalog } from '../../src/core/broker.ts';
import { WaysideError } from '../../src/core/errors.ts';
import type { Limits } from '../../src/core/limits.ts';
import { makeLimits } from '../../src/core/limits.ts';
import type { RowSettings } from '../../src/core/rows/volume.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';
import type { CatalogBroker } from '../../src/core/spread/catalog.ts';
import { askCatalog } from '../../src/core/spread/catalog.ts';
import { createFront } from '../../src/core/spread/front.ts';
import type { PartitionHost } from '../../src/core/spread/host.ts';
import { openHost } from '../../src/core/spread/host.ts';
import type { KeptStations } from '../../src/core/spread/kept.ts';
import type { CatalogLink, Channel, ChannelListener, KeptChannel, PartitionLink } from '../../src/core/spread/links.ts';
import { RemotePlaces } from '../../src/core/spread/places.ts';
import type { Answer, Where } from '../../src/core/spread/wire.ts';
import { answered } from '../../src/core/spread/wire.ts';
import type { Life, Platform } from './faults/objects.ts';
import { Caller, SimObject, Socket } from './faults/objects.ts';

export interface SiteSettings {
  readonly limits: Partial<Limits>;
  readonly rows: Partial<RowSettings>;
}

/** What the instances of a Worker share: each knows of stations what it was told. */
export interface Isolate {
  readonly kept: KeptStations;
  readonly ledger: Ledger;
}

export interface OpenFront {
  readonly broker: Broker;
  readonly caller: Caller;
}

export class Site {
  readonly platform: Platform;
  readonly settings: SiteSettings;
  readonly catalog: CatalogObject;
  readonly #partitions = new Map<string, PartitionObject>();
  #fronts = 0;

  constructor(platform: Platform, settings: SiteSettings) {
    this.platform = platform;
    this.settings = settings;
    this.catalog = new CatalogObject(this);
    platform.objects.set('catalog', this.catalog);
  }

  get partitions(): Iterable<PartitionObject> {
    return this.#partitions.values();
  }

  #partition({ namespace, station, partition }: Where): PartitionObject {
    const name = `${namespace}.${station}.${partition}`;
    const made = this.#partitions.get(name) ?? new PartitionObject(this, name);
    this.#partitions.set(name, made);
    this.platform.objects.set(name, made);
    return made;
  }

  partitionLink(caller: Caller): PartitionLink {
    return {
      ask: (where, method, args) => {
        const object = this.#partition(where);
        const sent = structuredClone({ where, args });
        return this.platform.carry(caller, object, () => object.ask(sent.where, method, sent.args));
      },
      listen: (where, listener) => this.#listen(caller, structuredClone(where), listener),
    };
  }

  async #listen(caller: Caller, where: Where, listener: ChannelListener): Promise<Channel> {
    const object = this.#partition(where);
    const socket = new Socket(this.platform, object, caller, where, listener);
    let answer: Answer;
    try {
      answer = await this.platform.carry(caller, object, () => object.accept(socket));
    } catch (error) {
      // Nobody has the near end.
      socket.nearIsGone();
      throw error;
    }
    if (!answer.ok) throw new WaysideError(answer.code, answer.detail, answer.extra);
    return socket.near;
  }

  catalogLink(caller: Caller): CatalogLink {
    return {
      ask: (what, method, args) => {
        const sent = structuredClone(args);
        return this.platform.carry(caller, this.catalog, () => this.catalog.ask(what, method, sent));
      },
      exportStream: () => Promise.reject(new Error('Exports are not simulated.')),
      importStream: () => Promise.reject(new Error('Imports are not simulated.')),
    };
  }

  openFront({ kept, ledger }: Isolate): OpenFront {
    this.#fronts++;
    const process = this.platform.world.process(`front#${this.#fronts}`);
    const caller = new Caller(process);
    const broker = createFront({
      catalog: this.catalogLink(caller),
      partitions: this.partitionLink(caller),
      timers: process,
      random: process,
      limits: makeLimits(this.settings.limits),
      kept,
      ledger,
    });
    return { broker, caller };
  }
}

class CatalogObject extends SimObject<CatalogBroker> {
  readonly #site: Site;

  constructor(site: Site) {
    super(site.platform, 'catalog');
    this.#site = site;
  }

  protected override open(life: Life<CatalogBroker>): Promise<CatalogBroker> {
    const { process, timers } = life;
    const { rows, limits } = this.#site.settings;
    return openCatalog({
      clock: process,
      timers,
      random: process,
      journal: process,
      volume: new RowVolume({ rows: this.rows(life), timers, clock: process, settings: rows }),
      memory: new MemoryVolume(timers),
      limits,
      places: new RemotePlaces(this.#site.partitionLink(life.caller), timers),
    });
  }

  ask(what: 'broker' | 'lookups', method: string, args: readonly unknown[]): Promise<Answer> {
    return this.handle((life) => whenOpened(this.opened(life), life, (broker) => askCatalog(broker, what, method, args)));
  }

  override heard(): void {}
  override hungUp(): void {}
}

export class PartitionObject extends SimObject<PartitionHost> {
  readonly #site: Site;
  readonly #asking = new WeakMap<Life<PartitionHost>, number>();

  constructor(site: Site, name: string) {
    super(site.platform, name);
    this.#site = site;
  }

  protected override async open(life: Life<PartitionHost>): Promise<PartitionHost> {
    const { process, timers, caller } = life;
    const { rows, limits } = this.#site.settings;
    const host = await openHost({
      clock: process,
      timers,
      random: process,
      journal: process,
      volume: new RowVolume({ rows: this.rows(life), timers, clock: process, settings: rows }),
      limits: makeLimits(limits),
      catalog: this.#site.catalogLink(caller),
      partitions: this.#site.partitionLink(caller),
      failed: () => {
        // Not within the turn of whoever is told: the runtime ends an instance after it.
        this.platform.world.at(0, () => this.kill(), process);
      },
    });
    for (const socket of [...this.sockets]) await this.#connect(life, host, socket).catch(() => socket.closeFar());
    return host;
  }

  ask(where: Where, method: string, args: readonly unknown[]): Promise<Answer> {
    return this.handle(async (life) => {
      this.#asking.set(life, (this.#asking.get(life) ?? 0) + 1);
      try {
        return await whenOpened(this.opened(life), life, (host) => host.ask(where, method, args));
      } finally {
        this.#asking.set(life, (this.#asking.get(life) ?? 0) - 1);
        await this.#giveBack(life);
      }
    });
  }

  async #giveBack(life: Life<PartitionHost>): Promise<void> {
    if ((this.#asking.get(life) ?? 0) > 0 || life.opened === undefined) return;
    const host = await life.opened.catch(() => undefined);
    if ((this.#asking.get(life) ?? 0) > 0 || host?.isEmpty !== true || this.life !== life) return;
    this.giveBack(life);
  }

  /** A channel is opened. */
  accept(socket: Socket): Promise<Answer> {
    return this.handle(async (life) => {
      const answer = await whenOpened(this.opened(life), life, (host) => this.#connect(life, host, socket));
      if (answer.ok && this.life === life) socket.accepted();
      return answer;
    });
  }

  async #connect(life: Life<PartitionHost>, host: PartitionHost, socket: Socket): Promise<void> {
    await host.connect(socket.where, channelOf(life, socket));
  }

  override heard(socket: Socket, text: string): void {
    const heard = this.handle(async (life) => {
      const host = await this.opened(life);
      host.message(channelOf(life, socket), text);
      await this.#giveBack(life);
    });
    heard.catch(() => undefined);
  }

  override hungUp(socket: Socket): void {
    const hungUp = this.handle(async (life) => {
      const host = await this.opened(life);
      host.closed(channelOf(life, socket));
      life.channels.delete(socket);
      this.sockets.delete(socket);
    });
    hungUp.catch(() => undefined);
  }
}

function channelOf(life: Life<PartitionHost>, socket: Socket): KeptChannel {
  const found = life.channels.get(socket);
  if (found !== undefined) return found;
  const channel: KeptChannel = {
    kept: socket.kept,
    keep: (state) => {
      socket.kept = structuredClone(state);
    },
    send: (text) => {
      if (!life.process.dead) socket.sendFar(text);
    },
    close: () => socket.closeFar(),
  };
  life.channels.set(socket, channel);
  return channel;
}

function whenOpened<T>(opened: Promise<T>, life: Life<T>, run: (opened: T) => unknown): Promise<Answer> {
  return answered(async () => run(await opened), life.process);
}
