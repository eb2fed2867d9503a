/**
 * What entries do to dead letters, and to what is on its way to other stations.
 *
 * Holds: as machine.ts; a letter has a pin, which goes over to the run when it is redriven, and back when it dies again.
 * Elsewhere: who decides (acknowledge.ts, dead.ts, step.ts), what is on its way (outbox.ts).
 */
import type { Applied } from '../actor/log.ts';
import type { Died, LettersRemoved, Redriven } from '../entry/group.ts';
import type { Intended, IntentEnded, OutputsMeta } from '../entry/outbox.ts';
import { readOutputs } from '../entry/outbox.ts';
import { change, reach } from './apply-groups.ts';
import type { Intent } from './outbox.ts';
import { OUTPUT_PLACE } from './outbox.ts';
import { ACKED, blankRun, LEASED, settledRun, withPast } from './runs.ts';
import type { Group, Letter, PartitionState } from './state.ts';
import { letterKey } from './state.ts';

export function applyDied(state: PartitionState, { group, reason, error, ranges }: Died, entry: Applied): void {
  change(state, group, entry, (found) => {
    for (const { from, count } of ranges) {
      reach(found, from + count, from);
      found.runs.change(from, from + count, (part) => {
        for (let sequence = part.from; sequence < part.end; sequence++) {
          addLetter(
            state,
            found,
            {
              sequence,
              died: entry.index,
              group,
              reason,
              error,
              consumer: part.consumer,
              deliveries: part.deliveries,
              deliveredAt: part.since,
              diedAt: entry.time,
              redrives: part.redrives,
              past: part.past,
              isUncopied: state.config?.deadLetter.station !== undefined,
            },
            part.pinned,
          );
        }
        return settledRun(part.from, part.end, reason === 'expired' ? 'expired' : 'dead');
      });
    }
    found.settledIn = entry.index;
  });
}

/** A pin that the run held goes over to the letter. */
function addLetter(state: PartitionState, group: Group, letter: Letter, pinned: boolean): void {
  state.putLetter(letter);
  if (!pinned) state.pin(letter.sequence);
  group.dead++;
  state.touchLetters(letter.sequence);
}

export function applyRedriven(state: PartitionState, { letters }: Redriven, entry: Applied): void {
  for (const { sequence, died } of letters) {
    const letter = state.letters.get(letterKey(sequence, died));
    if (letter === undefined) continue;
    state.dropLetter(letterKey(sequence, died));
    state.touchLetters(sequence);
    const group = state.groups.get(letter.group);
    if (group === undefined) continue;
    group.dead--;
    reopen(state, group, letter, entry);
  }
}

/** The pin goes over from the letter to the run. Leases given out before it died count no more. */
function reopen(state: PartitionState, group: Group, letter: Letter, entry: Applied): void {
  const { sequence, reason, consumer, deliveries, diedAt } = letter;
  const died = reason === 'rejected' || reason === 'max-deliveries' ? reason : 'expired';
  const past = withPast(letter.past, { at: diedAt, event: died, consumer, deliveries });
  const run = {
    ...blankRun(sequence, sequence + 1),
    epoch: entry.epoch,
    index: entry.index,
    pinned: true,
    rests: entry.index,
    redrives: letter.redrives + 1,
    past: withPast(past, { at: entry.time, event: 'redriven', consumer: '', deliveries: 0 }),
  };
  if (sequence >= group.runs.next) reach(group, sequence + 1, sequence);
  const found = group.runs.at(sequence);
  if (found === undefined || found.state === ACKED) recount(group, letter);
  if (sequence < group.runs.floor) group.runs.reopen(run);
  else
    group.runs.change(sequence, sequence + 1, (part) => {
      // It died twice (the group was moved back between), and both letters are redriven: one pin is enough.
      if (part.pinned) state.unpin(sequence);
      // The group came by it again since, and somebody has it: their lease stands.
      return part.state === LEASED ? { ...part, pinned: true } : run;
    });
  group.touched = entry.index;
  group.dirty = true;
}

/** A settled message is open again: it no longer counts as what it was settled for. */
function recount({ runs: { tally, base }, fence }: Group, { sequence, died, reason }: Letter): void {
  if (died > fence.index) tally[reason === 'expired' ? 'expired' : 'dead']--;
  // It died before the group was moved: what came of it then is counted by where it lies.
  else if (sequence < base) tally.skipped--;
  else tally.again++;
}

export function applyIntended(state: PartitionState, intended: Intended): void {
  state.outbox.intend(intended);
  if (intended.why !== 'copy') return;
  for (const { sequence, died } of intended.items) {
    const letter = state.letters.get(letterKey(sequence, died));
    if (letter !== undefined) state.putLetter({ ...letter, isUncopied: false });
    state.touchLetters(sequence);
  }
}

export function applyOutputs(state: PartitionState, entry: Applied): void {
  state.outbox.output(entry.live ? (entry.value as OutputsMeta) : readOutputs(entry.body!), entry.index);
}

export function applyIntentEnded(state: PartitionState, { produced, refused }: IntentEnded, entry: Applied): void {
  for (const number of produced) {
    const intent = state.outbox.end(number);
    if (intent?.what === 'redrive' || (intent?.what === 'copy' && isOrphan(state, intent))) removeLetter(state, intent);
  }
  for (const { number, error } of refused) {
    const intent = state.outbox.end(number);
    if (intent === undefined) continue;
    if (intent.what === 'output') addRefusedOutput(state, intent, error, entry);
    else if (isOrphan(state, intent)) removeLetter(state, intent);
    else if (intent.what === 'redrive') {
      const letter = state.letters.get(letterKey(intent.sequence, intent.died));
      state.touchLetters(intent.sequence);
      if (letter !== undefined) state.putLetter({ ...letter, error });
    }
  }
}

/** The group of the letter is gone: nobody could see it any more. */
function isOrphan(state: PartitionState, { sequence, died }: { sequence: number; died: number }): boolean {
  const letter = state.letters.get(letterKey(sequence, died));
  return letter !== undefined && !state.groups.has(letter.group);
}

/** Its bytes are in the entry that follows. */
function addRefusedOutput(state: PartitionState, { number, group }: Intent, error: string, entry: Pick<Applied, 'index' | 'time'>): void {
  const found = state.groups.get(group);
  if (found === undefined) return;
  const times = { deliveredAt: entry.time, diedAt: entry.time };
  addLetter(
    state,
    found,
    {
      sequence: OUTPUT_PLACE + number,
      died: entry.index,
      group,
      reason: 'undeliverable',
      error,
      consumer: '',
      deliveries: 0,
      ...times,
      redrives: 0,
      past: [],
      isUncopied: false,
    },
    false,
  );
  found.dirty = true;
}

export function applyLettersRemoved(state: PartitionState, { letters }: LettersRemoved): void {
  for (const letter of letters) removeLetter(state, letter);
}

function removeLetter(state: PartitionState, { sequence, died }: { sequence: number; died: number }): void {
  const letter = state.letters.get(letterKey(sequence, died));
  if (letter === undefined) return;
  state.dropLetter(letterKey(sequence, died));
  state.unpin(sequence);
  const group = state.groups.get(letter.group);
  if (group === undefined) return;
  group.dead--;
  group.dirty = true;
}
