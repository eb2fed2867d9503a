/**
 * The broker: what a gateway, an embedding program and a simulator talk to. It looks up, checks names, and hands on.
 *
 * Holds: every call answers or refuses; after a failed storage everything in memory is thrown away and opened again from
 * what is durable; closing answers those who wait, finishes what was accepted, and writes sections.
 * Elsewhere: each topic has its part in broker/.
 */
import { Gate, storageFailed } from './actor/gate.ts';
import { Time } from './actor/time.ts';
import { Consuming } from './broker/consume.ts';
import type { Context, Storage } from './broker/context.ts';
import { Letters } from './broker/letters.ts';
import { Members } from './broker/members.ts';
import { Partitions } from './broker/partitions.ts';
import { Producing, slotsOf } from './broker/produce.ts';
import { checkPartition, Reading } from './broker/read.ts';
import { Waiting } from './broker/waiting.ts';
import type {
  Block,
  Broker,
  DeadLetter,
  DeadLetterFilter,
  FetchInput,
  FetchResult,
  GroupHead,
  GroupInfo,
  GroupInput,
  Page,
  PageInput,
  PendingInfo,
  Place,
  ProduceInput,
  ProduceResult,
  ReadInput,
  ReadResult,
  ReceiptFailure,
  RedriveInput,
  SettleInput,
  SettleVerb,
  StationHead,
  StationInfo,
  StationInput,
} from './calls.ts';
import { Catalog } from './catalog/catalog.ts';
import type { CatalogGroup, Command, Station } from './catalog/state.ts';
import { Visits } from './catalog/visit.ts';
import { checkName, groupConfig, whole } from './config.ts';
import { WaysideError } from './errors.ts';
import type { Limits } from './limits.ts';
import { makeLimits } from './limits.ts';
import type { Holder } from './partition/partition.ts';
import { LEASED } from './partition/runs.ts';
import type { ActorKey, Clock, Journal, Random, Soon, Timers, Volume } from './ports.ts';
import { actorParts } from './ports.ts';
import { formatLease, formatReceipt } from './receipt.ts';

export type * from './calls.ts';
export { parsePlace } from './calls.ts';
export { advanceCursor } from './cursor.ts';

/** Partitions that are opened at once when the broker looks for what is due. */
const OPENED_AT_ONCE = 8;

export interface BrokerOptions {
  /** Where stations are kept, but those whose durability is `memory`. */
  readonly volume: Volume;
  /** Where those are. */
  readonly memory: Volume;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  readonly limits?: Partial<Limits>;
}

/** @throws what `Volume.open` throws; CORRUPTION the catalog is damaged */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const broker = new OpenBroker(options);
  await broker.open();
  return broker;
}

class OpenBroker implements Broker {
  readonly #context: Context;
  readonly #limits: Limits;
  readonly #members: Members;
  #catalog: Catalog;
  #partitions: Partitions;
  #visits: Visits;
  #waiting: Waiting;
  #producing: Producing;
  #reading: Reading;
  #consuming: Consuming;
  #letters: Letters;
  /** Why no call is taken now. */
  #refusing: WaysideError | undefined;
  /** How often the storage has failed. */
  #failures = 0;
  #reopening = false;
  #closing: Promise<void> | undefined;

  constructor({ volume, memory, clock, timers, random, journal, limits }: BrokerOptions) {
    this.#limits = makeLimits(limits);
    const storage = (of: Volume): Storage => ({ volume: of, gate: new Gate(of) });
    this.#context = {
      limits: this.#limits,
      time: new Time(clock),
      timers,
      random,
      journal,
      durable: storage(volume),
      memory: storage(memory),
    };
    this.#members = new Members(this.#context.time);
    [this.#catalog, this.#partitions, this.#visits, this.#waiting, this.#producing, this.#reading, this.#consuming, this.#letters] =
      this.#parts();
  }

  /** All that is thrown away when the storage fails. */
  #parts(): [Catalog, Partitions, Visits, Waiting, Producing, Reading, Consuming, Letters] {
    const catalog = new Catalog(this.#context);
    const partitions = new Partitions(
      this.#context,
      (key) => this.#openSleeper(key),
      (station) => catalog.state.byId.get(station.id) === station,
    );
    const waiting = new Waiting(this.#context.timers, this.#limits.waitersMax);
    return [
      catalog,
      partitions,
      new Visits(catalog, partitions),
      waiting,
      new Producing(partitions, this.#limits),
      new Reading(partitions, this.#limits, waiting),
      new Consuming(partitions, this.#limits, waiting, this.#members),
      new Letters(partitions, this.#limits),
    ];
  }

  // ── Opening, failing, closing ──────────────────────────────────────────────────────────────────────────────────

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
    await this.#catalog.open(firstOpening);
    await this.#visits.resume((error) => this.#report('carry on a command', error));
  }

  /** Opens what has something to do by itself: what is due, and what has entries whose due time nobody has noted. */
  #wakeSleepers(): void {
    const now = this.#context.time.now();
    const sleepers: ActorKey[] = [];
    for (const { key, last, due, sections } of this.#context.durable.volume.actors()) {
      const settled = sections.some((section) => section.asOf === last);
      if ((due !== null && due <= now) || !settled) sleepers.push(key);
      else if (due !== null) this.#partitions.wakeAt(key, due);
    }
    // A few at a time: whoever calls meanwhile should not wait behind all of them.
    const next = sleepers.values();
    for (let i = 0; i < OPENED_AT_ONCE; i++) this.#inBackground('open what has something to do', () => this.#openEach(next));
  }

  async #openEach(keys: Iterator<ActorKey>): Promise<void> {
    for (let { value, done } = keys.next(); done !== true; { value, done } = keys.next()) {
      const [, id, partition] = actorParts(value as ActorKey);
      const station = this.#catalog.state.byId.get(id);
      if (this.#refusing !== undefined) return;
      if (station === undefined) continue;
      const opened = await this.#partitions.of(station, partition);
      opened.log.settle();
    }
  }

  #openSleeper(key: ActorKey): void {
    const [, id, partition] = actorParts(key);
    const station = this.#catalog.state.byId.get(id);
    if (station === undefined || this.#refusing !== undefined) return;
    this.#inBackground(`open ${key}`, async () => {
      await this.#partitions.of(station, partition);
    });
  }

  /** The volume would like to drop a segment. */
  #settle(key: ActorKey): void {
    const [, id, partition] = actorParts(key);
    if (key === this.#catalog.log.key) this.#catalog.log.settle();
    const station = this.#catalog.state.byId.get(id);
    if (station === undefined || this.#refusing !== undefined) return;
    this.#inBackground(`settle ${key}`, async () => (await this.#partitions.of(station, partition)).log.settle());
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
    this.#refusing ??= refusal;
    storage.gate.failed();
    this.#waiting.close(refusal);
    this.#partitions.discard(storage.volume);
    this.#partitions.close(refusal);
    this.#catalog.log.close(refusal);
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
    [this.#catalog, this.#partitions, this.#visits, this.#waiting, this.#producing, this.#reading, this.#consuming, this.#letters] =
      this.#parts();
    const failures = this.#failures;
    try {
      await storage.volume.reopen();
      await this.#load(false);
      if (failures !== this.#failures) throw storageFailed();
      if (this.#closing !== undefined) return;
      this.#reopening = false;
      this.#refusing = undefined;
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
    const failed = this.#refusing !== undefined;
    this.#refusing ??= refusal;
    this.#waiting.close(refusal);
    // What was accepted in this turn is stored with it.
    await new Promise<void>((resolve) => {
      this.#context.timers.endOfTurn(resolve);
    });
    if (!failed) {
      this.#partitions.settle();
      this.#catalog.log.settle();
    }
    this.#partitions.close(refusal);
    this.#catalog.log.close(refusal);
    await this.#context.durable.volume.close();
    await this.#context.memory.volume.close();
  }

  // ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** At once where it is there; that it is not is said only when that is durable. */
  #station(ns: string, name: string): Soon<Station> {
    if (this.#refusing !== undefined) throw this.#refusing;
    checkName('namespace', ns);
    checkName('station', name);
    return this.#catalog.state.find(ns, name) ?? this.#missing(() => this.#catalog.station(ns, name));
  }

  async #missing<T>(find: () => T): Promise<T> {
    await this.#catalog.durable();
    return find();
  }

  /** A group, once the partitions know of it. */
  async #group(ns: string, stationName: string, name: string): Promise<{ station: Station; group: CatalogGroup }> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    await this.#visits.quiet(station);
    return { station, group: station.groups.get(name) ?? (await this.#missing(() => this.#catalog.group(station, name))) };
  }

  // ── Stations ───────────────────────────────────────────────────────────────────────────────────────────────────

  async putStation(ns: string, name: string, input: StationInput): Promise<{ created: boolean; station: StationInfo }> {
    if (this.#refusing !== undefined) throw this.#refusing;
    checkName('namespace', ns);
    checkName('station', name);
    const { station, created } = await this.#decided((catalog) => catalog.putStation(ns, name, input));
    await this.#catalog.durable();
    return { created, station: await this.#describe(station) };
  }

  async station(ns: string, name: string): Promise<StationInfo> {
    const station = await this.#station(ns, name);
    await this.#visits.quiet(station);
    await this.#catalog.durable();
    return this.#describe(station);
  }

  async #describe(station: Station): Promise<StationInfo> {
    const partitions = await this.#partitions.all(station);
    const counts = partitions.map((partition) => partition.counts());
    await Promise.all(partitions.map((partition) => partition.durable()));
    return {
      ...describeHead(station),
      messages: counts.reduce((sum, { messages }) => sum + messages, 0),
      bytes: counts.reduce((sum, { bytes }) => sum + bytes, 0),
      counts,
      slots: slotsOf(station.config.partitions),
    };
  }

  async stations(ns: string, page: PageInput): Promise<Page<StationHead>> {
    if (this.#refusing !== undefined) throw this.#refusing;
    checkName('namespace', ns);
    const id = this.#catalog.state.namespaces.get(ns);
    const stations = id === undefined ? [] : [...(this.#catalog.state.stations.get(id)?.values() ?? [])];
    const listed = this.#page(stations, page);
    await this.#catalog.durable();
    return { ...listed, items: listed.items.map(describeHead) };
  }

  async patchStation(ns: string, name: string, patch: StationInput, version?: number): Promise<StationInfo> {
    const station = await this.#station(ns, name);
    await this.#run(await this.#decided((catalog) => catalog.patchStation(station, patch, version)));
    return this.#describe(station);
  }

  async removeStation(ns: string, name: string): Promise<void> {
    const station = await this.#station(ns, name);
    const command = await this.#decided((catalog) => catalog.removeStation(station));
    for (const group of station.groups.values()) this.#members.forget(group.id);
    await this.#run(command);
  }

  async purge(
    ns: string,
    name: string,
    { upTo, partition }: { upTo?: number | undefined; partition?: number | undefined },
  ): Promise<{ purged: number }> {
    const station = await this.#station(ns, name);
    if (partition !== undefined) checkPartition(station, partition);
    if (upTo !== undefined) whole('upTo', upTo, 1, Number.MAX_SAFE_INTEGER);
    return { purged: await this.#run(await this.#decided((catalog) => catalog.purge(station, partition, upTo))) };
  }

  /** Carries a command to the partitions, if there is one. */
  async #run(command: Command | undefined): Promise<number> {
    const purged = command === undefined ? 0 : await this.#visits.run(command);
    await this.#catalog.durable();
    return purged;
  }

  /** What the catalog decides; if it refuses, that is said only when what the refusal rests on is durable. */
  async #decided<T>(decide: (catalog: Catalog) => T): Promise<T> {
    const catalog = this.#catalog;
    try {
      return decide(catalog);
    } catch (error) {
      await catalog.durable();
      throw error;
    }
  }

  // ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  produce(ns: string, name: string, batch: Uint8Array, input: ProduceInput = {}): Promise<ProduceResult> {
    return this.#producing.produce(() => this.#station(ns, name), batch, input);
  }

  async read(ns: string, name: string, input: ReadInput): Promise<ReadResult> {
    return this.#reading.read(() => this.#station(ns, name), input);
  }

  async message(ns: string, name: string, partition: number, sequence: number): Promise<Block> {
    const station = await this.#station(ns, name);
    checkPartition(station, partition);
    whole('sequence', sequence, 1, Number.MAX_SAFE_INTEGER);
    return (await this.#partitions.of(station, partition)).message(sequence);
  }

  // ── Groups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async putGroup(ns: string, stationName: string, name: string, input: GroupInput): Promise<{ created: boolean; group: GroupInfo }> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    const { group, command } = await this.#decided((catalog) => catalog.putGroup(station, name, input));
    if (command === undefined) await this.#visits.quiet(station);
    await this.#run(command);
    return { created: command !== undefined, group: await this.#describeGroup(station, group) };
  }

  async group(ns: string, stationName: string, name: string): Promise<GroupInfo> {
    const { station, group } = await this.#group(ns, stationName, name);
    return this.#describeGroup(station, group);
  }

  async #describeGroup(station: Station, group: CatalogGroup): Promise<GroupInfo> {
    await this.#catalog.durable();
    const totals = { unread: 0, inFlight: 0, redelivered: 0, dead: 0 };
    const members = new Map<string, Holder>();
    const add = (consumer: string, { inFlight, lastSeenAt }: Holder) => {
      const known = members.get(consumer) ?? { inFlight: 0, lastSeenAt: 0 };
      members.set(consumer, { inFlight: known.inFlight + inFlight, lastSeenAt: Math.max(known.lastSeenAt, lastSeenAt) });
    };
    for (const [consumer, lastSeenAt] of this.#members.of(group.id)) add(consumer, { inFlight: 0, lastSeenAt });
    const partitions = await this.#partitions.all(station);
    for (const partition of partitions) {
      const { holders, ...counts } = partition.groupCounts(partition.group(group.id));
      for (const name of ['unread', 'inFlight', 'redelivered', 'dead'] as const) totals[name] += counts[name];
      for (const [consumer, holder] of holders) add(consumer, holder);
    }
    await Promise.all(partitions.map((partition) => partition.durable()));
    const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
    return { ...describeGroupHead(group), ...totals, members: sorted.map(([consumer, holder]) => ({ consumer, ...holder })) };
  }

  async groups(ns: string, stationName: string, page: PageInput): Promise<Page<GroupHead>> {
    const station = await this.#station(ns, stationName);
    const listed = this.#page([...station.groups.values()], page);
    await this.#catalog.durable();
    return { ...listed, items: listed.items.map(describeGroupHead) };
  }

  async patchGroup(ns: string, stationName: string, name: string, patch: GroupInput, version?: number): Promise<GroupInfo> {
    const { station, group } = await this.#group(ns, stationName, name);
    await this.#run(await this.#decided((catalog) => catalog.patchGroup(station, group, patch, version)));
    return this.#describeGroup(station, group);
  }

  async removeGroup(ns: string, stationName: string, name: string): Promise<void> {
    const { station, group } = await this.#group(ns, stationName, name);
    const command = await this.#decided((catalog) => catalog.removeGroup(station, group));
    this.#members.forget(group.id);
    await this.#run(command);
  }

  async pending(ns: string, stationName: string, name: string, page: PageInput): Promise<Page<PendingInfo>> {
    const { station, group } = await this.#group(ns, stationName, name);
    const limit = this.#listLimit(page);
    const after = page.after === undefined ? undefined : parseSpot(page.after);
    const items: PendingInfo[] = [];
    const partitions = await this.#partitions.all(station);
    await Promise.all(partitions.map((partition) => partition.durable()));
    for (const partition of partitions) {
      const { partition: number, secret } = partition.state;
      for (const run of partition.group(group.id).runs.list) {
        if (run.state !== LEASED) continue;
        const lease = formatLease({ group: group.id, epoch: run.epoch, index: run.index }, number, secret);
        for (let sequence = run.from; sequence < run.end && items.length <= limit; sequence++) {
          if (after !== undefined && (number < after.partition || (number === after.partition && sequence <= after.sequence))) continue;
          items.push({
            partition: number,
            sequence,
            consumer: run.consumer,
            deliveries: run.deliveries,
            expiresAt: run.at,
            receipt: formatReceipt(number, sequence, lease),
          });
        }
      }
    }
    const last = items.length > limit ? items[limit - 1] : undefined;
    return { items: items.slice(0, limit), next: last ? `${last.partition}.${last.sequence}` : null };
  }

  async seek(ns: string, stationName: string, name: string, to: Place, partition?: number): Promise<void> {
    const { station, group } = await this.#group(ns, stationName, name);
    if (partition !== undefined) checkPartition(station, partition);
    await this.#run(await this.#decided((catalog) => catalog.seek(station, group, partition, to)));
  }

  async fetch(ns: string, stationName: string, name: string, input: FetchInput): Promise<FetchResult> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    const limits = this.#consuming.check(input);
    if (!station.groups.has(name)) {
      const config = groupConfig(input.startAt === undefined ? {} : { startAt: input.startAt }, this.#limits);
      await this.#run(await this.#decided((catalog) => catalog.makeGroup(station, name, config)));
    }
    await this.#visits.quiet(station);
    return this.#consuming.fetch(station, await this.#decided((catalog) => catalog.group(station, name)), input, limits);
  }

  async settle(ns: string, stationName: string, name: string, verb: SettleVerb, input: SettleInput): Promise<readonly ReceiptFailure[]> {
    const { station, group } = await this.#group(ns, stationName, name);
    return this.#consuming.settle(station, group, verb, input);
  }

  // ── Dead letters ───────────────────────────────────────────────────────────────────────────────────────────────

  async deadLetters(ns: string, name: string, filter: DeadLetterFilter): Promise<Page<DeadLetter>> {
    return this.#letters.list(await this.#station(ns, name), filter);
  }

  async deadLetter(ns: string, name: string, id: string): Promise<DeadLetter> {
    return this.#letters.get(await this.#station(ns, name), id);
  }

  async removeDeadLetter(ns: string, name: string, id: string): Promise<void> {
    return this.#letters.remove(await this.#station(ns, name), id);
  }

  async redrive(ns: string, name: string, input: RedriveInput): Promise<{ redriven: number }> {
    return this.#letters.redrive(await this.#station(ns, name), input);
  }

  // ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #listLimit({ limit }: PageInput): number {
    return whole('limit', limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
  }

  /** By name: what comes and goes meanwhile neither repeats nor hides what stays. */
  #page<T extends { name: string }>(all: T[], page: PageInput): Page<T> {
    const limit = this.#listLimit(page);
    const { after } = page;
    const sorted = all.filter(({ name }) => after === undefined || name > after).sort((a, b) => (a.name < b.name ? -1 : 1));
    return { items: sorted.slice(0, limit), next: sorted.length > limit ? sorted[limit - 1]!.name : null };
  }
}

function describeHead({ name, version, createdAt, config }: Station): StationHead {
  return { name, version, createdAt, ...config };
}

function describeGroupHead({ name, version, createdAt, config }: CatalogGroup): GroupHead {
  return { name, version, createdAt, ...config };
}

function parseSpot(text: string): { partition: number; sequence: number } {
  const [, partition, sequence] = /^(\d{1,5})\.(\d{1,16})$/.exec(text) ?? [];
  if (sequence === undefined)
    throw new WaysideError('INVALID_REQUEST', 'after is none. Give the `next` of the page before.', { field: 'after' });
  return { partition: Number(partition), sequence: Number(sequence) };
}
