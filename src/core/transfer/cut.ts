/**
 * The moment of an export: one turn in which nothing moves, after all that might be on its way has been looked at.
 *
 * Holds: of a message that goes from one partition to another the stream has one, at its source or at its target: whatever
 * has a place at the target in that turn is named as arrived.
 * Elsewhere: giving out the stream (export.ts).
 */
import type { Partitions } from '../broker/partitions.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { saveStation } from '../catalog/sections.ts';
import type { Station } from '../catalog/state.ts';
import type { Visits } from '../catalog/visit.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Partition } from '../partition/partition.ts';
import { actorKey } from '../ports.ts';
import type { ExportedStation, Source } from './export.ts';

/** How often it is tried to find a moment at which no command is on its way. */
const TRIES_MAX = 100;

export interface Where {
  readonly catalog: Catalog;
  readonly partitions: Partitions;
  readonly visits: Visits;
}

/**
 * @param pick the stations, as the catalog has them now; asked again until nothing changes while it is waited for
 * @throws what opening a partition throws
 */
export async function cut(where: Where, pick: () => readonly Station[]): Promise<readonly ExportedStation[]> {
  const { catalog, visits } = where;
  for (let tries = 0; ; tries++) {
    if (tries === TRIES_MAX)
      throw new WaysideError('UNAVAILABLE', 'Stations or groups are changed all the time. Ask again when there is less of it.', {
        retryAfterMs: 5_000,
      });
    const stations = pick();
    for (const station of stations) await visits.quiet(station);
    const partitions = new Map<Station, Partition[]>();
    for (const station of stations) partitions.set(station, await where.partitions.all(station));
    const targets = await openTargets(where, [...partitions.values()].flat());
    const isSame = same(stations, pick()) && stations.every((station) => visits.quiet(station) === undefined);
    if (!isSame || targets === undefined) continue;
    const taken = stations.map((station) => ({
      record: saveStation(station),
      sources: partitions.get(station)!.map((partition) => take(partition, targets)),
    }));
    try {
      // What the stream says has to be true after a crash too.
      await Promise.all([catalog.durable(), ...taken.flatMap(({ sources }) => sources.map(({ partition }) => partition.synced()))]);
      await Promise.all([...targets.values()].map((target) => target.synced()));
    } catch (error) {
      for (const { sources } of taken) for (const { partition, hold } of sources) partition.log.release(hold);
      throw error;
    }
    return taken;
  }
}

function same(a: readonly Station[], b: readonly Station[]): boolean {
  return a.length === b.length && a.every((station, i) => b[i] === station);
}

/** Opens wherever anything is on its way to; undefined where there is more to open by now. */
async function openTargets({ catalog, partitions }: Where, sources: readonly Partition[]): Promise<Map<string, Partition> | undefined> {
  const targets = new Map<string, Partition>();
  const wanted = () => sources.flatMap(({ state }) => state.outbox.targets()).filter(({ station }) => catalog.state.byId.has(station));
  for (const { station, partition } of wanted()) {
    const found = catalog.state.byId.get(station);
    if (found !== undefined) targets.set(`${station}.${partition}`, await partitions.of(found, partition));
  }
  const isComplete = wanted().every(({ station, partition }) => {
    const key = actorKey(catalog.state.byId.get(station)!.namespace, station, partition);
    return targets.get(`${station}.${partition}`) === partitions.get(key);
  });
  return isComplete ? targets : undefined;
}

function take(partition: Partition, targets: ReadonlyMap<string, Partition>): Source {
  const { log, state } = partition;
  const arrived: number[] = [];
  for (const { number, station, partition: place, place: nth } of state.outbox.all()) {
    const target = targets.get(`${station}.${place}`);
    if (target !== undefined && !isPlanted('cut-forgets-what-arrived') && target.outgoing.nextOf(partition.outgoing.senderName) > nth)
      arrived.push(number);
  }
  const hold = log.hold();
  const sections = log.volume.info(log.key)?.sections.map(({ name }) => name) ?? [];
  return { partition, hold, last: log.last, sections, arrived };
}
