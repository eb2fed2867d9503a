/** The catalog at rest: one section. Loading what was saved gives the same state. */

import { commanded } from '../entry/catalog.ts';
import type { Of } from '../entry/codec.ts';
import { decodeLayout, encode, list, number, oneOf, optional, struct, text } from '../entry/codec.ts';
import { groupConfig } from '../entry/group.ts';
import { stationConfig } from '../entry/station.ts';
import type { CatalogGroup, CatalogState, Command, Station } from './state.ts';
import { addStation } from './state.ts';

const groupLayout = struct({ id: number, name: text, createdAt: number, config: groupConfig, version: number });

const stationLayout = struct({
  id: number,
  namespace: number,
  name: text,
  secret: number,
  createdAt: number,
  config: stationConfig,
  version: number,
  groups: list(groupLayout),
});

const commandLayout = struct({
  verb: oneOf('configure', 'remove', 'make-group', 'change-group', 'remove-group', 'purge', 'seek'),
  index: number,
  /** Written out, since a removed station is in no list any more. */
  station: stationLayout,
  group: optional(groupLayout),
  asked: optional(commanded),
});

const layout = struct({
  layout: number,
  nextId: number,
  namespaces: list(struct({ id: number, name: text })),
  stations: list(stationLayout),
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

function saveStation(station: Station): Of<typeof stationLayout> {
  return { ...station, groups: [...station.groups.values()] };
}

function loadStation(saved: Of<typeof stationLayout>): Station {
  return { ...saved, groups: new Map(saved.groups.map((group): [string, CatalogGroup] => [group.name, { ...group }])) };
}
