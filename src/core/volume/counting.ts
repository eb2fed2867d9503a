/**
 * Counting living bytes anew where the sums no longer tell: a trim has cut a range inside a sealed segment, or a crash has
 * left an entry and its copy.
 *
 * Holds: an entry that is in two segments is counted where its copy is, which is the segment with the higher number.
 * Elsewhere: the sums themselves (actors.ts).
 */
import type { Actors, Range } from './actors.ts';
import type { Rows } from './table.ts';
import { placeOf, rowAt } from './table.ts';
import type { Tables } from './tables.ts';

export async function recount(actors: Actors, tables: Tables, range: Range): Promise<void> {
  const rows = tables.now(range) ?? (await tables.load(range));
  const copies = await copiesOf(tables, range);
  actors.settle(range, rows, (index) => isIn(copies, index));
}

/** The rows of ranges that may hold copies of what is in this one. */
export async function copiesOf(tables: Tables, range: Range): Promise<Rows[]> {
  const copies: Rows[] = [];
  for (const other of [...range.actor.ranges]) if (isLater(other, range)) copies.push(tables.now(other) ?? (await tables.load(other)));
  return copies;
}

export function isIn(copies: readonly Rows[], index: number): boolean {
  for (const rows of copies) {
    const at = placeOf(rows, index);
    if (at < rows.count && rows.table.index[rowAt(rows, at)] === index) return true;
  }
  return false;
}

/** After a crash: ranges that overlap a later one may have been copied in part. */
export function markCopied(actors: Actors): void {
  for (const { ranges } of actors.byKey.values()) {
    if (ranges.length < 2) continue;
    for (const range of ranges) if (ranges.some((other) => isLater(other, range))) actors.stale.add(range);
  }
}

const isLater = (other: Range, range: Range): boolean =>
  other.segment.number > range.segment.number && other.first <= range.last && other.last >= range.first;
