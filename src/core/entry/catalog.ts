/** What the catalog journals: what exists, and the commands that have to reach every partition of a station. */
import type { Of } from './codec.ts';
import { list, number, oneOf, optional, struct, text } from './codec.ts';
import { groupConfig } from './group.ts';
import { stationConfig } from './station.ts';

/** The first entry: incarnation ids count from `seed`, so that two folders do not share them. */
export const founded = struct({ seed: number });

export const namespaceMade = struct({ id: number, name: text });
export type NamespaceMade = Of<typeof namespaceMade>;

export const stationMade = struct({ id: number, namespace: number, name: text, secret: number, config: stationConfig });
export type StationMade = Of<typeof stationMade>;

export const stationChanged = struct({ station: number, config: stationConfig });
export type StationChanged = Of<typeof stationChanged>;

export const stationRemoved = struct({ station: number });
export type StationRemoved = Of<typeof stationRemoved>;

/** A `memory` station after a restart: empty, and another one. Its groups are gone with its messages. */
export const stationReborn = struct({ station: number, id: number });
export type StationReborn = Of<typeof stationReborn>;

export const catalogGroupMade = struct({ station: number, id: number, name: text, config: groupConfig });
export type CatalogGroupMade = Of<typeof catalogGroupMade>;

export const catalogGroupChanged = struct({ station: number, id: number, config: groupConfig });
export type CatalogGroupChanged = Of<typeof catalogGroupChanged>;

export const catalogGroupRemoved = struct({ station: number, id: number });
export type CatalogGroupRemoved = Of<typeof catalogGroupRemoved>;

const place = struct({ kind: oneOf('sequence', 'start', 'end', 'time', 'last'), value: number });

/** Asked of the partitions (all, or one), not kept in the catalog itself. */
export const commanded = struct({
  station: number,
  verb: oneOf('purge', 'seek'),
  partition: optional(number),
  group: optional(number),
  place: optional(place),
});
export type Commanded = Of<typeof commanded>;

/** Every partition has done what the entry `command` asked for. */
export const visited = struct({ command: number });
export type Visited = Of<typeof visited>;

export const groupRecord = struct({ id: number, name: text, createdAt: number, config: groupConfig, version: number });

/** A station as the catalog has it at rest, and in an exported stream. */
export const stationRecord = struct({
  id: number,
  namespace: number,
  name: text,
  secret: number,
  createdAt: number,
  config: stationConfig,
  version: number,
  groups: list(groupRecord),
});
export type StationRecord = Of<typeof stationRecord>;

/** Data of a station that is being imported may lie in the volume. `ids`: its own, and one for each of its groups. */
export const importBegun = struct({ ids: number });
export type ImportBegun = Of<typeof importBegun>;

/** They are there from now on, with all that lies in the volume. */
export const stationsImported = struct({ stations: list(stationRecord) });
export type StationsImported = Of<typeof stationsImported>;

/** What was begun comes to nothing, and its data is gone. */
export const importsDropped = struct({ stations: list(number) });
export type ImportsDropped = Of<typeof importsDropped>;
