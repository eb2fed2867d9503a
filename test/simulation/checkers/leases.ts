/**
 * I6, I15: what a consumer may be given, and what its receipt may do.
 *
 * Holds: what was surely settled is not given out again; no message is out to two consumers while a lease surely holds;
 * deliveries told never fall, nor pass the group's bound; a returned message waits for its time; at most `maxInFlight` are
 * out; in the order `partition` one lease is out at a time; a receipt counts until a later lease exists, and not after.
 * Elsewhere: what was skipped (groups.ts).
 */
import { checkChoice, leastBackoff } from './choice.ts';
import type { Seen } from './log.ts';
import { isChosen, isOwed, isWithin, mayBeDead } from './owed.ts';
import { mayBeTrimmed } from './retention.ts';
import type { GroupLife, GroupPartition, Lease, Told, Track } from './told.ts';
import { Violation } from './told.ts';

export interface LeaseName {
  readonly group: number;
  readonly epoch: number;
  readonly index: number;
}

/** The broker's time is in whole milliseconds. */
const GRAIN_MS = 1;

/** A lease's text is `GROUP-EPOCH-INDEX-TAG`, in base 36. */
export function parseLease(lease: string): LeaseName {
  const [group, epoch, index] = lease.split('-').map((part) => Number.parseInt(part, 36));
  return { group: group ?? -1, epoch: epoch ?? -1, index: index ?? -1 };
}

function later(a: { epoch: number; index: number }, b: { epoch: number; index: number }): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.index > b.index);
}

export interface Delivery {
  readonly seen: Seen;
  readonly lease: string;
  readonly deliveries: number;
  readonly consumer: string;
  readonly leaseMs: number;
  /** World time at which it was asked for. */
  readonly askedAt: number;
  readonly toldAt: number;
  /** Nothing has moved the group meanwhile. */
  readonly isSure: boolean;
  /** The broker's life is the same as when it was asked for, and its storage has not failed since. */
  readonly era: number;
  readonly brokerNow: number;
  /** The broker's time when it was asked for, at the least. */
  readonly askedLeast: number;
}

/** @returns the lease, for settling */
export function delivered(told: Told, group: GroupLife, given: Delivery): Lease {
  const { seen, consumer, deliveries, toldAt } = given;
  const gp = group.partitions[seen.partition]!;
  const where = `${group.slot.slot.name}/${seen.partition}/${seen.sequence} of group ${group.slot.name}`;
  const name = parseLease(given.lease);
  if (given.isSure) told.nameGroup(group, name.group);
  const track = gp.track(seen.sequence);
  const lease: Lease = {
    track,
    text: `${seen.partition}.${seen.sequence}.${given.lease}`,
    epoch: name.epoch,
    index: name.index,
    consumer,
    deliveries,
    era: given.isSure ? given.era : -1,
    toldAt,
    turn: gp.turn,
    heldUntil: given.askedAt + given.leaseMs - GRAIN_MS,
    ended: false,
    touches: 0,
    notBefore: 0,
    isUncounted: false,
  };
  const most = Math.max(...group.configs.map((config) => config.maxDeliveries ?? Number.POSITIVE_INFINITY));
  if (deliveries < 1 || deliveries > most)
    throw new Violation(`I15: ${where} is delivered for the ${deliveries}th time; ${most} are allowed`);
  if (given.isSure) checkAgainst(track, lease, given, where);
  if (track.lease === undefined || later(lease, track.lease)) track.lease = lease;
  if (given.isSure) {
    gp.held.push(lease);
    checkHeld(gp, given, lease);
  }
  return lease;
}

function checkAgainst(track: Track, lease: Lease, given: Delivery, where: string): void {
  const { of: gp, lease: before } = track;
  if (track.acked && later(lease, track.acked)) throw new Violation(`I6: ${where} is delivered again after it was acknowledged`);
  if (track.rejected && later(lease, track.rejected) && !track.redriven)
    throw new Violation(`I6: ${where} is delivered again after it was rejected`);
  if (isWithin(gp, track.sequence) === 'no' && !gp.anyRedrive)
    throw new Violation(`I6: ${where} lies before the place where the group began`);
  if (before === undefined || before.era < 0) return;
  const [first, second, secondAt] = later(lease, before) ? [before, lease, given.toldAt] : [lease, before, before.toldAt];
  if (first.text === second.text) throw new Violation(`leases: ${where} is delivered twice under one lease`);
  if (!track.redriven) {
    const sameEra = first.era === second.era;
    if (second.deliveries < first.deliveries)
      throw new Violation(`I15: ${where} was delivered for the ${first.deliveries}th time, and later for the ${second.deliveries}th`);
    if (sameEra && second.deliveries === first.deliveries && !first.isUncounted)
      throw new Violation(`I15: ${where} is delivered twice, and counted once`);
  }
  if (first.era !== second.era) return;
  if (!first.ended && secondAt < first.heldUntil && !track.redriven) {
    throw new Violation(
      `leases: ${where} is given to ${second.consumer} while ${first.consumer} holds it for ${(first.heldUntil - secondAt).toFixed(1)} ms more`,
    );
  }
  if (second === lease && secondAt < first.notBefore && !track.redriven)
    throw new Violation(`leases: ${where} is delivered ${(first.notBefore - secondAt).toFixed(1)} ms before its return is due`);
}

/** What is surely out now, and whether it may be. */
function checkHeld(gp: GroupPartition, given: Delivery, lease: Lease): void {
  const { toldAt, era, brokerNow } = given;
  gp.held = gp.held.filter((each) => !each.ended && each.era === era && each.heldUntil > toldAt && each.track.lease === each);
  const { configs, slot } = gp.group;
  const surely = gp.held.filter((each) => !mayBeTrimmed(gp.log, each.track.sequence, brokerNow));
  const most = Math.max(...configs.map((config) => config.maxInFlight ?? Number.POSITIVE_INFINITY));
  if (surely.length > most)
    throw new Violation(
      `maxInFlight: ${surely.length} messages of ${gp.log.station.slot.name}/${gp.log.partition} are out to group ${slot.name}; ${most} are allowed`,
    );
  checkChoice(gp, { ...given, lease, sent: given.seen.sent, producedAt: given.seen.producedAt }, surely);
  if (!configs.every((config) => config.order === 'partition')) return;
  const [one] = surely;
  const other = surely.find((each) => each.epoch !== one?.epoch || each.index !== one.index);
  if (one !== undefined && other !== undefined) {
    const where = `${gp.log.station.slot.name}/${gp.log.partition}`;
    const which = `messages ${one.track.sequence} and ${other.track.sequence}`;
    throw new Violation(`I4: two leases of ${where} are out at once to group ${slot.name}, in the order partition (${which})`);
  }
}

// ── Settling ─────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Settling {
  readonly verb: 'ack' | 'nack' | 'extend' | 'reject';
  readonly lease: Lease;
  readonly track: Track;
  readonly delayMs: number;
  readonly leaseMs: number;
  readonly beganAt: number;
  /** The latest lease that was told before. */
  readonly latest: Lease | undefined;
  /** How often it was settled, this time included. */
  readonly touch: number;
  readonly turn: number;
  readonly era: number;
  readonly wasUncertain: boolean;
}

export function settleBegins(verb: Settling['verb'], lease: Lease, delayMs: number, leaseMs: number, now: number, era: number): Settling {
  const { track } = lease;
  lease.notBefore = 0;
  lease.touches++;
  if (verb === 'extend') lease.heldUntil = Math.min(lease.heldUntil, now + leaseMs - GRAIN_MS);
  else lease.ended = true;
  if (verb === 'ack') track.ackOpen++;
  if (verb === 'reject') track.rejectOpen++;
  if (verb === 'nack') track.nackOpen++;
  return {
    verb,
    lease,
    track,
    delayMs,
    leaseMs,
    beganAt: now,
    latest: track.lease,
    touch: lease.touches,
    turn: track.of.turn,
    era,
    wasUncertain: track.of.isUncertain,
  };
}

/** @param outcome `counted`, or the code of the refusal; undefined when nobody knows */
export function settleEnds(settling: Settling, outcome: string | undefined, isSure: boolean, now: number, brokerNow: number): void {
  if (outcome === undefined) return;
  const { verb, lease, track, latest } = settling;
  const gp = track.of;
  if (outcome === 'counted' && isSure && lease.turn <= gp.movedFrom && settling.turn === gp.turn && isOwed(gp, track.sequence) === 'yes') {
    throw new Violation(`leases: ${verb} of ${track.sequence} counts, with a receipt from before group ${gp.group.slot.name} was moved`);
  }
  const sure = isSure && !settling.wasUncertain && !gp.isUncertain && settling.turn === gp.turn && gp.tracks.get(track.sequence) === track;
  if (!sure) return;
  const where = `${gp.log.station.slot.name}/${gp.log.partition}/${track.sequence} of group ${gp.group.slot.name}`;
  if (outcome !== 'counted') {
    if (verb === 'ack') track.ackOpen--;
    if (verb === 'reject') track.rejectOpen--;
    if (verb === 'nack') track.nackOpen--;
    if (now < lease.heldUntil && isGood(settling, brokerNow))
      throw new Violation(`leases: ${verb} of ${where} is refused with ${outcome}, though ${lease.consumer} surely holds it`);
    return;
  }
  // One of an earlier era may be lost: nobody waits for its entry.
  if (latest?.era === settling.era && later(latest, lease) && !track.redriven) {
    const done =
      verb === 'ack' &&
      (track.acked !== undefined ||
        track.ackOpen > 1 ||
        mayBeDead(gp, track) ||
        // It may have expired.
        isChosen(gp, track.sequence) !== 'yes' ||
        mayBeTrimmed(gp.log, track.sequence, brokerNow));
    if (!done) throw new Violation(`leases: ${verb} of ${where} counts, though the message was given out again since`);
  }
  if (verb === 'ack') {
    track.ackOpen--;
    // Of a trimmed or dead message an acknowledgement is fine, and tells nothing of later leases.
    const tells = !mayBeDead(gp, track) && !mayBeTrimmed(gp.log, track.sequence, brokerNow);
    if (!track.redriven && tells) track.acked ??= lease;
    else track.ackOpen++;
    track.owed = false;
  }
  if (verb === 'reject') {
    track.rejectOpen--;
    if (!track.redriven) track.rejected ??= lease;
    else track.rejectOpen++;
  }
  if (verb === 'nack') {
    track.nackOpen--;
    const delayMs = settling.delayMs > 0 ? settling.delayMs : leastBackoff(gp.group.configs);
    if (delayMs > 0 && lease.touches === settling.touch) lease.notBefore = settling.beganAt + delayMs - GRAIN_MS;
  }
  if (verb === 'extend' && !lease.ended && lease.touches === settling.touch)
    lease.heldUntil = settling.beganAt + settling.leaseMs - GRAIN_MS;
}

/** A receipt that must count: the last lease told, still held when it was answered, and nobody else has a say. */
function isGood({ lease, era, touch }: Settling, brokerNow: number): boolean {
  // Handed back before, at its last delivery, it is dead.
  return touch === 1 && isUndisputed(lease, era, brokerNow);
}

function isUndisputed(lease: Lease, era: number, brokerNow: number): boolean {
  const { track } = lease;
  if (track.lease !== lease || lease.era !== era || track.redriven) return false;
  if (track.acked || track.rejected || track.ackOpen > 0 || track.rejectOpen > 0 || track.nackOpen > 0) return false;
  return !mayBeTrimmed(track.of.log, track.sequence, brokerNow);
}

// ── Releasing ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A consumer begins to give back all that it holds in the group.
 *
 * @returns given the time at which it was answered, how many messages it surely held until then
 */
export function releaseBegins(group: GroupLife, consumer: string, now: number, era: number): (now: number, brokerNow: number) => number {
  const held: { readonly lease: Lease; readonly turn: number }[] = [];
  for (const gp of group.partitions) {
    for (const { lease } of gp.tracks.values()) {
      if (lease?.consumer !== consumer) continue;
      const isHeld = !lease.ended && lease.touches === 0 && lease.heldUntil > now && !gp.isUncertain && gp.held.includes(lease);
      if (isHeld) held.push({ lease, turn: gp.turn });
      lease.ended = true;
      lease.isUncounted = true;
      lease.touches++;
      lease.notBefore = 0;
    }
  }
  const isStill = ({ lease, turn }: (typeof held)[number], at: number, brokerNow: number): boolean =>
    lease.heldUntil > at && lease.track.of.turn === turn && isUndisputed(lease, era, brokerNow);
  return (at, brokerNow) => held.filter((each) => isStill(each, at, brokerNow)).length;
}
