/**
 * The partition's state at rest: a small core, a section a group, one of dead letters, the ids by time, the producers.
 *
 * Holds: loading what was taken gives the same state; only what has changed is taken again, and the core always.
 */
import { decodeLayout, encode, flag, list, number, oneOf, optional, struct, text } from '../entry/codec.ts';
import { groupConfig } from '../entry/group.ts';
import { stationConfig } from '../entry/station.ts';
import { isPlanted } from '../faults.ts';
import type { Run } from './runs.ts';
import type { Group, Letter, PartitionState } from './state.ts';
import { lettersPart, newGroup } from './state.ts';

const coreLayout = struct({
  layout: number,
  config: optional(stationConfig),
  version: number,
  secret: number,
  command: number,
  first: number,
  next: number,
  bytes: number,
  oldest: number,
  produced: number,
  expiring: number,
  eras: list(struct({ epoch: number, first: number })),
});

const pastLayout = list(
  struct({
    at: number,
    event: oneOf('nacked', 'expired', 'redriven', 'rejected', 'max-deliveries'),
    consumer: text,
    deliveries: number,
  }),
);

const runLayout = struct({
  from: number,
  count: number,
  state: oneOf('acked', 'leased', 'returned'),
  epoch: number,
  index: number,
  deliveries: number,
  at: number,
  since: number,
  consumer: text,
  pinned: flag,
  rests: number,
  redrives: number,
  past: pastLayout,
});

const groupLayout = struct({
  layout: number,
  id: number,
  name: text,
  config: groupConfig,
  base: number,
  tally: struct({
    acknowledged: number,
    dead: number,
    expired: number,
    trimmed: number,
    filtered: number,
    skipped: number,
    again: number,
  }),
  next: number,
  fenceEpoch: number,
  fenceIndex: number,
  touched: number,
  dead: number,
  steps: list(struct({ spans: list(struct({ from: number, to: number, epoch: number, index: number })), acked: number, produced: number })),
  runs: list(runLayout),
});

const lettersLayout = struct({
  layout: number,
  letters: list(
    struct({
      sequence: number,
      died: number,
      group: number,
      reason: oneOf('rejected', 'max-deliveries', 'expired', 'undeliverable'),
      error: text,
      consumer: text,
      deliveries: number,
      deliveredAt: number,
      diedAt: number,
      redrives: number,
      past: pastLayout,
      isUncopied: flag,
    }),
  ),
  pins: list(struct({ sequence: number, holders: number, carried: number })),
});

/** Version of all three layouts; another one refuses to open. */
const LAYOUT = 3;
const STATES = ['acked', 'leased', 'returned'] as const;

export function* takeSections(state: PartitionState): Iterable<readonly [string, Uint8Array | null]> {
  yield ['core', encode(coreLayout, { ...state, layout: LAYOUT })];
  for (const group of state.groups.values()) {
    if (!group.dirty) continue;
    group.dirty = false;
    yield [`group:${group.id}`, encodeGroup(group)];
  }
  for (const gone of state.groupsGone.splice(0)) yield [`group:${gone}`, null];
  yield* takeLetters(state);
  yield* state.dedup.takeSections();
  yield* state.producers.takeSections();
  yield* state.schedule.takeSections();
  yield* state.outbox.takeSections();
}

export function encodeGroup(group: Group): Uint8Array {
  const runs = group.runs.list.map((run) => ({ ...run, count: run.end - run.from, state: STATES[run.state] }));
  return encode(groupLayout, {
    layout: LAYOUT,
    id: group.id,
    name: group.name,
    config: group.config,
    base: group.runs.base,
    tally: group.runs.tally,
    next: group.runs.next,
    fenceEpoch: group.fence.epoch,
    fenceIndex: group.fence.index,
    touched: group.touched,
    dead: group.dead,
    steps: group.steps,
    runs,
  });
}

/** Only the parts that changed: a million letters are not written again because one more has died. */
function takeLetters(state: PartitionState): [string, Uint8Array | null][] {
  if (state.dirtyLetters.size === 0) return [];
  const parts = new Map<number, { letters: Letter[]; pins: { sequence: number; holders: number; carried: number }[] }>();
  for (const part of [...state.dirtyLetters].sort((a, b) => a - b)) parts.set(part, { letters: [], pins: [] });
  state.dirtyLetters.clear();
  for (const letter of state.letters.values()) parts.get(lettersPart(letter.sequence))?.letters.push(letter);
  for (const [sequence, { holders, carried }] of state.pins) parts.get(lettersPart(sequence))?.pins.push({ sequence, holders, carried });
  return [...parts].map(([part, { letters, pins }]) => [
    `letters:${part}`,
    letters.length + pins.length === 0 ? null : encode(lettersLayout, { layout: LAYOUT, letters, pins }),
  ]);
}

export function loadSection(state: PartitionState, name: string, body: Uint8Array): void {
  if (name === 'core') Object.assign(state, withoutLayout(decodeLayout(coreLayout, body, LAYOUT)));
  else if (name.startsWith('letters:')) loadLetters(state, body);
  else if (name.startsWith('group:')) loadGroup(state, body);
  else if (name.startsWith('ids:')) state.dedup.load(name, body);
  else if (name.startsWith('producers:')) state.producers.load(body);
  else if (name === 'outbox') state.outbox.load(body);
  else if (name.startsWith('delayed')) state.schedule.load(name, body);
  else throw new TypeError(`A partition has no section named ${name}.`);
}

function withoutLayout<T extends { layout: number }>({ layout: _, ...rest }: T): Omit<T, 'layout'> {
  return rest;
}

function loadGroup(state: PartitionState, body: Uint8Array): void {
  const saved = decodeLayout(groupLayout, body, LAYOUT);
  const group = newGroup(saved.id, saved.name, saved.config, saved.runs[0]?.from ?? saved.next, saved.base);
  for (const { count, state: word, ...run } of saved.runs)
    group.runs.push({ ...run, end: run.from + count, state: STATES.indexOf(word) as Run['state'], why: 'acknowledged' });
  // Pushing has counted what is settled among them.
  Object.assign(group.runs.tally, saved.tally);
  group.fence = { epoch: saved.fenceEpoch, index: saved.fenceIndex };
  group.touched = saved.touched;
  group.dead = saved.dead;
  group.steps = saved.steps;
  group.dirty = false;
  state.groups.set(group.id, group);
}

/** Once all parts are there: letters are kept in the order in which they died. */
export function sortLetters(state: PartitionState): void {
  const sorted = [...state.letters].sort(([, a], [, b]) => a.died - b.died || a.sequence - b.sequence);
  state.letters.clear();
  for (const [key, letter] of sorted) state.letters.set(key, letter);
}

function loadLetters(state: PartitionState, body: Uint8Array): void {
  const saved = decodeLayout(lettersLayout, body, LAYOUT);
  for (const letter of saved.letters) state.putLetter(isPlanted('copies-forgotten') ? { ...letter, isUncopied: false } : letter);
  for (const { sequence, holders, carried } of saved.pins) state.pins.set(sequence, { holders, carried });
}
