/** Where exports and imports find partitions: all of them in this process. */
import type { Station } from '../catalog/state.ts';
import type { ActorKey } from '../ports.ts';
import { actorParts } from '../ports.ts';
import type { ExportSource, ImportTarget, TransferPlaces } from '../transfer/port.ts';
import { LocalSource } from '../transfer/source.ts';
import { LocalTarget } from '../transfer/target.ts';
import type { Context } from './context.ts';
import type { Partitions } from './partitions.ts';

export class LocalTransferPlaces implements TransferPlaces {
  readonly context: Context;
  readonly #partitions: Partitions;

  constructor(context: Context, partitions: Partitions) {
    this.context = context;
    this.#partitions = partitions;
  }

  async source(station: Station, partition: number): Promise<ExportSource> {
    return new LocalSource(await this.#partitions.of(station, partition), this.context);
  }

  target(key: ActorKey, isMemory: boolean): ImportTarget {
    return new LocalTarget(key, isMemory ? this.context.memory : this.context.durable);
  }

  async removeAll(stations: ReadonlySet<number>): Promise<void> {
    for (const { volume, gate } of [this.context.durable, this.context.memory]) {
      const left = [...volume.actors()].filter(({ key }) => stations.has(actorParts(key)[1]));
      if (left.length > 0) await gate.wait(volume.commit(left.map(({ key }) => ({ do: 'remove', actor: key }))), 'synced');
    }
  }
}
