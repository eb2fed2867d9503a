/**
 * Which messages a station may have let go of, and what it must have let go of once it is at rest.
 *
 * Holds: what no configuration that was ever in force allows to go, and no purge asked for, is there; at rest a station
 * that discards keeps within its bounds.
 */
import type { StationInfo } from '../../../src/core/calls.ts';
import { isOwed } from './owed.ts';
import type { PartitionLog, StationLife } from './told.ts';
import { Violation } from './told.ts';

/** @param now the broker's time at the latest */
export function mayBeTrimmed(log: PartitionLog, sequence: number, now: number): boolean {
  if (sequence <= log.purgedTo) return true;
  const stored = log.stored.get(sequence);
  const { station } = log;
  const unseen = [...station.slot.unplaced];
  return station.configs.some(({ retention }) => {
    if (!retention) return false;
    const { maxMessages, maxBytes, maxAgeMs, untilAcked, discard } = retention;
    if (typeof maxAgeMs === 'number' && (stored?.producedAt === undefined || now - stored.producedAt >= maxAgeMs)) return true;
    if (discard !== 'refuse' && typeof maxMessages === 'number' && log.last + unseen.length - sequence + 1 > maxMessages) return true;
    if (
      discard !== 'refuse' &&
      typeof maxBytes === 'number' &&
      bytesFrom(log, sequence) + sum(unseen.map((sent) => sent.record.length)) > maxBytes
    )
      return true;
    return untilAcked === true && !isNeeded(log, sequence);
  });
}

/** Groups are about to change: what may be gone by now may be gone later, whatever the groups need then. */
export function settlePast(log: PartitionLog, now: number): void {
  for (let sequence = Math.max(log.purgedTo + 1, log.seenFirst); sequence <= log.last && mayBeTrimmed(log, sequence, now); sequence++)
    log.purgedTo = sequence;
}

/** Some group that is surely there has surely not settled the message. */
function isNeeded(log: PartitionLog, sequence: number): boolean {
  return log.station.slot.groups.some(({ life, changing }) => {
    if (life === undefined || changing !== undefined || life.station !== log.station) return false;
    const gp = life.partitions[log.partition];
    // What was redriven has bytes of its own: the station may let go of its message.
    return gp !== undefined && !gp.anyRedrive && isOwed(gp, sequence) === 'yes';
  });
}

/** What a record takes beside its payload, key and headers, at most. */
const RECORD_HEAD = 64;

/** At most: of what was stored again after an answer that nobody heard, without an id's window, it is not known what it is. */
function bytesFrom(log: PartitionLog, sequence: number): number {
  const { maxMessageBytes } = log.station.slot.config;
  let bytes = 0;
  for (let at = sequence; at <= log.last; at++) bytes += log.stored.get(at)?.sent.record.length ?? (maxMessageBytes ?? 0) + RECORD_HEAD;
  return bytes;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** At rest, long enough after the last message. */
export function checkBounds(life: StationLife, info: StationInfo, now: number): void {
  const { maxMessages, maxBytes, maxAgeMs, discard } = info.retention;
  for (const { partition, messages, bytes, first } of info.counts) {
    const where = `retention: ${info.name}/${partition}`;
    if (maxMessages !== undefined && messages > maxMessages && (discard === 'old' || life.slot.patched === 0))
      throw new Violation(`${where} holds ${messages} messages at rest; ${maxMessages} are allowed`);
    if (maxBytes !== undefined && bytes > maxBytes && (discard === 'old' || life.slot.patched === 0))
      throw new Violation(`${where} holds ${bytes} bytes at rest; ${maxBytes} are allowed`);
    const oldest = life.logs[partition]?.stored.get(first)?.producedAt;
    if (maxAgeMs !== undefined && messages > 0 && oldest !== undefined && oldest + maxAgeMs < now - 1000)
      throw new Violation(`${where} holds a message of ${now - oldest} ms at rest; ${maxAgeMs} are allowed`);
  }
}
