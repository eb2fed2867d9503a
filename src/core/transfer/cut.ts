/**
 * The moment of an export: every partition of it is held, then noted, then let go.
 *
 * Holds: of a message that goes from one partition to another the stream has one, at its source or at its target. From before
 * the first partition is noted until after the last one is, no source sends anything that was not on its way before, and none
 * learns what became of that. So, of a message from S to T, where both are noted:
 * - S has it on its way, then it is at T if T's note says that its place has been used, and only at S if not: whichever was
 *   noted first, and although it may arrive in between, by a call that nobody waits for any more too.
 * - S has what it is made of, and not yet the message: it was not sent before T was noted.
 * - S has noted that it arrived: that was before T was noted, and rested on T's being synced.
 * Targets that are not noted are asked what has arrived after their sources are noted: what they say of more is passed over.
 * Other things have no order between partitions, so that it does no harm that one is noted later than the other. A partition
 * whose life has ended, or whose hold has, does not know the hold when it is to be let go: then all of it is done again. The
 * catalog says nothing else to the stations meanwhile, or it is done again too.
 * Elsewhere: a partition's side (source.ts), giving out the stream (export.ts).
 */
import type { Catalog } from '../catalog/catalog.ts';
import { saveStation } from '../catalog/sections.ts';
import type { Station } from '../catalog/state.ts';
import type { Visits } from '../catalog/visit.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Timers } from '../ports.ts';
import type { ExportedStation, Source } from './export.ts';
import type { ExportSource, Noted, NotedIntent, TransferPlaces } from './port.ts';

/** How often it is tried to find a moment at which no command is on its way. */
const TRIES_MAX = 100;
/** How often it is tried again because a partition is not there any more, and after which pause. */
const LOST_MAX = 10;
const LOST_PAUSE_MS = 100;

export interface Where {
  readonly catalog: Catalog;
  readonly places: TransferPlaces;
  readonly visits: Visits;
  readonly timers: Timers;
}

/** A partition whose sending is held. */
interface Held {
  readonly station: Station;
  readonly partition: number;
  readonly source: ExportSource;
  readonly hold: string;
}

type Taken = Held & Source;

/**
 * @param pick the stations, as the catalog has them now; asked again until nothing changes while it is waited for
 * @throws what opening a partition throws · OVERLOADED another export still reads the state of one
 */
export async function cut(where: Where, pick: () => readonly Station[]): Promise<readonly ExportedStation[]> {
  const { visits, timers } = where;
  let lost = 0;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const stations = pick();
    for (const station of stations) await visits.quiet(station);
    const counts = stations.map((station) => visits.count(station));
    const isStill = () =>
      same(stations, pick()) && stations.every((each, i) => visits.quiet(each) === undefined && visits.count(each) === counts[i]);
    if (!isStill()) continue;
    const taken = await take(where, stations).catch((error: unknown) => isLost(error, ++lost));
    const exported = taken && (await confirm(where, stations, taken, isStill));
    if (exported !== undefined) return exported;
    if (taken !== undefined) continue;
    await new Promise<void>((resolve) => {
      timers.after(LOST_PAUSE_MS, resolve);
    });
  }
  throw new WaysideError('UNAVAILABLE', 'Stations or groups are changed all the time. Ask again when there is less of it.', {
    retryAfterMs: 5_000,
  });
}

function same(a: readonly Station[], b: readonly Station[]): boolean {
  return a.length === b.length && a.every((station, i) => b[i] === station);
}

/** A partition that is not there just now may be in a moment. */
function isLost(error: unknown, times: number): undefined {
  if (!(error instanceof WaysideError) || error.code !== 'UNAVAILABLE' || times > LOST_MAX) throw error;
}

/** Undefined where something was said to the stations meanwhile. Nothing is kept any more then, nor when it throws. */
async function confirm(
  { catalog }: Where,
  stations: readonly Station[],
  taken: readonly Taken[],
  isStill: () => boolean,
): Promise<readonly ExportedStation[] | undefined> {
  let isTrue = false;
  try {
    if (!isStill()) return undefined;
    const sourcesOf = (station: Station) => taken.filter((one) => one.station === station);
    const exported = stations.map((station) => ({ record: saveStation(station), sources: sourcesOf(station) }));
    await catalog.durable();
    isTrue = true;
    return exported;
  } finally {
    if (!isTrue) await releaseAll(taken);
  }
}

/** Undefined where a partition was not held all the time. Nothing is held or kept any more then, nor when it throws. */
async function take(where: Where, stations: readonly Station[]): Promise<readonly Taken[] | undefined> {
  const held: Held[] = [];
  let taken: readonly Taken[] | undefined;
  try {
    await holdEach(where.places, stations, held);
    taken = await noteEach(where, held);
    return taken;
  } finally {
    if (taken === undefined) await releaseAll(held);
  }
}

/** @param held gets what is held, in order, also where this throws */
async function holdEach(places: TransferPlaces, stations: readonly Station[], held: Held[]): Promise<void> {
  const all = stations.flatMap((station) => Array.from({ length: station.config.partitions }, (_, partition) => ({ station, partition })));
  const opened = await each(all, async (one) => ({ ...one, source: await places.source(one.station, one.partition) }));
  await each(opened, async (one) => ({ ...one, hold: await one.source.holdSending() }), held);
}

async function noteEach(where: Where, held: readonly Held[]): Promise<readonly Taken[] | undefined> {
  const noted = await each(held, ({ source, hold }) => source.note(hold));
  const notes = noted.filter((note) => note !== undefined);
  if (notes.length < noted.length) return undefined;
  const arrivals = await arrivalsOf(where, held, notes);
  const wereHeld = await each(held, ({ source, hold }) => source.releaseSending(hold));
  if (!wereHeld.every(Boolean) && !isPlanted('cut-with-a-lost-hold')) return undefined;
  return held.map((one, i) => {
    const { last, sections, sender, intents } = notes[i]!;
    const arrived = intents.filter((intent) => intent.place < (arrivals.get(targetOf(intent))?.get(sender) ?? 1));
    return { ...one, last, sections, arrived: isPlanted('cut-forgets-what-arrived') ? [] : arrived.map(({ number }) => number) };
  });
}

/** By target, then sender: the place that comes next. */
type Arrivals = Map<string, ReadonlyMap<string, number>>;

async function arrivalsOf(where: Where, held: readonly Held[], notes: readonly Noted[]): Promise<Arrivals> {
  const arrivals: Arrivals = new Map();
  // Of what is noted itself the note counts, and nothing that it says later.
  held.forEach(({ station, partition }, i) => {
    const next = notes[i]!.arrivals.map((arrival) => [arrival.sender, arrival.next] as const);
    arrivals.set(targetOf({ station: station.id, partition }), new Map(next));
  });
  const others = new Map<string, { readonly station: number; readonly partition: number; readonly senders: Set<string> }>();
  for (const { sender, intents } of notes) {
    for (const intent of intents) {
      const target = targetOf(intent);
      if (arrivals.has(target)) continue;
      const other = others.get(target) ?? { station: intent.station, partition: intent.partition, senders: new Set() };
      others.set(target, { ...other, senders: other.senders.add(sender) });
    }
  }
  await each([...others], async ([target, { station, partition, senders }]) => {
    arrivals.set(target, await ask(where, station, partition, [...senders]));
  });
  return arrivals;
}

/** Nothing has arrived at a station that is not there any more. */
async function ask({ catalog, places }: Where, id: number, partition: number, senders: readonly string[]): Promise<Map<string, number>> {
  const station = catalog.state.byId.get(id);
  if (station === undefined) return new Map();
  try {
    const next = await (await places.source(station, partition)).arrived(senders);
    return new Map(senders.map((sender, i) => [sender, next[i] ?? 1]));
  } catch (error) {
    if (error instanceof WaysideError && error.code === 'STATION_NOT_FOUND') return new Map();
    throw error;
  }
}

function targetOf({ station, partition }: Pick<NotedIntent, 'station' | 'partition'>): string {
  return `${station}.${partition}`;
}

/** What cannot be told that it is held no more finds out by itself. */
async function releaseAll(held: readonly { readonly source: ExportSource; readonly hold: string }[]): Promise<void> {
  await Promise.allSettled(held.map(({ source, hold }) => source.release(hold)));
}

/**
 * All of them at once.
 *
 * @param results gets what comes of each, in order, also where this throws
 * @throws what the first one throws, when all have come to their end
 */
async function each<T, R>(items: readonly T[], run: (item: T) => Promise<R>, results: R[] = []): Promise<R[]> {
  const all = await Promise.allSettled(items.map(run));
  for (const one of all) if (one.status === 'fulfilled') results.push(one.value);
  for (const one of all) if (one.status === 'rejected') throw one.reason;
  return results;
}
