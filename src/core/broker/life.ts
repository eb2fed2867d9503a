/**
 * A broker's life: opening, failing, opening again, closing, and what has to be done when nobody asks.
 *
 * Holds: what is in memory is thrown away when the storage fails, since it may be ahead of what is durable, and is made
 * anew from that; while there is a reason to refuse, every call is refused with it; closing answers those who wait,
 * finishes what was accepted, and writes sections.
 * Elsewhere: what a call does (broker.ts and the parts).
 */
import { storageFailed } from '../actor/gate.ts';
import { CATALOG_KEY, Catalog } from '../catalog/catalog.ts';
import type { Station } from '../catalog/state.ts';
import { Visits } from '../catalog/visit.ts';
import { WaysideError } from '../errors.ts';
import type { ActorKey } from '../ports.ts';
import { actorParts } from '../ports.ts';
import { Consuming } from './consume.ts';
import type { Context, Storage } from './context.ts';
import { Letters } from './letters.ts';
import { Sending } from './outbox.ts';
import { Partitions } from './partitions.ts';
import type { Places } from './places.ts';
import { Producing } from './produce.ts';
import { Reading } from './read.ts';
import { Schedules } from './schedules.ts';
import { Sleepers } from './sleepers.ts';
import { LocalTransferPlaces } from './transfer-places.ts';
import { Transfers } from './transfers.ts';
import { Waiting } from './waiting.ts';

/** All that is thrown away when the storage fails. */
export interface Parts {
  readonly catalog: Catalog;
  /** Those in this process. */
  readonly partitions: Partitions;
  /** Where they are asked for: here, unless they are elsewhere. */
  readonly places: Places;
  readonly sleepers: Sleepers;
  readonly visits: Visits;
  readonly waiting: Waiting;
  readonly producing: Producing;
  readonly reading: Reading;
  readonly consuming: Consuming;
  readonly letters: Letters;
  readonly schedules: Schedules;
  readonly transfers: Transfers;
}

export class Life {
  parts: Parts;
  /** Why no call is taken now. */
  refusing: WaysideError | undefined;
  readonly #context: Context;
  /** How often the storage has failed. */
  #failures = 0;
  #reopening = false;
  #closing: Promise<void> | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.parts = this.#make();
  }

  #make(): Parts {
    const { limits, timers } = this.#context;
    const catalog = new Catalog(this.#context);
    const exists = (station: { id: number }) => catalog.state.byId.get(station.id) === station;
    const partitions = new Partitions(this.#context, (key) => sleepers.open(key), exists);
    const sleepers = new Sleepers(this.#context, partitions, (key) => this.#sleeperOf(catalog, key));
    const places = this.#context.places ?? partitions;
    const transferPlaces = this.#context.places ?? new LocalTransferPlaces(this.#context, partitions);
    const sending = new Sending(
      partitions,
      {
        byId: (id) => catalog.state.byId.get(id),
        named: (namespace, name) => catalog.state.stations.get(namespace)?.get(name),
      },
      this.#context,
    );
    partitions.send = (partition) => sending.look(partition);
    const waiting = new Waiting(timers, limits.waitersMax);
    const visits = new Visits(catalog, places, this.#context.places !== undefined);
    return {
      catalog,
      partitions,
      places,
      sleepers,
      visits,
      waiting,
      producing: new Producing(places, limits),
      reading: new Reading(places, limits, waiting),
      consuming: new Consuming(places, limits, waiting),
      letters: new Letters(places, this.#context),
      schedules: new Schedules(places, limits),
      transfers: new Transfers(this.#context, { catalog, places: transferPlaces, visits }),
    };
  }

  async open(): Promise<void> {
    for (const storage of [this.#context.memory, this.#context.durable]) {
      await storage.volume.open({
        progressed: () => storage.gate.progressed(),
        failed: (error) => this.#failed(storage, error),
        settle: (actor) => (actor === CATALOG_KEY ? this.parts.catalog.log : this.parts.sleepers).settle(actor),
      });
    }
    // What is kept elsewhere outlives this process.
    await this.#load(this.#context.places === undefined);
    this.parts.sleepers.wake();
  }

  async #load(firstOpening: boolean): Promise<void> {
    await this.parts.catalog.open(firstOpening);
    await this.parts.transfers.cleanUp();
    const resumed = this.parts.visits.resume((error) => this.#report('carry on a command', error));
    // A partition elsewhere may have to ask this catalog first whether it is to begin. Who asks for a station waits for its commands.
    if (this.#context.places === undefined) await resumed;
  }

  #sleeperOf({ state }: Catalog, key: ActorKey): Station | undefined {
    return this.refusing === undefined ? state.byId.get(actorParts(key)[1]) : undefined;
  }

  #inBackground(what: string, run: () => Promise<void>): void {
    run().catch((error: unknown) => this.#report(what, error));
  }

  #report(what: string, error: unknown): void {
    this.#context.journal.error(`Could not ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }

  #failed(storage: Storage, error: Error): void {
    this.#context.journal.error(`The storage has failed: ${error.message}. Everything is opened again from what is durable.`);
    const refusal = storageFailed();
    this.#failures++;
    this.refusing ??= refusal;
    storage.gate.failed();
    this.parts.waiting.close(refusal);
    this.parts.partitions.discard(storage.volume);
    this.parts.partitions.close(refusal);
    this.parts.transfers.close(refusal);
    this.parts.catalog.log.close(refusal);
    // A storage that fails while it is opened again is tried again by whoever is at it.
    if (this.#closing !== undefined || this.#reopening) return;
    this.#reopening = true;
    this.#inBackground('open the storage again', () => this.#reopen(storage, 100));
  }

  async #reopen(storage: Storage, pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#context.timers.after(pauseMs, resolve);
    });
    if (this.#closing !== undefined) return;
    this.parts = this.#make();
    const failures = this.#failures;
    try {
      await storage.volume.reopen();
      await this.#load(false);
      if (failures !== this.#failures) throw storageFailed();
      if (this.#closing !== undefined) return;
      this.#reopening = false;
      this.refusing = undefined;
      this.parts.sleepers.wake();
      this.#context.journal.info('The storage is open again.');
    } catch (error) {
      if (this.#closing !== undefined) return;
      this.#context.journal.error(`The storage cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
      return this.#reopen(storage, Math.min(10_000, pauseMs * 2));
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const refusal = new WaysideError('SHUTTING_DOWN', 'The broker is stopping. Connect again in a moment.', { retryAfterMs: 1000 });
    const failed = this.refusing !== undefined;
    this.refusing ??= refusal;
    this.parts.waiting.close(refusal);
    this.parts.transfers.close(refusal);
    // What was accepted in this turn is stored with it.
    await new Promise<void>((resolve) => {
      this.#context.timers.endOfTurn(resolve);
    });
    if (!failed) {
      this.parts.partitions.settle();
      this.parts.catalog.log.settle();
    }
    this.parts.partitions.close(refusal);
    this.parts.catalog.log.close(refusal);
    await this.#context.durable.volume.close();
    await this.#context.memory.volume.close();
  }
}
