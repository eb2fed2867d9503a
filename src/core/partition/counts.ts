/** What can be counted of a group in a partition. Everything is derived from its runs; nothing is kept twice. */
import type { Audit } from '../calls.ts';
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
  /** Some of `unread` may be passed over. */
  readonly isUpperBound: boolean;
  readonly isStalled: boolean;
}

export function countGroup(state: PartitionState, group: Group): Omit<GroupCounts, 'isStalled'> {
  const holders = new Map<string, Holder>();
  for (const { state: held, consumer, from, end, since } of group.runs.list) {
    if (held !== LEASED) continue;
    const { inFlight, lastSeenAt } = holders.get(consumer) ?? { inFlight: 0, lastSeenAt: 0 };
    holders.set(consumer, { inFlight: inFlight + end - from, lastSeenAt: Math.max(lastSeenAt, since) });
  }
  const { inFlight, redelivered } = group.runs;
  const isUpperBound = group.config.filter !== undefined || state.expiring >= group.runs.floor;
  return { unread: unread(state, group), inFlight, redelivered, dead: group.dead, holders, isUpperBound };
}

/** Where each message is that was produced. What was trimmed unseen is counted by the group when it is next touched: here already. */
export function audit(state: PartitionState, { runs }: Group): Audit {
  const unseen = Math.max(0, state.first - runs.next);
  const { tally } = runs;
  return {
    produced: state.next - 1,
    pending: runs.returned + state.next - Math.max(runs.next, state.first),
    inFlight: runs.inFlight,
    ...tally,
    trimmed: tally.trimmed + unseen,
  };
}

/** What was produced, and what was counted twice, is somewhere. */
export function isBalanced({ produced, again, ...places }: Audit): boolean {
  return produced + again === Object.values(places).reduce((sum, count) => sum + count, 0);
}
