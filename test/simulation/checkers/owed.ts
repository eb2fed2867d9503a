/**
 * I6: which messages a group has still to get.
 *
 * Holds: `yes` only where nothing that was asked, answered or not, and nothing that the broker does by itself (a message
 * dies at its last delivery) can have settled it. Elsewhere: whether it is still stored (retention.ts).
 */
import { isLetThrough } from './choice.ts';
import type { GroupPartition, Stored, Track } from './told.ts';

export type Owed = 'yes' | 'maybe' | 'no';

export function isOwed(gp: GroupPartition, sequence: number): Owed {
  const reached = isWithin(gp, sequence);
  if (reached === 'no') return 'no';
  const choice = isChosen(gp, sequence);
  if (choice === 'no') return 'no';
  const track = gp.tracks.get(sequence);
  // A letter from before the group was moved says nothing of now.
  if (track?.acked || track?.rejected || (track?.wasDead && !track.redriven && gp.movedFrom < 0)) return 'no';
  if (gp.isUncertain || mayBeDead(gp, track)) return 'maybe';
  if (track !== undefined && (track.ackOpen > 0 || track.rejectOpen > 0 || track.redriven)) return 'maybe';
  return choice === 'maybe' ? 'maybe' : reached;
}

/** Do the group's filter and the message's expiry let it come? What was redriven is not asked again. */
export function isChosen(gp: GroupPartition, sequence: number): Owed {
  const sent = gp.log.stored.get(sequence)?.sent;
  // Nobody has seen it yet: it may have been delayed, and it may expire.
  if (sent === undefined) return 'maybe';
  if (gp.tracks.get(sequence)?.redriven === true || sent.expiresMs !== undefined) return 'maybe';
  return isLetThrough(gp.group.configs, sent);
}

/** Was it, or may it have been, delivered as often as the group allows, or rejected? */
export function mayBeDead(gp: GroupPartition, track: Track | undefined): boolean {
  if (track !== undefined && (track.wasDead || track.rejectOpen > 0 || track.rejected !== undefined || track.redriven)) return true;
  const most = Math.min(...gp.group.configs.map((config) => config.maxDeliveries ?? Number.POSITIVE_INFINITY));
  // Deliveries that nobody was told of (a fetch that a crash has cut off, or a cancelled one) count as well.
  return (track?.lease?.deliveries ?? 0) + gp.lost >= most;
}

/** Does it come after where the group began? */
export function isWithin(gp: GroupPartition, sequence: number): Owed {
  const { base, log } = gp;
  const stored = log.stored.get(sequence);
  if (base.place === 'start') return 'yes';
  if (stored !== undefined && stored.sent.firstAt > base.at) return 'yes';
  if (base.place === 'unknown') return 'maybe';
  const wasThere = sequence <= (base.lasts[log.partition] ?? 0);
  if (base.place === 'end') return wasThere ? 'no' : 'maybe';
  if (typeof base.place === 'number') return sequence >= base.place ? 'yes' : wasThere ? 'no' : 'maybe';
  if ('last' in base.place) return 'maybe';
  return byTime(stored, base.place.time, wasThere);
}

function byTime(stored: Stored | undefined, time: number, wasThere: boolean): Owed {
  if (stored?.producedAt === undefined) return 'maybe';
  if (stored.producedAt >= time) return 'yes';
  return wasThere ? 'no' : 'maybe';
}
