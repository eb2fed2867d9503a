/**
 * Which messages of a group with the order `key` may go out: of each key the earliest that is not settled, alone.
 *
 * Holds: of what the group has come to and not settled, every message with a key is in the lane of its key, in order; what
 * may have become free is in a heap, and is looked at again before it goes out: so a fetch costs what it gives, however
 * many wait behind a stuck key. Keys are known by 53 bits of their hash: two that share one wait for each other, no more.
 * It is told what happens by the runs (Watcher). Not part of the state: it is made anew from the messages themselves after an
 * opening, and whenever something happened that it was not prepared for.
 */
import type { RecordCursor } from '../batch/cursor.ts';
import { Heap } from '../heap.ts';
import { xxh32 } from '../xxh32.ts';
import type { Run, Runs, Watcher } from './runs.ts';
import { ACKED, LEASED, RETURNED } from './runs.ts';

interface Lane {
  readonly hash: number;
  /** Not settled, in order. */
  readonly open: number[];
  /** How many of them are out: 1 at most, but for what was out when an earlier one was redriven. */
  out: number;
}

/** The hash of a record's key; −1 without one. */
export function keyHash({ bytes, keyStart, keyEnd }: RecordCursor): number {
  if (keyStart < 0) return -1;
  return xxh32(bytes, 0, keyStart, keyEnd) * 2 ** 21 + (xxh32(bytes, 1, keyStart, keyEnd) >>> 11);
}

export class Keys implements Watcher {
  /** Something happened that it does not know the keys of: it has to be made anew. */
  isBroken = false;
  readonly #runs: Runs;
  /** Messages below are known. */
  #until: number;
  readonly #lanes = new Map<number, Lane>();
  readonly #laneOf = new Map<number, Lane>();
  readonly #ready = new Heap<number>((a, b) => a < b);
  readonly #later = new Heap<{ at: number; sequence: number }>((a, b) => a.at < b.at);

  constructor(runs: Runs) {
    this.#runs = runs;
    this.#until = runs.next;
  }

  // ── What there is ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Messages that are open already, in order; `hash` is −1 where there is no key. */
  load(sequence: number, hash: number, run: Run): void {
    this.#enter(sequence, hash);
    const lane = this.#laneOf.get(sequence);
    if (run.state === LEASED) {
      if (lane !== undefined) lane.out++;
    } else this.#ready.push(sequence);
  }

  /** A message that the entry to come gives out, or passes by. */
  expect(sequence: number, hash: number): void {
    this.#enter(sequence, hash);
    this.#until = sequence + 1;
  }

  /** The entry to come settles these at once. */
  skip(until: number): void {
    this.#until = Math.max(this.#until, until);
  }

  #enter(sequence: number, hash: number): void {
    if (hash < 0) return;
    let lane = this.#lanes.get(hash);
    if (lane === undefined) {
      lane = { hash, open: [], out: 0 };
      this.#lanes.set(hash, lane);
    }
    lane.open.push(sequence);
    this.#laneOf.set(sequence, lane);
  }

  /** Nothing of the key is open. */
  isFree(hash: number): boolean {
    return !this.#lanes.has(hash);
  }

  /** It is the first of its key, and none of them is out. */
  isNext(sequence: number): boolean {
    const lane = this.#laneOf.get(sequence);
    return lane === undefined || (lane.out === 0 && lane.open[0] === sequence);
  }

  /** What came back or waited and may go out at `now`, in order. Taken out: what does not go has to be offered again. */
  *take(now: number): Generator<{ readonly sequence: number; readonly run: Run }> {
    let last = 0;
    for (;;) {
      const sequence = this.#peek(now);
      if (sequence === undefined) return;
      this.#ready.pop();
      const run = this.#runs.at(sequence)!;
      if (sequence !== last) yield { sequence, run };
      last = sequence;
    }
  }

  hasReady(now: number): boolean {
    return this.#peek(now) !== undefined;
  }

  offer(sequence: number): void {
    this.#ready.push(sequence);
  }

  /** The first that may go out; what may not is dropped on the way: it is offered again when that changes. */
  #peek(now: number): number | undefined {
    for (let later = this.#later.least; later !== undefined && later.at <= now; later = this.#later.least)
      this.#ready.push(this.#later.pop()!.sequence);
    for (let sequence = this.#ready.least; sequence !== undefined; sequence = this.#ready.least) {
      const run = this.#runs.at(sequence);
      const waits = run?.state === RETURNED && this.isNext(sequence);
      if (waits && run.at <= now) return sequence;
      this.#ready.pop();
      if (waits) this.#later.push({ at: run.at, sequence });
    }
    return undefined;
  }

  // ── What happens ───────────────────────────────────────────────────────────────────────────────────────────────

  pushed(run: Run): void {
    if (run.end > this.#until) this.isBroken = true;
    else if (run.state === LEASED) this.#each(run, (_, lane) => lane.out++);
  }

  leased(run: Run, before: Run): void {
    if (before.state === ACKED) this.isBroken = true;
    else if (before.state === RETURNED) this.#each(run, (_, lane) => lane.out++);
  }

  returned(run: Run, before: Run): void {
    if (before.state === ACKED) {
      this.isBroken = true;
      return;
    }
    for (let sequence = run.from; sequence < run.end; sequence++) {
      const lane = this.#laneOf.get(sequence);
      if (lane !== undefined && before.state === LEASED) lane.out--;
      this.#ready.push(lane?.open[0] ?? sequence);
    }
  }

  settled(from: number, end: number, before: Run): void {
    for (let sequence = from; sequence < end; sequence++) {
      const lane = this.#laneOf.get(sequence);
      if (lane === undefined) continue;
      this.#laneOf.delete(sequence);
      if (before.state === LEASED) lane.out--;
      if (lane.open[0] === sequence) lane.open.shift();
      else lane.open.splice(lane.open.indexOf(sequence), 1);
      const [next] = lane.open;
      if (next === undefined) this.#lanes.delete(lane.hash);
      else this.#ready.push(next);
    }
  }

  #each({ from, end }: Run, act: (sequence: number, lane: Lane) => void): void {
    for (let sequence = from; sequence < end; sequence++) {
      const lane = this.#laneOf.get(sequence);
      if (lane !== undefined) act(sequence, lane);
    }
  }
}
