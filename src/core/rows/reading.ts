/**
 * Reading what is older than the entries in memory: from rows, checked, in the order of their index.
 *
 * Holds: what is dead is passed over; what was trimmed while it was read is not missed.
 */
import type { EntryHead, Row, Rows, Soon, StoredEntry } from '../ports.ts';
import type { Actor } from './actor.ts';
import { baseOf, join, partsEnd, partsOf, rowId } from './layout.ts';
import { headsOf } from './memory.ts';
import type { RowEntry } from './row.ts';
import { damaged, decodeRow } from './row.ts';

/** Bytes of rows that are asked for at once. */
const LIST_BYTES = 1024 * 1024;
/** The same where only heads are wanted: of few rows. */
const HEADS_BYTES = 128 * 1024;
/** Rows that are looked at one after another from where the last search ended, before halving begins. */
const STEPS = 4;
/** Heads that are noted of an actor. */
const NOTED_MAX = 64;

export interface Range {
  /** Indexes, the second not included. */
  readonly from: number;
  readonly to: number;
  readonly what: 'all' | 'data';
  /** Bodies are not wanted. */
  readonly headsOnly?: boolean;
}

/** Entries in the order of their index, as long as the caller asks for more. Long bodies are not loaded. */
export async function* entriesOf(rows: Rows, actor: Actor, range: Range): AsyncGenerator<RowEntry> {
  for (let { from } = range; from < range.to; ) {
    const { entries, to } = await pieceOf(rows, actor, { ...range, from }, range.headsOnly === true ? HEADS_BYTES : LIST_BYTES);
    for (const each of entries) if (actor.isLiving(each.entry)) yield each;
    from = to;
  }
}

/** What some rows have of a range, dead or alive, and where the next ones begin. */
async function pieceOf(rows: Rows, actor: Actor, range: Range, bytes: number): Promise<{ entries: RowEntry[]; to: number }> {
  const { from, to, what, headsOnly } = range;
  const [start, end] = [rowId(actor.id, from), baseOf(actor.id + 1)];
  const data = await rows.list('data', start, end, bytes);
  const state = what === 'data' ? [] : await rows.list('state', start, end, bytes);
  // Beyond what both lists reach, one of them may hold something that the other does not show yet.
  const reach = Math.min(reachOf(data, actor), reachOf(state, actor), to - 1);
  const entries = [...data, ...state]
    .flatMap((row) => decodeRow(row.bytes, `A row of ${actor.key}`, headsOnly))
    .filter(({ entry: { index, data } }) => index >= from && index <= reach && (data || what === 'all'))
    .sort((a, b) => a.entry.index - b.entry.index);
  return { entries, to: reach + 1 };
}

/**
 * The heads of data that some rows have, and where the next ones begin. Who trims looks at the same place again and again, and a little
 * further each time: so they are noted, and more of them is read where notes are gone on with.
 */
export async function headsIn(rows: Rows, actor: Actor, from: number, to: number): Promise<{ heads: readonly EntryHead[]; to: number }> {
  const before = actor.noted?.to === from ? actor.noted : undefined;
  const bytes = before === undefined ? HEADS_BYTES : Math.min(2 * before.bytes, LIST_BYTES);
  const piece = await pieceOf(rows, actor, { from, to, what: 'data', headsOnly: true }, bytes);
  const heads = headsOf(piece.entries.map(({ entry }) => entry));
  const all = [...(before?.heads ?? []).filter((head) => actor.isLiving(head)), ...heads];
  const dropped = all[all.length - NOTED_MAX - 1];
  const first = dropped === undefined ? (before?.from ?? from) : dropped.index + 1;
  actor.noted = { from: first, to: piece.to, heads: all.slice(-NOTED_MAX), bytes };
  return { heads, to: piece.to };
}

/** The living of the heads that are noted, from an index on; none where the notes do not hold what comes next. */
export function headsNoted(actor: Actor, from: number): readonly EntryHead[] {
  const { noted } = actor;
  if (noted === undefined || from < noted.from || from >= noted.to) return [];
  return noted.heads.filter((head) => head.index >= from && actor.isLiving(head));
}

/** As `findIn`, where the notes are enough for it. */
export function findNoted(actor: Actor, by: 'sequence' | 'time', value: number): number | undefined {
  const { noted } = actor;
  if (noted === undefined) return undefined;
  const heads = noted.heads.filter(({ count }) => count > 0);
  const at = heads.findIndex((head) => actor.isLiving(head) && reaches(head, by, value));
  // The one before it is noted too, and does not reach it or is dead; so are all before that.
  return at > 0 || (at === 0 && noted.from <= actor.data) ? heads[at]!.index : undefined;
}

function reaches({ first, count, time }: EntryHead, by: 'sequence' | 'time', value: number): boolean {
  return (by === 'time' ? time : first + count - 1) >= value;
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
    if (entry.count > 0 && reaches(entry, by, value)) return entry.index;
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
