/**
 * What a broker would find in the folder: the log opened as it opens it, the catalog, and every partition replayed.
 *
 * Holds: the broker's own code reads; nothing is written (files.ts keeps in memory what opening would change). Every message
 * that a partition says it has must lie in an entry; where files are damaged every living entry is read, to tell which.
 * Elsewhere: bytes and CRCs (segments.ts).
 */
import { Gate } from '../../core/actor/gate.ts';
import type { Machine } from '../../core/actor/log.ts';
import { ActorLog } from '../../core/actor/log.ts';
import { Time } from '../../core/actor/time.ts';
import { CATALOG_KEY } from '../../core/catalog/catalog.ts';
import { CatalogMachine } from '../../core/catalog/machine.ts';
import type { Station } from '../../core/catalog/state.ts';
import { CatalogState } from '../../core/catalog/state.ts';
import { crc32c } from '../../core/crc32c.ts';
import { makeLimits } from '../../core/limits.ts';
import { PartitionMachine } from '../../core/partition/machine.ts';
import { PartitionState } from '../../core/partition/state.ts';
import type { ActorKey, EntryHead, Files, Volume } from '../../core/ports.ts';
import { actorKey } from '../../core/ports.ts';
import { openLog } from '../../core/volume/opening.ts';
import { Reading } from '../../core/volume/reading.ts';
import { makeSettings } from '../../core/volume/settings.ts';
import { Store } from '../../core/volume/store.ts';
import { Tables } from '../../core/volume/tables.ts';
import type { PartitionReport, StationReport } from './report.ts';

export interface Contents {
  readonly stations: readonly StationReport[];
  readonly notes: readonly string[];
}

const HEADS_A_STEP = 1000;

/**
 * @param thorough every living entry is read, not only its head
 * @throws CORRUPTION, UNAVAILABLE as a broker's start would
 */
export async function readContents(files: Files, thorough: boolean, told: (done: number, total: number) => void): Promise<Contents> {
  const notes: string[] = [];
  const { volume, close } = await openReadOnly(files, notes);
  try {
    const catalog = new CatalogState();
    await logOf(volume, CATALOG_KEY, new CatalogMachine(catalog)).open();
    const names = new Map([...catalog.namespaces].map(([name, id]) => [id, name]));
    const stations: StationReport[] = [];
    const owned = new Set<ActorKey>([CATALOG_KEY]);
    let done = 0;
    for (const station of catalog.byId.values()) {
      const { partitions: count, durability } = station.config;
      const partitions: PartitionReport[] = [];
      for (let partition = 0; durability !== 'memory' && partition < count; partition++) {
        const key = actorKey(station.namespace, station.id, partition);
        owned.add(key);
        partitions.push(await readPartition(volume, key, station, partition, thorough));
      }
      stations.push({ namespace: names.get(station.namespace) ?? '?', station: station.name, durability, partitions });
      told(++done, catalog.byId.size);
    }
    const going = new Set([...catalog.commands.values()].filter(({ verb }) => verb === 'remove').map((command) => command.station.id));
    const strays = [...volume.actors()].filter(({ key }) => !owned.has(key) && !going.has(Number(key.split('.')[1])));
    if (going.size > 0)
      notes.push(`${going.size === 1 ? 'A station is' : `${going.size} stations are`} being removed; the next start goes on with it.`);
    if (strays.length > 0)
      notes.push(
        `${strays.length} partitions belong to no station: ${strays
          .slice(0, 5)
          .map(({ key }) => key)
          .join(', ')}.`,
      );
    return { stations, notes };
  } finally {
    await close();
  }
}

async function openReadOnly(files: Files, notes: string[]): Promise<{ volume: Volume; close(): Promise<void> }> {
  const say = (text: string) => void notes.push(text);
  const store = new Store(
    {
      files,
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      // Nothing is due in a log that nobody writes.
      timers: { endOfTurn: (run) => void setImmediate(run), after: () => () => {} },
      random: { u32: () => 0 },
      journal: { info() {}, warn: say, error: say },
      crc32c,
    },
    makeSettings(),
  );
  const tables = new Tables(store);
  const { epoch } = await openLog(store, tables, undefined);
  const reading = new Reading(store, tables);
  const never = () => {
    throw new TypeError('The folder is open for reading only.');
  };
  const volume: Volume = {
    durability: 'synced',
    epoch,
    written: 0,
    synced: 0,
    open: never,
    actors: () => store.actors.infos(),
    info: (actor) => store.actors.byKey.get(actor)?.info(),
    commit: never,
    sync: never,
    hasRoom: () => false,
    makeRoom: never,
    read: (...args) => reading.read(...args),
    entry: (...args) => reading.entry(...args),
    heads: (...args) => reading.heads(...args),
    find: (...args) => reading.find(...args),
    section: (...args) => reading.section(...args),
    stats: never,
    reopen: never,
    close: never,
  };
  return { volume, close: () => store.closeFiles() };
}

function logOf(volume: Volume, key: ActorKey, machine: Machine): ActorLog {
  const time = new Time({ now: () => Date.now(), monotonic: () => performance.now() });
  return new ActorLog({ key, volume, gate: new Gate(volume), time, machine, settleBytes: Number.MAX_SAFE_INTEGER });
}

async function readPartition(
  volume: Volume,
  key: ActorKey,
  station: Station,
  partition: number,
  thorough: boolean,
): Promise<PartitionReport> {
  const state = new PartitionState(partition, 0, makeLimits());
  let lost: readonly (readonly [number, number])[] = [];
  let fault: string | undefined;
  try {
    await logOf(volume, key, new PartitionMachine(state)).open();
    lost = await lostOf(volume, key, state.first, state.next, thorough);
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  }
  const { first, next, bytes, groups, letters } = state;
  return {
    partition,
    messages: next - first,
    bytes,
    first,
    last: next - 1,
    groups: fault === undefined ? groups.size : station.groups.size,
    deadLetters: letters.size,
    lost,
    ...(fault !== undefined && { fault }),
  };
}

/** The sequences from `first` up to `next` that no whole entry holds. */
async function lostOf(volume: Volume, key: ActorKey, first: number, next: number, thorough: boolean): Promise<[number, number][]> {
  const lost: [number, number][] = [];
  const lose = (from: number, to: number) => {
    const last = lost.at(-1);
    if (last && last[1] === from - 1) last[1] = to;
    else lost.push([from, to]);
  };
  let expected = first;
  for (let from = await volume.find(key, 'sequence', first); expected < next; ) {
    const heads = await volume.heads(key, from, HEADS_A_STEP, 'data');
    if (heads.length === 0) break;
    for (const head of heads) {
      from = head.index + 1;
      const end = head.first + head.count;
      // Bytes that are carried for a dead letter have no sequences of their own.
      if (head.count === 0 || end <= expected) continue;
      if (head.first > expected) lose(expected, head.first - 1);
      if (thorough && !(await isReadable(volume, key, head))) lose(Math.max(expected, head.first), end - 1);
      expected = end;
    }
  }
  if (expected < next) lose(expected, next - 1);
  return lost;
}

async function isReadable(volume: Volume, key: ActorKey, { index }: EntryHead): Promise<boolean> {
  try {
    const [entry] = await volume.read(key, index, 1, 'data');
    return entry?.index === index;
  } catch {
    return false;
  }
}
