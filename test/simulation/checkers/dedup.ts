/**
 * I5: an id is stored once within the window, across restarts; a repeat is answered with the first one's place.
 *
 * Holds: two messages with one id lie a window apart by the broker's own times; outside of the window an id is stored anew.
 * Elsewhere: sending what has an unknown outcome again, which is what puts this to the test (../workloads/broker.ts).
 */
import type { PartitionLog, Sent } from './told.ts';
import { Violation } from './told.ts';

/** The message at `sequence` against all others with its id. */
export function checkRepeat(log: PartitionLog, sequence: number): void {
  const stored = log.stored.get(sequence);
  if (stored?.sent.id === undefined || stored.producedAt === undefined) return;
  const window = least(log.station.configs.map((config) => config.dedupWindowMs ?? 0));
  for (const [other, { sent, producedAt }] of log.stored) {
    if (other === sequence || sent.id !== stored.sent.id || producedAt === undefined) continue;
    if (Math.abs(producedAt - stored.producedAt) < window) {
      throw new Violation(
        `I5: id ${sent.id} is stored at ${Math.min(other, sequence)} and at ${Math.max(other, sequence)}, ${Math.abs(producedAt - stored.producedAt)} ms apart in a window of ${window}`,
      );
    }
  }
}

/** A repeat was answered: the message that it is said to repeat has its id, and may be within the window. */
export function checkDuplicate(log: PartitionLog, sequence: number, sent: Sent, askedAt: number): void {
  const where = `${log.station.slot.name}/${log.partition}/${sequence}`;
  if (sent.id === undefined) throw new Violation(`I5: message ${sent.uid} has no id, and is called a repeat of ${where}`);
  const first = log.stored.get(sequence);
  if (first === undefined) return;
  if (first.sent.id !== sent.id)
    throw new Violation(`I5: message ${sent.uid} with id ${sent.id} is called a repeat of ${where}, whose id is ${first.sent.id}`);
  const window = Math.max(...log.station.configs.map((config) => config.dedupWindowMs ?? 0));
  if (first.producedAt !== undefined && askedAt - first.producedAt >= window) {
    throw new Violation(
      `I5: message ${sent.uid} is called a repeat of ${where}, which was ${askedAt - first.producedAt} ms old in a window of ${window}`,
    );
  }
}

function least(values: readonly number[]): number {
  return Math.min(...values);
}
