/**
 * I6, I7: at rest, what a group has, and that it was given everything.
 *
 * Holds, while nothing is under way: `unread + inFlight` lies between what surely is owed and what may be; the pending list
 * holds every lease that is surely held; once drained, each stored message was delivered and acknowledged, or lies in the
 * dead letters, or came before the place where the group began.
 */
import type { GroupInfo, PendingInfo } from '../../../src/core/calls.ts';
import { isChosen, isOwed, isWithin } from './owed.ts';
import type { GroupLife, GroupPartition, Lease } from './told.ts';
import { Violation } from './told.ts';

/** First and next sequence of each partition, at rest. */
export type Ends = readonly { readonly first: number; readonly next: number }[];

export function checkCounts(group: GroupLife, info: GroupInfo, ends: Ends, now: number, era: number): void {
  let least = 0;
  let most = 0;
  let inFlightLeast = 0;
  for (const gp of group.partitions) {
    const { first, next } = ends[gp.log.partition]!;
    for (let sequence = first; sequence < next; sequence++) {
      const owed = isOwed(gp, sequence);
      if (owed === 'yes') least++;
      // What a filter keeps out counts until the group comes to it.
      if (owed !== 'no' || isChosen(gp, sequence) === 'no') most++;
    }
    // Redriven messages come on top, also where they were trimmed, and nobody was told of each.
    if (gp.anyRedrive) most = Number.POSITIVE_INFINITY;
    inFlightLeast += gp.held.filter((each) => isHeld(each, now, era) && each.track.sequence >= first).length;
  }
  const name = `I7: group ${group.slot.name} of ${group.station.slot.name}`;
  const has = info.unread + info.inFlight;
  if (has < least || has > most)
    throw new Violation(`${name} says ${info.unread} unread and ${info.inFlight} in flight; ${least} to ${most} are owed`);
  if (info.inFlight < inFlightLeast) throw new Violation(`${name} says ${info.inFlight} in flight; ${inFlightLeast} surely are`);
  if (info.redelivered > info.inFlight) throw new Violation(`${name} says ${info.redelivered} redelivered of ${info.inFlight} in flight`);
}

/** Surely out, and nobody has begun to settle it. */
function isHeld(lease: Lease, now: number, era: number): boolean {
  const { track } = lease;
  if (lease.ended || lease.era !== era || lease.heldUntil <= now || track.lease !== lease || track.of.isUncertain) return false;
  return track.ackOpen === 0 && track.rejectOpen === 0 && track.nackOpen === 0 && !track.redriven && !track.acked && !track.rejected;
}

export function checkPending(group: GroupLife, pending: readonly PendingInfo[], ends: Ends, now: number, era: number): void {
  const listed = new Map(pending.map((each) => [`${each.partition}.${each.sequence}`, each]));
  if (listed.size !== pending.length) throw new Violation(`pending: a message of group ${group.slot.name} is listed twice`);
  for (const gp of group.partitions) {
    for (const lease of gp.held) {
      const { track } = lease;
      if (!isHeld(lease, now, era)) continue;
      if (track.sequence < ends[gp.log.partition]!.first) continue;
      const item = listed.get(`${gp.log.partition}.${track.sequence}`);
      const where = `${group.station.slot.name}/${gp.log.partition}/${track.sequence} of group ${group.slot.name}`;
      if (item === undefined) throw new Violation(`pending: ${where} is held by ${lease.consumer}, and is not listed`);
      if (item.receipt !== lease.text || item.consumer !== lease.consumer || item.deliveries !== lease.deliveries) {
        throw new Violation(
          `pending: ${where} is listed as ${item.receipt} of ${item.consumer}, delivery ${item.deliveries}; told were ${lease.text}, ${lease.consumer}, ${lease.deliveries}`,
        );
      }
    }
  }
}

/** The group has acknowledged all that it could get. @param dead by partition and sequence */
export function checkDrained(group: GroupLife, ends: Ends, dead: ReadonlySet<string>, lettersAge: boolean): void {
  for (const gp of group.partitions) {
    const { first, next } = ends[gp.log.partition]!;
    for (let sequence = first; sequence < next; sequence++) checkGot(gp, sequence, dead, lettersAge);
    for (const track of gp.tracks.values()) if (track.owed && track.sequence < first) checkGot(gp, track.sequence, dead, lettersAge);
  }
}

function checkGot(gp: GroupPartition, sequence: number, dead: ReadonlySet<string>, lettersAge: boolean): void {
  const track = gp.tracks.get(sequence);
  if (gp.isUncertain || (isWithin(gp, sequence) !== 'yes' && track?.owed !== true) || isChosen(gp, sequence) !== 'yes') return;
  if (dead.has(`${gp.log.partition}.${sequence}`)) return;
  if (track !== undefined && (track.mayBeSettled || track.letterGone)) return;
  // A letter too old is removed: the message may have been one.
  if (lettersAge) return;
  const what = track === undefined ? 'was never told of' : track.rejected ? 'was rejected' : 'was given out, and not acknowledged,';
  throw new Violation(
    `I6: ${gp.log.station.slot.name}/${gp.log.partition}/${sequence} ${what} and is neither delivered to group ${gp.group.slot.name} nor among its dead letters`,
  );
}
