/**
 * What a group has done with the messages of a partition, as runs of neighbours that fared alike.
 *
 *      floor                                        next
 *   …───┼──leased──┼─acked─┼──returned──┼──leased───┼··· never delivered
 *
 * Holds: the runs cover floor … next − 1 without a gap or an overlap, in order; the first is never `acked`; neighbours
 * that are equal are one run. Everything below `floor` is settled; nothing at or above `next` was ever delivered.
 * The counts are those of the runs. `earliest` is never later than the first expiry or due time among them. What was settled is
 * counted by why, once, as it is settled: `next − 1 + tally.again` is the sum of the tally and of what is out or came back.
 * Elsewhere: what to deliver (fetch.ts), who may settle it (acknowledge.ts), the entries (entry/group.ts).
 */

import { isPlanted } from '../faults.ts';

/** Why a message is settled. */
export type Why = 'acknowledged' | 'dead' | 'expired' | 'trimmed' | 'filtered';

/** Messages by why the group has settled them, since it was moved last. */
export interface Tally extends Record<Why, number> {
  /** Those before the place where the group began, or was moved to. */
  skipped: number;
  /** Opened again after they had been counted. */
  again: number;
}

/** A delivery of a message that came to nothing, or a redrive. */
export interface Past {
  readonly at: number;
  readonly event: 'nacked' | 'expired' | 'redriven' | 'rejected' | 'max-deliveries';
  readonly consumer: string;
  readonly deliveries: number;
}

/** Of the past of a message, so much is kept. */
const PAST_MAX = 8;
const NO_PAST: readonly Past[] = [];

/** Told of what happens to messages that are open: given out, or to be given out again. */
export interface Watcher {
  /** `from … end − 1` were given out for the first time, or passed by. */
  pushed(run: Run): void;
  leased(run: Run, before: Run): void;
  returned(run: Run, before: Run): void;
  settled(from: number, end: number, before: Run): void;
}

export const ACKED = 0;
export const LEASED = 1;
export const RETURNED = 2;

/** Messages `from … end − 1`. */
export interface Run {
  readonly from: number;
  readonly end: number;
  readonly state: typeof ACKED | typeof LEASED | typeof RETURNED;
  /** The last lease, as compareLeases orders them: epoch and index of its entry. */
  readonly epoch: number;
  readonly index: number;
  readonly deliveries: number;
  /** Leased: when it expires. Returned: before when it is not delivered again (0: at once). */
  readonly at: number;
  /** When it was leased last, and to whom. */
  readonly since: number;
  readonly consumer: string;
  /** It was redriven: its bytes are kept for this group though the station may have trimmed it. */
  readonly pinned: boolean;
  /** Index of the entry that a delivery of it rests on. */
  readonly rests: number;
  /** How often it was redriven to the group, and what came of its last deliveries. */
  readonly redrives: number;
  readonly past: readonly Past[];
  /** Acked: why, as it is settled; it is counted then, and not kept. */
  readonly why: Why;
}

const BLANK = {
  epoch: 0,
  index: 0,
  deliveries: 0,
  at: 0,
  since: 0,
  consumer: '',
  pinned: false,
  rests: 0,
  redrives: 0,
  past: NO_PAST,
  why: 'acknowledged',
} as const;

export function withPast(past: readonly Past[], next: Past): readonly Past[] {
  return [...past.slice(1 - PAST_MAX), next];
}

export function settledRun(from: number, end: number, why: Why): Run {
  return { ...BLANK, from, end, state: ACKED, why };
}

/** Passed by without being given out: it goes out before anything newer. */
export function blankRun(from: number, end: number): Run {
  return { ...BLANK, from, end, state: RETURNED };
}

export class Runs {
  list: Run[] = [];
  next: number;
  inFlight = 0;
  redelivered = 0;
  returned = 0;
  earliest = Infinity;
  /** In flight, by consumer; those who hold nothing are not in it. */
  readonly held = new Map<string, number>();
  readonly tally: Tally;
  /** Where the group began, or was moved to. */
  readonly base: number;
  watcher: Watcher | undefined;

  constructor(next: number, base = next) {
    this.next = next;
    this.base = base;
    this.tally = { acknowledged: 0, dead: 0, expired: 0, trimmed: 0, filtered: 0, skipped: base - 1, again: 0 };
  }

  /** Messages that are out or wait to be given out again. */
  get open(): number {
    return this.inFlight + this.returned;
  }

  get floor(): number {
    return this.list[0]?.from ?? this.next;
  }

  /** The run that holds `sequence`, or undefined when it is below the floor or was never delivered. */
  at(sequence: number): Run | undefined {
    return sequence < this.floor || sequence >= this.next ? undefined : this.list[this.#locate(sequence)];
  }

  /** Adds a run at `next`. */
  push(run: Run): void {
    if (run.from !== this.next || run.end <= run.from) throw new TypeError(`A run ${run.from}–${run.end} cannot follow ${this.next}.`);
    this.next = run.end;
    this.#count(run, 1);
    if (run.state === ACKED) this.tally[run.why] += run.end - run.from;
    merge(this.list, run);
    this.#settleFloor();
    if (run.state !== ACKED) this.watcher?.pushed(run);
  }

  /** Replaces each part of `from … end − 1`, which must lie within floor … next, by what `make` makes of it. */
  change(from: number, end: number, make: (part: Run) => Run): void {
    if (from >= end) return;
    if (from < this.floor || end > this.next) throw new TypeError(`Messages ${from}–${end} are not within ${this.floor}–${this.next}.`);
    const low = Math.max(0, this.#locate(from) - 1);
    const made: Run[] = [];
    const moves: [Run, Run][] = [];
    let high = low;
    for (let run = this.list[high]; run !== undefined && run.from < end; run = this.list[++high]) {
      if (run.end <= from) {
        merge(made, run);
        continue;
      }
      this.#count(run, -1);
      const cut = { ...run, from: Math.max(run.from, from), end: Math.min(run.end, end) };
      const changed = make(cut);
      moves.push([cut, changed]);
      const pieces = [{ ...run, end: cut.from }, changed, { ...run, from: cut.end }];
      for (const piece of pieces) {
        if (piece.from >= piece.end) continue;
        this.#count(piece, 1);
        merge(made, piece);
      }
    }
    const after = this.list[high];
    if (after !== undefined) {
      merge(made, after);
      high++;
    }
    this.list.splice(low, high - low, ...made);
    this.#settleFloor();
    for (const [before, after] of moves) this.#moved(before, after);
  }

  #moved(before: Run, after: Run): void {
    if (after.state === ACKED) {
      if (before.state === ACKED) return;
      if (after.why !== 'trimmed' || !isPlanted('trimmed-not-counted')) this.tally[after.why] += after.end - after.from;
      this.watcher?.settled(after.from, after.end, before);
    } else if (after.state === LEASED) this.watcher?.leased(after, before);
    else this.watcher?.returned(after, before);
  }

  /** Makes a settled message below the floor one to be delivered again. */
  reopen(run: Run): void {
    if (run.end > this.floor) throw new TypeError(`Message ${run.from} is not below ${this.floor}.`);
    this.watcher = undefined;
    const before = run.end < this.floor ? [run, settledRun(run.end, this.floor, 'acknowledged')] : [run];
    this.#count(run, 1);
    const first = this.list.shift();
    const made = before.slice();
    if (first !== undefined) merge(made, first);
    this.list.unshift(...made);
  }

  /** Finds `earliest` anew, at `now`: what has come back by then waits for a consumer, not for a time. */
  refreshEarliest(now: number): void {
    this.earliest = Infinity;
    for (const run of this.list)
      if (isTimed(run) && (run.state === LEASED || run.at > now)) this.earliest = Math.min(this.earliest, run.at);
  }

  #locate(sequence: number): number {
    let low = 0;
    let high = this.list.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.list[middle]!.from <= sequence) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #count(run: Run, sign: 1 | -1): void {
    const messages = sign * (run.end - run.from);
    if (run.state === LEASED) {
      this.inFlight += messages;
      const held = (this.held.get(run.consumer) ?? 0) + messages;
      if (held > 0) this.held.set(run.consumer, held);
      else this.held.delete(run.consumer);
      if (run.deliveries > 1) this.redelivered += messages;
    } else if (run.state === RETURNED) this.returned += messages;
    if (sign > 0 && isTimed(run)) this.earliest = Math.min(this.earliest, run.at);
  }

  #settleFloor(): void {
    let settled = 0;
    while (this.list[settled]?.state === ACKED) settled++;
    if (settled > 0) this.list.splice(0, settled);
  }
}

function isTimed(run: Run): boolean {
  return run.state === LEASED || (run.state === RETURNED && run.at > 0);
}

/** Adds a run to a list that ends where it begins, as part of its last one if they are alike. */
function merge(list: Run[], made: Run): void {
  const run = made.state === ACKED && made.why !== 'acknowledged' ? settledRun(made.from, made.end, 'acknowledged') : made;
  const last = list[list.length - 1];
  if (last === undefined || !alike(last, run)) list.push(run);
  else list[list.length - 1] = { ...last, end: run.end, since: Math.max(last.since, run.since), rests: Math.max(last.rests, run.rests) };
}

function alike(a: Run, b: Run): boolean {
  if (a.state !== b.state) return false;
  if (a.state === ACKED) return true;
  return (
    a.epoch === b.epoch &&
    a.index === b.index &&
    a.deliveries === b.deliveries &&
    a.at === b.at &&
    a.consumer === b.consumer &&
    a.pinned === b.pinned &&
    a.redrives === b.redrives &&
    samePast(a.past, b.past)
  );
}

function samePast(a: readonly Past[], b: readonly Past[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every(({ at, event, consumer, deliveries }, i) => {
    const other = b[i]!;
    return at === other.at && event === other.event && consumer === other.consumer && deliveries === other.deliveries;
  });
}
