/** What each entry does to the catalog's state. Pure and total; the verbs are in catalog.ts. */
import type { Applied, Machine } from '../actor/log.ts';
import type {
  CatalogGroupChanged,
  CatalogGroupMade,
  CatalogGroupRemoved,
  Commanded,
  ImportBegun,
  ImportsDropped,
  NamespaceMade,
  StationChanged,
  StationMade,
  StationReborn,
  StationRemoved,
  StationsImported,
  Visited,
} from '../entry/catalog.ts';
import { KIND } from '../entry/kinds.ts';
import { loadCatalog, loadImports, loadStation, saveCatalog, saveImports } from './sections.ts';
import type { CatalogGroup, CatalogState, Station } from './state.ts';
import { addStation } from './state.ts';

type Apply = (state: CatalogState, value: never, entry: Applied) => void;

const APPLY = new Map<number, Apply>([
  [
    KIND.founded.id,
    (state, { seed }: { seed: number }) => {
      state.nextId = seed;
    },
  ],
  [KIND.namespaceMade.id, applyNamespaceMade],
  [KIND.stationMade.id, applyStationMade],
  [KIND.stationChanged.id, applyStationChanged],
  [KIND.stationRemoved.id, applyStationRemoved],
  [KIND.stationReborn.id, applyStationReborn],
  [KIND.catalogGroupMade.id, applyGroupMade],
  [KIND.catalogGroupChanged.id, applyGroupChanged],
  [KIND.catalogGroupRemoved.id, applyGroupRemoved],
  [KIND.commanded.id, applyCommanded],
  [KIND.importBegun.id, applyImportBegun],
  [KIND.stationsImported.id, applyStationsImported],
  [KIND.importsDropped.id, applyImportsDropped],
  [
    KIND.visited.id,
    (state, { command }: Visited) => {
      state.commands.delete(command);
    },
  ],
]);

export class CatalogMachine implements Machine {
  readonly state: CatalogState;
  /** There is a section of imports. */
  #hasImports = false;

  constructor(state: CatalogState) {
    this.state = state;
  }

  apply(entry: Applied): void {
    const apply = APPLY.get(entry.kind.id);
    if (apply === undefined) throw new TypeError(`The catalog has no use for entries of kind ${entry.kind.name}.`);
    apply(this.state, entry.value as never, entry);
  }

  takeSections(): Iterable<readonly [string, Uint8Array | null]> {
    const imports = saveImports(this.state);
    const changed: [string, Uint8Array | null][] = [['catalog', saveCatalog(this.state)]];
    if (imports !== null || this.#hasImports) changed.push(['imports', imports]);
    this.#hasImports = imports !== null;
    return changed;
  }

  loadSection(name: string, body: Uint8Array): void {
    if (name === 'imports') {
      loadImports(this.state, body);
      this.#hasImports = true;
    } else loadCatalog(this.state, body);
  }

  due(): number {
    return Infinity;
  }
}

function applyNamespaceMade(state: CatalogState, { id, name }: NamespaceMade): void {
  state.namespaces.set(name, id);
}

function applyStationMade(state: CatalogState, { id, namespace, name, secret, config }: StationMade, entry: Applied): void {
  addStation(state, { id, namespace, name, secret, config, createdAt: entry.time, version: 1, groups: new Map() });
  state.nextId = id + 1;
}

function applyStationChanged(state: CatalogState, { station: id, config }: StationChanged, { index }: Applied): void {
  const station = state.byId.get(id);
  if (station === undefined) return;
  station.config = config;
  station.version++;
  state.commands.set(index, { verb: 'configure', index, station });
}

function applyStationRemoved(state: CatalogState, { station: id }: StationRemoved, { index }: Applied): void {
  const station = state.byId.get(id);
  if (station === undefined) return;
  dropStation(state, station);
  // Whatever was still on its way to its partitions has nothing to reach any more.
  for (const [other, command] of state.commands) if (command.station === station) state.commands.delete(other);
  state.commands.set(index, { verb: 'remove', index, station });
}

function dropStation(state: CatalogState, station: Station): void {
  state.byId.delete(station.id);
  const names = state.stations.get(station.namespace);
  if (names?.get(station.name) === station) names.delete(station.name);
}

function applyStationReborn(state: CatalogState, { station: id, id: next }: StationReborn): void {
  const station = state.byId.get(id);
  state.nextId = next + 1;
  if (station === undefined) return;
  dropStation(state, station);
  addStation(state, { ...station, id: next, groups: new Map() });
  for (const [other, command] of state.commands) if (command.station === station) state.commands.delete(other);
}

function applyGroupMade(state: CatalogState, { station: id, id: groupId, name, config }: CatalogGroupMade, { index, time }: Applied): void {
  const station = state.byId.get(id);
  state.nextId = groupId + 1;
  if (station === undefined) return;
  const group: CatalogGroup = { id: groupId, name, config, createdAt: time, version: 1 };
  station.groups.set(name, group);
  state.commands.set(index, { verb: 'make-group', index, station, group });
}

function applyGroupChanged(state: CatalogState, { station: id, id: groupId, config }: CatalogGroupChanged, { index }: Applied): void {
  const found = findGroup(state, id, groupId);
  if (found === undefined) return;
  found.group.config = config;
  found.group.version++;
  state.commands.set(index, { verb: 'change-group', index, ...found });
}

function applyGroupRemoved(state: CatalogState, { station: id, id: groupId }: CatalogGroupRemoved, { index }: Applied): void {
  const found = findGroup(state, id, groupId);
  if (found === undefined) return;
  found.station.groups.delete(found.group.name);
  state.commands.set(index, { verb: 'remove-group', index, ...found });
}

function findGroup(state: CatalogState, stationId: number, groupId: number): { station: Station; group: CatalogGroup } | undefined {
  const station = state.byId.get(stationId);
  for (const group of station?.groups.values() ?? []) if (station && group.id === groupId) return { station, group };
  return undefined;
}

function applyCommanded(state: CatalogState, asked: Commanded, { index }: Applied): void {
  const station = state.byId.get(asked.station);
  if (station !== undefined) state.commands.set(index, { verb: asked.verb, index, station, asked });
}

function applyImportBegun(state: CatalogState, { ids }: ImportBegun): void {
  state.importing.add(state.nextId);
  state.nextId += ids;
}

function applyStationsImported(state: CatalogState, { stations }: StationsImported): void {
  for (const station of stations) {
    state.importing.delete(station.id);
    addStation(state, loadStation(station));
  }
}

function applyImportsDropped(state: CatalogState, { stations }: ImportsDropped): void {
  for (const id of stations) state.importing.delete(id);
}
