/**
 * The catalog's verbs: making, changing and removing what exists.
 *
 * Holds: each is one synchronous step that decides and appends; an answer rests on the catalog's last entry, so that
 * nobody is told of a station that a crash takes back. A command for the partitions is journaled before it is sent.
 * Elsewhere: carrying commands to the partitions (visit.ts), what entries do (machine.ts).
 */
import type { Draft } from '../actor/log.ts';
import { ActorLog, draft } from '../actor/log.ts';
import type { Context } from '../broker/context.ts';
import type { GroupConfig, GroupInput, Place, StationConfig, StationInput } from '../calls.ts';
import { groupConfig, patchedGroup, patchedStation, same, stationConfig } from '../config.ts';
import type { StationRecord } from '../entry/catalog.ts';
import { KIND } from '../entry/kinds.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Durability } from '../ports.ts';
import { actorKey } from '../ports.ts';
import { CatalogMachine } from './machine.ts';
import type { CatalogGroup, Command, Station } from './state.ts';
import { CatalogState } from './state.ts';

/** The catalog is the actor that every volume has; no station can have its key, since ids begin above 0. */
export const CATALOG_KEY = actorKey(0, 0, 0);

/** Ids of different folders lie apart by chance: 2^36 beginnings, 2^12 apart. */
const SEED_STEP = 4096;

export class Catalog {
  readonly state = new CatalogState();
  readonly log: ActorLog;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
    const { durable, time, limits } = context;
    this.log = new ActorLog({
      key: CATALOG_KEY,
      ...durable,
      time,
      machine: new CatalogMachine(this.state),
      settleBytes: limits.settleBytes,
    });
  }

  /** @param firstOpening the process has just begun: what was in memory is gone */
  async open(firstOpening: boolean): Promise<void> {
    await this.log.open();
    if (this.state.nextId === 0)
      this.#append(
        draft(KIND.founded, { seed: 1 + SEED_STEP * (this.#context.random.u32() + (this.#context.random.u32() % 16) * 2 ** 32) }),
      );
    for (const station of [...this.state.byId.values()]) {
      if (firstOpening && station.config.durability === 'memory')
        this.#append(draft(KIND.stationReborn, { station: station.id, id: this.state.nextId }));
    }
    await this.durable();
  }

  /** Resolves when everything that the catalog says now is durable. */
  durable(): Promise<void> | undefined {
    return isPlanted('catalog-answers-early') ? undefined : this.log.wait(this.log.last, 'synced');
  }

  /** @throws STATION_NOT_FOUND */
  station(namespace: string, name: string): Station {
    const station = this.state.find(namespace, name);
    if (station === undefined)
      throw new WaysideError('STATION_NOT_FOUND', `There is no station ${name}. Make it with PUT /v1/stations/${name}.`);
    return station;
  }

  /** @throws GROUP_NOT_FOUND */
  group(station: Station, name: string): CatalogGroup {
    const group = station.groups.get(name);
    if (group === undefined)
      throw new WaysideError('GROUP_NOT_FOUND', `Station ${station.name} has no group ${name}. A fetch makes it, or PUT.`);
    return group;
  }

  putStation(namespace: string, name: string, input: StationInput): { station: Station; created: boolean } {
    const config = stationConfig(input, this.#context.limits, this.#strongest);
    const found = this.state.find(namespace, name);
    if (found !== undefined) {
      if (!same(found.config, config))
        throw new WaysideError(
          'STATION_EXISTS',
          `Station ${name} exists with another configuration. Change it with PATCH, or remove it first.`,
        );
      return { station: found, created: false };
    }
    this.#checkDurability(config);
    this.#checkDeadLetters(namespace, name, config);
    if (this.state.byId.size >= this.#context.limits.stationsMax)
      throw new WaysideError('LIMIT_EXCEEDED', `There are ${this.state.byId.size} stations, and no more are allowed.`);
    this.#makeStation(namespace, name, config);
    return { station: this.station(namespace, name), created: true };
  }

  #makeStation(namespace: string, name: string, config: StationConfig): void {
    const { space, drafts } = this.#spaceOf(namespace);
    const id = this.state.nextId;
    this.#append(...drafts, draft(KIND.stationMade, { id, namespace: space, name, secret: this.#context.random.u32(), config }));
  }

  /** Its id, and what makes it where it is not there. */
  #spaceOf(namespace: string): { readonly space: number; readonly drafts: Draft[] } {
    const found = this.state.namespaces.get(namespace);
    if (found !== undefined) return { space: found, drafts: [] };
    const space = this.state.namespaces.size + 1;
    return { space, drafts: [draft(KIND.namespaceMade, { id: space, name: namespace })] };
  }

  get #strongest(): Durability {
    return this.#context.durable.volume.durability;
  }

  /** What stations can have here, the strongest last. What keeps everything in memory gives no more. */
  get offered(): readonly Durability[] {
    return this.#strongest === 'memory' ? ['memory'] : ['memory', 'buffered', this.#strongest];
  }

  #checkDurability({ durability }: StationConfig): void {
    const { offered } = this;
    if (offered.includes(durability)) return;
    throw new WaysideError(
      'DURABILITY_UNAVAILABLE',
      `The durability ${durability} cannot be given here. Here there is ${offered.join(', ')}.`,
      { field: 'durability' },
    );
  }

  /** The station that copies of dead letters go to is there, and another one. It may be removed later: then copies wait. */
  #checkDeadLetters(namespace: string | number, name: string, { deadLetter }: StationConfig): void {
    if (deadLetter.station === undefined) return;
    const field = 'deadLetter.station';
    if (deadLetter.station === name)
      throw new WaysideError('INVALID_REQUEST', 'The copies of its dead letters cannot go to the station itself.', { field });
    const id = typeof namespace === 'number' ? namespace : this.state.namespaces.get(namespace);
    if (id !== undefined && this.state.stations.get(id)?.has(deadLetter.station)) return;
    throw new WaysideError('STATION_NOT_FOUND', `There is no station ${deadLetter.station} for copies of dead letters. Make it first.`, {
      field,
    });
  }

  /** @returns the command that tells the partitions; undefined when nothing changes */
  patchStation(station: Station, patch: StationInput, version: number | undefined): Command | undefined {
    this.#checkThere(station);
    checkVersion(version, station.version);
    const config = patchedStation(station.config, patch, this.#context.limits);
    if (config.deadLetter.station !== station.config.deadLetter.station) this.#checkDeadLetters(station.namespace, station.name, config);
    if (same(config, station.config)) return undefined;
    return this.#command(draft(KIND.stationChanged, { station: station.id, config }));
  }

  removeStation(station: Station): Command {
    this.#checkThere(station);
    return this.#command(draft(KIND.stationRemoved, { station: station.id }));
  }

  putGroup(station: Station, name: string, input: GroupInput): { group: CatalogGroup; command: Command | undefined } {
    const config = groupConfig(input, this.#context.limits);
    this.#checkThere(station);
    const found = station.groups.get(name);
    if (found !== undefined) {
      if (!same(found.config, config))
        throw new WaysideError(
          'GROUP_EXISTS',
          `Group ${name} exists with another configuration. Change it with PATCH, or remove it first.`,
        );
      return { group: found, command: undefined };
    }
    const command = this.makeGroup(station, name, config);
    return { group: this.group(station, name), command };
  }

  makeGroup(station: Station, name: string, config: GroupConfig): Command {
    this.#checkThere(station);
    const max = this.#context.limits.groupsPerStationMax;
    if (station.groups.size >= max)
      throw new WaysideError('LIMIT_EXCEEDED', `Station ${station.name} has ${max} groups, and no more are allowed.`);
    return this.#command(draft(KIND.catalogGroupMade, { station: station.id, id: this.state.nextId, name, config }));
  }

  patchGroup(station: Station, group: CatalogGroup, patch: GroupInput, version: number | undefined): Command | undefined {
    this.#checkThere(station, group);
    checkVersion(version, group.version);
    const config = patchedGroup(group.config, patch, this.#context.limits);
    if (same(config, group.config)) return undefined;
    return this.#command(draft(KIND.catalogGroupChanged, { station: station.id, id: group.id, config }));
  }

  removeGroup(station: Station, group: CatalogGroup): Command {
    this.#checkThere(station, group);
    return this.#command(draft(KIND.catalogGroupRemoved, { station: station.id, id: group.id }));
  }

  purge(station: Station, partition: number | undefined, upTo: number | undefined): Command {
    this.#checkThere(station);
    const place = upTo === undefined ? undefined : ({ kind: 'sequence', value: upTo } as const);
    return this.#command(draft(KIND.commanded, { station: station.id, verb: 'purge', partition, group: undefined, place }));
  }

  seek(station: Station, group: CatalogGroup, partition: number | undefined, to: Place): Command {
    this.#checkThere(station, group);
    return this.#command(draft(KIND.commanded, { station: station.id, verb: 'seek', partition, group: group.id, place: packPlace(to) }));
  }

  /**
   * Takes ids for a station that is to be imported: its own, and those that follow it for its groups.
   *
   * @throws STATION_EXISTS · LIMIT_EXCEEDED
   */
  beginImport(namespace: string, name: string, groups: number): { readonly namespace: number; readonly id: number } {
    this.checkImport(namespace, name);
    const { space, drafts } = this.#spaceOf(namespace);
    const id = this.state.nextId;
    this.#append(...drafts, draft(KIND.importBegun, { ids: 1 + groups }));
    return { namespace: space, id };
  }

  checkImport(namespace: string, name: string): void {
    if (this.state.find(namespace, name) !== undefined)
      throw new WaysideError(
        'IMPORT_REFUSED',
        `Station ${name} exists. Remove it, or import under another name or into another namespace. Nothing was imported.`,
      );
    if (this.state.byId.size + this.state.importing.size >= this.#context.limits.stationsMax)
      throw new WaysideError('LIMIT_EXCEEDED', `There are ${this.state.byId.size} stations, and no more are allowed.`);
  }

  imported(stations: readonly StationRecord[]): void {
    this.#append(draft(KIND.stationsImported, { stations }));
  }

  dropImports(stations: readonly number[]): void {
    if (stations.length > 0) this.#append(draft(KIND.importsDropped, { stations }));
  }

  visited(command: Command): void {
    this.#append(draft(KIND.visited, { command: command.index }));
  }

  /** Who asks has looked the station up in a turn before. */
  #checkThere(station: Station, group?: CatalogGroup): void {
    if (this.state.byId.get(station.id) !== station) throw new WaysideError('STATION_NOT_FOUND', `Station ${station.name} was removed.`);
    if (group !== undefined && station.groups.get(group.name) !== group)
      throw new WaysideError('GROUP_NOT_FOUND', `Group ${group.name} of station ${station.name} was removed.`);
  }

  #command(of: Draft): Command {
    const command = this.state.commands.get(this.#append(of));
    if (command === undefined) throw new TypeError(`The entry ${of.kind.name} made no command.`);
    return command;
  }

  #append(...drafts: Draft[]): number {
    return this.log.append(drafts, this.log.now);
  }
}

function checkVersion(wanted: number | undefined, current: number): void {
  if (wanted === undefined || wanted === current) return;
  throw new WaysideError('VERSION_MISMATCH', `The current version is ${current}, not ${wanted}. Read it again, then decide anew.`);
}

type PlaceKind = 'sequence' | 'start' | 'end' | 'time' | 'last';

function packPlace(place: Place): { kind: PlaceKind; value: number } {
  if (typeof place === 'number') return { kind: 'sequence', value: place };
  if (typeof place === 'string') return { kind: place, value: 0 };
  return 'time' in place ? { kind: 'time', value: place.time } : { kind: 'last', value: place.last };
}

export function unpackPlace({ kind, value }: { kind: PlaceKind; value: number }): Place {
  if (kind === 'sequence') return value;
  if (kind === 'time') return { time: value };
  return kind === 'last' ? { last: value } : kind;
}
