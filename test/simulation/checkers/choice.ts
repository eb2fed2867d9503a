/**
 * What a group is given of what there is: filters, expiry, pauses, the order of keys, and what one consumer may have.
 *
 * Holds: what no filter that was ever in force lets through is not delivered, nor what had expired when it was asked for, nor
 * anything while the group is surely paused; in the order `key` no two messages of a key are surely out at once, and none
 * goes before an earlier one of its key that is surely owed.
 * Elsewhere: leases (leases.ts), what is owed (owed.ts).
 */
import type { BackoffInput, GroupInput } from '../../../src/core/calls.ts';
import { isOwed } from './owed.ts';
import { mayBeTrimmed } from './retention.ts';
import type { GroupPartition, Lease, Sent } from './told.ts';
import { Violation } from './told.ts';

/** Filters that groups are made with, and what they say of a message. All let through what has no key. */
export const FILTERS: Readonly<Record<string, (sent: Pick<Sent, 'key'>) => boolean>> = {
  '!exists(key) || key in ("k0", "k2", "k4")': ({ key }) => key === undefined || ['k0', 'k2', 'k4'].includes(key),
  'key != "k1"': ({ key }) => key !== 'k1',
  '!(key ^= "k") || key == "k3" || header.none == "k2"': ({ key }) => key === undefined || key === 'k3',
};

const lets = ({ filter }: GroupInput, sent: Pick<Sent, 'key'>): boolean =>
  filter === undefined || filter === null || FILTERS[filter]!(sent);

/** `no`: no configuration of the group lets it through. */
export function isLetThrough(configs: readonly GroupInput[], sent: Sent | undefined): 'yes' | 'maybe' | 'no' {
  if (sent === undefined) return configs.every(({ filter }) => filter === undefined || filter === null) ? 'yes' : 'maybe';
  if (configs.every((config) => lets(config, sent))) return 'yes';
  return configs.some((config) => lets(config, sent)) ? 'maybe' : 'no';
}

export interface Chosen {
  readonly lease: Lease;
  readonly sent: Sent;
  readonly producedAt: number;
  /** The broker's time at the least, and the world's, when it was asked for. */
  readonly askedLeast: number;
  readonly askedAt: number;
  readonly brokerNow: number;
}

/** @param held leases of the partition that surely hold now, this one among them */
export function checkChoice(gp: GroupPartition, chosen: Chosen, held: readonly Lease[]): void {
  const { lease, sent, producedAt, askedLeast, askedAt } = chosen;
  const { configs, pausedAt, slot } = gp.group;
  const where = `${gp.log.station.slot.name}/${gp.log.partition}/${lease.track.sequence} of group ${slot.name}`;
  const isFirst = lease.deliveries === 1 && !lease.track.redriven;
  if (isFirst && isLetThrough(configs, sent) === 'no') throw new Violation(`filter: ${where} is delivered; its key is ${sent.key}`);
  if (sent.expiresMs !== undefined && producedAt + sent.expiresMs <= askedLeast)
    throw new Violation(`expiry: ${where} had expired ${askedLeast - producedAt - sent.expiresMs} ms before it was asked for`);
  if (pausedAt !== undefined && pausedAt < askedAt) throw new Violation(`pause: ${where} is delivered, and the group is paused`);
  const mine = held.filter(({ consumer }) => consumer === lease.consumer).length;
  const most = Math.max(...configs.map(({ maxInFlightPerConsumer }) => maxInFlightPerConsumer ?? Number.POSITIVE_INFINITY));
  if (mine > most) throw new Violation(`maxInFlightPerConsumer: ${lease.consumer} has ${mine} out with ${where}; ${most} are allowed`);
  if (sent.key !== undefined && configs.every(({ order }) => order === 'key')) checkKey(gp, chosen, held, where);
}

function checkKey(gp: GroupPartition, { lease, sent, brokerNow }: Chosen, held: readonly Lease[], where: string): void {
  // What the station has trimmed holds up no other of its key, though it may still be out.
  if (lease.track.redriven || mayBeTrimmed(gp.log, lease.track.sequence, brokerNow)) return;
  const keyOf = (sequence: number) => gp.log.stored.get(sequence)?.sent.key;
  // One that was told of late may have run out before the other was given out.
  for (const other of held.includes(lease) ? held : []) {
    if (mayBeTrimmed(gp.log, other.track.sequence, brokerNow)) continue;
    if (other !== lease && other.track !== lease.track && !other.track.redriven && keyOf(other.track.sequence) === sent.key)
      throw new Violation(`key: ${where} is given out while ${other.track.sequence} of its key ${sent.key} is out`);
  }
  for (const [sequence, stored] of gp.log.stored) {
    if (sequence < gp.log.seenFirst || sequence >= lease.track.sequence || stored.sent.key !== sent.key) continue;
    if (!mayBeTrimmed(gp.log, sequence, brokerNow) && isOwed(gp, sequence) === 'yes')
      throw new Violation(`key: ${where} is given out before ${sequence} of its key ${sent.key}, which is owed`);
  }
}

/** How long a message that came back waits at least, where the nack does not say. */
export function leastBackoff(configs: readonly GroupInput[]): number {
  return Math.min(...configs.map(({ backoff }) => (backoff === undefined || backoff === null ? 0 : leastOf(backoff))));
}

function leastOf(backoff: BackoffInput): number {
  if (!('minMs' in backoff)) return Math.min(...backoff);
  return Math.max(1, Math.floor(backoff.minMs * (1 - (backoff.jitterPercent ?? 0) / 100)));
}
