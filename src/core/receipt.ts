/**
 * Leases and receipts as texts. A receipt is `PARTITION.SEQUENCE.LEASE`; a lease is the entry that gave it out.
 *
 * Holds: a lease is named by its group's incarnation, the epoch and the index of its entry, and carries a tag keyed by
 * the station's secret: one of another group, of a removed station, or made up, is told from one that is merely old.
 * The tag is a guard against mistakes, not a credential.
 */
import { WaysideError } from './errors.ts';
import { xxh32 } from './xxh32.ts';

/** Leases of a message are ordered by epoch, then index; a later one ends what an earlier one may do. */
export interface LeaseId {
  readonly group: number;
  readonly epoch: number;
  readonly index: number;
}

export interface Receipt extends LeaseId {
  readonly partition: number;
  readonly sequence: number;
}

const encoder = new TextEncoder();

export function formatLease({ group, epoch, index }: LeaseId, partition: number, secret: number): string {
  const body = `${group.toString(36)}-${epoch.toString(36)}-${index.toString(36)}`;
  return `${body}-${tag(body, partition, secret)}`;
}

export function formatReceipt(partition: number, sequence: number, lease: string): string {
  return `${partition}.${sequence}.${lease}`;
}

/** @throws INVALID_RECEIPT */
export function parseReceipt(text: string, secret: number): Receipt {
  const [, partition, sequence, lease] = /^(0|[1-9]\d{0,4})\.([1-9]\d{0,15})\.([a-z0-9-]{7,40})$/.exec(text) ?? [];
  if (lease === undefined || !Number.isSafeInteger(Number(sequence))) throw invalid();
  return { partition: Number(partition), sequence: Number(sequence), ...parseLease(lease, Number(partition), secret) };
}

/** @throws INVALID_RECEIPT */
export function parseLease(lease: string, partition: number, secret: number): LeaseId {
  const [, group, epoch, index, given] = /^([0-9a-z]{1,11})-([0-9a-z]{1,11})-([0-9a-z]{1,11})-([0-9a-z]{7})$/.exec(lease) ?? [];
  if (group === undefined || epoch === undefined || index === undefined || given === undefined) throw invalid();
  const parsed = { group: parseInt(group, 36), epoch: parseInt(epoch, 36), index: parseInt(index, 36) };
  if (!Object.values(parsed).every(Number.isSafeInteger)) throw invalid();
  if (tag(`${group}-${epoch}-${index}`, partition, secret) !== given) throw invalid();
  return parsed;
}

function tag(body: string, partition: number, secret: number): string {
  return xxh32(encoder.encode(`${partition}.${body}`), secret)
    .toString(36)
    .padStart(7, '0');
}

function invalid(): WaysideError {
  return new WaysideError(
    'INVALID_RECEIPT',
    'The receipt is not one that this group has given out. Use the text that fetch answered, unchanged.',
  );
}

/** Below zero when `a` was given out before `b`. */
export function compareLeases(a: { epoch: number; index: number }, b: { epoch: number; index: number }): number {
  return a.epoch - b.epoch || a.index - b.index;
}
