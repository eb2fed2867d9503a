/** What the catalog says of stations, asked from elsewhere. */
import type { Station } from '../catalog/state.ts';
import type { CatalogLink, Lookups } from './links.ts';
import { opened } from './wire.ts';

export function remoteLookups(catalog: CatalogLink): Lookups {
  const ask = <T>(method: keyof Lookups, ...args: readonly unknown[]) => opened<T>(catalog.ask('lookups', method, args));
  return {
    find: (namespace, station) => ask<Station>('find', namespace, station),
    join: (namespace, station, group, startAt) => ask<Station>('join', namespace, station, group, startAt),
    isAwaited: (id) => ask<boolean>('isAwaited', id),
    byId: (id) => ask<Station | undefined>('byId', id),
    named: (namespace, name) => ask<Station | undefined>('named', namespace, name),
  };
}
