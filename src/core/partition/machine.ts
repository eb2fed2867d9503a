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
import type { Intended, IntentEnded } from '../entry/outbox.ts';
import { readCarried, recordsEnd } from '../entry/produce.ts';
import type { ProducerMoved } from '../entry/producer.ts';
import type { ScheduledMeta, ScheduleEnded } from '../entry/schedule.ts';
import { readScheduled } from '../entry/schedule.ts';
import type { Configured, Trimmed } from '../entry/station.ts';
import { isPlanted } from '../faults.ts';
import {
  applyAcked,
  applyExtended,
  applyGroupChanged,
  applyGroupMade,
  applyGroupRemoved,
  applyLeased,
  applyPassed,
  applyReturned,
  applySought,
  applyStepped,
  trimGroup,
} from './apply-groups.ts';
import { applyDied, applyIntended, applyIntentEnded, applyLettersRemoved, applyOutputs, applyRedriven } from './apply-letters.ts';
import { loadSection, sortLetters, takeSections } from './sections.ts';
import type { PartitionState } from './state.ts';
import { letterKey } from './state.ts';

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
    const { letters, config, outbox } = this.state;
    if (config?.deadLetter.maxAgeMs === undefined) return Infinity;
    // What is on its way is not removed, and would be due for ever.
    for (const { sequence, died, diedAt } of letters.values())
      if (!outbox.isNeeded(letterKey(sequence, died))) return diedAt + config.deadLetter.maxAgeMs;
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
