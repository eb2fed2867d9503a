/**
 * I1 to I4 and I14: what was acknowledged is there, byte for byte, at the sequence that was told; nothing else is; in order.
 *
 * Holds: a sequence is one message for ever; a message that was refused never appears; what no id protects appears once;
 * times never fall along the sequences.
 * Elsewhere: repeated ids (dedup.ts), which messages may be gone (retention.ts).
 */
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import { HEADER_BYTES } from '../../../src/core/batch/layout.ts';
import type { Block } from '../../../src/core/calls.ts';
import { checkRepeat } from './dedup.ts';
import { mayBeTrimmed } from './retention.ts';
import { checkDue } from './schedule.ts';
import type { PartitionLog, Sent, StationLife, Told } from './told.ts';
import { Violation } from './told.ts';

/** One record of a block, as it came. */
export interface Seen {
  readonly partition: number;
  readonly sequence: number;
  readonly producedAt: number;
  readonly sent: Sent;
}

/** I2: each record of `block` is one that a client built, byte for byte, and sent to the station of this name. */
export function readBlock(told: Told, slotName: string, block: Block): Seen[] {
  const seen: Seen[] = [];
  const cursor = new RecordCursor(block.bytes, block.start, block.end);
  while (cursor.next()) {
    const sequence = block.first + seen.length;
    const where = `${slotName}/${block.partition}/${sequence}`;
    if (cursor.payloadEnd - cursor.payloadStart < 4) throw new Violation(`I2: ${where} holds a payload that nobody sent`);
    const uid = new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset + cursor.payloadStart, 4).getUint32(0, true);
    const sent = told.sent.get(uid);
    if (sent === undefined) throw new Violation(`I2: ${where} holds message ${uid}, which nobody sent`);
    if (sent.slot.name !== slotName) throw new Violation(`I2: ${where} holds message ${uid}, which was sent to ${sent.slot.name}`);
    if (sent.possible <= 0) throw new Violation(`I2: ${where} holds message ${uid}, which was refused`);
    if (!equal(sent.record, cursor.bytes, cursor.offset, cursor.end))
      throw new Violation(`I2: ${where} is not what was sent as message ${uid}`);
    seen.push({ partition: block.partition, sequence, producedAt: block.producedAt, sent });
  }
  if (seen.length !== block.count) throw new Violation(`I2: a block of ${block.count} messages holds ${seen.length}`);
  return seen;
}

/** I1, I3: notes that `sequence` is this message. */
export function place(log: PartitionLog, sequence: number, sent: Sent, producedAt: number | undefined, acked: boolean): void {
  const where = `${log.station.slot.name}/${log.partition}/${sequence}`;
  checkDue(log, sequence, sent, producedAt);
  const known = log.stored.get(sequence);
  if (known !== undefined && known.sent !== sent) {
    throw new Violation(
      `I1/I3: ${where} is message ${sent.uid}, and was ${known.acked ? 'acknowledged' : 'seen'} as message ${known.sent.uid}`,
    );
  }
  if (known === undefined) {
    for (const other of sent.places)
      if (other.log === log && sent.id === undefined)
        throw new Violation(`I2: message ${sent.uid} is at ${other.sequence} and at ${sequence}, and was sent once`);
    if (sent.partition !== undefined && sent.partition !== log.partition)
      throw new Violation(`I2: ${where} was sent to partition ${sent.partition}`);
    const claim = log.claims.get(sequence);
    if (claim !== undefined && claim !== sent.id)
      throw new Violation(`I5: a repeat of id ${claim} was answered with ${where}, which holds id ${sent.id}`);
    sent.places.push({ log, sequence });
    sent.slot.unplaced.delete(sent);
    log.stored.set(sequence, { sent, producedAt, acked });
  } else {
    known.acked ||= acked;
    if (known.producedAt !== undefined && producedAt !== undefined && known.producedAt !== producedAt) {
      throw new Violation(`I2: ${where} was produced at ${known.producedAt}, and now at ${producedAt}`);
    }
    known.producedAt ??= producedAt;
  }
  log.last = Math.max(log.last, sequence);
  checkTimes(log, sequence);
  checkRepeat(log, sequence);
}

/** I4: later messages have later times. */
function checkTimes(log: PartitionLog, sequence: number): void {
  const at = log.stored.get(sequence)?.producedAt;
  const before = log.stored.get(sequence - 1)?.producedAt;
  if (at !== undefined && before !== undefined && before > at)
    throw new Violation(`I4: message ${sequence} of ${log.station.slot.name} is older than the one before it`);
}

/** A sequential read from `from` on gave `seen` of one partition: contiguous, but for what retention may have taken. */
export function checkRead(log: PartitionLog, from: number, seen: readonly Seen[], claimedFirst: number, context: { now: number }): void {
  let next = from;
  for (const { sequence, sent, producedAt } of seen) {
    if (sequence < claimedFirst)
      throw new Violation(
        `I1: message ${sequence} of ${log.station.slot.name}/${log.partition} is served, and was trimmed below ${claimedFirst}`,
      );
    if (sequence > next) checkGone(log, next, sequence, context);
    else if (sequence < next) throw new Violation(`I4: message ${sequence} comes after ${next - 1}`);
    place(log, sequence, sent, producedAt, false);
    next = sequence + 1;
  }
}

/** Messages `from … first − 1` were passed over: they must have been trimmed, with all before. */
export function checkGone(log: PartitionLog, from: number, first: number, context: { now: number }): void {
  if (first <= log.seenFirst) return;
  for (let sequence = Math.max(from, log.seenFirst); sequence < first; sequence++) {
    if (!mayBeTrimmed(log, sequence, context.now)) {
      const what = log.stored.get(sequence)?.acked === true ? 'acknowledged ' : '';
      throw new Violation(
        `I1: ${what}message ${sequence} of ${log.station.slot.name}/${log.partition} is gone, and nothing may have trimmed it`,
      );
    }
  }
  log.seenFirst = first;
}

/** I1: all that was acknowledged and is not trimmed was seen. @param end one beyond the last sequence that is there */
export function checkComplete(log: PartitionLog, first: number, end: number, context: { now: number }): void {
  checkGone(log, log.seenFirst, first, context);
  if (end <= log.last)
    throw new Violation(
      `I1: ${log.station.slot.name}/${log.partition} ends before ${end}, and message ${log.last} was ${log.stored.get(log.last)?.acked === true ? 'acknowledged' : 'seen'}`,
    );
}

/** After a power cut a buffered partition ends where it ends; what it has is what was told. */
export function forgetFrom(log: PartitionLog, first: number, end: number): void {
  for (const [sequence, { sent }] of log.stored) {
    if (sequence < end) continue;
    log.stored.delete(sequence);
    sent.places.splice(
      sent.places.findIndex((each) => each.log === log && each.sequence === sequence),
      1,
    );
  }
  for (const sequence of log.claims.keys()) if (sequence >= end) log.claims.delete(sequence);
  log.last = Math.min(log.last, end - 1);
  log.first = Math.min(log.first, first);
  log.seenFirst = Math.min(log.seenFirst, first);
}

export function lasts(life: StationLife): number[] {
  return life.logs.map((log) => log.last);
}

/** Record bytes of messages `first … end − 1`, where all of them are known. */
export function recordBytes(log: PartitionLog, first: number, end: number): number | undefined {
  let bytes = 0;
  for (let sequence = first; sequence < end; sequence++) {
    const stored = log.stored.get(sequence);
    if (stored === undefined) return undefined;
    bytes += stored.sent.record.length;
  }
  return bytes;
}

export function recordOf(batch: Uint8Array): Uint8Array {
  return batch.slice(HEADER_BYTES, batch.length - 4);
}

function equal(sent: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== sent.length) return false;
  for (let at = 0; at < sent.length; at++) if (sent[at] !== bytes[start + at]) return false;
  return true;
}
