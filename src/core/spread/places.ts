/** Partitions that are in other processes, one in each. */
import type { Places } from '../broker/places.ts';
import type { Station } from '../catalog/state.ts';
import type { ActorKey, Timers } from '../ports.ts';
import { actorParts } from '../ports.ts';
import type { ExportSource, ImportTarget, TransferPlaces } from '../transfer/port.ts';
import type { PartitionLink } from './links.ts';
import { RemotePartition } from './remote.ts';
import { RemoteSource, RemoteTarget } from './transfers.ts';

export class RemotePlaces implements Places, TransferPlaces {
  readonly #link: PartitionLink;
  readonly #timers: Timers;
  readonly #made = new Map<string, RemotePartition>();

  constructor(link: PartitionLink, timers: Timers) {
    this.#link = link;
    this.#timers = timers;
  }

  of(station: Station, partition: number): RemotePartition {
    const { id, namespace, name, config, version, secret } = station;
    const key = `${id}.${partition}`;
    const found = this.#made.get(key);
    // Whoever waits there is told by the partition of what has changed.
    if (found !== undefined && (found.where.given?.version ?? 0) >= version) return found;
    const where = { namespace, station: id, partition, name, given: { config, version, secret } };
    const made = found?.at(where) ?? new RemotePartition(where, this.#link, this.#timers);
    this.#made.set(key, made);
    return made;
  }

  all(station: Station): Promise<readonly RemotePartition[]> {
    return Promise.resolve(Array.from({ length: station.config.partitions }, (_, partition) => this.of(station, partition)));
  }

  async remove(station: Station, partition: number): Promise<void> {
    await this.of(station, partition).remove();
    this.#made.get(`${station.id}.${partition}`)?.close();
    this.#made.delete(`${station.id}.${partition}`);
  }

  source(station: Station, partition: number): ExportSource {
    return new RemoteSource(this.of(station, partition).where, this.#link);
  }

  target(key: ActorKey): ImportTarget {
    const [namespace, station, partition] = actorParts(key);
    return new RemoteTarget({ namespace, station, partition, name: '', given: undefined }, this.#link);
  }

  /** Whatever lies there finds out by itself that nobody awaits it (laying.ts): where it lies is known to nobody any more. */
  async removeAll(): Promise<void> {}

  /** Nobody waits here any more. */
  close(): void {
    for (const partition of this.#made.values()) partition.close();
  }
}
