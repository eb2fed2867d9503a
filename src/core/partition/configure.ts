/**
 * What the catalog asks of a partition: its configuration, its groups, a seek.
 *
 * Holds: each command is carried out once, however often it is asked (a crash may come between doing it and the catalog's
 * knowing); a partition that has never been asked anything begins with the configuration that comes along.
 * Elsewhere: who asks, and in which order (catalog/visit.ts); purging (retain.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { GroupConfig, Place, StationConfig } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import type { Soon } from '../ports.ts';
import type { PartitionState } from './state.ts';
import { soon } from './stored.ts';

/** The station as the catalog knows it, given with every call. */
export interface Given {
  readonly config: StationConfig;
  readonly version: number;
  readonly secret: number;
}

/** @param command 0 where the configuration only comes along with another call */
export function configure(log: ActorLog, state: PartitionState, given: Given, command: number): number {
  if (state.version >= given.version) return log.last;
  return log.append([draft(KIND.configured, { command, ...given })], log.now);
}

export function makeGroup(
  log: ActorLog,
  state: PartitionState,
  command: number,
  group: number,
  name: string,
  config: GroupConfig,
  startAt: Place,
): Soon<number> {
  if (state.groups.has(group) || command <= state.command) return log.last;
  return soon(resolvePlace(log, state, startAt), (at) => {
    // Asked twice at once, while the place was looked up: once is enough.
    if (state.groups.has(group)) return log.last;
    return log.append([draft(KIND.groupMade, { command, group, name, at: Math.max(at, state.first), config })], log.now);
  });
}

export function changeGroup(log: ActorLog, state: PartitionState, command: number, group: number, config: GroupConfig): number {
  if (command <= state.command) return log.last;
  return log.append([draft(KIND.groupChanged, { command, group, config })], log.now);
}

export function removeGroup(log: ActorLog, state: PartitionState, command: number, group: number): number {
  if (command <= state.command) return log.last;
  return log.append([draft(KIND.groupRemoved, { command, group })], log.now);
}

export function seek(log: ActorLog, state: PartitionState, command: number, group: number, to: Place): Soon<number> {
  if (command <= state.command) return log.last;
  return soon(resolvePlace(log, state, to), (at) =>
    log.append([draft(KIND.sought, { command, group, at: Math.max(at, state.first) })], log.now),
  );
}

/** The sequence that comes first from `place` on: never a trimmed one, at most the next to be produced. */
export function resolvePlace(log: ActorLog, state: PartitionState, place: Place): Soon<number> {
  if (place === 'start') return state.first;
  if (place === 'end') return state.next;
  if (typeof place === 'object' && 'last' in place) return Math.max(state.first, state.next - place.last);
  if (typeof place === 'number') return Math.min(Math.max(place, state.first), state.next);
  if (state.first === state.next || place.time <= state.oldest) return state.first;
  return soon(log.volume.find(log.key, 'time', place.time), (index) =>
    soon(index > log.last ? [] : log.volume.heads(log.key, index, 1, 'data'), ([head]) => {
      if (head === undefined || head.count === 0) return state.next;
      return Math.min(Math.max(head.first, state.first), state.next);
    }),
  );
}
