/**
 * Ack, nack, extend, reject, release: what a receipt may do, and what it does.
 *
 * Holds: a receipt counts while no later lease of its message exists, whether or not its own has run out; acking what is
 * settled is fine; a refusal of one message does not touch the others. One call is one commit. What is judged is a run of
 * messages, never a message, so that a range costs what it has runs.
 * Elsewhere: reading a receipt (receipt.ts), dead letters (dead.ts), what the entries do (machine.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { SettleVerb } from '../calls.ts';
import type { Range } from '../entry/group.ts';
import { KIND } from '../entry/kinds.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { LeaseId } from '../receipt.ts';
import { compareLeases } from '../receipt.ts';
import { backoffMs, JITTER_SLOT } from './backoff.ts';
import { Keys } from './keys.ts';
import type { Run } from './runs.ts';
import { ACKED, LEASED } from './runs.ts';
import type { Group, PartitionState } from './state.ts';

/** Messages `from … to` under one lease: a receipt is a span of one. */
export interface Span extends LeaseId {
  readonly from: number;
  readonly to: number;
}

export interface Settling {
  readonly verb: SettleVerb;
  readonly spans: readonly Span[];
  readonly delayMs: number;
  /** extend: undefined for what the group says. */
  readonly leaseMs: number | undefined;
  readonly reason: string;
}

/** Messages `from … to` of a span do not count. */
export interface Refused {
  /** The span's place among those that were given. */
  readonly place: number;
  readonly from: number;
  readonly to: number;
  readonly error: WaysideError;
}

export interface Settled {
  readonly refused: readonly Refused[];
  /** Index of the entry that the answer rests on. */
  readonly rests: number;
}

export function settle(log: ActorLog, state: PartitionState, group: Group, settling: Settling): Settled {
  const { now } = log;
  const { verb, spans } = settling;
  const refused: Refused[] = [];
  const counting: Range[] = [];
  // What has come back takes a place again when it is extended.
  let places = verb === 'extend' ? placesOf(group) : Infinity;
  spans.forEach((span, place) => {
    for (const { from, end, verdict, isOut } of judge(state, group, span, verb, log.volume.epoch)) {
      if (verdict === 'done') continue;
      if (verdict !== 'counts') {
        refuse(refused, { place, from, to: end - 1, error: verdict });
        continue;
      }
      if (!isOut && verb === 'extend' && group.config.order === 'key') {
        places -= retake(group, { place, from, to: end - 1, error: NO_PLACE }, places, counting, refused);
        continue;
      }
      const fits = isOut ? end : Math.min(end, from + places);
      if (!isOut) places -= fits - from;
      if (from < fits) counting.push({ from, count: fits - from });
      if (fits < end) refuse(refused, { place, from: fits, to: end - 1, error: NO_PLACE });
    }
  });
  const drafts = counting.length === 0 ? [] : draftsOf(state, group, united(counting), settling, now);
  const rests = drafts.length === 0 ? group.touched : log.append(drafts, now);
  return { refused, rests };
}

/** What a step settles. @throws WaysideError a message of theirs does not count, or is settled already */
export function countingRanges(log: ActorLog, state: PartitionState, group: Group, spans: readonly Span[]): Range[] {
  const counting: Range[] = [];
  for (const span of spans) {
    for (const { from, end, verdict } of judge(state, group, span, 'ack', log.volume.epoch)) {
      if (verdict !== 'counts') throw verdict === 'done' ? SETTLED : verdict;
      counting.push({ from, count: end - from });
    }
  }
  return united(counting);
}

/** What has come back is taken again only where it is the turn of its key. @returns how many were */
function retake({ runs: { watcher } }: Group, all: Refused, places: number, counting: Range[], refused: Refused[]): number {
  const keys = watcher instanceof Keys && !watcher.isBroken ? watcher : undefined;
  let taken = 0;
  for (let sequence = all.from; sequence <= all.to; sequence++) {
    if (taken < places && keys?.isNext(sequence) === true) {
      counting.push({ from: sequence, count: 1 });
      taken++;
    } else refuse(refused, { ...all, from: sequence, to: sequence });
  }
  return taken;
}

/** Neighbours that are refused alike are one. */
function refuse(refused: Refused[], next: Refused): void {
  const last = refused.at(-1);
  const isAlike = last?.place === next.place && last.to + 1 === next.from && last.error.message === next.error.message;
  if (isAlike) refused[refused.length - 1] = { ...last, to: next.to };
  else refused.push(next);
}

/** What may be done with messages `from … end − 1`. */
interface Judged {
  readonly from: number;
  readonly end: number;
  readonly verdict: 'counts' | 'done' | WaysideError;
  /** They are leased now. */
  readonly isOut: boolean;
}

/** Judges a span piece by piece, each of which fared alike. */
function* judge(state: PartitionState, group: Group, span: Span, verb: SettleVerb, epoch: number): Generator<Judged> {
  const { runs } = group;
  const stop = span.to + 1;
  const all = { from: span.from, end: stop, isOut: false };
  if (span.group !== group.id) return yield { ...all, verdict: FOREIGN };
  if (compareLeases(span, group.fence) <= 0) return yield { ...all, verdict: MOVED };
  const lost = state.lostFrom(span.epoch);
  for (let from = span.from; from < stop; ) {
    if (from >= state.next) return yield { from, end: stop, verdict: NO_MESSAGE, isOut: false };
    const run = runs.at(from);
    const ends = run?.end ?? (from < runs.floor ? runs.floor : state.next);
    const end = isPlanted('range-judged-by-its-first') ? stop : Math.min(stop, ends, from < lost ? lost : Infinity);
    const isSettled = from < runs.floor || run?.state === ACKED;
    const verdict = isSettled ? (verb === 'ack' ? 'done' : SETTLED) : judgeOpen(run, span, epoch, from >= lost);
    yield { from, end, verdict, isOut: run?.state === LEASED };
    from = end;
  }
}

/** @param isLost the messages came after a crash that the lease was given out before */
function judgeOpen(run: Run | undefined, lease: LeaseId, epoch: number, isLost: boolean): 'counts' | WaysideError {
  // Never leased as far as the log knows, or leased earlier: good if a crash may have taken the lease's entry.
  const order = run === undefined ? 1 : compareLeases(lease, run);
  if (order < 0 && !isPlanted('stale-receipt-counts')) return TAKEN_OVER;
  if (order > 0 && lease.epoch >= epoch) return NEVER_GIVEN;
  if (order > 0 && isLost) return LOST;
  return 'counts';
}

const FOREIGN = new WaysideError('INVALID_RECEIPT', 'The receipt is of another group, or of one that was removed.');
const NO_MESSAGE = new WaysideError('INVALID_RECEIPT', 'The receipt is of a message that does not exist.');
const NEVER_GIVEN = new WaysideError('INVALID_RECEIPT', 'The receipt is of a lease that was never given out.');
const LOST = new WaysideError(
  'INVALID_RECEIPT',
  'The message that the receipt is of was lost in a crash; another one has its sequence now.',
);
const MOVED = new WaysideError('LEASE_EXPIRED', 'The group was moved after the message was given out.');
const SETTLED = new WaysideError('LEASE_EXPIRED', 'The message is settled already.');
const TAKEN_OVER = new WaysideError(
  'LEASE_EXPIRED',
  'The message was given out again since. Stop working on it: another consumer may have it.',
);
const NO_PLACE = new WaysideError('LEASE_EXPIRED', 'The lease has run out, and other messages are out now.');

/** How many more messages may be out. */
function placesOf({ config, runs }: Group): number {
  return Math.max(0, (config.order === 'partition' ? 1 : (config.maxInFlight ?? Infinity)) - runs.inFlight);
}

function draftsOf(
  state: PartitionState,
  group: Group,
  ranges: Range[],
  { verb, delayMs, leaseMs, reason }: Settling,
  now: number,
): Draft[] {
  switch (verb) {
    case 'ack':
      return [draft(KIND.acked, { group: group.id, ranges })];
    case 'extend':
      return [draft(KIND.extended, { group: group.id, expires: now + (leaseMs ?? group.config.leaseMs), ranges })];
    case 'reject':
      return [draft(KIND.died, { group: group.id, reason: 'rejected', error: reason, ranges })];
    case 'nack':
      return returnOrBury(state, group, ranges, 'nacked', delayMs > 0 ? now + delayMs : undefined, reason, now);
  }
}

/**
 * Back to be delivered again, or dead where that was the last delivery.
 *
 * @param due undefined where nobody has said: as the group's backoff has it
 */
export function returnOrBury(
  { secret }: PartitionState,
  group: Group,
  ranges: readonly Range[],
  why: 'nacked' | 'expired',
  due: number | undefined,
  reason: string,
  now: number,
): Draft[] {
  const { maxDeliveries, backoff } = group.config;
  const back = new Map<number, Range[]>();
  const dead: Range[] = [];
  for (const { from: first, count } of ranges) {
    for (let from = first; from < first + count; ) {
      const run = group.runs.at(from);
      const deliveries = run?.deliveries ?? 1;
      const isLast = deliveries >= maxDeliveries;
      const isJittered = !isLast && due === undefined && backoff !== undefined && 'minMs' in backoff && backoff.jitterPercent > 0;
      const slot = Math.floor(from / JITTER_SLOT);
      const end = Math.min(run?.end ?? Infinity, first + count, isJittered ? (slot + 1) * JITTER_SLOT : Infinity);
      const range = { from, count: end - from };
      if (isLast) dead.push(range);
      else {
        const at =
          due ??
          (backoff === undefined || isPlanted('backoff-forgotten') ? 0 : now + backoffMs(backoff, Math.max(1, deliveries), slot, secret));
        back.set(at, [...(back.get(at) ?? []), range]);
      }
      from = end;
    }
  }
  const drafts = [...back].map(([at, parts]) => draft(KIND.returned, { group: group.id, why, due: at, ranges: parts }));
  const error = reason || (why === 'nacked' ? 'It was handed back at its last delivery.' : 'Its last lease ran out.');
  if (dead.length > 0 && !isPlanted('drop-at-the-limit'))
    drafts.push(draft(KIND.died, { group: group.id, reason: 'max-deliveries', error, ranges: dead }));
  else if (dead.length > 0) drafts.push(draft(KIND.acked, { group: group.id, ranges: dead }));
  return drafts;
}

/** Neighbours and overlaps together, in order. */
function united(ranges: Range[]): Range[] {
  ranges.sort((a, b) => a.from - b.from);
  const made: { from: number; count: number }[] = [];
  for (const { from, count } of ranges) {
    const last = made.at(-1);
    if (last === undefined || from > last.from + last.count) made.push({ from, count });
    else last.count = Math.max(last.count, from + count - last.from);
  }
  return made;
}

/** Leases that have run out at `now`. */
export function expireLeases(state: PartitionState, group: Group, now: number): Draft[] {
  if (group.runs.earliest > now || isPlanted('leases-never-expire')) return [];
  const ranges = group.runs.list
    .filter((run) => run.state === LEASED && run.at <= now)
    .map(({ from, end }) => ({ from, count: end - from }));
  return ranges.length === 0 ? [] : returnOrBury(state, group, ranges, 'expired', undefined, '', now);
}

/**
 * What is held goes back at once, and does not count as delivered.
 *
 * @param isHeld of the runs that are leased
 * @returns how many messages, and the index of the entry that the answer rests on
 */
export function giveBack(log: ActorLog, group: Group, isHeld: (run: Run) => boolean): { released: number; rests: number } {
  const held = group.runs.list.filter((run) => run.state === LEASED && isHeld(run));
  if (isPlanted('give-back-all-but-one')) held.pop();
  // What had come back before, and was held again by an extend, has been given back once already.
  const isWhole = (run: Run) => run.rests === run.index && !isPlanted('give-back-counted');
  const drafts = [
    backDraft(group, 'uncounted', held.filter(isWhole)),
    backDraft(
      group,
      'nacked',
      held.filter((run) => !isWhole(run)),
    ),
  ];
  const appended = drafts.filter((each) => each !== undefined);
  const released = held.reduce((sum, { from, end }) => sum + end - from, 0);
  return { released, rests: appended.length === 0 ? group.touched : log.append(appended, log.now) };
}

function backDraft(group: Group, why: 'uncounted' | 'nacked', runs: readonly Run[]): Draft | undefined {
  if (runs.length === 0) return undefined;
  return draft(KIND.returned, { group: group.id, why, due: 0, ranges: runs.map(({ from, end }) => ({ from, count: end - from })) });
}
