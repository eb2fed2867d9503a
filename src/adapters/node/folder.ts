/** A broker on a folder, with the ports of Node: what a server and an embedding program have in common. */
import type { Broker } from '../../core/broker.ts';
import { openBroker } from '../../core/broker.ts';
import type { Limits } from '../../core/limits.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Clock, Durability, Journal, Random, Timers } from '../../core/ports.ts';
import { LogVolume } from '../../core/volume/log.ts';
import { MemoryVolume } from '../memory/volume.ts';
import { nodeFiles } from './files.ts';
import { nodeClock, nodeRandom, nodeTimers } from './timers.ts';

export interface FolderOptions {
  /** A folder, made if it is not there. One process at a time has it. */
  readonly data: string;
  readonly limits?: Partial<Limits> | undefined;
  readonly journal: Journal;
}

export interface Opened {
  readonly broker: Broker;
  readonly limits: Limits;
  /** The strongest that the folder gives. */
  readonly durability: Durability;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
}

/** @throws UNAVAILABLE another process has the folder, and the rest of what `openBroker` throws */
export async function openFolder({ data, limits: changes, journal }: FolderOptions): Promise<Opened> {
  const limits = makeLimits(changes);
  const { syncWithinMs, pendingBytesMax } = limits;
  const ports = { clock: nodeClock, timers: nodeTimers(), random: nodeRandom(), journal };
  const volume = new LogVolume({ files: nodeFiles(data), ...ports, settings: { syncWithinMs, pendingBytesMax } });
  const broker = await openBroker({ volume, memory: new MemoryVolume(ports.timers), ...ports, limits });
  return { broker, limits, durability: volume.durability, ...ports };
}
