/**
 * What was committed and is not written yet, and how it becomes changes of rows: one flush, one transaction.
 *
 * Holds: state entries ride in a row with data where they are few beside it, so that most flushes of an actor are one row;
 * an entry that is dead by now is not written, its actor's record says how far the actor has come; rows go as soon as all that is
 * in them is dead.
 */
import { encode } from '../entry/codec.ts';
import { isPlanted } from '../faults.ts';
import type { RowChange, StoredEntry } from '../ports.ts';
import type { Actor } from './actor.ts';
import { recordLayout, recordOf } from './actor.ts';
import { baseOf, partsOf, piecesEnd, piecesOf, put, rowId, split } from './layout.ts';
import type { RowEntry } from './row.ts';
import { encodeRow, HEAD_BYTES } from './row.ts';

/** A row is closed at this size; one entry may make a larger one. */
export const ROW_BYTES = 512 * 1024;
/** State entries take at most this part of a row of data, which they do not outlive. */
const STATE_SHARE = 4;

interface OfActor {
  readonly entries: StoredEntry[];
  /** By name; null where it is removed. */
  readonly sections: Map<string, { readonly slot: number; readonly body: Uint8Array | null }>;
  record: boolean;
  trim: boolean;
}

export class Pending {
  readonly #byActor = new Map<Actor, OfActor>();
  readonly #removed: Actor[] = [];
  bytes = 0;

  get isEmpty(): boolean {
    return this.#byActor.size === 0 && this.#removed.length === 0;
  }

  of(actor: Actor): OfActor {
    let found = this.#byActor.get(actor);
    if (found === undefined) {
      found = { entries: [], sections: new Map(), record: false, trim: false };
      this.#byActor.set(actor, found);
    }
    return found;
  }

  /** Undefined where nothing of that section waits. */
  section(actor: Actor, name: string): { readonly body: Uint8Array | null } | undefined {
    return this.#byActor.get(actor)?.sections.get(name);
  }

  remove(actor: Actor): void {
    this.#byActor.delete(actor);
    this.#removed.push(actor);
  }

  /** @param rowBytesMax what a row may have at most */
  changes(rowBytesMax: number): RowChange[] {
    const changes: RowChange[] = this.#removed.flatMap(removal);
    for (const [actor, of] of this.#byActor) {
      if (of.trim) changes.push(...trim(actor));
      const living = of.entries.filter((entry) => actor.isLiving(entry));
      changes.push(...journal(actor, living, rowBytesMax));
      for (const { slot, body } of of.sections.values()) changes.push(...section(actor.id, slot, body, rowBytesMax));
      // No row tells of an entry that was dead before it was written.
      if (of.record || (living.length < of.entries.length && !isPlanted('rows-forget-a-last')))
        changes.push(put('actors', actor.id, encode(recordLayout, recordOf(actor)).slice()));
    }
    return changes;
  }

  /** Those of which something is dead now. */
  get trimmed(): Iterable<Actor> {
    return [...this.#byActor].filter(([, { trim }]) => trim).map(([actor]) => actor);
  }

  get actors(): Iterable<Actor> {
    return this.#byActor.keys();
  }
}

function removal({ id }: Actor): RowChange[] {
  const all = { from: baseOf(id), to: baseOf(id + 1) };
  return [
    { do: 'remove', table: 'actors', from: id, to: id + 1 },
    ...(['data', 'state', 'parts', 'sections'] as const).map((table) => ({ do: 'remove', table, ...all }) as const),
  ];
}

function trim(actor: Actor): RowChange[] {
  const { id, data, state } = actor;
  const both = Math.min(data, state);
  const ranges = [
    { do: 'remove', table: 'data', from: baseOf(id), to: rowId(id, actor.isMixed && !isPlanted('rows-forget-mixed-state') ? both : data) },
    { do: 'remove', table: 'state', from: baseOf(id), to: rowId(id, state) },
    { do: 'remove', table: 'parts', from: baseOf(id), to: partsOf(id, both) },
  ] as const;
  return ranges.filter(({ from, to }) => from < to);
}

function section(actor: number, slot: number, body: Uint8Array | null, rowBytesMax: number): RowChange[] {
  const from = piecesOf(actor, slot);
  const removed: RowChange = { do: 'remove', table: 'sections', from, to: piecesEnd(from) };
  return body === null ? [removed] : [removed, ...split('sections', from, body, rowBytesMax)];
}

function journal(actor: Actor, entries: readonly StoredEntry[], rowBytesMax: number): RowChange[] {
  const data = entries.filter((entry) => entry.data);
  const state = entries.filter((entry) => !entry.data);
  if (data.length === 0 || state.length === 0 || bytesOf(state) * STATE_SHARE > bytesOf(data))
    return [...rows(actor, 'data', data, rowBytesMax), ...rows(actor, 'state', state, rowBytesMax)];
  actor.isMixed = true;
  return rows(actor, 'data', entries, rowBytesMax);
}

function bytesOf(entries: readonly StoredEntry[]): number {
  return entries.reduce((sum, { bodyBytes }) => sum + HEAD_BYTES + bodyBytes, 0);
}

function rows(actor: Actor, table: 'data' | 'state', entries: readonly StoredEntry[], rowBytesMax: number): RowChange[] {
  const changes: RowChange[] = [];
  const extent = actor.extents[table];
  let row: RowEntry[] = [];
  let bytes = 0;
  let inParts = 0;
  const close = () => {
    const last = row.at(-1)?.entry.index;
    if (last === undefined) return;
    const { sequence, time } = actor.marksAt(last);
    const begin = extent.end;
    extent.end = begin + bytes + inParts;
    changes.push({ do: 'put', table, row: { id: rowId(actor.id, last), sequence, time, begin, end: extent.end, parts: encodeRow(row) } });
    row = [];
    bytes = 0;
    inParts = 0;
  };
  for (const entry of entries) {
    const length = HEAD_BYTES + entry.bodyBytes;
    if (bytes > 0 && bytes + length > ROW_BYTES) close();
    const isLong = length > rowBytesMax;
    if (isLong) {
      changes.push(...split('parts', partsOf(actor.id, entry.index), entry.body, rowBytesMax));
      inParts += entry.bodyBytes;
    }
    row.push({ entry, inParts: isLong });
    bytes += isLong ? HEAD_BYTES : length;
  }
  close();
  return changes;
}
