/**
 * The cursor of a sequential read: how far it has come, in one partition or in all, as an opaque text.
 *
 * Holds: a cursor names its station's incarnation, so that one of a removed station leads nowhere.
 * Layout: `c1.STATION.SCOPE.NEXT-NEXT-…`, numbers in base 36; SCOPE is a partition or `all`; NEXT the next sequence of each.
 */
import { WaysideError } from './errors.ts';

export interface Cursor {
  readonly station: number;
  /** Undefined: all partitions. */
  readonly partition: number | undefined;
  /** Next sequence, by partition (or the one of `partition` alone). */
  readonly next: readonly number[];
}

export function formatCursor({ station, partition, next }: Cursor): string {
  const scope = partition === undefined ? 'all' : partition.toString(36);
  return `c1.${station.toString(36)}.${scope}.${next.map((sequence) => sequence.toString(36)).join('-')}`;
}

/** @throws INVALID_REQUEST it is none */
export function parseCursor(text: string): Cursor {
  const [, station, scope, next] = /^c1\.([0-9a-z]{1,11})\.(all|[0-9a-z]{1,4})\.([0-9a-z]{1,11}(?:-[0-9a-z]{1,11})*)$/.exec(text) ?? [];
  if (station === undefined || scope === undefined || next === undefined)
    throw new WaysideError('INVALID_REQUEST', 'The cursor is none. Give one as a read answered it.', { field: 'cursor' });
  const cursor = {
    station: parseInt(station, 36),
    partition: scope === 'all' ? undefined : parseInt(scope, 36),
    next: next.split('-').map((part) => parseInt(part, 36)),
  };
  const numbers = [cursor.station, ...cursor.next];
  if (numbers.some((value) => !Number.isSafeInteger(value)) || cursor.next.some((value) => value < 1)) {
    throw new WaysideError('INVALID_REQUEST', 'The cursor is none. Give one as a read answered it.', { field: 'cursor' });
  }
  return cursor;
}

/** The cursor once messages of `partition` below `next` are read: for giving each message of a read its own. */
export function advanceCursor(text: string, partition: number, next: number): string {
  const cursor = parseCursor(text);
  if (cursor.partition !== undefined) return formatCursor({ ...cursor, next: [next] });
  return formatCursor({ ...cursor, next: cursor.next.map((value, index) => (index === partition ? next : value)) });
}
