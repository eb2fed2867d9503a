/**
 * A batch on its way: the promises of its messages, and what is known of its fate.
 *
 * Holds: each message is settled exactly once; an answer that does not account for every message settles none of them as
 * stored.
 * Elsewhere: when it is sent, and sent again (lane.ts).
 */
import type { FrameProduced } from '../../protocol/frames.ts';
import { misshapen } from '../answers.ts';
import type { WaysideError } from '../errors.ts';
import { told } from '../errors.ts';
import type { Produced } from './message.ts';

/** Told of one message. `send` has none of these, but a `failed` if anybody wants to know. */
export interface Entry {
  readonly resolve: ((produced: Produced) => void) | undefined;
  readonly reject: (error: WaysideError) => void;
}

export class Batch {
  readonly deadline: number;
  readonly atomic: boolean;
  readonly expectedSequence: number | undefined;
  /** One a message, in order. */
  readonly resolves: (Entry['resolve'] | undefined)[] = [];
  readonly rejects: Entry['reject'][] = [];
  /** Set when the batch is closed. */
  bytes: Uint8Array = EMPTY;
  epoch = 0;
  /** Of the first message; 0 before the batch is first sent. */
  sequence = 0;
  /** An attempt has not been answered yet. */
  isUnderWay = false;
  /** An attempt ended without telling whether it was stored. */
  maybeStored = false;
  /** The last attempt was answered with PRODUCER_GAP. */
  gap = false;
  isDone = false;

  constructor(deadline: number, atomic = false, expectedSequence?: number) {
    this.deadline = deadline;
    this.atomic = atomic;
    this.expectedSequence = expectedSequence;
  }

  get count(): number {
    return this.rejects.length;
  }

  /** @throws UNAVAILABLE the answer is none for this batch; nothing is settled */
  answered(answer: FrameProduced, partition: number): void {
    const { ranges, duplicates, scheduled, errors, durability } = answer;
    const [range] = ranges;
    const { resolves } = this;
    const count = resolves.length;
    if (ranges.length === 1 && duplicates.length + scheduled.length + errors.length === 0 && isRange(range, partition, count)) {
      this.isDone = true;
      const first = range[1];
      for (let i = 0; i < count; i++) resolves[i]?.({ partition, sequence: first + i, duplicate: false, durability });
      return;
    }
    const fates = fatesOf(answer, partition, count);
    this.isDone = true;
    for (let i = 0; i < count; i++) {
      const fate = fates[i]!;
      if (fate instanceof Error) this.rejects[i]!(fate);
      else resolves[i]?.(fate);
    }
  }

  fail(error: WaysideError): void {
    this.isDone = true;
    for (const reject of this.rejects) reject(error);
  }
}

const EMPTY = new Uint8Array(0);

/** What became of each message, by index: exceptions first, the others in the order of the ranges. */
function fatesOf({ ranges, duplicates, scheduled, errors, durability }: FrameProduced, partition: number, count: number) {
  const fates = new Array<Produced | WaysideError | undefined>(count);
  const put = (index: unknown, fate: Produced | WaysideError) => {
    if (!isWhole(index, 0) || index >= count || fates[index] !== undefined) throw misshapen('produce');
    fates[index] = fate;
  };
  for (const [index, of, sequence] of duplicates) {
    if (!isWhole(of, 0) || !isWhole(sequence, 1)) throw misshapen('produce');
    put(index, { partition: of, sequence, duplicate: true, durability });
  }
  for (const [index, scheduleId, dueAt] of scheduled)
    put(index, { partition, sequence: 0, duplicate: false, durability, scheduleId, dueAt });
  for (const [index, code] of errors) put(index, told(code, undefined, { outcome: 'refused' }));
  let index = 0;
  for (const range of ranges) {
    if (!isRange(range, partition, undefined)) throw misshapen('produce');
    const [, first, length] = range;
    for (let i = 0; i < length; i++) {
      while (fates[index] !== undefined) index++;
      put(index, { partition, sequence: first + i, duplicate: false, durability });
    }
  }
  // Every message is accounted for: a hole would be one that is lost without a word.
  for (let i = 0; i < count; i++) if (fates[i] === undefined) throw misshapen('produce');
  return fates;
}

function isRange(range: unknown, partition: number, count: number | undefined): range is readonly [number, number, number] {
  if (!Array.isArray(range) || range[0] !== partition || !isWhole(range[1], 1) || !isWhole(range[2], 1)) return false;
  return count === undefined || range[2] === count;
}

function isWhole(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}
