/**
 * Reading what is older than the entries in memory: from rows, checked, in the order of their index.
 *
 * Holds: what is dead is passed over; what was trimmed while it was read is not missed.
 */
import type { Row, Rows, Soon, StoredEntry } from '../ports.ts';
import type { Actor } from './actor.ts';
import { baseOf, join, partsEnd, partsOf, rowId } from './layout.ts';
import type { RowEntry } from './row.ts';
import { damaged, decodeRow } from './row.ts';

/** Bytes of rows that are asked for at once. */
const LIST_BYTES = 1024 * 1024;

export interface Range {
  /** Indexes, the second not included. */
  readonly from: number;
  readonly to: number;
  readonly what: 'all' | 'data';
}

/** Entries in the order of their index, as long as the caller asks for more. Long bodies are not loaded. */
export async function* entriesOf(rows: Rows, actor: Actor, { from, to, what }: Range): AsyncGenerator<RowEntry> {
  const end = baseOf(actor.id + 1);
  for (let next = from; next < to; ) {
    const start = rowId(actor.id, next);
    const data = await rows.list('data', start, end, LIST_BYTES);
    const state = what === 'data' ? [] : await rows.list('state', start, end, LIST_BYTES);
    if (data.length + state.length === 0) return;
    // Beyond what both lists reach, one of them may hold something that the other does not show yet.
    const reach = Math.min(reachOf(data, actor), reachOf(state, actor));
    const merged = [...data, ...state]
      .flatMap((row) => decodeRow(row.bytes, `A row of ${actor.key}`))
      .filter(({ entry }) => entry.index >= next && entry.index <= reach && entry.index < to)
      .sort((a, b) => a.entry.index - b.entry.index);
    for (const each of merged) if (actor.isLiving(each.entry) && (each.entry.data || what === 'all')) yield each;
    next = reach + 1;
  }
}

function reachOf(rows: readonly Row[], { id }: Actor): number {
  const last = rows.at(-1);
  return last === undefined ? Infinity : last.id - baseOf(id);
}

/** With its body, wherever that lies; undefined where it was trimmed while it was read. @throws CORRUPTION */
export async function wholeOf(rows: Rows, actor: Actor, { entry, inParts }: RowEntry): Promise<StoredEntry | undefined> {
  if (!inParts) return entry;
  const first = partsOf(actor.id, entry.index);
  const body = join(await rows.list('parts', first, partsEnd(first), Infinity), entry.bodyBytes, entry.crc);
  if (body !== undefined) return { ...entry, body };
  if (!actor.isLiving(entry)) return undefined;
  throw damaged(`Entry ${entry.index} of ${actor.key}`);
}

/** Index of the first living data entry below `to` that reaches `value`; undefined where there is none. */
export async function findIn(rows: Rows, actor: Actor, by: 'sequence' | 'time', value: number, to: number): Promise<number | undefined> {
  const row = await firstRow(rows, actor, by, value);
  if (row === undefined) return undefined;
  for await (const { entry } of entriesOf(rows, actor, { from: row, to, what: 'data' }))
    if (entry.count > 0 && (by === 'time' ? entry.time : entry.first + entry.count - 1) >= value) return entry.index;
  return undefined;
}

/** The least index that lies in the first row that reaches `value`, or may: halving what it can be. */
async function firstRow(rows: Rows, actor: Actor, by: 'sequence' | 'time', value: number): Promise<number | undefined> {
  const end = baseOf(actor.id + 1);
  let low = actor.data;
  let high = actor.last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found: Soon<{ id: number; sequence: number; time: number } | undefined> = rows.mark(
      'data',
      rowId(actor.id, middle),
      end,
      'first',
    );
    const mark = found instanceof Promise ? await found : found;
    if (mark === undefined || mark[by] >= value) high = middle;
    else low = mark.id - baseOf(actor.id) + 1;
  }
  return low > actor.last ? undefined : low;
}
