/**
 * Dead letters of a partition: their names, which ones, their bytes, and the entries that take them away or send them on.
 *
 * Holds: a letter is named `PARTITION-SEQUENCE-DIED-TAG`: DIED (base 36) is the entry in which it died, so one that was redriven and
 * died again is another; the tag is keyed by the station's secret, so that one of a station that was removed names none of the one made
 * after it. Redriving is one local entry, so that it neither loses nor doubles.
 * Elsewhere: what is asked for (letters.ts, redrive.ts), how a message dies (acknowledge.ts), keeping its bytes when the station
 * trims it (retain.ts).
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
import type { LetterFilter, LetterPlace } from './calls.ts';
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
export function formatLetter(partition: number, { sequence, died }: LetterPlace, secret: number): string {
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

export function findLetter(state: PartitionState, { sequence, died }: LetterPlace): Letter | undefined {
  const key = letterKey(sequence, died);
  return state.outbox.isLeaving(key) ? undefined : state.letters.get(key);
}

/** A copy of the letter is on its way: its bytes are needed. */
export function isCopying(state: PartitionState, { sequence, died }: LetterPlace): boolean {
  return state.outbox.isNeeded(letterKey(sequence, died));
}

/**
 * Letters in the order in which they died, behind `after`: those that fit, but for the key, which only their bytes tell. A letter
 * that is gone meanwhile still marks a place. It may be asked for the next one after others have come and gone.
 *
 * @param upTo none that died in a later entry
 */
export function* lettersAfter(
  { letters, outbox }: PartitionState,
  after: LetterPlace | undefined,
  filter: LetterFilter | undefined,
  upTo = Infinity,
): Generator<Letter> {
  for (const letter of letters.values()) {
    const { sequence, died } = letter;
    if (died > upTo) return;
    if (after !== undefined && (died < after.died || (died === after.died && sequence <= after.sequence))) continue;
    if (filter !== undefined && !fits(letter, filter)) continue;
    if (!outbox.isLeaving(letterKey(sequence, died))) yield letter;
  }
}

function fits(letter: Letter, { group, reason, from, until }: LetterFilter): boolean {
  if (group !== undefined && letter.group !== group) return false;
  return (reason === undefined || letter.reason === reason) && letter.diedAt >= from && letter.diedAt < until;
}

/** Undefined when it was removed, or taken by another call, while its bytes were read. */
export async function letterBlock(state: PartitionState, stored: Stored, letter: Letter): Promise<Block | undefined> {
  try {
    return (await stored.take(letter.sequence, 1, 1)).block;
  } catch (error) {
    if (findLetter(state, letter) !== letter) return undefined;
    throw error;
  }
}

/** At the record of a block of one message. */
export function cursorOf({ bytes, start, end }: Block): RecordCursor {
  const cursor = new RecordCursor(bytes, start, end);
  cursor.next();
  return cursor;
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

export function removeLetters(log: ActorLog, letters: readonly Letter[], why: 'removed' | 'age'): void {
  if (letters.length === 0) return;
  log.append([draft(KIND.lettersRemoved, { why, letters: letters.map(({ sequence, died }) => ({ sequence, died })) })], log.now);
}

export function redriveToGroup(log: ActorLog, letters: readonly LetterPlace[]): void {
  log.append([draft(KIND.redriven, { letters: letters.map(({ sequence, died }) => ({ sequence, died })) })], log.now);
}

/** Copies of them are on their way. @param partitions of the target, by place in `letters` */
export function copyToStation(log: ActorLog, letters: readonly Letter[], station: number, partitions: readonly number[]): void {
  const items = letters.map(({ sequence, died }, i) => ({ sequence, died, partition: partitions[i]! }));
  if (items.length > 0) log.append([draft(KIND.intended, { why: 'copy', station, items } as const)], log.now);
}

/** The record of a copy: as it was, without its id (another copy of it would be taken for a repeat), and where it comes from. */
export function copyRecord(builder: BatchBuilder, state: PartitionState, letter: Letter, block: Block): void {
  const { key, contentType, headers, payload } = cursorOf(block);
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
export function redriveToStation(log: ActorLog, letters: readonly LetterPlace[], station: number, partitions: readonly number[]): void {
  const items = letters.map(({ sequence, died }, i) => ({ sequence, died, partition: partitions[i]! }));
  log.append([draft(KIND.intended, { why: 'redrive', station, items } as const)], log.now);
}

/**
 * New messages of the station, for all groups; the letters, all of which are there, are gone with the same commit. They have no
 * id: it would be taken for a repeat.
 */
export function redriveToGroups(log: ActorLog, state: PartitionState, letters: readonly LetterPlace[], blocks: readonly Block[]): void {
  const builder = new BatchBuilder();
  for (const block of blocks) {
    const { key, contentType, headers, expiresMs, payload } = cursorOf(block);
    if (expiresMs >= 0) state.expiring = state.next + builder.count;
    builder.append({ key, contentType, headers, expiresMs: expiresMs < 0 ? undefined : expiresMs, payload });
  }
  const batch = builder.finish();
  const end = batch.length - 4;
  const produced = batchDraft(KIND.produced, producedBody(batch, end, u32At(batch, end)), state.next, builder.count);
  const removed = { why: 'redriven', letters: letters.map(({ sequence, died }) => ({ sequence, died })) } as const;
  log.append([produced, draft(KIND.lettersRemoved, removed)], log.now);
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
