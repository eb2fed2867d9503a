/**
 * Dead letters of a partition: listing, removing, and giving them back to the group that failed.
 *
 * Holds: a letter is named `PARTITION-SEQUENCE-DIED-TAG`: DIED (base 36) is the entry in which it died, so one that was redriven and
 * died again is another; the tag is keyed by the station's secret, so that one of a station that was removed names none of the one made
 * after it. Redriving is one local entry, so that it neither loses nor doubles.
 * Elsewhere: how a message dies (acknowledge.ts), keeping its bytes when the station trims it (retain.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { batchDraft, draft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { RecordCursor } from '../batch/cursor.ts';
import { u32At } from '../batch/layout.ts';
import type { Block, DeadLetter } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import { producedBody } from '../entry/produce.ts';
import type { Soon } from '../ports.ts';
import { xxh32 } from '../xxh32.ts';
import { OUTPUT_PLACE } from './outbox.ts';
import type { Letter, PartitionState } from './state.ts';
import { letterKey } from './state.ts';
import type { Stored } from './stored.ts';
import { soon } from './stored.ts';

const encoder = new TextEncoder();

/** Headers are bounded: a copy has the beginning of the text. */
const COPIED_ERROR_LENGTH = 512;

export interface LetterName {
  readonly partition: number;
  readonly sequence: number;
  readonly died: number;
}

/** @param secret the station's */
export function formatLetter(partition: number, { sequence, died }: { sequence: number; died: number }, secret: number): string {
  const body = `${partition}-${sequence}-${died.toString(36)}`;
  return `${body}-${xxh32(encoder.encode(body), secret).toString(36).padStart(7, '0')}`;
}

/** Undefined when it names no letter of this station. */
export function parseLetter(id: string, secret: number): LetterName | undefined {
  const [, partition, sequence, died] = /^(0|[1-9]\d{0,4})-([1-9]\d{0,15})-([0-9a-z]{1,11})-[0-9a-z]{7}$/.exec(id) ?? [];
  if (died === undefined) return undefined;
  const name = { partition: Number(partition), sequence: Number(sequence), died: parseInt(died, 36) };
  if (!Object.values(name).every(Number.isSafeInteger)) return undefined;
  return formatLetter(name.partition, name, secret) === id ? name : undefined;
}

export function findLetter(state: PartitionState, { sequence, died }: Pick<LetterName, 'sequence' | 'died'>): Letter | undefined {
  const key = letterKey(sequence, died);
  return state.outbox.isLeaving(key) ? undefined : state.letters.get(key);
}

/** Letters in the order in which they died, behind `after`. A letter that is gone meanwhile still marks a place. */
export function* lettersAfter(state: PartitionState, after: LetterName | undefined, group: number | undefined): Generator<Letter> {
  for (const letter of state.letters.values()) {
    if (after !== undefined && (letter.died < after.died || (letter.died === after.died && letter.sequence <= after.sequence))) continue;
    if (state.outbox.isLeaving(letterKey(letter.sequence, letter.died))) continue;
    if (group === undefined || letter.group === group) yield letter;
  }
}

export function describe(state: PartitionState, stored: Stored, letter: Letter): Soon<DeadLetter> {
  const { sequence, reason, error, consumer, deliveries, deliveredAt, diedAt, redrives, past } = letter;
  const group = state.groups.get(letter.group)?.name ?? '';
  const history = [
    ...past,
    ...(deliveries === 0 ? [] : [{ at: deliveredAt, event: 'delivered', consumer, deliveries }]),
    { at: diedAt, event: reason, consumer, deliveries },
  ];
  const id = formatLetter(state.partition, letter, state.secret);
  return soon(stored.take(sequence, 1, 1), ({ block }) => ({
    id,
    reason,
    error,
    group,
    consumer,
    deliveries,
    redrives,
    diedAt,
    history,
    // An output that was refused is no message of the station.
    message: sequence < OUTPUT_PLACE ? block : { ...block, first: 0 },
  }));
}

/** @returns index of the entry; 0 when none of them is there */
export function removeLetters(log: ActorLog, letters: readonly Letter[], why: 'removed' | 'age'): number {
  if (letters.length === 0) return 0;
  return log.append([draft(KIND.lettersRemoved, { why, letters: letters.map(({ sequence, died }) => ({ sequence, died })) })], log.now);
}

export function redriveToGroup(log: ActorLog, letters: readonly Letter[]): number {
  if (letters.length === 0) return 0;
  return log.append([draft(KIND.redriven, { letters: letters.map(({ sequence, died }) => ({ sequence, died })) })], log.now);
}

/** Copies of them are on their way. @param partitions of the target, by place in `letters` */
export function copyToStation(log: ActorLog, letters: readonly Letter[], station: number, partitions: readonly number[]): void {
  const items = letters.map(({ sequence, died }, i) => ({ sequence, died, partition: partitions[i]! }));
  if (items.length > 0) log.append([draft(KIND.intended, { why: 'copy', station, items } as const)], log.now);
}

/** The record of a copy: as it was, without its id (another copy of it would be taken for a repeat), and where it comes from. */
export function copyRecord(builder: BatchBuilder, state: PartitionState, letter: Letter, { bytes, start, end }: Block): void {
  const cursor = new RecordCursor(bytes, start, end);
  cursor.next();
  const { key, contentType, headers, payload } = cursor;
  const { reason, error, sequence, diedAt } = letter;
  const origin: [string, string][] = [
    ['wayside-dead-letter', formatLetter(state.partition, letter, state.secret)],
    ['wayside-dead-reason', reason],
    ['wayside-dead-group', state.groups.get(letter.group)?.name ?? ''],
    ['wayside-dead-place', `${state.partition}.${sequence}`],
    ['wayside-dead-at', String(diedAt)],
    ['wayside-dead-error', error.slice(0, COPIED_ERROR_LENGTH)],
  ];
  builder.append({ key, contentType, headers: [...(headers ?? []), ...origin], payload });
}

/** On their way to another station. @param partitions of it, by place in `letters` */
export function redriveToStation(log: ActorLog, letters: readonly Letter[], station: number, partitions: readonly number[]): number {
  if (letters.length === 0) return 0;
  const items = letters.map(({ sequence, died }, i) => ({ sequence, died, partition: partitions[i]! }));
  return log.append([draft(KIND.intended, { why: 'redrive', station, items } as const)], log.now);
}

/**
 * New messages of the station, for all groups; the letters are gone with the same commit. They have no id: it would be taken
 * for a repeat.
 */
export function redriveToGroups(log: ActorLog, state: PartitionState, letters: readonly (readonly [Letter, Block])[]): number {
  const there = letters.filter(([letter]) => findLetter(state, letter) === letter);
  if (there.length === 0) return log.last;
  const builder = new BatchBuilder();
  for (const [, { bytes, start, end }] of there) {
    const cursor = new RecordCursor(bytes, start, end);
    cursor.next();
    const { key, contentType, headers, expiresMs, payload } = cursor;
    if (expiresMs >= 0) state.expiring = state.next + builder.count;
    builder.append({ key, contentType, headers, expiresMs: expiresMs < 0 ? undefined : expiresMs, payload });
  }
  const batch = builder.finish();
  const end = batch.length - 4;
  const produced = batchDraft(KIND.produced, producedBody(batch, end, u32At(batch, end)), state.next, builder.count);
  const removed = { why: 'redriven', letters: there.map(([{ sequence, died }]) => ({ sequence, died })) } as const;
  return log.append([produced, draft(KIND.lettersRemoved, removed)], log.now);
}

/** Letters that are too old at `now`. */
export function agedLetters(state: PartitionState, now: number): Letter[] {
  const maxAgeMs = state.config?.deadLetter.maxAgeMs;
  if (maxAgeMs === undefined) return [];
  const aged: Letter[] = [];
  for (const letter of state.letters.values()) {
    if (letter.diedAt + maxAgeMs > now) break;
    if (!state.outbox.isNeeded(letterKey(letter.sequence, letter.died))) aged.push(letter);
  }
  return aged;
}
