/**
 * What entries do to groups: made, changed, moved, given messages, told what became of them.
 *
 * Holds: as machine.ts. Elsewhere: dead letters and what is on its way (apply-letters.ts), who decides (fetch.ts,
 * acknowledge.ts, step.ts, configure.ts).
 */
import type { Applied } from '../actor/log.ts';
import type { Acked, Extended, GroupChanged, GroupMade, GroupRemoved, Leased, Passed, Returned, Sought, Stepped } from '../entry/group.ts';
import { isPlanted } from '../faults.ts';
import type { Run, Why } from './runs.ts';
import { ACKED, blankRun, LEASED, RETURNED, Runs, settledRun, withPast } from './runs.ts';
import type { Group, PartitionState } from './state.ts';
import { newGroup } from './state.ts';

/** Of a group, so many steps are remembered. */
const STEPS_MAX = 1_000;

/** What is trimmed is settled for the group, but for what was redriven to it: that has its own copy. */
export function trimGroup(group: Group, first: number): void {
  const { runs } = group;
  for (const run of runs.list.slice()) {
    if (run.from >= first) break;
    // What is settled already may lie below the floor by now.
    if (!run.pinned && run.state !== ACKED) runs.change(run.from, Math.min(run.end, first), settledBy('trimmed'));
  }
  if (runs.next < first) runs.push(settledRun(runs.next, first, 'trimmed'));
  group.dirty = true;
}

function settledBy(why: Why): (part: Run) => Run {
  return ({ from, end }) => settledRun(from, end, why);
}

export function applyGroupMade(state: PartitionState, { command, group, name, at, config }: GroupMade, entry: Applied): void {
  state.command = Math.max(state.command, command);
  const made = newGroup(group, name, config, at);
  made.touched = entry.index;
  state.groups.set(group, made);
}

export function applyGroupChanged(state: PartitionState, { command, group, config }: GroupChanged, entry: Applied): void {
  state.command = Math.max(state.command, command);
  change(state, group, entry, (found) => {
    found.config = config;
  });
}

export function applyGroupRemoved(state: PartitionState, { command, group }: GroupRemoved): void {
  state.command = Math.max(state.command, command);
  const found = state.groups.get(group);
  if (found === undefined) return;
  for (const run of found.runs.list) if (run.pinned) unpinRun(state, run);
  for (const [key, letter] of state.letters) {
    // What is on its way to another station gets there all the same.
    if (letter.group !== group || state.outbox.isNeeded(key)) continue;
    state.dropLetter(key);
    state.unpin(letter.sequence);
  }
  state.groups.delete(group);
  state.groupsGone.push(group);
}

export function applySought(state: PartitionState, { command, group, at }: Sought, entry: Applied): void {
  state.command = Math.max(state.command, command);
  change(state, group, entry, (found) => {
    const owed = found.runs.list.filter((run) => run.pinned);
    found.runs = new Runs(at);
    if (!isPlanted('seek-keeps-leases')) found.fence = { epoch: entry.epoch, index: entry.index };
    // What was redriven is still owed, unless the group comes by it again anyway. From the last: each goes below the others.
    for (const run of owed.reverse()) {
      for (let sequence = run.end - 1; sequence >= run.from; sequence--) {
        if (sequence >= at && sequence >= state.first) state.unpin(sequence);
        // The delivery that the move cuts off does not count: it may have been the last.
        else if (sequence < at) {
          found.runs.tally.skipped--;
          const deliveries = run.state === LEASED ? Math.max(0, run.deliveries - 1) : run.deliveries;
          found.runs.reopen({ ...run, from: sequence, end: sequence + 1, state: RETURNED, deliveries, at: 0, rests: entry.index });
        }
      }
    }
  });
}

export function applyLeased(state: PartitionState, { group, consumer, expires, runs }: Leased, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count, deliveries } of runs) {
      const end = from + count;
      const lease = {
        state: LEASED,
        epoch: entry.epoch,
        index: entry.index,
        deliveries,
        at: expires,
        since: entry.time,
        consumer,
        rests: entry.index,
      } as const;
      if (from > found.runs.next) found.runs.push(blankRun(found.runs.next, from));
      if (from === found.runs.next) found.runs.push({ ...blankRun(from, end), ...lease });
      else found.runs.change(from, end, (part) => ({ ...part, ...lease }));
    }
  });
}

export function applyAcked(state: PartitionState, { group, ranges }: Acked, entry: Applied): void {
  if (isPlanted('forget-an-ack')) return;
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) settle(state, found, from, from + count, 'acknowledged');
    found.settledIn = entry.index;
  });
}

/** Messages never leased as far as the log knows may be settled too: a crash took the lease's entry, not the delivery. */
function settle(state: PartitionState, group: Group, from: number, end: number, why: Why): void {
  reach(group, end, from);
  group.runs.change(Math.max(from, group.runs.floor), end, (part) => {
    if (part.pinned) unpinRun(state, part);
    return settledRun(part.from, part.end, why);
  });
}

/** The group goes by them without giving them out: for good, or (held) until it is their turn. */
export function applyPassed(state: PartitionState, { group, why, ranges }: Passed, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      if (why === 'held') reach(found, from + count, from);
      else settle(state, found, from, from + count, why);
    }
    if (why !== 'held') found.settledIn = entry.index;
  });
}

/** Makes the runs reach up to `end`; what lies between, below `from`, is given out before anything newer. */
export function reach(group: Group, end: number, from: number): void {
  const { runs } = group;
  if (end <= runs.next) return;
  if (from > runs.next) runs.push(blankRun(runs.next, from));
  runs.push(blankRun(runs.next, end));
}

function unpinRun(state: PartitionState, run: Run): void {
  for (let sequence = run.from; sequence < run.end; sequence++) state.unpin(sequence);
}

export function applyReturned(state: PartitionState, { group, why, due, ranges }: Returned, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      reach(found, from + count, from);
      found.runs.change(from, from + count, (part) => ({
        ...part,
        state: RETURNED,
        at: due,
        rests: entry.index,
        ...(why === 'uncounted'
          ? { deliveries: Math.max(0, part.deliveries - 1) }
          : {
              past: withPast(part.past, { at: entry.time, event: why, consumer: part.consumer, deliveries: part.deliveries }),
            }),
      }));
    }
  });
}

export function applyExtended(state: PartitionState, { group, expires, ranges }: Extended, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      reach(found, from + count, from);
      found.runs.change(from, from + count, (part) => ({ ...part, state: LEASED, at: expires }));
    }
  });
}

export function applyStepped(state: PartitionState, { group, ranges, spans, produced }: Stepped, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) settle(state, found, from, from + count, 'acknowledged');
    found.settledIn = entry.index;
    const acked = ranges.reduce((sum, { count }) => sum + count, 0);
    found.steps = [...found.steps.slice(1 - STEPS_MAX), { spans, acked, produced }];
  });
}

export function change(state: PartitionState, id: number, entry: Applied, make: (group: Group) => void): void {
  const group = state.groups.get(id);
  if (group === undefined) return;
  make(group);
  group.touched = entry.index;
  if (!isPlanted('group-section-forgotten')) group.dirty = true;
}
