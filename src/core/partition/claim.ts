/**
 * What the producers of one step may use of their sequences, and what they have used.
 *
 * Holds: judging changes nothing; a newer epoch ends the older ones; within an epoch sequences are used in order, each
 * once. What was used in this step counts as known for the parts that follow in it.
 * Elsewhere: what is known from before (producers.ts), what becomes of a part's messages (produce.ts).
 */
import type { Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { Producer } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import type { ProducerRun } from '../entry/producer.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Producers, Progress } from './producers.ts';
import { findRun, remember } from './producers.ts';

export class Claims {
  readonly #producers: Producers;
  readonly #now: number;
  readonly #moves = new Map<string, Move>();
  readonly #ended: Move[] = [];

  constructor(producers: Producers, now: number) {
    this.#producers = producers;
    this.#now = now;
  }

  /**
   * @param count messages of the part
   * @returns why it may not be stored, or the claim, of which nothing is used yet
   */
  judge(producer: Producer, count: number): Claim | WaysideError {
    const before = this.#moves.get(producer.id) ?? this.#producers.find(producer.id, this.#now);
    const refusal = refuse(before, producer);
    if (refusal !== undefined) return refusal;
    const isNew = before === undefined || before.epoch < producer.epoch;
    return new Claim(isNew ? NOTHING : before, producer, count, () => this.#moveOf(producer, isNew ? undefined : before));
  }

  #moveOf(producer: Producer, before: Progress | undefined): Move {
    const move = this.#moves.get(producer.id);
    if (move !== undefined && move.epoch === producer.epoch) return move;
    if (move !== undefined) this.#ended.push(move);
    const made = new Move(producer, before);
    this.#moves.set(producer.id, made);
    return made;
  }

  drafts(): Draft[] {
    return [...this.#ended, ...this.#moves.values()].map((move) =>
      draft(KIND.producerMoved, {
        producer: move.id,
        epoch: move.epoch,
        sequence: move.sequence,
        count: move.next - move.sequence,
        stored: move.runs,
      }),
    );
  }
}

const NOTHING: Progress = { epoch: 0, next: 1, runs: [] };

/** What a producer uses of an epoch in this step. */
class Move implements Progress {
  readonly id: string;
  readonly epoch: number;
  readonly sequence: number;
  next: number;
  /** What was stored in this step. */
  readonly runs: ProducerRun[] = [];
  readonly earlier: readonly ProducerRun[];

  constructor({ id, epoch }: Producer, before: Progress | undefined) {
    this.id = id;
    this.epoch = epoch;
    this.sequence = before?.next ?? 1;
    this.next = this.sequence;
    this.earlier = before?.runs ?? [];
  }
}

/** A part's way through the sequences of its producer. */
export class Claim {
  readonly #before: Progress;
  readonly #producer: Producer;
  readonly #count: number;
  readonly #move: () => Move;
  /** Sequences below were used before this part. */
  readonly #next: number;

  constructor(before: Progress, producer: Producer, count: number, move: () => Move) {
    this.#before = before;
    this.#next = before.next;
    this.#producer = producer;
    this.#count = count;
    this.#move = move;
  }

  /** The sequence of the part's record `index` was used before. */
  isRepeat(index: number): boolean {
    return this.#producer.sequence + index < this.#next;
  }

  /** The message that the record became the first time; 0 where it is new, became none, or is not remembered. */
  place(index: number): number {
    if (!this.isRepeat(index)) return 0;
    const sequence = this.#producer.sequence + index;
    return findRun(this.#before.runs, sequence) || (this.#before instanceof Move ? findRun(this.#before.earlier, sequence) : 0);
  }

  /** `count` records from `index` on are messages from `first` on. */
  stored(index: number, count: number, first: number): void {
    remember(this.#move().runs, { sequence: this.#producer.sequence + index, count, first });
  }

  /** All sequences of the part are used. */
  use(): void {
    const end = this.#producer.sequence + this.#count;
    // A pure repeat uses nothing.
    if (end > this.#next) this.#move().next = end;
  }
}

function refuse(known: Progress | undefined, { id, epoch, sequence }: Producer): WaysideError | undefined {
  if (known === undefined) {
    if (sequence === 1) return undefined;
    const detail = `The partition does not know producer ${id} (any more), so its sequence is 1, not ${sequence}. Begin a newer epoch at 1.`;
    return new WaysideError('PRODUCER_GAP', detail, { expected: 1 });
  }
  if (epoch < known.epoch && !isPlanted('producer-not-fenced')) {
    const detail = `Producer ${id} is at epoch ${known.epoch} here, and this is ${epoch}. Another one has taken over: stop, or begin a newer epoch.`;
    return new WaysideError('PRODUCER_FENCED', detail, { epoch: known.epoch });
  }
  const next = epoch > known.epoch ? 1 : known.next;
  if (sequence <= next || isPlanted('producer-gap-accepted')) return undefined;
  const detail = `The next sequence of producer ${id} in epoch ${epoch} is ${next}, not ${sequence}. Send what comes before it first.`;
  return new WaysideError('PRODUCER_GAP', detail, { expected: next });
}
