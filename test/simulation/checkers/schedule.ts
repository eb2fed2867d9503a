/**
 * Delayed messages: each that was accepted comes, once, when it is due and not before; what was surely cancelled never does.
 *
 * Elsewhere: that it is what was sent, and once (log.ts), repeats of its id (dedup.ts).
 */
import { mayBeTrimmed } from './retention.ts';
import type { PartitionLog, Sent, StationSlot } from './told.ts';
import { Violation } from './told.ts';

/** A delayed message turns up in a log. */
export function checkDue(log: PartitionLog, sequence: number, { uid, delayed, possible }: Sent, producedAt: number | undefined): void {
  // Sent more than once, and the window of its id is over: it may be there for another time.
  if (delayed === undefined || delayed.log !== log || possible > 1 || (delayed.cancelled === 'yes' && possible > 0)) return;
  const where = `${log.station.slot.name}/${log.partition}/${sequence}`;
  if (delayed.cancelled === 'yes') throw new Violation(`delay: ${where} is message ${uid}, which was cancelled`);
  if (producedAt !== undefined && producedAt < delayed.dueAt)
    throw new Violation(`delay: ${where} is message ${uid}, ${delayed.dueAt - producedAt} ms before it is due`);
}

/**
 * At rest, long after the last one was due.
 *
 * @param there all that is there
 * @param firsts of each partition
 */
export function checkCame(slot: StationSlot, all: Iterable<Sent>, there: ReadonlySet<Sent>, firsts: readonly number[], now: number): void {
  for (const sent of all) {
    const { uid, delayed } = sent;
    if (delayed === undefined || !delayed.isSure || delayed.cancelled !== 'no') continue;
    const { log, dueAt } = delayed;
    if (slot.life?.logs[log.partition] !== log || there.has(sent)) continue;
    if (dueAt > now - 1_000) continue;
    // It may have come and gone: whatever the station lets go of now, it may have let go of then.
    if (mayBeTrimmed(log, log.last + 1, now) || firsts[log.partition] !== 1 || log.purgedTo > 0) continue;
    throw new Violation(`delay: message ${uid} was due in ${slot.name}/${log.partition} ${now - dueAt} ms ago, and is not there`);
  }
}
