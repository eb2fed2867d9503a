/**
 * A partition's state, made to go on elsewhere: after an import its station, groups and entries have other ones.
 *
 * Holds: what a user sees stays: sequences, times, who has settled what, what is out (until its lease ends, although its
 * receipt counts no more), dead letters by the same ids, who produced what. What was on its way to other stations and had not
 * arrived is a dead letter, as before it was sent; what a step has made goes on.
 * Elsewhere: reading the stream (transfer/import.ts).
 */
import type { StationRecord } from '../entry/catalog.ts';
import type { Intent } from './outbox.ts';
import type { PartitionState } from './state.ts';
import { letterKey } from './state.ts';

export interface Rebase {
  readonly station: StationRecord;
  /** Of the volume that it goes on in. */
  readonly epoch: number;
  /** New id of a group by its old one. */
  readonly groups: ReadonlyMap<number, number>;
  /** Where a data entry lies now, by where it lay. @throws it is not there */
  indexOf(index: number): number;
  /** Where a station is now that something was on its way to; undefined where there is none. */
  stationOf(id: number): number | undefined;
  /** What was on its way to others, and has arrived. */
  readonly arrived: readonly number[];
}

export function rebase(state: PartitionState, to: Rebase): void {
  const { station, epoch } = to;
  state.config = station.config;
  state.version = station.version;
  state.secret = station.secret;
  state.command = 0;
  state.eras.splice(0, Infinity, ...(state.next > state.first ? [{ epoch, first: state.first }] : []));
  endIntents(state, to);
  moveLetters(state, to);
  moveGroups(state, to);
  state.schedule.move(to.indexOf);
  state.producers.forgetOutboxes();
  state.dedup.touchAll();
}

function endIntents(state: PartitionState, to: Rebase): void {
  const { arrived } = to;
  for (const number of arrived) {
    const intent = state.outbox.end(number);
    const key = intent?.what === 'redrive' ? letterKey(intent.sequence, intent.died) : undefined;
    const letter = key === undefined ? undefined : state.letters.get(key);
    if (key === undefined || letter === undefined) continue;
    state.dropLetter(key);
    state.unpin(letter.sequence);
    const group = state.groups.get(letter.group);
    if (group !== undefined) group.dead--;
  }
  reroute(state, state.outbox.clear(), to);
}

/** What steps have made goes on to where its station is now. A copy of a letter that had not arrived is made again. */
function reroute(state: PartitionState, open: readonly Intent[], { groups, indexOf, stationOf }: Rebase): void {
  for (const intent of open) {
    const { what, sequence, died, index } = intent;
    const letter = state.letters.get(letterKey(sequence, died));
    if (what === 'copy' && letter !== undefined) state.putLetter({ ...letter, isUncopied: true });
    if (what !== 'output') continue;
    // That of a station that was not imported with this one is refused when it is sent, and kept as a dead letter.
    const station = stationOf(intent.station) ?? 0;
    state.outbox.add({ ...intent, station, group: groups.get(intent.group) ?? 0, index: indexOf(index) });
  }
}

function moveLetters(state: PartitionState, { groups, indexOf }: Rebase): void {
  for (const [key, letter] of state.letters) {
    const group = groups.get(letter.group);
    state.touchLetters(letter.sequence);
    if (group !== undefined) {
      state.putLetter({ ...letter, group });
      continue;
    }
    // Its group was removed, and it was kept only until it had left.
    state.dropLetter(key);
    state.unpin(letter.sequence);
  }
  for (const [sequence, pin] of state.pins) {
    state.touchLetters(sequence);
    if (pin.carried !== 0) pin.carried = indexOf(pin.carried);
  }
}

function moveGroups(state: PartitionState, { station, epoch, groups }: Rebase): void {
  const before = [...state.groups.values()];
  state.groups.clear();
  for (const group of before) {
    const id = groups.get(group.id);
    const record = station.groups.find((each) => each.id === id);
    if (id === undefined || record === undefined) throw new TypeError(`Group ${group.id} is not among those of the station.`);
    const { runs, fence } = group;
    runs.list = runs.list.map((run) => (run.epoch === 0 ? run : { ...run, epoch }));
    state.groups.set(id, {
      ...group,
      id,
      name: record.name,
      config: record.config,
      fence: fence.epoch === 0 ? fence : { ...fence, epoch },
      dirty: true,
    });
  }
}
