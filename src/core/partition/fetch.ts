/**
 * Fetch: which messages a consumer is given now, and the lease that goes with them.
 *
 * Holds: nothing is leased whose bytes are not at hand, nor beyond what was asked for; what comes back comes before what
 * was never delivered; a first delivery rests on the entry that produced the message, a later one on the message's last
 * lease or return as well. The lease's own entry is waited for by nobody.
 * Elsewhere: waiting, and several partitions (broker/consume.ts); the runs (runs.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { LeasedBlock } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Soon } from '../ports.ts';
import { formatLease } from '../receipt.ts';
import type { Ask } from './calls.ts';
import { Keys } from './keys.ts';
import type { Run } from './runs.ts';
import { RETURNED } from './runs.ts';
import type { Piece } from './sieve.ts';
import { isSieved, sift } from './sieve.ts';
import type { Group, PartitionState } from './state.ts';
import type { Stored } from './stored.ts';
import { isTrimmed } from './stored.ts';

/** What one partition is asked for, with the group as it is now. */
interface Asked extends Omit<Ask, 'group'> {
  readonly group: Group;
  readonly leaseMs: number;
}

export interface Fetched {
  readonly blocks: LeasedBlock[];
  /** Index of the lease's entry. */
  readonly index: number;
  /** Index of the last entry that they rest on. */
  readonly rests: number;
  /** The look was ended before it came to an end: there may be more to give. */
  readonly isCut: boolean;
}

const NOTHING: Fetched = { blocks: [], index: 0, rests: 0, isCut: false };

/** Is there something to give out at `now`? */
export function isAvailable(state: PartitionState, group: Group, now: number, limits: Limits): boolean {
  const { watcher } = group.runs;
  if (group.config.order === 'key' && watcher instanceof Keys && !watcher.isBroken) {
    if (placesFor(group, undefined) <= 0) return false;
    return watcher.hasReady(now) || (!isStalled(group, limits) && Math.max(group.runs.next, state.first) < state.next);
  }
  return !candidates(state, group, now, limits, 1).next().done;
}

/** So many messages of its keys are out or wait that no newer ones are looked at. */
export function isStalled({ config, runs }: Group, { lookAheadMax, runsMax }: Limits): boolean {
  return config.order === 'key' && (runs.open >= lookAheadMax || runs.list.length >= runsMax);
}

export function fetch(log: ActorLog, stored: Stored, state: PartitionState, ask: Asked, limits: Limits): Soon<Fetched> {
  if (isSieved(state, ask.group)) return fetchSifted(log, stored, state, ask, limits);
  const pieces: Piece[] = [];
  let bytesLeft = ask.maxBytes;
  let countLeft = ask.max;
  for (const { from, end, run } of candidates(state, ask.group, log.now, limits, Math.min(ask.max, placesFor(ask.group, ask.consumer)))) {
    for (let sequence = from; sequence < end && countLeft > 0; ) {
      if (pieces.length > 0 && bytesLeft <= 0) return lease(log, state, ask, pieces);
      const found = stored.take(sequence, Math.min(end - sequence, countLeft), bytesLeft);
      if (found instanceof Promise) {
        // What is at hand goes out now; with nothing at hand the step is done again once the bytes are there.
        if (pieces.length > 0) {
          found.catch(() => undefined);
          return lease(log, state, ask, pieces);
        }
        const again = () => fetchAgain(log, stored, state, ask, limits);
        return found.then(again, (error: unknown) => {
          if (isTrimmed(error)) return again();
          throw error;
        });
      }
      const { count, start, end: stop } = found.block;
      // A message that does not fit is left for the next fetch; the first one always goes.
      if (pieces.length > 0 && stop - start > bytesLeft) return lease(log, state, ask, pieces);
      pieces.push({
        found,
        deliveries: (run?.deliveries ?? 0) + (run !== undefined && isPlanted('deliveries-not-counted') ? 0 : 1),
        rests: run?.rests ?? 0,
      });
      bytesLeft -= stop - start;
      countLeft -= count;
      sequence += count;
    }
  }
  return pieces.length === 0 ? NOTHING : lease(log, state, ask, pieces);
}

function fetchSifted(log: ActorLog, stored: Stored, state: PartitionState, ask: Asked, limits: Limits): Soon<Fetched> {
  const { group, consumer, maxBytes } = ask;
  const max = Math.min(ask.max, placesFor(group, consumer));
  if (max <= 0 || (group.config.order === 'partition' && group.runs.inFlight > 0)) return NOTHING;
  const sifted = sift({ log, stored, state, limits, group, max, maxBytes });
  if (sifted instanceof Promise) return sifted.then(() => fetchAgain(log, stored, state, ask, limits));
  const { pieces, drafts, isCut } = sifted;
  if (pieces.length > 0) return { ...lease(log, state, ask, pieces, drafts), isCut };
  if (drafts.length > 0) log.append(drafts, log.now);
  return { ...NOTHING, isCut };
}

/** How many more messages the group may have out, and the consumer. */
function placesFor({ config, runs }: Group, consumer: string | undefined): number {
  if (config.paused && !isPlanted('pause-forgotten')) return 0;
  const { maxInFlight = Infinity, maxInFlightPerConsumer = Infinity } = config;
  const ofConsumer =
    consumer === undefined || isPlanted('consumer-bound-forgotten') ? Infinity : maxInFlightPerConsumer - (runs.held.get(consumer) ?? 0);
  return Math.min(maxInFlight - runs.inFlight, ofConsumer);
}

/** After waiting for bytes: the group may be gone meanwhile. */
function fetchAgain(log: ActorLog, stored: Stored, state: PartitionState, ask: Asked, limits: Limits): Soon<Fetched> {
  return state.groups.get(ask.group.id) === ask.group ? fetch(log, stored, state, ask, limits) : NOTHING;
}

interface Candidate {
  readonly from: number;
  readonly end: number;
  /** Undefined for what was never delivered. */
  readonly run: Run | undefined;
}

/** What may go out now, in the order in which it should, at most `max` messages. */
function* candidates(state: PartitionState, group: Group, now: number, limits: Limits, max: number): Generator<Candidate> {
  const { runs, config } = group;
  let left = Math.min(max, placesFor(group, undefined));
  const strict = config.order === 'partition';
  if (left <= 0) return;
  if (strict && runs.inFlight > 0) return;
  if (runs.returned > 0) {
    for (const run of runs.list.slice()) {
      if (run.state !== RETURNED) continue;
      if (run.at > now) {
        if (strict) return;
        continue;
      }
      const end = Math.min(run.end, run.from + left);
      yield { from: run.from, end, run };
      left -= end - run.from;
      if (left <= 0) return;
    }
  }
  // What comes back goes out all the same: it is what makes the runs fewer.
  if (runs.list.length >= limits.runsMax) return;
  const from = Math.max(runs.next, state.first);
  const end = Math.min(state.next, from + left);
  if (from < end) yield { from, end, run: undefined };
}

/** @param others appended in the same commit, after the lease */
function lease(
  log: ActorLog,
  state: PartitionState,
  { group, consumer, leaseMs }: Asked,
  pieces: readonly Piece[],
  others: readonly Draft[] = [],
): Fetched {
  const { now } = log;
  const runs = pieces.map(({ found: { block }, deliveries }) => ({ from: block.first, count: block.count, deliveries }));
  const index = isPlanted('forget-a-lease')
    ? log.last
    : log.append([draft(KIND.leased, { group: group.id, consumer, expires: now + leaseMs, runs }), ...others], now) - others.length;
  const text = formatLease({ group: group.id, epoch: log.volume.epoch, index }, state.partition, state.secret);
  const blocks = pieces.map(({ found: { block }, deliveries }) => ({ ...block, deliveries, lease: text }));
  return { blocks, index, isCut: false, rests: pieces.reduce((rests, piece) => Math.max(rests, piece.rests, piece.found.index), 0) };
}
