/** What can be counted of a group in a partition. Everything is derived from its runs; nothing is kept twice. */
import { LEASED } from './runs.ts';
import type { Group, PartitionState } from './state.ts';
import { unread } from './state.ts';

/** A consumer that holds leases. */
export interface Holder {
  readonly inFlight: number;
  /** When it was given something last, in ms since 1970. */
  readonly lastSeenAt: number;
}

export interface GroupCounts {
  readonly unread: number;
  readonly inFlight: number;
  readonly redelivered: number;
  readonly dead: number;
  readonly holders: ReadonlyMap<string, Holder>;
}

export function countGroup(state: PartitionState, group: Group): GroupCounts {
  const holders = new Map<string, Holder>();
  for (const { state: held, consumer, from, end, since } of group.runs.list) {
    if (held !== LEASED) continue;
    const { inFlight, lastSeenAt } = holders.get(consumer) ?? { inFlight: 0, lastSeenAt: 0 };
    holders.set(consumer, { inFlight: inFlight + end - from, lastSeenAt: Math.max(lastSeenAt, since) });
  }
  const { inFlight, redelivered } = group.runs;
  return { unread: unread(state, group), inFlight, redelivered, dead: group.dead, holders };
}
