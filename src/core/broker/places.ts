/** Where the partitions of a station are: in this process (partitions.ts), or in others (spread/). */
import type { Station } from '../catalog/state.ts';
import type { PartitionCalls } from '../partition/calls.ts';
import type { Soon } from '../ports.ts';

export interface Places {
  /** @throws STATION_NOT_FOUND it was removed since it was looked up */
  of(station: Station, partition: number): Soon<PartitionCalls>;
  all(station: Station): Promise<readonly PartitionCalls[]>;
  /** Removes a partition and its data, whether or not it is open, or can be. */
  remove(station: Station, partition: number): Promise<void>;
}
