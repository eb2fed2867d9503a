/** What is out under leases, message by message. */
import type { PendingInfo } from '../calls.ts';
import { formatLease, formatReceipt } from '../receipt.ts';
import { LEASED } from './runs.ts';
import type { Group, PartitionState } from './state.ts';

/** By sequence, behind `after`, at most so many. */
export function pendingOf({ partition, secret }: PartitionState, group: Group, after: number, most: number): PendingInfo[] {
  const items: PendingInfo[] = [];
  for (const { state, from, end, epoch, index, consumer, deliveries, at } of group.runs.list) {
    if (state !== LEASED) continue;
    const lease = formatLease({ group: group.id, epoch, index }, partition, secret);
    for (let sequence = Math.max(from, after + 1); sequence < end; sequence++) {
      if (items.length === most) return items;
      items.push({ partition, sequence, consumer, deliveries, expiresAt: at, receipt: formatReceipt(partition, sequence, lease) });
    }
  }
  return items;
}
