/**
 * The answer to a produce, told message by message or by ranges: shared by HTTP and by frames.
 *
 * Holds: places are in the order sent; each is written by the caller's own function, as a text or as an object.
 */
import type { ProduceResult } from '../core/calls.ts';
import type { FrameProduced } from '../protocol/frames.ts';

export interface PlaceForms<T> {
  placed(partition: number, sequence: number, isDuplicate: boolean): T;
  delayed(scheduleId: string, dueAt: number): T;
  refused(code: string, detail: string): T;
}

/** Each message's place, or why it has none. */
export function placesOf<T>(
  { count, ranges, duplicates, scheduled, errors, partitions }: ProduceResult,
  { placed, delayed, refused }: PlaceForms<T>,
): T[] {
  const places = new Array<T>(count);
  for (const { index, code, detail } of errors) places[index] = refused(code, detail);
  for (const { index, scheduleId, dueAt } of scheduled) places[index] = delayed(scheduleId, dueAt);
  for (const [index, partition, sequence] of duplicates) places[index] = placed(partition, sequence, true);

  // What is left was stored: in each partition the ranges, in order, are its sequences.
  const only = ranges[0]?.[0] ?? 0;
  const sequences = new Map<number, Iterator<number, undefined>>();
  for (let index = 0; index < count; index++) {
    if (places[index] !== undefined) continue;
    const partition = partitions?.[index] ?? only;
    let next = sequences.get(partition);
    if (next === undefined) {
      next = sequencesOf(ranges, partition);
      sequences.set(partition, next);
    }
    const { value } = next.next();
    if (value === undefined) throw new TypeError('a message that was neither stored nor refused');
    places[index] = placed(partition, value, false);
  }
  return places;
}

/** By ranges, as a batch of records is answered. */
export function rangesOf({ ranges, duplicates, scheduled, errors, durability }: ProduceResult): FrameProduced {
  return {
    ranges,
    duplicates,
    scheduled: scheduled.map(({ index, scheduleId, dueAt }) => [index, scheduleId, dueAt] as const),
    errors: errors.map(({ index, code }) => [index, code] as const),
    durability,
  };
}

function* sequencesOf(ranges: ProduceResult['ranges'], partition: number): Generator<number, undefined> {
  for (const [of, first, count] of ranges) {
    if (of !== partition) continue;
    for (let sequence = first; sequence < first + count; sequence++) yield sequence;
  }
  return undefined;
}
