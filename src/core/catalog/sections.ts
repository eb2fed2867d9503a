/** The catalog at rest: one section, and one of imports that are under way. Loading what was saved gives the same state. */
import type { StationRecord } from '../entry/catalog.ts';
import { commanded, groupRecord, stationRecord } from '../entry/catalog.ts';
import { decode, decodeLayout, encode, list, number, oneOf, optional, struct, text } from '../entry/codec.ts';
import type { CatalogGroup, CatalogState, Command, Station } from './state.ts';
import { addStation } from './state.ts';

const commandLayout = struct({
  verb: oneOf('configure', 'remove', 'make-group', 'change-group', 'remove-group', 'purge', 'seek'),
  index: number,
  /** Written out, since a removed station is in no list any more. */
  station: stationRecord,
  group: optional(groupRecord),
  asked: optional(commanded),
});

const layout = struct({
  layout: number,
  nextId: number,
  namespaces: list(struct({ id: number, name: text })),
  stations: list(stationRecord),
  commands: list(commandLayout),
});

const LAYOUT = 2;

export function saveCatalog(state: CatalogState): Uint8Array {
  return encode(layout, {
    layout: LAYOUT,
    nextId: state.nextId,
    namespaces: [...state.namespaces].map(([name, id]) => ({ id, name })),
    stations: [...state.byId.values()].map(saveStation),
    commands: [...state.commands.values()].map((command) => ({
      verb: command.verb,
      index: command.index,
      station: saveStation(command.station),
      group: 'group' in command ? command.group : undefined,
      asked: 'asked' in command ? command.asked : undefined,
    })),
  });
}

export function loadCatalog(state: CatalogState, body: Uint8Array): void {
  const saved = decodeLayout(layout, body, LAYOUT);
  state.nextId = saved.nextId;
  for (const { id, name } of saved.namespaces) state.namespaces.set(name, id);
  for (const station of saved.stations) addStation(state, loadStation(station));
  for (const { verb, index, station: of, group, asked } of saved.commands) {
    const station = state.byId.get(of.id) ?? loadStation(of);
    const ours = group && (station.groups.get(group.name)?.id === group.id ? station.groups.get(group.name) : { ...group });
    state.commands.set(index, { verb, index, station, ...(ours && { group: ours }), ...(asked && { asked }) } as Command);
  }
}

const importsLayout = struct({ stations: list(number) });

export function saveImports({ importing }: CatalogState): Uint8Array | null {
  return importing.size === 0 ? null : encode(importsLayout, { stations: [...importing] });
}

export function loadImports(state: CatalogState, body: Uint8Array): void {
  for (const id of decode(importsLayout, body).stations) state.importing.add(id);
}

export function saveStation(station: Station): StationRecord {
  return { ...station, groups: [...station.groups.values()] };
}

export function loadStation(saved: StationRecord): Station {
  return { ...saved, groups: new Map(saved.groups.map((group): [string, CatalogGroup] => [group.name, { ...group }])) };
}
