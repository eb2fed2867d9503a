/**
 * The catalog in a process of its own: it decides what exists, carries it to the partitions wherever they are, and answers for
 * whatever concerns several of them.
 *
 * Holds: what it says of a station every partition of it knows. Elsewhere: what is asked of partitions all the time (front.ts).
 */
import type { Broker } from '../calls.ts';
import type { Lookups } from './links.ts';

/** A broker that others ask for what its catalog knows. */
export interface CatalogBroker extends Broker {
  readonly lookups: Lookups;
}

/** What a front hands on: all but what it does itself, and streams. */
export const HANDED_ON = [
  'putStation',
  'station',
  'stations',
  'patchStation',
  'removeStation',
  'purge',
  'putGroup',
  'group',
  'groups',
  'patchGroup',
  'removeGroup',
  'pending',
  'seek',
  'deadLetters',
  'deadLetter',
  'removeDeadLetter',
  'redrive',
  'schedules',
  'cancelSchedule',
  'audit',
  'importProgress',
] as const satisfies readonly (keyof Broker)[];

export type HandedOn = (typeof HANDED_ON)[number];

const LOOKUPS: readonly (keyof Lookups)[] = ['find', 'join', 'isAwaited', 'byId', 'named'];

/** A call that came over a `CatalogLink`. @throws the refusal */
export function askCatalog(broker: CatalogBroker, what: 'broker' | 'lookups', method: string, args: readonly unknown[]): unknown {
  const known: readonly string[] = what === 'broker' ? HANDED_ON : LOOKUPS;
  if (!known.includes(method)) throw new TypeError(`The catalog cannot be asked for ${method.slice(0, 50)}.`);
  const of = (what === 'broker' ? broker : broker.lookups) as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return of[method]!(...args);
}
