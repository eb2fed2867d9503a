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
/** The same where only heads are wanted: of few rows. */
const HEADS_BYTES = 128 * 1024;
/** Rows that are looked at one after another from where the last search ended, before halving begins. */
const STEPS = 4;

export interface Range {
  /** Indexes, the second not included. */
  readonly from: number;
  readonly to: number;
  readonly what: 'all' | 'data';
  /** Bodies are not wanted. */
  readonly headsOnly?: boolean;
}

/** Entries in the order of their index, as long as the caller asks for more. Long bodies are not loaded. */
export async function* entriesOf(rows: Rows, actor: Actor, { from, to, what, headsOnly }: Range): AsyncGenerator<RowEntry> {
  const end = baseOf(actor.id + 1);
  const bytes = headsOnly === true ? HEADS_BYTES : LIST_BYTES;
  for (let next = from; next < to; ) {
    const start = rowId(actor.id, next);
    const data = await rows.list('data', start, end, bytes);
    const state = what === 'data' ? [] : await rows.list('state', start, end, bytes);
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
  for await (const { entry } of entriesOf(rows, actor, { from: row, to, what: 'data', headsOnly: true }))
    if (entry.count > 0 && (by === 'time' ? entry.time : entry.first + entry.count - 1) >= value) return entry.index;
  return undefined;
}

/**
 * The least index that lies in the first row that reaches `value`, or may. Whoever searches goes forward as a rule: so a few rows are
 * looked at from where the last search ended, and then what it can be is halved.
 */
async function firstRow(rows: Rows, actor: Actor, by: 'sequence' | 'time', value: number): Promise<number | undefined> {
  const end = baseOf(actor.id + 1);
  const { hint } = actor;
  let low = Math.max(actor.data, hint !== undefined && hint.by === by && hint.below < value ? hint.index : 0);
  let high = actor.last + 1;
  for (let step = 0; low < high; step++) {
    const middle = step < STEPS ? low : Math.floor((low + high) / 2);
    const found: Soon<{ id: number; sequence: number; time: number } | undefined> = rows.mark(
      'data',
      rowId(actor.id, middle),
      end,
      'first',
    );
    const mark = found instanceof Promise ? await found : found;
    if (mark === undefined || mark[by] >= value) high = middle;
    else {
      low = mark.id - baseOf(actor.id) + 1;
      actor.hint = { by, below: mark[by], index: low };
    }
  }
  return low > actor.last ? undefined : low;
}
