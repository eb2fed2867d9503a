/**
 * What a group has done with the messages of a partition, as runs of neighbours that fared alike.
 *
 *      floor                                        next
 *   …───┼──leased──┼─acked─┼──returned──┼──leased───┼··· never delivered
 *
 * Holds: the runs cover floor … next − 1 without a gap or an overlap, in order; the first is never `acked`; neighbours
 * that are equal are one run. Everything below `floor` is settled; nothing at or above `next` was ever delivered.
 * The counts are those of the runs. `earliest` is never later than the first expiry or due time among them.
 * Elsewhere: what to deliver (fetch.ts), who may settle it (acknowledge.ts), the entries (entry/group.ts).
 */

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
}

const SETTLED = { state: ACKED, epoch: 0, index: 0, deliveries: 0, at: 0, since: 0, consumer: '', pinned: false, rests: 0 } as const;

export function ackedRun(from: number, end: number): Run {
  return { from, end, ...SETTLED };
}

export class Runs {
  list: Run[] = [];
  next: number;
  inFlight = 0;
  redelivered = 0;
  returned = 0;
  earliest = Infinity;

  constructor(next: number) {
    this.next = next;
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
    merge(this.list, run);
    this.#settleFloor();
  }

  /** Replaces each part of `from … end − 1`, which must lie within floor … next, by what `make` makes of it. */
  change(from: number, end: number, make: (part: Run) => Run): void {
    if (from >= end) return;
    if (from < this.floor || end > this.next) throw new TypeError(`Messages ${from}–${end} are not within ${this.floor}–${this.next}.`);
    const low = Math.max(0, this.#locate(from) - 1);
    const made: Run[] = [];
    let high = low;
    for (let run = this.list[high]; run !== undefined && run.from < end; run = this.list[++high]) {
      if (run.end <= from) {
        merge(made, run);
        continue;
      }
      this.#count(run, -1);
      const cutFrom = Math.max(run.from, from);
      const cutEnd = Math.min(run.end, end);
      const pieces = [{ ...run, end: cutFrom }, make({ ...run, from: cutFrom, end: cutEnd }), { ...run, from: cutEnd }];
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
  }

  /** Makes a settled message below the floor one to be delivered again. */
  reopen(run: Run): void {
    if (run.end > this.floor) throw new TypeError(`Message ${run.from} is not below ${this.floor}.`);
    const before = run.end < this.floor ? [run, ackedRun(run.end, this.floor)] : [run];
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
function merge(list: Run[], run: Run): void {
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
    a.pinned === b.pinned
  );
}
