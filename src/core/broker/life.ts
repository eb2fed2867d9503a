/**
 * A broker's life: opening, failing, opening again, closing, and what has to be done when nobody asks.
 *
 * Holds: what is in memory is thrown away when the storage fails, since it may be ahead of what is durable, and is made
 * anew from that; while there is a reason to refuse, every call is refused with it; closing answers those who wait,
 * finishes what was accepted, and writes sections.
 * Elsewhere: what a call does (broker.ts and the parts).
 */
import { storageFailed } from '../actor/gate.ts';
import { Catalog } from '../catalog/catalog.ts';
import { Visits } from '../catalog/visit.ts';
import { WaysideError } from '../errors.ts';
import type { ActorKey } from '../ports.ts';
import { actorParts } from '../ports.ts';
import { Consuming } from './consume.ts';
import type { Context, Storage } from './context.ts';
import { Letters } from './letters.ts';
import { Members } from './members.ts';
import { Sending } from './outbox.ts';
import { Partitions } from './partitions.ts';
import { LocalPlaces } from './places.ts';
import { Producing } from './produce.ts';
import { Reading } from './read.ts';
import { Schedules } from './schedules.ts';
import { Transfers } from './transfers.ts';
import { Waiting } from './waiting.ts';

/** Partitions that are opened at once when the broker looks for what is due. */
const OPENED_AT_ONCE = 8;

/** All that is thrown away when the storage fails. */
export interface Parts {
  readonly catalog: Catalog;
  readonly partitions: Partitions;
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
  readonly members: Members;
  readonly #context: Context;
  /** How often the storage has failed. */
  #failures = 0;
  #reopening = false;
  #closing: Promise<void> | undefined;

  constructor(context: Context) {
    this.#context = context;
    this.members = new Members(context.time);
    this.parts = this.#make();
  }

  #make(): Parts {
    const { limits, timers } = this.#context;
    const catalog = new Catalog(this.#context);
    const exists = (station: { id: number }) => catalog.state.byId.get(station.id) === station;
    const partitions = new Partitions(this.#context, (key) => this.#openSleeper(key), exists);
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
    const visits = new Visits(catalog, partitions);
    return {
      catalog,
      partitions,
      visits,
      waiting,
      producing: new Producing(partitions, limits),
      reading: new Reading(partitions, limits, waiting),
      consuming: new Consuming(partitions, limits, waiting, this.members),
      letters: new Letters(partitions, this.#context),
      schedules: new Schedules(partitions, limits),
      transfers: new Transfers(this.#context, { catalog, places: new LocalPlaces(this.#context, partitions), visits }),
    };
  }

  async open(): Promise<void> {
    for (const storage of [this.#context.memory, this.#context.durable]) {
      await storage.volume.open({
        progressed: () => storage.gate.progressed(),
        failed: (error) => this.#failed(storage, error),
        settle: (actor) => this.#settle(actor),
      });
    }
    await this.#load(true);
    this.#wakeSleepers();
  }

  async #load(firstOpening: boolean): Promise<void> {
    await this.parts.catalog.open(firstOpening);
    await this.parts.transfers.cleanUp();
    await this.parts.visits.resume((error) => this.#report('carry on a command', error));
  }

  /** Opens what has something to do by itself: what is due, and what has entries whose due time nobody has noted. */
  #wakeSleepers(): void {
    const now = this.#context.time.now();
    const sleepers: ActorKey[] = [];
    for (const { key, last, due, sections } of this.#context.durable.volume.actors()) {
      const settled = sections.some((section) => section.asOf === last);
      if ((due !== null && due <= now) || !settled) sleepers.push(key);
      // One that is open (a command has come to it) knows better: what the volume was told is by the clock of another life.
      else if (due !== null && this.parts.partitions.get(key) === undefined) this.parts.partitions.wakeAt(key, due);
    }
    // A few at a time: whoever calls meanwhile should not wait behind all of them.
    const next = sleepers.values();
    for (let i = 0; i < OPENED_AT_ONCE; i++) this.#inBackground('open what has something to do', () => this.#openEach(next));
  }

  async #openEach(keys: Iterator<ActorKey>): Promise<void> {
    for (let { value, done } = keys.next(); done !== true; { value, done } = keys.next()) {
      const [, id, partition] = actorParts(value as ActorKey);
      const station = this.parts.catalog.state.byId.get(id);
      if (this.refusing !== undefined) return;
      if (station === undefined) continue;
      const opened = await this.parts.partitions.of(station, partition);
      opened.log.settle();
    }
  }

  #openSleeper(key: ActorKey): void {
    const [, id, partition] = actorParts(key);
    const station = this.parts.catalog.state.byId.get(id);
    if (station === undefined || this.refusing !== undefined) return;
    this.#inBackground(`open ${key}`, async () => {
      await this.parts.partitions.of(station, partition);
    });
  }

  /** The volume would like to drop a segment. */
  #settle(key: ActorKey): void {
    const [, id, partition] = actorParts(key);
    if (key === this.parts.catalog.log.key) this.parts.catalog.log.settle();
    const station = this.parts.catalog.state.byId.get(id);
    if (station === undefined || this.refusing !== undefined) return;
    this.#inBackground(`settle ${key}`, async () => (await this.parts.partitions.of(station, partition)).log.settle());
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
      this.#wakeSleepers();
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
