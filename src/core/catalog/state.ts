/**
 * What exists: namespaces, stations, groups, and the commands that have not reached every partition yet.
 *
 * Holds: every id was given out once and is never used again; names lead to ids, and nothing else does.
 */
import type { GroupConfig, StationConfig } from '../calls.ts';
import type { Commanded } from '../entry/catalog.ts';

export interface CatalogGroup {
  readonly id: number;
  readonly name: string;
  readonly createdAt: number;
  config: GroupConfig;
  version: number;
}

export interface Station {
  readonly id: number;
  readonly namespace: number;
  readonly name: string;
  readonly secret: number;
  readonly createdAt: number;
  config: StationConfig;
  version: number;
  readonly groups: Map<string, CatalogGroup>;
}

/** A command on its way to the partitions of a station; `index` is its entry. */
export type Command =
  | { readonly verb: 'configure'; readonly index: number; readonly station: Station }
  | { readonly verb: 'remove'; readonly index: number; readonly station: Station }
  | {
      readonly verb: 'make-group' | 'change-group' | 'remove-group';
      readonly index: number;
      readonly station: Station;
      readonly group: CatalogGroup;
    }
  | { readonly verb: 'purge' | 'seek'; readonly index: number; readonly station: Station; readonly asked: Commanded };

export class CatalogState {
  /** 0 until the catalog is founded. */
  nextId = 0;
  readonly namespaces = new Map<string, number>();
  /** By namespace, then name. */
  readonly stations = new Map<number, Map<string, Station>>();
  readonly byId = new Map<number, Station>();
  /** Ids of stations that are being imported: data of theirs may lie in a volume. */
  readonly importing = new Set<number>();
  /** By the index of their entry, oldest first. */
  readonly commands = new Map<number, Command>();

  find(namespace: string, name: string): Station | undefined {
    const id = this.namespaces.get(namespace);
    return id === undefined ? undefined : this.stations.get(id)?.get(name);
  }
}

export function addStation(state: CatalogState, station: Station): void {
  const names = state.stations.get(station.namespace) ?? new Map<string, Station>();
  state.stations.set(station.namespace, names.set(station.name, station));
  state.byId.set(station.id, station);
}
