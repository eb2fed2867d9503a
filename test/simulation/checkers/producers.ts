/**
 * I4, I5 for producers that count: in a partition the messages of a producer stand in the order of its epochs, and of its
 * sequences in an epoch; each once. So nothing of an older epoch comes after a newer one.
 *
 * Elsewhere: that each message is there once (log.ts), what a producer may be answered (../workloads/counting.ts).
 */
import type { PartitionLog } from './told.ts';
import { Violation } from './told.ts';

export function checkProducers(log: PartitionLog): void {
  const latest = new Map<string, { epoch: number; sequence: number; at: number }>();
  for (const [at, { sent }] of [...log.stored].sort(([a], [b]) => a - b)) {
    const { counted } = sent;
    if (counted === undefined) continue;
    const { producer, epoch, sequence } = counted;
    const before = latest.get(producer);
    if (before !== undefined && (epoch < before.epoch || (epoch === before.epoch && sequence <= before.sequence))) {
      throw new Violation(
        `I5: ${log.station.slot.name}/${log.partition}/${at} is ${producer} ${epoch}.${sequence}, and ${before.at} is ${before.epoch}.${before.sequence}`,
      );
    }
    latest.set(producer, { epoch, sequence, at });
  }
}
