/**
 * Partitions that are not open, and have something to do by themselves.
 *
 * Holds: what is due is opened in its time, and what the volume would like to be settled, one failing without harm to others.
 */
import type { Station } from '../catalog/state.ts';
import type { Partition } from '../partition/partition.ts';
import type { ActorKey } from '../ports.ts';
import { actorParts } from '../ports.ts';
import type { Context } from './context.ts';
import type { Partitions } from './partitions.ts';

/** Partitions that are opened at once when it is looked for what is due. */
const OPENED_AT_ONCE = 8;

export class Sleepers {
  readonly #context: Context;
  readonly #partitions: Partitions;
  readonly #stationOf: (key: ActorKey) => Station | undefined;

  /** @param stationOf of an actor; undefined where it is none of a station that is there, or nothing may be opened now */
  constructor(context: Context, partitions: Partitions, stationOf: (key: ActorKey) => Station | undefined) {
    this.#context = context;
    this.#partitions = partitions;
    this.#stationOf = stationOf;
  }

  /** Opens what is due, and what has entries whose due time nobody has noted. */
  wake(): void {
    const now = this.#context.time.now();
    const sleepers: ActorKey[] = [];
    for (const { key, last, due, sections } of this.#context.durable.volume.actors()) {
      const settled = sections.some((section) => section.asOf === last);
      if ((due !== null && due <= now) || !settled) sleepers.push(key);
      // One that is open (a command has come to it) knows better: what the volume was told is by the clock of another life.
      else if (due !== null && this.#partitions.get(key) === undefined) this.#partitions.wakeAt(key, due);
    }
    // A few at a time: whoever calls meanwhile should not wait behind all of them.
    const next = sleepers.values();
    for (let i = 0; i < OPENED_AT_ONCE; i++) this.#inBackground('open what has something to do', () => this.#openEach(next));
  }

  async #openEach(keys: Iterator<ActorKey>): Promise<void> {
    for (let { value, done } = keys.next(); done !== true; { value, done } = keys.next())
      await this.#settle(value as ActorKey).catch((error: unknown) => this.#report(`open ${value}`, error));
  }

  open(key: ActorKey): void {
    this.#inBackground(`open ${key}`, async () => {
      await this.#opened(key);
    });
  }

  /** The volume would like to drop a segment. */
  settle(key: ActorKey): void {
    this.#inBackground(`settle ${key}`, () => this.#settle(key));
  }

  async #settle(key: ActorKey): Promise<void> {
    (await this.#opened(key))?.log.settle();
  }

  async #opened(key: ActorKey): Promise<Partition | undefined> {
    const station = this.#stationOf(key);
    return station && this.#partitions.of(station, actorParts(key)[2]);
  }

  #inBackground(what: string, run: () => Promise<void>): void {
    run().catch((error: unknown) => this.#report(what, error));
  }

  #report(what: string, error: unknown): void {
    this.#context.journal.error(`Could not ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
