/**
 * What each entry does to a partition's state.
 *
 * Holds: pure and total: no clock, no refusal, no reading. Where an entry was decided by a verb, the verb's file holds the
 * other half (produce.ts, fetch.ts, acknowledge.ts, dead.ts, retain.ts, configure.ts).
 */
import type { Applied, Machine } from '../actor/log.ts';
import { RecordCursor } from '../batch/cursor.ts';
import { HAS_EXPIRES, HAS_ID, HEADER_BYTES, u32At } from '../batch/layout.ts';
import type {
  Acked,
  Died,
  Extended,
  GroupChanged,
  GroupMade,
  GroupRemoved,
  Leased,
  LettersRemoved,
  Passed,
  Redriven,
  Returned,
  Sought,
  Stepped,
} from '../entry/group.ts';
import { KIND } from '../entry/kinds.ts';
import type { Intended, IntentEnded, OutputsMeta } from '../entry/outbox.ts';
import { readOutputs } from '../entry/outbox.ts';
import { readCarried, recordsEnd } from '../entry/produce.ts';
import type { ProducerMoved } from '../entry/producer.ts';
import type { ScheduledMeta, ScheduleEnded } from '../entry/schedule.ts';
import { readScheduled } from '../entry/schedule.ts';
import type { Configured, Trimmed } from '../entry/station.ts';
import { isPlanted } from '../faults.ts';
import type { Intent } from './outbox.ts';
import { OUTPUT_PLACE } from './outbox.ts';
import type { Run, Why } from './runs.ts';
import { ACKED, blankRun, LEASED, RETURNED, Runs, settledRun, withPast } from './runs.ts';
import { loadSection, sortLetters, takeSections } from './sections.ts';
import type { Group, Letter, PartitionState } from './state.ts';
import { newGroup } from './state.ts';

/** Of a group, so many steps are remembered. */
const STEPS_MAX = 1_000;

type Apply = (state: PartitionState, entry: Applied) => void;

const APPLY = new Map<number, Apply>([
  [KIND.produced.id, applyProduced],
  [KIND.producerMoved.id, (state, entry) => applyProducerMoved(state, entry.value as ProducerMoved, entry)],
  [KIND.carried.id, applyCarried],
  [KIND.scheduled.id, applyScheduled],
  [KIND.intended.id, (state, entry) => applyIntended(state, entry.value as Intended)],
  [KIND.outputs.id, applyOutputs],
  [KIND.stepped.id, (state, entry) => applyStepped(state, entry.value as Stepped, entry)],
  [KIND.intentEnded.id, (state, entry) => applyIntentEnded(state, entry.value as IntentEnded, entry)],
  [KIND.scheduleEnded.id, (state, entry) => applyScheduleEnded(state, entry.value as ScheduleEnded)],
  [KIND.configured.id, (state, entry) => applyConfigured(state, entry.value as Configured)],
  [KIND.trimmed.id, (state, entry) => applyTrimmed(state, entry.value as Trimmed, entry)],
  [KIND.groupMade.id, (state, entry) => applyGroupMade(state, entry.value as GroupMade, entry)],
  [KIND.groupChanged.id, (state, entry) => applyGroupChanged(state, entry.value as GroupChanged, entry)],
  [KIND.groupRemoved.id, (state, entry) => applyGroupRemoved(state, entry.value as GroupRemoved)],
  [KIND.sought.id, (state, entry) => applySought(state, entry.value as Sought, entry)],
  [KIND.leased.id, (state, entry) => applyLeased(state, entry.value as Leased, entry)],
  [KIND.acked.id, (state, entry) => applyAcked(state, entry.value as Acked, entry)],
  [KIND.passed.id, (state, entry) => applyPassed(state, entry.value as Passed, entry)],
  [KIND.returned.id, (state, entry) => applyReturned(state, entry.value as Returned, entry)],
  [KIND.extended.id, (state, entry) => applyExtended(state, entry.value as Extended, entry)],
  [KIND.died.id, (state, entry) => applyDied(state, entry.value as Died, entry)],
  [KIND.redriven.id, (state, entry) => applyRedriven(state, entry.value as Redriven, entry)],
  [KIND.lettersRemoved.id, (state, entry) => applyLettersRemoved(state, entry.value as LettersRemoved)],
]);

export class PartitionMachine implements Machine {
  readonly state: PartitionState;
  /** Undefined when it has to be found anew: what is produced does not move it, however many groups there are. */
  #timersDue: number | undefined;

  constructor(state: PartitionState) {
    this.state = state;
  }

  apply(entry: Applied): void {
    const apply = APPLY.get(entry.kind.id);
    if (apply === undefined) throw new TypeError(`A partition has no use for entries of kind ${entry.kind.name}.`);
    apply(this.state, entry);
    if (entry.kind !== KIND.produced) this.timersMoved();
  }

  takeSections(): Iterable<readonly [string, Uint8Array | null]> {
    return takeSections(this.state);
  }

  loadSection(name: string, body: Uint8Array): void {
    loadSection(this.state, name, body);
  }

  loaded(): void {
    sortLetters(this.state);
    this.state.dedup.loaded();
  }

  due(): number {
    // What is on its way has to be seen to at once when the broker opens.
    return this.state.outbox.count + this.state.uncopied.size > 0 ? 0 : Math.min(this.timersDue(), this.lettersDue(), this.ageDue());
  }

  /** When a lease runs out, or a message may be delivered again or is due. */
  timersDue(): number {
    this.#timersDue ??= this.#findTimersDue();
    return this.#timersDue;
  }

  timersMoved(): void {
    this.#timersDue = undefined;
  }

  #findTimersDue(): number {
    const { groups, schedule } = this.state;
    let due = schedule.earliest;
    for (const group of groups.values()) due = Math.min(due, group.runs.earliest);
    return due;
  }

  /** When the oldest dead letter gets too old: they are kept in the order in which they died. */
  lettersDue(): number {
    const { letters, config } = this.state;
    if (config?.deadLetter.maxAgeMs === undefined) return Infinity;
    for (const letter of letters.values()) return letter.diedAt + config.deadLetter.maxAgeMs;
    return Infinity;
  }

  /** When the oldest message gets too old. */
  ageDue(): number {
    const { config, oldest } = this.state;
    return config?.retention.maxAgeMs === undefined || oldest === 0 ? Infinity : oldest + config.retention.maxAgeMs;
  }
}

function applyProduced(state: PartitionState, entry: Applied): void {
  const body = entry.body!;
  const end = recordsEnd(body);
  // A verb has noted ids and expiry already, as it looked at the records.
  if (!entry.live) noteRecords(state, body, end, entry.first, entry.time);
  if (state.next === state.first) state.oldest = entry.time;
  state.next = entry.first + entry.count + (!entry.live && isPlanted('sequence-off-by-one') ? 1 : 0);
  state.bytes += end - HEADER_BYTES;
  state.produced = entry.index;
  if (state.eras.at(-1)?.epoch !== entry.epoch) state.eras.push({ epoch: entry.epoch, first: entry.first });
}

function noteRecords(state: PartitionState, body: Uint8Array, end: number, first: number, time: number): void {
  const windowMs = state.settings.dedupWindowMs;
  const cursor = new RecordCursor(body, HEADER_BYTES, end);
  for (let at = HEADER_BYTES, sequence = first; at < end; sequence++) {
    const next = at + 4 + u32At(body, at);
    if (body[at + 4]! & HAS_EXPIRES) state.expiring = sequence;
    if (body[at + 4]! & HAS_ID && !isPlanted('ids-not-replayed')) {
      cursor.end = at;
      cursor.next();
      state.dedup.add(body, cursor.idStart, cursor.idEnd, sequence, time, windowMs);
    }
    at = next;
  }
}

function applyProducerMoved(state: PartitionState, moved: ProducerMoved, { index, time, live }: Applied): void {
  if (live || !isPlanted('producers-not-replayed')) state.producers.moved(moved, index, time);
  state.produced = index;
}

function applyCarried(state: PartitionState, entry: Applied): void {
  const carried = entry.live ? (entry.value as ReturnType<typeof readCarried>) : readCarried(entry.body!);
  for (const { sequence } of carried.messages) {
    const pin = state.pins.get(sequence);
    if (pin !== undefined) pin.carried = entry.index;
    state.touchLetters(sequence);
  }
}

function applyScheduled(state: PartitionState, entry: Applied): void {
  const body = entry.body!;
  const { items } = entry.live ? (entry.value as ScheduledMeta) : readScheduled(body);
  const cursor = new RecordCursor(body, HEADER_BYTES, recordsEnd(body));
  for (let place = 0; cursor.next(); place++)
    state.schedule.put({ ...items[place]!, index: entry.index, place, bytes: cursor.end - cursor.offset, id: cursor.id });
  state.produced = entry.index;
}

function applyScheduleEnded(state: PartitionState, { numbers, first }: ScheduleEnded): void {
  state.schedule.end(numbers, first);
}

function applyConfigured(state: PartitionState, { command, version, secret, config }: Configured): void {
  state.command = Math.max(state.command, command);
  state.version = version;
  state.secret = secret;
  state.config = config;
}

function applyTrimmed(state: PartitionState, { command, first, bytes, oldest }: Trimmed, { index }: Applied): void {
  state.command = Math.max(state.command, command);
  state.first = first;
  state.bytes = bytes;
  state.oldest = oldest;
  while (state.eras.length > 1 && state.eras[1]!.first <= first) state.eras.shift();
  for (const group of state.groups.values()) {
    if (group.runs.floor >= first) continue;
    trimGroup(group, first);
    group.touched = index;
  }
}

/** What is trimmed is settled for the group, but for what was redriven to it: that has its own copy. */
function trimGroup(group: Group, first: number): void {
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

function applyGroupMade(state: PartitionState, { command, group, name, at, config }: GroupMade, entry: Applied): void {
  state.command = Math.max(state.command, command);
  const made = newGroup(group, name, config, at);
  made.touched = entry.index;
  state.groups.set(group, made);
}

function applyGroupChanged(state: PartitionState, { command, group, config }: GroupChanged, entry: Applied): void {
  state.command = Math.max(state.command, command);
  change(state, group, entry, (found) => {
    found.config = config;
  });
}

function applyGroupRemoved(state: PartitionState, { command, group }: GroupRemoved): void {
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

function applySought(state: PartitionState, { command, group, at }: Sought, entry: Applied): void {
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

function applyLeased(state: PartitionState, { group, consumer, expires, runs }: Leased, entry: Applied): void {
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

function applyAcked(state: PartitionState, { group, ranges }: Acked, entry: Applied): void {
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
function applyPassed(state: PartitionState, { group, why, ranges }: Passed, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      if (why === 'held') reach(found, from + count, from);
      else settle(state, found, from, from + count, why);
    }
    if (why !== 'held') found.settledIn = entry.index;
  });
}

/** Makes the runs reach up to `end`; what lies between, below `from`, is given out before anything newer. */
function reach(group: Group, end: number, from: number): void {
  const { runs } = group;
  if (end <= runs.next) return;
  if (from > runs.next) runs.push(blankRun(runs.next, from));
  runs.push(blankRun(runs.next, end));
}

function unpinRun(state: PartitionState, run: Run): void {
  for (let sequence = run.from; sequence < run.end; sequence++) state.unpin(sequence);
}

function applyReturned(state: PartitionState, { group, why, due, ranges }: Returned, entry: Applied): void {
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

function applyExtended(state: PartitionState, { group, expires, ranges }: Extended, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      reach(found, from + count, from);
      found.runs.change(from, from + count, (part) => ({ ...part, state: LEASED, at: expires }));
    }
  });
}

function applyDied(state: PartitionState, { group, reason, error, ranges }: Died, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      reach(found, from + count, from);
      found.runs.change(from, from + count, (part) => {
        for (let sequence = part.from; sequence < part.end; sequence++) {
          addLetter(
            state,
            found,
            {
              sequence,
              died: entry.index,
              group,
              reason,
              error,
              consumer: part.consumer,
              deliveries: part.deliveries,
              deliveredAt: part.since,
              diedAt: entry.time,
              redrives: part.redrives,
              past: part.past,
              isUncopied: state.config?.deadLetter.station !== undefined,
            },
            part.pinned,
          );
        }
        return settledRun(part.from, part.end, reason === 'expired' ? 'expired' : 'dead');
      });
    }
    found.settledIn = entry.index;
  });
}

/** A pin that the run held goes over to the letter. */
function addLetter(state: PartitionState, group: Group, letter: Letter, pinned: boolean): void {
  state.putLetter(letter);
  if (!pinned) state.pin(letter.sequence);
  group.dead++;
  state.touchLetters(letter.sequence);
}

export function letterKey(sequence: number, died: number): string {
  return `${sequence}.${died}`;
}

function applyRedriven(state: PartitionState, { letters }: Redriven, entry: Applied): void {
  for (const { sequence, died } of letters) {
    const letter = state.letters.get(letterKey(sequence, died));
    if (letter === undefined) continue;
    state.dropLetter(letterKey(sequence, died));
    state.touchLetters(sequence);
    const group = state.groups.get(letter.group);
    if (group === undefined) continue;
    group.dead--;
    reopen(state, group, letter, entry);
  }
}

/** The pin goes over from the letter to the run. Leases given out before it died count no more. */
function reopen(state: PartitionState, group: Group, letter: Letter, entry: Applied): void {
  const { sequence, reason, consumer, deliveries, diedAt } = letter;
  const died = reason === 'rejected' || reason === 'max-deliveries' ? reason : 'expired';
  const past = withPast(letter.past, { at: diedAt, event: died, consumer, deliveries });
  const run = {
    ...blankRun(sequence, sequence + 1),
    epoch: entry.epoch,
    index: entry.index,
    pinned: true,
    rests: entry.index,
    redrives: letter.redrives + 1,
    past: withPast(past, { at: entry.time, event: 'redriven', consumer: '', deliveries: 0 }),
  };
  if (sequence >= group.runs.next) reach(group, sequence + 1, sequence);
  const found = group.runs.at(sequence);
  if (found === undefined || found.state === ACKED) recount(group, letter);
  if (sequence < group.runs.floor) group.runs.reopen(run);
  else
    group.runs.change(sequence, sequence + 1, (part) => {
      // It died twice (the group was moved back between), and both letters are redriven: one pin is enough.
      if (part.pinned) state.unpin(sequence);
      // The group came by it again since, and somebody has it: their lease stands.
      return part.state === LEASED ? { ...part, pinned: true } : run;
    });
  group.touched = entry.index;
  group.dirty = true;
}

/** A settled message is open again: it no longer counts as what it was settled for. */
function recount({ runs: { tally, base }, fence }: Group, { sequence, died, reason }: Letter): void {
  if (died > fence.index) tally[reason === 'expired' ? 'expired' : 'dead']--;
  // It died before the group was moved: what came of it then is counted by where it lies.
  else if (sequence < base) tally.skipped--;
  else tally.again++;
}

function applyIntended(state: PartitionState, intended: Intended): void {
  state.outbox.intend(intended);
  if (intended.why !== 'copy') return;
  for (const { sequence, died } of intended.items) {
    const letter = state.letters.get(letterKey(sequence, died));
    if (letter !== undefined) state.putLetter({ ...letter, isUncopied: false });
    state.touchLetters(sequence);
  }
}

function applyOutputs(state: PartitionState, entry: Applied): void {
  state.outbox.output(entry.live ? (entry.value as OutputsMeta) : readOutputs(entry.body!), entry.index);
}

function applyStepped(state: PartitionState, { group, ranges, spans, produced }: Stepped, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) settle(state, found, from, from + count, 'acknowledged');
    found.settledIn = entry.index;
    const acked = ranges.reduce((sum, { count }) => sum + count, 0);
    found.steps = [...found.steps.slice(1 - STEPS_MAX), { spans, acked, produced }];
  });
}

function applyIntentEnded(state: PartitionState, { produced, refused }: IntentEnded, entry: Applied): void {
  for (const number of produced) {
    const intent = state.outbox.end(number);
    if (intent?.what === 'redrive' || (intent?.what === 'copy' && isOrphan(state, intent))) removeLetter(state, intent);
  }
  for (const { number, error } of refused) {
    const intent = state.outbox.end(number);
    if (intent === undefined) continue;
    if (intent.what === 'output') addRefusedOutput(state, intent, error, entry);
    else if (isOrphan(state, intent)) removeLetter(state, intent);
    else if (intent.what === 'redrive') {
      const letter = state.letters.get(letterKey(intent.sequence, intent.died));
      state.touchLetters(intent.sequence);
      if (letter !== undefined) state.putLetter({ ...letter, error });
    }
  }
}

/** The group of the letter is gone: nobody could see it any more. */
function isOrphan(state: PartitionState, { sequence, died }: { sequence: number; died: number }): boolean {
  const letter = state.letters.get(letterKey(sequence, died));
  return letter !== undefined && !state.groups.has(letter.group);
}

/** Its bytes are in the entry that follows. */
export function addRefusedOutput(
  state: PartitionState,
  { number, group }: Intent,
  error: string,
  entry: Pick<Applied, 'index' | 'time'>,
): void {
  const found = state.groups.get(group);
  if (found === undefined) return;
  const times = { deliveredAt: entry.time, diedAt: entry.time };
  addLetter(
    state,
    found,
    {
      sequence: OUTPUT_PLACE + number,
      died: entry.index,
      group,
      reason: 'undeliverable',
      error,
      consumer: '',
      deliveries: 0,
      ...times,
      redrives: 0,
      past: [],
      isUncopied: false,
    },
    false,
  );
  found.dirty = true;
}

function applyLettersRemoved(state: PartitionState, { letters }: LettersRemoved): void {
  for (const letter of letters) removeLetter(state, letter);
}

function removeLetter(state: PartitionState, { sequence, died }: { sequence: number; died: number }): void {
  const letter = state.letters.get(letterKey(sequence, died));
  if (letter === undefined) return;
  state.dropLetter(letterKey(sequence, died));
  state.unpin(sequence);
  const group = state.groups.get(letter.group);
  if (group === undefined) return;
  group.dead--;
  group.dirty = true;
}

function change(state: PartitionState, id: number, entry: Applied, make: (group: Group) => void): void {
  const group = state.groups.get(id);
  if (group === undefined) return;
  make(group);
  group.touched = entry.index;
  if (!isPlanted('group-section-forgotten')) group.dirty = true;
}
