/**
 * Ack, nack, extend, reject: what a receipt may do, and what it does.
 *
 * Holds: a receipt counts while no later lease of its message exists, whether or not its own has run out; acking what is
 * settled is fine; a refusal of one receipt does not touch the others. One call is one commit.
 * Elsewhere: reading a receipt (receipt.ts), dead letters (dead.ts), what the entries do (machine.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { SettleVerb } from '../calls.ts';
import type { Range } from '../entry/group.ts';
import { KIND } from '../entry/kinds.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Receipt } from '../receipt.ts';
import { compareLeases } from '../receipt.ts';
import { ACKED, LEASED } from './runs.ts';
import type { Group, PartitionState } from './state.ts';

export interface Settling {
  readonly verb: SettleVerb;
  readonly receipts: readonly Receipt[];
  readonly delayMs: number;
  readonly leaseMs: number;
  readonly reason: string;
}

export interface Settled {
  /** By place in `receipts`: why it does not count. */
  readonly refused: Map<number, WaysideError>;
  /** Index of the entry that the answer rests on. */
  readonly rests: number;
}

export function settle(log: ActorLog, state: PartitionState, group: Group, settling: Settling): Settled {
  const { now } = log;
  const refused = new Map<number, WaysideError>();
  const sequences: number[] = [];
  settling.receipts.forEach((receipt, place) => {
    const verdict = judge(state, group, receipt, settling.verb, log.volume.epoch);
    if (verdict === 'counts') sequences.push(receipt.sequence);
    else if (verdict !== 'done') refused.set(place, verdict);
  });
  const drafts = sequences.length === 0 ? [] : draftsOf(group, toRanges(sequences), settling, now);
  const rests = drafts.length === 0 ? group.touched : log.append(drafts, now);
  return { refused, rests };
}

function judge(state: PartitionState, group: Group, receipt: Receipt, verb: SettleVerb, epoch: number): 'counts' | 'done' | WaysideError {
  if (receipt.group !== group.id)
    return new WaysideError('INVALID_RECEIPT', 'The receipt is of another group, or of one that was removed.');
  if (compareLeases(receipt, group.fence) <= 0) return expired('The group was moved after the message was given out.');
  const { runs } = group;
  if (receipt.sequence >= state.next) return new WaysideError('INVALID_RECEIPT', 'The receipt is of a message that does not exist.');
  const run = runs.at(receipt.sequence);
  const settled = receipt.sequence < runs.floor || run?.state === ACKED;
  if (settled) return verb === 'ack' ? 'done' : expired('The message is settled already.');
  // Never leased as far as the log knows, or leased earlier: good if a crash may have taken the lease's entry.
  const order = run === undefined ? 1 : compareLeases(receipt, run);
  if (order < 0 && !isPlanted('stale-receipt-counts'))
    return expired('The message was given out again since. Stop working on it: another consumer may have it.');
  if (order > 0 && receipt.epoch >= epoch)
    return new WaysideError('INVALID_RECEIPT', 'The receipt is of a lease that was never given out.');
  if (order > 0 && state.epochOf(receipt.sequence) > receipt.epoch)
    return new WaysideError('INVALID_RECEIPT', 'The message that the receipt is of was lost in a crash; another one has its sequence now.');
  // What has come back is out again by this: not where the group bounds what is out.
  if (verb === 'extend' && run?.state !== LEASED && !hasPlace(group))
    return expired('The lease has run out, and other messages are out now.');
  return 'counts';
}

function hasPlace({ config, runs }: Group): boolean {
  return runs.inFlight < (config.order === 'partition' ? 1 : (config.maxInFlight ?? Infinity));
}

function expired(detail: string): WaysideError {
  return new WaysideError('LEASE_EXPIRED', detail);
}

function draftsOf(group: Group, ranges: Range[], { verb, delayMs, leaseMs, reason }: Settling, now: number): Draft[] {
  switch (verb) {
    case 'ack':
      return [draft(KIND.acked, { group: group.id, ranges })];
    case 'extend':
      return [draft(KIND.extended, { group: group.id, expires: now + leaseMs, ranges })];
    case 'reject':
      return [draft(KIND.died, { group: group.id, reason: 'rejected', error: reason, ranges })];
    case 'nack':
      return returnOrBury(group, ranges, 'nacked', delayMs > 0 ? now + delayMs : 0, reason);
  }
}

/** Back to be delivered again, or dead where that was the last delivery. */
export function returnOrBury(group: Group, ranges: readonly Range[], why: 'nacked' | 'expired', due: number, reason: string): Draft[] {
  const back: Range[] = [];
  const dead: Range[] = [];
  for (const range of ranges) {
    for (let from = range.from; from < range.from + range.count; ) {
      const run = group.runs.at(from);
      const end = Math.min(run?.end ?? Infinity, range.from + range.count);
      const list = (run?.deliveries ?? 1) >= group.config.maxDeliveries ? dead : back;
      list.push({ from, count: end - from });
      from = end;
    }
  }
  const drafts: Draft[] = [];
  if (back.length > 0) drafts.push(draft(KIND.returned, { group: group.id, why, due, ranges: back }));
  const error = reason || (why === 'nacked' ? 'It was handed back at its last delivery.' : 'Its last lease ran out.');
  if (dead.length > 0 && !isPlanted('drop-at-the-limit'))
    drafts.push(draft(KIND.died, { group: group.id, reason: 'max-deliveries', error, ranges: dead }));
  else if (dead.length > 0) drafts.push(draft(KIND.acked, { group: group.id, ranges: dead }));
  return drafts;
}

/** Neighbours together, each once. */
export function toRanges(sequences: number[]): Range[] {
  sequences.sort((a, b) => a - b);
  const ranges: { from: number; count: number }[] = [];
  for (const sequence of sequences) {
    const last = ranges.at(-1);
    const end = last === undefined ? -1 : last.from + last.count;
    if (last !== undefined && sequence < end) continue;
    if (last !== undefined && sequence === end) last.count++;
    else ranges.push({ from: sequence, count: 1 });
  }
  return ranges;
}

/** Leases that have run out at `now`. */
export function expireLeases(group: Group, now: number): Draft[] {
  if (group.runs.earliest > now || isPlanted('leases-never-expire')) return [];
  const ranges = group.runs.list
    .filter((run) => run.state === LEASED && run.at <= now)
    .map(({ from, end }) => ({ from, count: end - from }));
  return ranges.length === 0 ? [] : returnOrBury(group, ranges, 'expired', 0, '');
}
