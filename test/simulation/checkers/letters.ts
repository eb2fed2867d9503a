/**
 * Dead letters: what died is there, whole, until somebody removes or redrives it.
 *
 * Holds: a letter holds the message as it was sent, of a group that may have had it; a message surely rejected is listed.
 */
import type { DeadLetter } from '../../../src/core/calls.ts';
import { readBlock } from './log.ts';
import type { GroupLife, StationLife, Told, Track } from './told.ts';
import { Violation } from './told.ts';

/** @returns the message as its group has it; undefined where the group is of another life, or nobody knows */
export function checkLetter(told: Told, life: StationLife, letter: DeadLetter): Track | undefined {
  const where = `letter ${letter.id} of ${life.slot.name}`;
  const [seen] = readBlock(told, life.slot.name, letter.message);
  if (seen === undefined || letter.message.count !== 1) throw new Violation(`I2: ${where} holds ${letter.message.count} messages`);
  const [partition, sequence] = letter.id.split('-').map(Number);
  if (seen.partition !== partition || seen.sequence !== sequence)
    throw new Violation(`letters: ${where} holds message ${seen.partition}/${seen.sequence}`);
  const log = life.logs[seen.partition];
  const known = log?.stored.get(seen.sequence);
  if (known !== undefined && known.sent !== seen.sent)
    throw new Violation(`I3: ${where} holds message ${seen.sent.uid}; message ${known.sent.uid} is at that place`);
  const slot = life.slot.groups.find(({ name }) => name === letter.group);
  if (slot === undefined) throw new Violation(`letters: ${where} is of group "${letter.group}", which was never made`);
  const group = slot.life;
  if (group === undefined || slot.changing !== undefined || group.station !== life) return undefined;
  const most = Math.max(...group.configs.map((config) => config.maxDeliveries ?? Number.POSITIVE_INFINITY));
  if (letter.deliveries > most) throw new Violation(`I15: ${where} was delivered ${letter.deliveries} times; ${most} are allowed`);
  return group.partitions[seen.partition]?.track(seen.sequence);
}

/** Nothing was removed or redriven, nor is too old: whatever was surely rejected is listed. */
export function checkListed(group: GroupLife, listed: ReadonlySet<string>): void {
  for (const gp of group.partitions) {
    if (gp.isUncertain) continue;
    for (const track of gp.tracks.values()) {
      if (!track.rejected || track.letterGone || track.redriven) continue;
      if (!listed.has(`${gp.log.partition}.${track.sequence}`)) {
        throw new Violation(
          `letters: ${gp.log.station.slot.name}/${gp.log.partition}/${track.sequence} was rejected by group ${group.slot.name}, and is not among the dead letters`,
        );
      }
    }
  }
}
