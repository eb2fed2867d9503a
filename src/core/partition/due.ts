/**
 * Giving delayed messages their sequences when they are due.
 *
 * Holds: bytes are read first, and then one commit makes them messages and ends them, so that a crash leaves each waiting or
 * produced, never both and never neither; what was cancelled while its bytes were read is not produced; they come in the
 * order of their due times. Much that is due at once is done in slices, and others have their turn between.
 * Elsewhere: when (partition.ts), accepting them (delay.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { batchDraft, draft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { RecordCursor } from '../batch/cursor.ts';
import { HEADER_BYTES, u32At } from '../batch/layout.ts';
import { skip } from '../batch/walk.ts';
import { KIND } from '../entry/kinds.ts';
import { producedBody } from '../entry/produce.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { StoredEntry } from '../ports.ts';
import type { Delayed } from './schedule.ts';
import type { PartitionState } from './state.ts';
import type { Stored } from './stored.ts';

/** Messages of one slice. */
const SLICE = 1_000;

/** @returns whether anything was produced: then there may be more */
export async function produceDue(log: ActorLog, stored: Stored, state: PartitionState, limits: Limits): Promise<boolean> {
  const due = state.schedule.due(log.now + (isPlanted('due-too-early') ? 50 : 0), SLICE);
  if (due.length === 0) return false;
  const entries = new Map<number, StoredEntry>();
  for (const each of due) {
    const { index } = each;
    if (entries.has(index)) continue;
    try {
      entries.set(index, await stored.entry(index));
    } catch (error) {
      // It was carried to another entry while this one was read, and this one is gone.
      if (each.index === index && state.schedule.get(each.number) === each) throw error;
    }
  }
  const bytes = due.reduce((sum, each) => sum + each.bytes, 0);
  if (!log.volume.hasRoom(bytes)) await log.volume.makeRoom(bytes);
  if (log.closed !== undefined) throw log.closed;
  // In the meantime some may have been cancelled, or carried to another entry: those are looked at again in the next slice.
  const ready = due.filter((each) => state.schedule.get(each.number) === each && entries.has(each.index));
  if (ready.length > 0) produceNow(log, state, limits, ready, entries);
  return true;
}

function produceNow(
  log: ActorLog,
  state: PartitionState,
  { batchBytesMax }: Limits,
  ready: readonly Delayed[],
  entries: ReadonlyMap<number, StoredEntry>,
): void {
  const { now } = log;
  const builder = new BatchBuilder();
  const numbers: number[] = [];
  for (const { number, index, place, bytes } of ready) {
    if (builder.count > 0 && builder.byteLength + bytes > batchBytesMax) break;
    const { body } = entries.get(index)!;
    const start = skip(body, HEADER_BYTES, place);
    note(state, new RecordCursor(body, start, skip(body, start, 1)), state.next + builder.count, now);
    builder.appendRecord(body, start, skip(body, start, 1));
    numbers.push(number);
  }
  const batch = builder.finish();
  const end = batch.length - 4;
  const produced = batchDraft(KIND.produced, producedBody(batch, end, u32At(batch, end)), state.next, builder.count);
  const ended = draft(KIND.scheduleEnded, { why: 'due', numbers, first: state.next } as const);
  log.append(isPlanted('due-twice') && numbers.length === 1 ? [produced] : [produced, ended], now);
}

/** From now on a repeat is answered with the sequence, and its window begins. */
function note(state: PartitionState, cursor: RecordCursor, sequence: number, now: number): void {
  cursor.next();
  if (cursor.idStart >= 0) state.dedup.add(cursor.bytes, cursor.idStart, cursor.idEnd, sequence, now, state.settings.dedupWindowMs);
  if (cursor.expiresMs >= 0) state.expiring = sequence;
}
