/** Delayed messages of a station, over all its partitions: listed, cancelled. */
import type { Page, PageInput, ScheduleInfo } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { formatScheduleId, parseScheduleId } from '../partition/delay.ts';
import type { Partition } from '../partition/partition.ts';
import type { Delayed } from '../partition/schedule.ts';
import type { Partitions } from './partitions.ts';

/** Where a page ends: what is due later, or as late and has a higher number, is on the next one. */
interface Spot {
  readonly partition: number;
  readonly due: number;
  readonly number: number;
}

export class Schedules {
  readonly #partitions: Partitions;
  readonly #limits: Limits;

  constructor(partitions: Partitions, limits: Limits) {
    this.#partitions = partitions;
    this.#limits = limits;
  }

  /** By partition, then by due time. What comes and goes meanwhile neither repeats nor hides what stays. */
  async list(station: Station, { limit, after }: PageInput): Promise<Page<ScheduleInfo>> {
    const most = whole('limit', limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
    const spot = after === undefined ? undefined : parseSpot(after);
    const found: { readonly partition: Partition; readonly delayed: Delayed }[] = [];
    const partitions = await this.#partitions.all(station);
    await Promise.all(partitions.map((partition) => partition.durable()));
    for (const partition of partitions) {
      if (found.length > most) break;
      for (const delayed of firstOf(partition, spot, most + 1 - found.length)) found.push({ partition, delayed });
    }
    const items = await Promise.all(found.slice(0, most).map((each) => describe(station, each.partition, each.delayed)));
    const last = found.length > most ? found[most - 1] : undefined;
    return {
      items: items.filter((item) => item !== undefined),
      next: last === undefined ? null : `${last.partition.state.partition}.${last.delayed.due}.${last.delayed.number}`,
    };
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

/** The first of a partition behind `spot`: picked out, since what waits is in no order but by its heap. */
function firstOf({ state }: Partition, spot: Spot | undefined, most: number): Delayed[] {
  if (spot !== undefined && state.partition < spot.partition) return [];
  const isBehind = (each: Delayed) => spot === undefined || state.partition > spot.partition || compare(each, spot) > 0;
  const behind: Delayed[] = [];
  for (const each of state.schedule.all()) {
    if (!isBehind(each)) continue;
    behind.push(each);
    // Kept short, so that a page costs a walk over what waits, and not its sorting.
    if (behind.length >= 2 * most + 1_000) behind.sort(compare).splice(most);
  }
  return behind.sort(compare).slice(0, most);
}

function compare(a: { due: number; number: number }, b: { due: number; number: number }): number {
  return a.due - b.due || a.number - b.number;
}

async function describe(station: Station, partition: Partition, delayed: Delayed): Promise<ScheduleInfo | undefined> {
  const described = await partition.describeDelayed(delayed.number);
  if (described === undefined) return undefined;
  const { number, due, accepted, bytes } = delayed;
  const { partition: place } = partition.state;
  return {
    scheduleId: formatScheduleId(place, number, station),
    partition: place,
    dueAt: due,
    acceptedAt: accepted,
    ...described,
    bytes,
  };
}

function parseSpot(text: string): Spot {
  const [, partition, due, number] = /^(\d{1,5})\.(\d{1,16})\.(\d{1,16})$/.exec(text) ?? [];
  if (number === undefined)
    throw new WaysideError('INVALID_REQUEST', 'after is none. Give the `next` of the page before.', { field: 'after' });
  return { partition: Number(partition), due: Number(due), number: Number(number) };
}
