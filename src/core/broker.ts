/**
 * The broker: what a gateway, an embedding program and a simulator talk to. It looks up, checks names, and hands on.
 *
 * Holds: every call answers or refuses; after a failed storage everything in memory is thrown away and opened again from
 * what is durable; closing answers those who wait, finishes what was accepted, and writes sections.
 * Elsewhere: each topic has its part in broker/.
 */
import { Gate } from './actor/gate.ts';
import { Time } from './actor/time.ts';
import type { Context, Storage } from './broker/context.ts';
import type { Parts } from './broker/life.ts';
import { Life } from './broker/life.ts';
import type { Places } from './broker/places.ts';
import { slotsOf } from './broker/produce.ts';
import { checkPartition } from './broker/read.ts';
import type {
  AuditResult,
  Block,
  Broker,
  DeadLetter,
  DeadLetterFilter,
  ExportInput,
  ExportStream,
  FetchInput,
  FetchResult,
  GroupHead,
  GroupInfo,
  GroupInput,
  ImportInput,
  ImportProgress,
  ImportResult,
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
  RedriveResult,
  ScheduleInfo,
  SettleInput,
  SettleVerb,
  StationHead,
  StationInfo,
  StationInput,
  StepInput,
  StepResult,
} from './calls.ts';
import type { Catalog } from './catalog/catalog.ts';
import type { CatalogGroup, Command, Station } from './catalog/state.ts';
import { checkName, groupConfig, whole } from './config.ts';
import { WaysideError } from './errors.ts';
import type { Limits } from './limits.ts';
import { makeLimits } from './limits.ts';
import type { GroupShare } from './partition/calls.ts';
import type { Holder } from './partition/counts.ts';
import { isBalanced } from './partition/counts.ts';
import type { Clock, Journal, Random, Soon, Timers, Volume } from './ports.ts';
import type { CatalogBroker } from './spread/catalog.ts';
import type { Lookups } from './spread/links.ts';
import type { TransferPlaces } from './transfer/port.ts';

export type * from './calls.ts';
export { parsePlace } from './calls.ts';
export { advanceCursor } from './cursor.ts';

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
  /** Where partitions are, if not in this process. */
  readonly places?: (Places & TransferPlaces) | undefined;
}

/** @throws what `Volume.open` throws; CORRUPTION the catalog is damaged */
export async function openBroker(options: Omit<BrokerOptions, 'places'>): Promise<Broker> {
  const context = contextOf(options);
  const life = new Life(context);
  await life.open();
  return new OpenBroker(life, context.limits);
}

/** A broker whose partitions are elsewhere, and which tells others what its catalog knows. @throws as `openBroker` */
export async function openCatalog(options: BrokerOptions & { readonly places: Places & TransferPlaces }): Promise<CatalogBroker> {
  const context = contextOf(options);
  const life = new Life(context);
  await life.open();
  return new OpenBroker(life, context.limits);
}

function contextOf({ volume, memory, clock, timers, random, journal, limits, places }: BrokerOptions): Context {
  const storage = (of: Volume): Storage => ({ volume: of, gate: new Gate(of) });
  return {
    limits: makeLimits(limits),
    time: new Time(clock),
    timers,
    random,
    journal,
    durable: storage(volume),
    memory: storage(memory),
    places,
  };
}

class OpenBroker implements CatalogBroker {
  readonly #life: Life;
  readonly #limits: Limits;

  constructor(life: Life, limits: Limits) {
    this.#life = life;
    this.#limits = limits;
  }

  /** Never kept across an `await`: after a failure of the storage there are others. */
  get #parts(): Parts {
    return this.#life.parts;
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  // ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** At once where it is there; that it is not is said only when that is durable. */
  #station(ns: string, name: string): Soon<Station> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    checkName('namespace', ns);
    checkName('station', name);
    return this.#parts.catalog.state.find(ns, name) ?? this.#missingStation(ns, name);
  }

  async #missingStation(ns: string, name: string): Promise<Station> {
    await this.#parts.visits.gone(this.#parts.catalog.state.namespaces.get(ns), name);
    return this.#missing(() => this.#parts.catalog.station(ns, name));
  }

  async #missing<T>(find: () => T): Promise<T> {
    await this.#parts.catalog.durable();
    return find();
  }

  /** A group, once the partitions know of it. */
  async #group(ns: string, stationName: string, name: string): Promise<{ station: Station; group: CatalogGroup }> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    await this.#parts.visits.quiet(station);
    return { station, group: station.groups.get(name) ?? (await this.#missing(() => this.#parts.catalog.group(station, name))) };
  }

  readonly lookups: Lookups = {
    find: async (ns, name) => this.#told(await this.#station(ns, name)),
    join: async (ns, name, group, startAt) => {
      const station = await this.#station(ns, name);
      checkName('group', group);
      await this.#join(station, group, startAt);
      return this.#told(station);
    },
    isAwaited: (id) => this.#durably((catalog) => catalog.state.byId.has(id) || catalog.state.importing.has(id)),
    byId: (id) => this.#durably((catalog) => catalog.state.byId.get(id)),
    named: (namespace, name) => this.#durably((catalog) => catalog.state.stations.get(namespace)?.get(name)),
  };

  /** As its partitions know it, and as it will still be known after a crash. */
  async #told(station: Station): Promise<Station> {
    await this.#parts.visits.quiet(station);
    await this.#parts.catalog.durable();
    if (this.#parts.catalog.state.byId.get(station.id) === station) return station;
    throw new WaysideError('STATION_NOT_FOUND', `Station ${station.name} was removed.`);
  }

  async #durably<T>(find: (catalog: Catalog) => T): Promise<T> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    const found = find(this.#parts.catalog);
    await this.#parts.catalog.durable();
    return found;
  }

  // ── Stations ───────────────────────────────────────────────────────────────────────────────────────────────────

  async putStation(ns: string, name: string, input: StationInput): Promise<{ created: boolean; station: StationInfo }> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    checkName('namespace', ns);
    checkName('station', name);
    const { station, created } = await this.#decided((catalog) => catalog.putStation(ns, name, input));
    await this.#parts.visits.gone(station.namespace, name);
    await this.#parts.catalog.durable();
    return { created, station: await this.#describe(station) };
  }

  async station(ns: string, name: string): Promise<StationInfo> {
    const station = await this.#station(ns, name);
    await this.#parts.visits.quiet(station);
    await this.#parts.catalog.durable();
    return this.#describe(station);
  }

  async #describe(station: Station): Promise<StationInfo> {
    const partitions = await this.#parts.places.all(station);
    const infos = await Promise.all(partitions.map((partition) => partition.info()));
    return {
      ...describeHead(station),
      messages: infos.reduce((sum, { counts }) => sum + counts.messages, 0),
      bytes: infos.reduce((sum, { counts }) => sum + counts.bytes, 0),
      counts: infos.map(({ counts }) => counts),
      scheduled: infos.reduce((sum, { scheduled }) => sum + scheduled, 0),
      outbox: infos.reduce((sum, { outbox }) => sum + outbox, 0),
      slots: slotsOf(station.config.partitions),
    };
  }

  async stations(ns: string, page: PageInput): Promise<Page<StationHead>> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    checkName('namespace', ns);
    const id = this.#parts.catalog.state.namespaces.get(ns);
    const stations = id === undefined ? [] : [...(this.#parts.catalog.state.stations.get(id)?.values() ?? [])];
    const listed = this.#page(stations, page);
    await this.#parts.catalog.durable();
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
    const purged = command === undefined ? 0 : await this.#parts.visits.run(command);
    await this.#parts.catalog.durable();
    return purged;
  }

  /** What the catalog decides; if it refuses, that is said only when what the refusal rests on is durable. */
  async #decided<T>(decide: (catalog: Catalog) => T): Promise<T> {
    const catalog = this.#parts.catalog;
    try {
      return decide(catalog);
    } catch (error) {
      await catalog.durable();
      throw error;
    }
  }

  // ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────

  produce(ns: string, name: string, batch: Uint8Array, input: ProduceInput = {}): Promise<ProduceResult> {
    return this.#parts.producing.produce(() => this.#station(ns, name), batch, input);
  }

  async read(ns: string, name: string, input: ReadInput): Promise<ReadResult> {
    return this.#parts.reading.read(() => this.#station(ns, name), input);
  }

  async message(ns: string, name: string, partition: number, sequence: number): Promise<Block> {
    const station = await this.#station(ns, name);
    checkPartition(station, partition);
    whole('sequence', sequence, 1, Number.MAX_SAFE_INTEGER);
    return (await this.#parts.places.of(station, partition)).message(sequence);
  }

  // ── Groups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async putGroup(ns: string, stationName: string, name: string, input: GroupInput): Promise<{ created: boolean; group: GroupInfo }> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    const { group, command } = await this.#decided((catalog) => catalog.putGroup(station, name, input));
    if (command === undefined) await this.#parts.visits.quiet(station);
    await this.#run(command);
    return { created: command !== undefined, group: await this.#describeGroup(station, group) };
  }

  async group(ns: string, stationName: string, name: string): Promise<GroupInfo> {
    const { station, group } = await this.#group(ns, stationName, name);
    return this.#describeGroup(station, group);
  }

  async #describeGroup(station: Station, group: CatalogGroup): Promise<GroupInfo> {
    await this.#parts.catalog.durable();
    const partitions = await this.#parts.places.all(station);
    const shares = await Promise.all(partitions.map((partition) => partition.groupShare(group.id)));
    return { ...describeGroupHead(group), ...sumOfShares(shares) };
  }

  async groups(ns: string, stationName: string, page: PageInput): Promise<Page<GroupHead>> {
    const station = await this.#station(ns, stationName);
    const listed = this.#page([...station.groups.values()], page);
    await this.#parts.catalog.durable();
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
    await this.#run(command);
  }

  async pending(ns: string, stationName: string, name: string, page: PageInput): Promise<Page<PendingInfo>> {
    const { station, group } = await this.#group(ns, stationName, name);
    const limit = this.#listLimit(page);
    const after = page.after === undefined ? undefined : parseSpot(page.after);
    const items: PendingInfo[] = [];
    for (const partition of await this.#parts.places.all(station)) {
      const behind = after === undefined || partition.number > after.partition ? 0 : after.sequence;
      if (items.length > limit || partition.number < (after?.partition ?? 0)) continue;
      items.push(...(await partition.pending(group.id, behind, limit + 1 - items.length)));
    }
    const last = items.length > limit ? items[limit - 1] : undefined;
    return { items: items.slice(0, limit), next: last ? `${last.partition}.${last.sequence}` : null };
  }

  async seek(ns: string, stationName: string, name: string, to: Place, partition?: number): Promise<void> {
    const { station, group } = await this.#group(ns, stationName, name);
    if (partition !== undefined) checkPartition(station, partition);
    await this.#run(await this.#decided((catalog) => catalog.seek(station, group, partition, to)));
  }

  async audit(ns: string, stationName: string, name: string): Promise<AuditResult> {
    const { station, group } = await this.#group(ns, stationName, name);
    const partitions = await this.#parts.places.all(station);
    return sumOf(
      await Promise.all(partitions.map(async (partition) => ({ partition: partition.number, ...(await partition.audit(group.id)) }))),
    );
  }

  async fetch(ns: string, stationName: string, name: string, input: FetchInput): Promise<FetchResult> {
    const station = await this.#station(ns, stationName);
    checkName('group', name);
    const limits = this.#parts.consuming.check(input);
    if (input.join !== true) await this.#join(station, name, input.startAt);
    await this.#parts.visits.quiet(station);
    return this.#parts.consuming.fetch(station, await this.#decided((catalog) => catalog.group(station, name)), input, limits);
  }

  /** Makes the group where it is not there. */
  async #join(station: Station, name: string, startAt: FetchInput['startAt']): Promise<void> {
    if (station.groups.has(name)) return;
    const config = groupConfig(startAt === undefined ? {} : { startAt }, this.#limits);
    await this.#run(await this.#decided((catalog) => catalog.makeGroup(station, name, config)));
  }

  async settle(ns: string, stationName: string, name: string, verb: SettleVerb, input: SettleInput): Promise<readonly ReceiptFailure[]> {
    const { station, group } = await this.#group(ns, stationName, name);
    return this.#parts.consuming.settle(station, group, verb, input);
  }

  async step(ns: string, stationName: string, name: string, input: StepInput): Promise<StepResult> {
    const { station, group } = await this.#group(ns, stationName, name);
    whole('outputs.length', input.outputs.length, 0, this.#limits.outputsMax);
    const outputs = await Promise.all(
      input.outputs.map(async ({ station: target, partition, batch }) => ({ station: await this.#station(ns, target), partition, batch })),
    );
    return this.#parts.consuming.step(station, group, input, this.#parts.producing.outputs(outputs));
  }

  async release(ns: string, stationName: string, name: string, consumer: string): Promise<{ released: number }> {
    const { station, group } = await this.#group(ns, stationName, name);
    return { released: await this.#parts.consuming.release(station, group, consumer) };
  }

  // ── Dead letters ───────────────────────────────────────────────────────────────────────────────────────────────

  async deadLetters(ns: string, name: string, filter: DeadLetterFilter): Promise<Page<DeadLetter>> {
    return this.#parts.letters.list(await this.#station(ns, name), filter);
  }

  async deadLetter(ns: string, name: string, id: string): Promise<DeadLetter> {
    return this.#parts.letters.get(await this.#station(ns, name), id);
  }

  async removeDeadLetter(ns: string, name: string, id: string): Promise<void> {
    return this.#parts.letters.remove(await this.#station(ns, name), id);
  }

  async redrive(ns: string, name: string, input: RedriveInput): Promise<RedriveResult> {
    const station = await this.#station(ns, name);
    const { to } = input;
    const target = typeof to === 'object' ? await this.#station(ns, to.station) : undefined;
    return this.#parts.letters.redrive(station, input, target);
  }

  // ── Delayed messages ───────────────────────────────────────────────────────────────────────────────────────────

  async schedules(ns: string, name: string, page: PageInput): Promise<Page<ScheduleInfo>> {
    return this.#parts.schedules.list(await this.#station(ns, name), page);
  }

  async cancelSchedule(ns: string, name: string, scheduleId: string): Promise<void> {
    return this.#parts.schedules.cancel(await this.#station(ns, name), scheduleId);
  }

  // ── Export and import ──────────────────────────────────────────────────────────────────────────────────────────

  async exportStream(ns: string, input: ExportInput): Promise<ExportStream> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    checkName('namespace', ns);
    if (input.station !== undefined) await this.#station(ns, input.station);
    whole('offset', input.offset ?? 0, 0, Number.MAX_SAFE_INTEGER);
    return this.#parts.transfers.export(ns, input);
  }

  async importStream(ns: string, input: ImportInput, pieces: AsyncIterable<Uint8Array>): Promise<ImportResult> {
    if (this.#life.refusing !== undefined) throw this.#life.refusing;
    checkName('namespace', ns);
    if (input.station !== undefined) checkName('station', input.station);
    whole('offset', input.offset ?? 0, 0, Number.MAX_SAFE_INTEGER);
    return this.#parts.transfers.take(ns, input, pieces);
  }

  importProgress(ns: string, id: string): ImportProgress {
    checkName('namespace', ns);
    return this.#parts.transfers.progress(ns, id);
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

function sumOf(partitions: AuditResult['partitions']): AuditResult {
  const sum = { produced: 0, acknowledged: 0, pending: 0, inFlight: 0, dead: 0, expired: 0, trimmed: 0, filtered: 0, skipped: 0, again: 0 };
  for (const each of partitions) for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += each[name];
  return { ...sum, balanced: partitions.every(({ partition: _, ...audit }) => isBalanced(audit)), partitions };
}

function sumOfShares(shares: readonly GroupShare[]): Omit<GroupInfo, keyof GroupHead> {
  const totals = { unread: 0, inFlight: 0, redelivered: 0, dead: 0 };
  const members = new Map<string, Holder>();
  for (const share of shares) {
    for (const name of ['unread', 'inFlight', 'redelivered', 'dead'] as const) totals[name] += share[name];
    for (const [consumer, { inFlight, lastSeenAt }] of share.members) {
      const known = members.get(consumer) ?? { inFlight: 0, lastSeenAt: 0 };
      members.set(consumer, { inFlight: known.inFlight + inFlight, lastSeenAt: Math.max(known.lastSeenAt, lastSeenAt) });
    }
  }
  const times = shares.map(({ oldest }) => oldest).filter((time) => time !== undefined);
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...totals,
    unreadIsUpperBound: shares.some(({ isUpperBound }) => isUpperBound),
    oldestPendingAt: times.length === 0 ? null : Math.min(...times),
    stalled: shares.some(({ isStalled }) => isStalled),
    members: sorted.map(([consumer, holder]) => ({ consumer, ...holder })),
  };
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
