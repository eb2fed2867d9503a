/** Delayed messages of a station, over all its partitions: listed, cancelled. */
import type { Page, PageInput, ScheduleInfo } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { DelayedInfo, DelayedPlace, PartitionCalls } from '../partition/calls.ts';
import { formatScheduleId, parseScheduleId } from '../partition/delay.ts';
import type { Soon } from '../ports.ts';

/** A partition as it is used here, wherever it is. */
type Asked = Pick<PartitionCalls, 'number' | 'delayed' | 'cancelDelayed'>;

export interface SchedulePartitions {
  of(station: Station, partition: number): Soon<Asked>;
  all(station: Station): Promise<readonly Asked[]>;
}

/** Where a page ends: what is due later, or as late and has a higher number, is on the next one. */
interface Spot extends DelayedPlace {
  readonly partition: number;
}

export class Schedules {
  readonly #partitions: SchedulePartitions;
  readonly #limits: Limits;

  constructor(partitions: SchedulePartitions, limits: Limits) {
    this.#partitions = partitions;
    this.#limits = limits;
  }

  /** By partition, then by due time. What comes and goes meanwhile neither repeats nor hides what stays. */
  async list(station: Station, { limit, after }: PageInput): Promise<Page<ScheduleInfo>> {
    let left = whole('limit', limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
    const spot = after === undefined ? undefined : parseSpot(after);
    const items: ScheduleInfo[] = [];
    let next: string | null = null;
    for (const partition of await this.#partitions.all(station)) {
      const { number } = partition;
      if (spot !== undefined && number < spot.partition) continue;
      // One after another; when the page is full it is only asked whether there are more.
      const page = await partition.delayed(spot?.partition === number ? spot : undefined, left);
      for (const delayed of page.items) items.push(infoOf(station, number, delayed));
      if (page.last !== undefined) next = `${number}.${page.last.due}.${page.last.number}`;
      if (page.isMore) return { items, next };
      left -= page.looked;
    }
    return { items, next: null };
  }

  async cancel(station: Station, scheduleId: string): Promise<void> {
    const name = parseScheduleId(scheduleId, station);
    const isThere =
      name !== undefined &&
      name.partition < station.config.partitions &&
      (await (await this.#partitions.of(station, name.partition)).cancelDelayed(name.number));
    if (isThere) return;
    throw new WaysideError('NOT_FOUND', 'There is no such delayed message: it was due, was cancelled, or was never there.');
  }
}

function infoOf(station: Station, partition: number, { number, due, accepted, key, id, bytes }: DelayedInfo): ScheduleInfo {
  return { scheduleId: formatScheduleId(partition, number, station), partition, dueAt: due, acceptedAt: accepted, key, id, bytes };
}

function parseSpot(text: string): Spot {
  const [, partition, due, number] = /^(\d{1,5})\.(\d{1,16})\.(\d{1,16})$/.exec(text) ?? [];
  if (number === undefined)
    throw new WaysideError('INVALID_REQUEST', 'after is none. Give the `next` of the page before.', { field: 'after' });
  return { partition: Number(partition), due: Number(due), number: Number(number) };
}
