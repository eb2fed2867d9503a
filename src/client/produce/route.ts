/**
 * Which partition a message goes to, as API.md §6 has it: the key decides, else the id, else turns are taken.
 */
import { slotOf } from '../../core/xxh32.ts';
import { fieldsOf, misshapen } from '../answers.ts';

export interface Route {
  readonly partitions: number;
  /** Partition of a slot; undefined where there is one partition. */
  readonly slots: Uint16Array | undefined;
}

/** @param station as `GET /stations/:s` answers it. @throws UNAVAILABLE it says nothing of its partitions */
export function routeOf(station: unknown): Route {
  const { partitions, slots } = fieldsOf(station);
  if (partitions === 1) return { partitions, slots: undefined };
  if (!Number.isSafeInteger(partitions) || (partitions as number) < 1 || !Array.isArray(slots)) throw misshapen('GET station');
  const table = new Uint16Array(4096);
  for (const [first, last, partition] of slots) table.fill(partition, first, last + 1);
  return { partitions: partitions as number, slots: table };
}

/** @param text the key, or the id */
export function partitionOf(slots: Uint16Array, text: string): number {
  return slots[slotOf(ENCODER.encode(text))]!;
}

const ENCODER = new TextEncoder();
