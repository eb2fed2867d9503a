/**
 * Trimming: by age, number, bytes, until acknowledged, and by purge; and copying forward what must outlive it.
 *
 * Holds: after a trim exactly the messages `first …` are left, and `bytes` are theirs; the bytes of a dead letter, or of
 * a message redriven from one, never go: where the log lets go of their entry they are written again first, in the same
 * commit. Work is done in slices, so that a long trim does not hold up what else the partition does.
 * Elsewhere: dropping segments (the volume), what the entries do (machine.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { HEADER_BYTES, u32At } from '../batch/layout.ts';
import { skip } from '../batch/walk.ts';
import { KIND } from '../entry/kinds.ts';
import { carriedBody, recordsEnd } from '../entry/produce.ts';
import type { Trimmed } from '../entry/station.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { EntryHead, StoredEntry } from '../ports.ts';
import { ScheduledWriter } from './delay.ts';
import type { Intent } from './outbox.ts';
import { ACKED } from './runs.ts';
import type { Delayed } from './schedule.ts';
import type { Group, PartitionState } from './state.ts';
import { OutputWriter } from './step.ts';
import type { Found, Stored } from './stored.ts';
import { isTrimmed } from './stored.ts';

/** Entries looked at in one slice. */
const SLICE_ENTRIES = 1_000;

export interface Goal {
  readonly reason: Trimmed['reason'];
  /** Messages below go. */
  readonly below: number;
  /** Only entries of this time or older go. */
  readonly olderThan: number;
  /** Messages go until no more record bytes than these are left. */
  readonly bytes: number;
  readonly command: number;
}

const NO_GOAL = { below: 0, olderThan: -1, bytes: Infinity, command: 0 };

/** What the station's retention asks for at `now`, the most pressing first; undefined when it is met. @param mayAge see trust.ts */
export function retentionGoal(state: PartitionState, now: number, mayAge = true): Goal | undefined {
  if (state.config === undefined || state.first === state.next) return undefined;
  const { maxAgeMs, maxMessages, maxBytes, untilAcked, discard } = state.config.retention;
  if (mayAge && maxAgeMs !== undefined && state.oldest + maxAgeMs <= now) return { ...NO_GOAL, reason: 'age', olderThan: now - maxAgeMs };
  const discards = discard === 'old';
  if (discards && maxMessages !== undefined && state.next - state.first > maxMessages)
    return { ...NO_GOAL, reason: 'count', below: state.next - maxMessages };
  if (discards && maxBytes !== undefined && state.bytes > maxBytes) return { ...NO_GOAL, reason: 'bytes', bytes: maxBytes };
  if (untilAcked === true && state.groups.size > 0) {
    let floor = state.next;
    for (const group of state.groups.values()) floor = Math.min(floor, neededFrom(group));
    if (floor > state.first) return { ...NO_GOAL, reason: 'acked', below: floor };
  }
  return undefined;
}

/** The first message that the group needs in the station: what was redriven to it has bytes of its own. */
function neededFrom({ runs }: Group): number {
  return runs.list.find((run) => run.state !== ACKED && !run.pinned)?.from ?? runs.next;
}

export function purgeGoal(state: PartitionState, upTo: number | undefined, command: number): Goal {
  return { ...NO_GOAL, reason: 'purged', below: Math.min(state.next, upTo === undefined ? state.next : upTo + 1), command };
}

/**
 * Does one slice of `goal`.
 *
 * @returns index of its entry, and whether more is to be done
 */
export async function trimSlice(
  log: ActorLog,
  stored: Stored,
  state: PartitionState,
  goal: Goal,
  limits: Limits,
): Promise<{ index: number; more: boolean }> {
  const cut = await findCut(log, stored, state, goal);
  const wanted = cut.first === state.next ? log.last + 1 : await log.volume.find(log.key, 'sequence', cut.first);
  const carried = new Map<number, Found>();
  const entries = new Map<number, StoredEntry>();
  for (;;) {
    // Messages that came while we waited are all above the cut; a letter that came may lie below it.
    const floor = isWorthCarrying(log, state, cut, wanted) ? wanted : log.dataFloor;
    const missing = toCarry(log, state, cut.first, floor).filter((sequence) => !carried.has(sequence));
    const waiting = waitingBelow(log, state, floor);
    const outputs = outputsBelow(log, state, floor);
    const unread = [...waiting, ...outputs].filter(({ index }) => !entries.has(index));
    if (missing.length + unread.length === 0) {
      const drafts = [...carryWaiting(waiting, entries, limits), ...carryOutputs(outputs, entries, limits)];
      return { index: appendTrim(log, state, goal, cut, carried, floor, drafts), more: cut.more };
    }
    for (const { index } of unread) {
      if (entries.has(index)) continue;
      try {
        entries.set(index, await stored.entry(index));
      } catch (error) {
        // What it held was due meanwhile, cancelled, or has arrived, and its entry was let go.
        const needed = [...waitingBelow(log, state, floor), ...outputsBelow(log, state, floor)];
        if (needed.some((each) => each.index === index)) throw error;
      }
    }
    for (const sequence of missing) {
      try {
        carried.set(sequence, await stored.take(sequence, 1, 1));
      } catch (error) {
        // Its letter was removed meanwhile: it need not be carried any more.
        if (!isTrimmed(error)) throw error;
      }
    }
  }
}

function appendTrim(
  log: ActorLog,
  state: PartitionState,
  goal: Goal,
  cut: Cut,
  carried: ReadonlyMap<number, Found>,
  floor: number,
  waiting: readonly Draft[],
): number {
  const trimmed = {
    command: cut.more ? 0 : goal.command,
    reason: goal.reason,
    first: cut.first,
    bytes: Math.max(0, state.bytes - cut.bytesGone),
    oldest: cut.first === state.next ? 0 : cut.oldest || log.now,
  };
  const drafts = carried.size === 0 ? [] : [carriedDraft(carried)];
  state.trimmedBytes = floor > log.dataFloor ? 0 : state.trimmedBytes + cut.bytesGone;
  return log.append([...drafts, ...waiting, draft(KIND.trimmed, trimmed)], log.now, floor);
}

/** Copying forward is put off until it frees twice what it costs, so that a few letters are not written again at each trim. */
function isWorthCarrying(log: ActorLog, state: PartitionState, cut: Cut, floor: number): boolean {
  const messages = toCarry(log, state, cut.first, floor).length;
  // An output is on its way for a moment only, as a rule: it is not worth measuring.
  const waiting = waitingBelow(log, state, floor).reduce((sum, { bytes }) => sum + bytes, 0) + 256 * outputsBelow(log, state, floor).length;
  if (messages + waiting === 0) return true;
  const mean = cut.bytesGone / Math.max(1, cut.first - state.first) || 256;
  return state.trimmedBytes + cut.bytesGone > 2 * (messages * mean + waiting);
}

interface Cut {
  readonly first: number;
  readonly bytesGone: number;
  /** Time of message `first`, if there is one. */
  readonly oldest: number;
  readonly more: boolean;
}

async function findCut(log: ActorLog, stored: Stored, state: PartitionState, goal: Goal): Promise<Cut> {
  let first = state.first;
  let bytesGone = 0;
  let oldest = state.oldest;
  const left = () => state.bytes - bytesGone;
  if (first === state.next) return { first, bytesGone, oldest: 0, more: false };
  let seen = 0;
  for await (const head of headsFrom(log, await log.volume.find(log.key, 'sequence', first))) {
    seen++;
    if (head.count === 0) continue;
    oldest = head.time;
    const end = head.first + head.count;
    const whole = await bytesOf(stored, head, first, end);
    const goes = end <= goal.below || head.time <= goal.olderThan || (goal.bytes < left() && left() - whole >= goal.bytes);
    if (!goes) {
      const part = await partOf(stored, head, first, goal, left());
      return { first: first + part.count, bytesGone: bytesGone + part.bytes, oldest, more: false };
    }
    bytesGone += whole;
    first = end;
  }
  const oldestLeft = first < state.next ? await timeOf(stored, first) : 0;
  return { first, bytesGone, oldest: oldestLeft, more: oldestLeft !== 0 && seen === SLICE_ENTRIES };
}

/** A slice of them, asked for a few at first: as a rule little goes, and what is not needed may have to be read. */
async function* headsFrom(log: ActorLog, from: number): AsyncGenerator<EntryHead> {
  let next = from;
  let left = SLICE_ENTRIES;
  for (let most = 4; left > 0; most *= 4) {
    const heads = await log.volume.heads(log.key, next, Math.min(most, left), 'data');
    yield* heads;
    const last = heads.at(-1);
    if (last === undefined) return;
    next = last.index + 1;
    left -= heads.length;
  }
}

async function timeOf(stored: Stored, sequence: number): Promise<number> {
  return (await stored.holding(sequence)).time;
}

/** Record bytes of the messages of an entry from `first` on. */
async function bytesOf(stored: Stored, head: EntryHead, first: number, end: number): Promise<number> {
  if (first === head.first && head.kind === KIND.produced.id) return head.bodyBytes - HEADER_BYTES;
  const { body } = await stored.holding(first);
  const from = skip(body, HEADER_BYTES, first - head.first);
  return skip(body, from, end - first) - from;
}

/** What goes of the entry in which the cut lies. */
async function partOf(stored: Stored, head: EntryHead, first: number, goal: Goal, left: number): Promise<{ count: number; bytes: number }> {
  if (goal.below <= first && goal.bytes >= left) return { count: 0, bytes: 0 };
  const { body } = await stored.holding(first);
  const end = recordsEnd(body);
  let at = skip(body, HEADER_BYTES, first - head.first);
  let count = 0;
  let bytes = 0;
  while (at < end && (first + count < goal.below || left - bytes > goal.bytes)) {
    const next = at + 4 + u32At(body, at);
    bytes += next - at;
    count++;
    at = next;
  }
  return { count, bytes };
}

/** Pinned messages whose bytes lie where the log lets go. */
function toCarry(log: ActorLog, state: PartitionState, first: number, floor: number): number[] {
  const sequences: number[] = [];
  if (floor <= log.dataFloor || isPlanted('trim-a-pinned-message')) return sequences;
  for (const [sequence, pin] of state.pins) {
    if (pin.carried !== 0 ? pin.carried < floor : sequence < first) sequences.push(sequence);
  }
  return sequences;
}

/** Delayed messages whose bytes lie where the log lets go. */
function waitingBelow(log: ActorLog, { schedule }: PartitionState, floor: number): Delayed[] {
  if (floor <= log.dataFloor || schedule.count === 0 || isPlanted('trim-what-waits')) return [];
  return schedule.below(floor);
}

/** What steps have made and is still on its way, and whose bytes lie where the log lets go. */
function outputsBelow(log: ActorLog, { outbox }: PartitionState, floor: number): Intent[] {
  return floor <= log.dataFloor || outbox.count === 0 || isPlanted('trim-an-output') ? [] : outbox.outputsBelow(floor);
}

function carryOutputs(outputs: readonly Intent[], entries: ReadonlyMap<number, StoredEntry>, limits: Limits): Draft[] {
  const writer = new OutputWriter(limits);
  for (const { number, station, partition, group, index, record } of outputs) {
    const { body } = entries.get(index)!;
    const start = skip(body, HEADER_BYTES, record);
    writer.add(body, start, skip(body, start, 1), { number, station, partition, group });
  }
  return writer.finish();
}

function carryWaiting(waiting: readonly Delayed[], entries: ReadonlyMap<number, StoredEntry>, limits: Limits): Draft[] {
  const writer = new ScheduledWriter(limits);
  for (const { number, due, accepted, index, place } of waiting) {
    const { body } = entries.get(index)!;
    const start = skip(body, HEADER_BYTES, place);
    writer.carry(body, start, skip(body, start, 1), { number, due, accepted });
  }
  return writer.finish();
}

export function carriedDraft(carried: ReadonlyMap<number, Found>): Draft {
  const builder = new BatchBuilder();
  for (const { block } of carried.values()) builder.appendRecord(block.bytes, block.start, block.end);
  const batch = builder.finish();
  const end = batch.length - 4;
  const meta = { messages: [...carried].map(([sequence, { block }]) => ({ sequence, time: block.producedAt })) };
  return { kind: KIND.carried, value: meta, batch: { body: carriedBody(batch, end, u32At(batch, end), meta), first: 0, count: 0 } };
}
