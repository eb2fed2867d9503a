/**
 * The state that a log makes, looked at from inside: it keeps its own rules, and is the same whether it was made by
 * applying what was just decided, or by reading sections and replaying what came after them.
 *
 * Holds: the lines at the head of partition/state.ts, partition/runs.ts and partition/producers.ts, as assertions.
 * Elsewhere: where the two logs to compare come from (../broker.ts).
 */
import { Gate } from '../../../src/core/actor/gate.ts';
import { ActorLog } from '../../../src/core/actor/log.ts';
import { Time } from '../../../src/core/actor/time.ts';
import { CATALOG_KEY } from '../../../src/core/catalog/catalog.ts';
import { CatalogMachine } from '../../../src/core/catalog/machine.ts';
import { saveCatalog } from '../../../src/core/catalog/sections.ts';
import { CatalogState } from '../../../src/core/catalog/state.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { makeLimits } from '../../../src/core/limits.ts';
import { audit, isBalanced } from '../../../src/core/partition/counts.ts';
import { PartitionMachine } from '../../../src/core/partition/machine.ts';
import { RUNS_MAX } from '../../../src/core/partition/producers.ts';
import { ACKED, LEASED, RETURNED } from '../../../src/core/partition/runs.ts';
import type { Group } from '../../../src/core/partition/state.ts';
import { PartitionState } from '../../../src/core/partition/state.ts';
import type { ActorKey, Clock, Volume } from '../../../src/core/ports.ts';
import { actorParts } from '../../../src/core/ports.ts';
import { Violation } from './told.ts';

/** Each actor's state as a text, by key. @throws Violation a state breaks its own rules */
export async function walk(volume: Volume, clock: Clock, limits: Partial<Limits>): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  for (const { key } of [...volume.actors()])
    states.set(key, key === CATALOG_KEY ? await walkCatalog(volume, clock) : await walkPartition(volume, clock, key, makeLimits(limits)));
  return states;
}

async function walkCatalog(volume: Volume, clock: Clock): Promise<string> {
  const state = new CatalogState();
  const log = new ActorLog({
    key: CATALOG_KEY,
    volume,
    gate: new Gate(volume),
    time: new Time(clock),
    machine: new CatalogMachine(state),
    settleBytes: 2 ** 40,
  });
  await log.open();
  if (state.commands.size > 0) throw new Violation(`state: ${state.commands.size} commands of the catalog are open at rest`);
  return [...saveCatalog(state)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function walkPartition(volume: Volume, clock: Clock, key: ActorKey, limits: Limits): Promise<string> {
  const state = new PartitionState(actorParts(key)[2], 1, limits);
  const log = new ActorLog({
    key,
    volume,
    gate: new Gate(volume),
    time: new Time(clock),
    machine: new PartitionMachine(state),
    settleBytes: 2 ** 40,
  });
  await log.open();
  checkState(state, key);
  checkKnown(state, key, limits);
  // Ids are dropped by the slice, whenever one is added: only those within the window are the same.
  const since = log.now;
  const ids = [...state.dedup.ids(since, state.config?.dedupWindowMs ?? 0)]
    .map(({ id, sequence, time }) => `${[...id].join('.')} ${sequence} ${time}`)
    .sort();
  const groups = [...state.groups.values()]
    .sort((a, b) => a.id - b.id)
    .map(({ dirty: _, settledIn: _settledIn, ...group }) => ({
      ...group,
      runs: { ...group.runs, held: [...group.runs.held].sort(), floor: group.runs.floor, earliest: 0 },
    }));
  const { config, version, secret, command, first, next, bytes, oldest, produced, expiring } = state;
  const pins = [...state.pins].sort(([a], [b]) => a - b);
  return JSON.stringify({
    last: log.last,

    config,
    version,
    secret,
    command,
    first,
    next,
    bytes,
    oldest,
    produced,
    expiring,
    groups,
    letters: [...state.letters],
    pins,
    ids,
    producers: [...state.producers.all()],
    delayed: [...state.schedule.all()].sort((a, b) => a.number - b.number),
    nextDelayed: state.schedule.next,
    outbox: [...state.outbox.all()],
  });
}

function checkState(state: PartitionState, key: string): void {
  const { first, next, bytes } = state;
  if (first < 1 || first > next) throw new Violation(`state: ${key} has messages ${first} to ${next - 1}`);
  if (first === next && bytes !== 0) throw new Violation(`state: ${key} is empty, with ${bytes} bytes`);
  const holders = new Map<number, number>();
  const hold = (sequence: number): void => {
    holders.set(sequence, (holders.get(sequence) ?? 0) + 1);
  };
  for (const letter of state.letters.values()) {
    hold(letter.sequence);
    if (!state.groups.has(letter.group)) throw new Violation(`state: ${key} has a dead letter of a group that is not there`);
  }
  for (const group of state.groups.values()) {
    checkRuns(group, state, key);
    const places = audit(state, group);
    if (!isBalanced(places)) throw new Violation(`I7: group ${group.id} of ${key} does not add up: ${JSON.stringify(places)}`);
    for (const run of group.runs.list) if (run.pinned) for (let sequence = run.from; sequence < run.end; sequence++) hold(sequence);
    const dead = [...state.letters.values()].filter((letter) => letter.group === group.id).length;
    if (dead !== group.dead) throw new Violation(`I7: group ${group.id} of ${key} says ${group.dead} dead letters, and has ${dead}`);
  }
  const pins = [...state.pins]
    .map(([sequence, pin]) => `${sequence}×${pin.holders}`)
    .sort()
    .join(' ');
  const held = [...holders]
    .map(([sequence, count]) => `${sequence}×${count}`)
    .sort()
    .join(' ');
  if (pins !== held) throw new Violation(`state: ${key} pins ${pins}; letters and redriven messages are ${held}`);
}

function checkKnown(state: PartitionState, key: string, { producersMax }: Limits): void {
  // Outboxes of partitions are never forgotten.
  const count = [...state.producers.all()].filter(({ id }) => !id.startsWith('.')).length;
  if (count > producersMax) throw new Violation(`state: ${key} knows ${count} producers; ${producersMax} are allowed`);
  for (const { id, next, runs } of state.producers.all()) {
    let [sequence, message] = [1, 1];
    for (const run of runs) {
      if (run.count < 1 || run.sequence < sequence || run.first < message)
        throw new Violation(`state: ${key} remembers ${id} out of order: ${JSON.stringify(runs)}`);
      sequence = run.sequence + run.count;
      message = run.first + run.count;
    }
    if (sequence > next || message > state.next)
      throw new Violation(`state: ${key} remembers ${id} beyond ${next}: ${JSON.stringify(runs)}`);
    if (runs.length > RUNS_MAX) throw new Violation(`state: ${key} remembers ${runs.length} runs of ${id}`);
  }
}

function checkRuns(group: Group, state: PartitionState, key: string): void {
  const { runs } = group;
  const where = `state: group ${group.id} of ${key}`;
  if (runs.next > state.next) throw new Violation(`${where} has reached ${runs.next}, and the partition ends before ${state.next}`);
  let at = runs.floor;
  const counts = { inFlight: 0, redelivered: 0, returned: 0, acked: 0 };
  for (const run of runs.list) {
    if (run.from !== at || run.end <= run.from)
      throw new Violation(`${where} has a run ${run.from}–${run.end} where one from ${at} belongs`);
    at = run.end;
    const messages = run.end - run.from;
    if (run.state === LEASED) counts.inFlight += messages;
    if (run.state === LEASED && run.deliveries > 1) counts.redelivered += messages;
    if (run.state === RETURNED) counts.returned += messages;
    if (run.state === ACKED) counts.acked += messages;
    if (run.state !== ACKED && !run.pinned && run.from < state.first)
      throw new Violation(`${where} waits for message ${run.from}, which is trimmed`);
  }
  if (at !== runs.next) throw new Violation(`${where} has runs up to ${at}, and says ${runs.next}`);
  if (runs.list[0]?.state === ACKED) throw new Violation(`${where} begins with an acknowledged run`);
  // I7: what lies between floor and next is settled, in flight or returned, and nothing else.
  if (counts.acked + counts.inFlight + counts.returned !== runs.next - runs.floor) throw new Violation(`I7: ${where} does not add up`);
  for (const name of ['inFlight', 'redelivered', 'returned'] as const) {
    if (counts[name] !== runs[name]) throw new Violation(`${where} says ${runs[name]} ${name}, and has ${counts[name]}`);
  }
}

/** The first actor whose state differs, and where. */
export function difference(live: ReadonlyMap<string, string>, replayed: ReadonlyMap<string, string>): string | undefined {
  for (const key of new Set([...live.keys(), ...replayed.keys()])) {
    const a = live.get(key);
    const b = replayed.get(key);
    if (a === b) continue;
    if (a === undefined || b === undefined) return `${key} is there only ${a === undefined ? 'by replay' : 'live'}`;
    let at = 0;
    while (at < a.length && a[at] === b[at]) at++;
    return `${key} differs: live …${a.slice(Math.max(0, at - 150), at + 100)}… and by replay …${b.slice(Math.max(0, at - 150), at + 100)}…`;
  }
  return undefined;
}
