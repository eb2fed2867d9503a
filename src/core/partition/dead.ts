/**
 * Dead letters of a partition: listing, removing, and giving them back to the group that failed.
 *
 * Holds: a letter is named `PARTITION-SEQUENCE-DIED` (DIED in base 36 is the entry in which it died), so one that was
 * redriven and died again is another; redriving is one local entry, so that it neither loses nor doubles.
 * Elsewhere: how a message dies (acknowledge.ts), keeping its bytes when the station trims it (retain.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { DeadLetter } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import type { Soon } from '../ports.ts';
import { letterKey } from './machine.ts';
import type { Letter, PartitionState } from './state.ts';
import type { Stored } from './stored.ts';
import { soon } from './stored.ts';

export interface LetterName {
  readonly partition: number;
  readonly sequence: number;
  readonly died: number;
}

export function formatLetter(partition: number, { sequence, died }: { sequence: number; died: number }): string {
  return `${partition}-${sequence}-${died.toString(36)}`;
}

/** Undefined when it is no name of a letter. */
export function parseLetter(id: string): LetterName | undefined {
  const [, partition, sequence, died] = /^(0|[1-9]\d{0,4})-([1-9]\d{0,15})-([0-9a-z]{1,11})$/.exec(id) ?? [];
  if (died === undefined) return undefined;
  const name = { partition: Number(partition), sequence: Number(sequence), died: parseInt(died, 36) };
  return Object.values(name).every(Number.isSafeInteger) ? name : undefined;
}

export function findLetter(state: PartitionState, { sequence, died }: LetterName): Letter | undefined {
  return state.letters.get(letterKey(sequence, died));
}

/** Letters in the order in which they died, behind `after`. A letter that is gone meanwhile still marks a place. */
export function* lettersAfter(state: PartitionState, after: LetterName | undefined, group: number | undefined): Generator<Letter> {
  for (const letter of state.letters.values()) {
    if (after !== undefined && (letter.died < after.died || (letter.died === after.died && letter.sequence <= after.sequence))) continue;
    if (group === undefined || letter.group === group) yield letter;
  }
}

export function describe(state: PartitionState, stored: Stored, letter: Letter): Soon<DeadLetter> {
  const { sequence, reason, error, consumer, deliveries, deliveredAt, diedAt } = letter;
  const group = state.groups.get(letter.group)?.name ?? '';
  const history = [
    { at: deliveredAt, event: 'delivered', consumer, deliveries },
    { at: diedAt, event: reason, consumer, deliveries },
  ];
  const id = formatLetter(state.partition, letter);
  return soon(stored.take(sequence, 1, 1), ({ block }) => ({
    id,
    reason,
    error,
    group,
    consumer,
    deliveries,
    redrives: 0,
    diedAt,
    history,
    message: block,
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

/** Letters that are too old at `now`. */
export function agedLetters(state: PartitionState, now: number): Letter[] {
  const maxAgeMs = state.config?.deadLetter.maxAgeMs;
  if (maxAgeMs === undefined) return [];
  const aged: Letter[] = [];
  for (const letter of state.letters.values()) {
    if (letter.diedAt + maxAgeMs > now) break;
    aged.push(letter);
  }
  return aged;
}
