/**
 * A broker whose parts are elsewhere: it goes to the partitions itself for messages, and to the catalog for all the rest.
 *
 * Holds: what is kept of a station is never the last word: a refusal that may come from it is checked with the catalog, and the call
 * made again if something has changed; a refused call has done nothing. Cheap to make: where nothing may be shared by two
 * requests, each has its own.
 * Elsewhere: the catalog (catalog.ts), partitions (host.ts).
 */
import { Consuming } from '../broker/consume.ts';
import type { Ledger } from '../broker/produce.ts';
import { Producing } from '../broker/produce.ts';
import { checkPartition, Reading } from '../broker/read.ts';
import { Waiting } from '../broker/waiting.ts';
import type {
  Block,
  Broker,
  FetchInput,
  FetchResult,
  ProduceInput,
  ProduceResult,
  ReadInput,
  ReadResult,
  ReceiptFailure,
  SettleInput,
  SettleVerb,
  StepInput,
  StepResult,
} from '../calls.ts';
import type { CatalogGroup, Station } from '../catalog/state.ts';
import { checkName, whole } from '../config.ts';
import type { Code } from '../errors.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Random, Timers } from '../ports.ts';
import type { HandedOn } from './catalog.ts';
import { HANDED_ON } from './catalog.ts';
import type { KeptStations } from './kept.ts';
import { isUnchanged } from './kept.ts';
import type { CatalogLink, Lookups, PartitionLink } from './links.ts';
import { remoteLookups } from './lookups.ts';
import { RemotePlaces } from './places.ts';
import { opened } from './wire.ts';

export interface FrontOptions {
  readonly catalog: CatalogLink;
  readonly partitions: PartitionLink;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: Limits;
  /** May be shared by any number of fronts, and so may `ledger`. */
  readonly kept: KeptStations;
  readonly ledger: Ledger;
}

/** What may be said only because something has changed since. */
const MAY_BE_OLD: ReadonlySet<Code> = new Set([
  'INVALID_REQUEST',
  'INVALID_RECEIPT',
  'STATION_NOT_FOUND',
  'GROUP_NOT_FOUND',
  'MESSAGE_TOO_LARGE',
]);

type Own = Exclude<keyof Broker, HandedOn>;

class Front implements Pick<Broker, Own> {
  readonly #options: FrontOptions;
  readonly #lookups: Lookups;
  readonly #places: RemotePlaces;
  readonly #waiting: Waiting;
  readonly #producing: Producing;
  readonly #reading: Reading;
  readonly #consuming: Consuming;
  /** Stations that the catalog is just asked for. */
  readonly #asked = new Map<string, Promise<Station>>();

  constructor(options: FrontOptions) {
    const { catalog, partitions, timers, random, limits, ledger } = options;
    this.#options = options;
    this.#lookups = remoteLookups(catalog);
    this.#places = new RemotePlaces(partitions, timers);
    this.#waiting = new Waiting(timers, limits.waitersMax);
    // Others begin elsewhere.
    const turn = random.u32();
    this.#producing = new Producing(this.#places, limits, ledger, turn);
    this.#reading = new Reading(this.#places, limits, this.#waiting);
    this.#consuming = new Consuming(this.#places, limits, this.#waiting, turn);
  }

  // ── What is known of stations ──────────────────────────────────────────────────────────────────────────────────

  /** What the catalog says now. Whoever comes while it is asked waits for the same answer, so that calls stay in their order. */
  #ask(namespace: string, name: string): Promise<Station> {
    const key = `${namespace}/${name}`;
    const found = this.#asked.get(key);
    if (found !== undefined) return found;
    const { kept } = this.#options;
    const asked = this.#lookups.find(namespace, name).then(
      (station) => {
        this.#asked.delete(key);
        kept.set(namespace, name, station);
        return station;
      },
      (error: unknown) => {
        this.#asked.delete(key);
        kept.forget(namespace, name);
        throw error;
      },
    );
    this.#asked.set(key, asked);
    return asked;
  }

  /**
   * Runs with the station as it is kept, and once more with what the catalog says where what is kept may be why it was refused.
   *
   * @param isFinal says, of what was refused, that it was not for that
   */
  async #with<T>(namespace: string, name: string, run: (station: Station) => Promise<T>, isFinal = () => false): Promise<T> {
    checkName('namespace', namespace);
    checkName('station', name);
    const joined = this.#asked.get(`${namespace}/${name}`);
    const kept = joined === undefined ? this.#options.kept.get(namespace, name) : undefined;
    if (joined === undefined && kept === undefined) return run(await this.#ask(namespace, name));
    let known = kept;
    try {
      // What was asked before this call came may be as old as what is kept.
      known ??= await joined!;
      return await run(known);
    } catch (error) {
      const mayBeOld = error instanceof WaysideError && MAY_BE_OLD.has(error.code) && !isFinal();
      if (!mayBeOld || isPlanted('kept-is-the-last-word')) throw error;
      const now = await this.#ask(namespace, name);
      if (known !== undefined && isUnchanged(known, now)) throw error;
      return run(now);
    }
  }

  #group(station: Station, name: string): CatalogGroup {
    const group = station.groups.get(name);
    if (group !== undefined) return group;
    throw new WaysideError('GROUP_NOT_FOUND', `Station ${station.name} has no group ${name}. A fetch makes it, or PUT.`);
  }

  // ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  async produce(namespace: string, name: string, batch: Uint8Array, input: ProduceInput = {}): Promise<ProduceResult> {
    // A partition whose configuration is a newer one judges the batch by that.
    return this.#with(namespace, name, (station) => this.#producing.produce(() => station, batch, input));
  }

  async read(namespace: string, name: string, input: ReadInput): Promise<ReadResult> {
    return this.#with(namespace, name, (station) => this.#reading.read(() => station, input));
  }

  async message(namespace: string, name: string, partition: number, sequence: number): Promise<Block> {
    return this.#with(namespace, name, async (station) => {
      checkPartition(station, partition);
      whole('sequence', sequence, 1, Number.MAX_SAFE_INTEGER);
      return this.#places.of(station, partition).message(sequence);
    });
  }

  // ── Groups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async fetch(namespace: string, stationName: string, name: string, input: FetchInput): Promise<FetchResult> {
    checkName('group', name);
    const limits = this.#consuming.check(input);
    let hasLooked = false;
    const looked = () => {
      hasLooked = true;
    };
    const run = async (station: Station) => {
      const [at, group] = await this.#joined(namespace, station, name, input);
      const result = await this.#consuming.fetch(at, group, input, limits, looked);
      return { result, id: at.id };
    };
    const { result, id } = await this.#with(namespace, stationName, run, () => hasLooked);
    // With acks that were of another station of the name they would have been refused by a station that is no more.
    if (result.failed.length > 0 && input.ack !== undefined && (await this.#isAnother(namespace, stationName, id)))
      return { ...result, failed: await this.settle(namespace, stationName, name, 'ack', { receipts: input.ack }) };
    return result;
  }

  /** The station with the group in it, made where it is not there. */
  async #joined(namespace: string, station: Station, name: string, { join, startAt }: FetchInput): Promise<[Station, CatalogGroup]> {
    const group = station.groups.get(name);
    if (group !== undefined) return [station, group];
    const { kept } = this.#options;
    const now = join === true ? await this.#ask(namespace, station.name) : await this.#lookups.join(namespace, station.name, name, startAt);
    kept.set(namespace, station.name, now);
    return [now, this.#group(now, name)];
  }

  async settle(
    namespace: string,
    stationName: string,
    name: string,
    verb: SettleVerb,
    input: SettleInput,
  ): Promise<readonly ReceiptFailure[]> {
    checkName('group', name);
    const settle = async () => {
      let of: Station | undefined;
      const failed = await this.#with(namespace, stationName, (station) => {
        of = station;
        return this.#consuming.settle(station, this.#group(station, name), verb, input);
      });
      return { failed, of };
    };
    const { failed, of } = await settle();
    if (!failed.some(({ code }) => code === 'INVALID_RECEIPT')) return failed;
    // No partition may have been asked, nor known the group, if none of the receipts is of the station as it was known here.
    const now = await this.#ask(namespace, stationName);
    const isOld = now.id !== of?.id || now.groups.get(name)?.id !== of.groups.get(name)?.id;
    return isOld ? (await settle()).failed : failed;
  }

  /** Is the station of that name another one than was asked? */
  async #isAnother(namespace: string, name: string, id: number): Promise<boolean> {
    return (await this.#ask(namespace, name)).id !== id;
  }

  async step(namespace: string, stationName: string, name: string, input: StepInput): Promise<StepResult> {
    checkName('group', name);
    whole('outputs.length', input.outputs.length, 0, this.#options.limits.outputsMax);
    const outputs = await Promise.all(
      // What is on its way to a station that is no more becomes a dead letter: so it is asked which one it is.
      input.outputs.map(async ({ station, partition, batch }) => {
        checkName('station', station);
        return { station: await this.#ask(namespace, station), partition, batch };
      }),
    );
    return this.#with(namespace, stationName, async (station) =>
      this.#consuming.step(station, this.#group(station, name), input, this.#producing.outputs(outputs)),
    );
  }

  async release(namespace: string, stationName: string, name: string, consumer: string): Promise<{ released: number }> {
    checkName('group', name);
    return this.#with(namespace, stationName, async (station) => ({
      released: await this.#consuming.release(station, this.#group(station, name), consumer),
    }));
  }

  // ── Streams, and the end ───────────────────────────────────────────────────────────────────────────────────────

  exportStream: Broker['exportStream'] = (namespace, input) => opened(this.#options.catalog.exportStream(namespace, input));

  importStream: Broker['importStream'] = (namespace, input, pieces) => opened(this.#options.catalog.importStream(namespace, input, pieces));

  async close(): Promise<void> {
    this.#waiting.close(new WaysideError('SHUTTING_DOWN', 'The broker is stopping. Connect again in a moment.', { retryAfterMs: 1000 }));
    this.#places.close();
  }
}

/** A broker over what is elsewhere. `close` ends what waits here, and nothing else. */
export function createFront(options: FrontOptions): Broker {
  const { catalog, kept } = options;
  const handOn =
    (method: HandedOn) =>
    async (...args: readonly unknown[]): Promise<unknown> => {
      // Most of these change a station: what is kept of it is not worth to be asked for again.
      if (!READS.has(method)) kept.forget(String(args[0]), String(args[1]));
      return opened(catalog.ask('broker', method, args));
    };
  const handed = Object.fromEntries(HANDED_ON.map((method) => [method, handOn(method)])) as unknown as Pick<Broker, HandedOn>;
  return Object.assign(new Front(options), handed);
}

const READS: ReadonlySet<HandedOn> = new Set([
  'station',
  'stations',
  'group',
  'groups',
  'pending',
  'deadLetters',
  'deadLetter',
  'schedules',
  'audit',
  'importProgress',
]);
