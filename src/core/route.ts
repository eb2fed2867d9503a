/** Which partition of a station a message goes to, where its producer has not said so. */
import type { RecordCursor } from './batch/cursor.ts';
import { SLOTS, slotOf } from './xxh32.ts';

/** By key, else by id, else by turns. @param cursor at a record */
export function partitionFor(cursor: RecordCursor, partitions: number, takeTurn: () => number): number {
  if (cursor.keyStart >= 0) return partitionOf(slotOf(cursor.bytes, cursor.keyStart, cursor.keyEnd), partitions);
  if (cursor.idStart >= 0) return partitionOf(slotOf(cursor.bytes, cursor.idStart, cursor.idEnd), partitions);
  return takeTurn() % partitions;
}

/** Where a message of that slot goes. */
export function partitionOf(slot: number, partitions: number): number {
  return Math.floor((slot * partitions) / SLOTS);
}
