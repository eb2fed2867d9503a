/**
 * Dead letters of a station, over all its partitions.
 *
 * Holds: a page goes from one partition to the next; a redrive takes what was dead when it was asked for, as fast as it may.
 * Elsewhere: what is done within a partition (partition/letters.ts, partition/redrive.ts), how fast (pace.ts).
 */
import type { Time } from '../actor/time.ts';
import type { DeadLetter, DeadLetterFilter, LetterMatch, Page, RedriveInput, RedriveResult } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { LetterFilter, LetterPlace, PartitionCalls, RedriveSlice, RedriveTarget } from '../partition/calls.ts';
import type { LetterName } from '../partition/dead.ts';
import { formatLetter, parseLetter } from '../partition/dead.ts';
import type { Soon, Timers } from '../ports.ts';
import type { Context } from './context.ts';
import { Pace } from './pace.ts';

/** Letters that go in one commit, and names that one slice has. */
const SLICE = 1_000;

/** A partition as it is used here, wherever it is. */
type Asked = Pick<PartitionCalls, 'number' | 'letters' | 'letter' | 'removeLetter' | 'redrive' | 'lastIndex'>;

export interface LetterPartitions {
  of(station: Station, partition: number): Soon<Asked>;
  all(station: Station): Promise<readonly Asked[]>;
}

type Which = RedriveSlice['which'];

/** A redrive that is under way. */
interface Redriving extends Pick<RedriveSlice, 'to' | 'maxRedrives'> {
  readonly pace: Pace;
  readonly result: { redriven: number; kept: number; left: number };
}

export class Letters {
  readonly #partitions: LetterPartitions;
  readonly #limits: Limits;
  readonly #time: Time;
  readonly #timers: Timers;

  constructor(partitions: LetterPartitions, { limits, time, timers }: Pick<Context, 'limits' | 'time' | 'timers'>) {
    this.#partitions = partitions;
    this.#limits = limits;
    this.#time = time;
    this.#timers = timers;
  }

  /** By partition, then in the order in which they died. */
  async list(station: Station, filter: DeadLetterFilter): Promise<Page<DeadLetter>> {
    let left = whole('limit', filter.limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
    const after = filter.after === undefined ? undefined : parseLetter(filter.after, station.secret);
    if (filter.after !== undefined && after === undefined)
      throw new WaysideError('INVALID_REQUEST', 'after is none. Give the `next` of the page before.', { field: 'after' });
    const wanted = filterOf(station, filter);
    const items: DeadLetter[] = [];
    let bytesLeft = this.#limits.fetchBytesMax;
    let next: string | null = null;
    for (const partition of await this.#partitions.all(station)) {
      const { number } = partition;
      if (after !== undefined && number < after.partition) continue;
      // One after another; when the page is full it is only asked whether there are more.
      const page = await partition.letters(wanted, after?.partition === number ? after : undefined, left, Math.max(0, bytesLeft));
      items.push(...page.items);
      if (page.last !== undefined) next = formatLetter(number, page.last, station.secret);
      if (page.isMore) return { items, next };
      left -= page.looked;
      for (const { message } of page.items) bytesLeft -= message.end - message.start;
    }
    return { items, next: null };
  }

  async get(station: Station, id: string): Promise<DeadLetter> {
    const found = await this.#named(station, id, (partition, name) => partition.letter(name));
    return found ?? notFound();
  }

  async remove(station: Station, id: string): Promise<void> {
    const wasThere = await this.#named(station, id, (partition, name) => partition.removeLetter(name));
    if (wasThere !== true) notFound();
  }

  /** Undefined where the id can name no letter of the station. */
  async #named<T>(station: Station, id: string, ask: (partition: Asked, name: LetterName) => Promise<T>): Promise<T | undefined> {
    const name = parseLetter(id, station.secret);
    if (name === undefined || name.partition >= station.config.partitions) return undefined;
    return ask(await this.#partitions.of(station, name.partition), name);
  }

  /**
   * Letters that are gone (redriven before, say) are passed over, so that asking twice does nothing twice.
   *
   * @param target where they go, if that is another station
   */
  async redrive(station: Station, input: RedriveInput, target: Station | undefined): Promise<RedriveResult> {
    const { ids, all, match, ratePerSecond, maxRedrives = Infinity } = input;
    if ([ids, all, match].filter((each) => each !== undefined).length !== 1)
      throw new WaysideError('INVALID_REQUEST', 'Name the dead letters with ids, or with match, or all of them with all: true.', {
        field: 'ids',
      });
    whole('ids.length', ids?.length ?? 0, 0, this.#limits.receiptsMax);
    if (input.maxRedrives !== undefined) whole('maxRedrives', input.maxRedrives, 1, Number.MAX_SAFE_INTEGER);
    const filter = match === undefined ? undefined : filterOf(station, match);
    const pace = new Pace(ratePerSecond, this.#time, this.#timers);
    const under = { to: targetOf(input, target), maxRedrives, pace, result: { redriven: 0, kept: 0, left: 0 } };
    const partitions = await this.#partitions.all(station);
    if (ids === undefined) {
      // What dies from here on was not meant.
      const ends = await Promise.all(partitions.map((partition) => partition.lastIndex()));
      for (const [i, partition] of partitions.entries()) await redriveIn(partition, { filter, after: undefined, upTo: ends[i]! }, under);
    } else {
      const names = namesOf(ids, station.secret);
      for (const partition of partitions) {
        const here = names.get(partition.number) ?? [];
        for (let from = 0; from < here.length; from += SLICE) await redriveIn(partition, here.slice(from, from + SLICE), under);
      }
    }
    return under.result;
  }
}

/** Slice by slice. When the time is over, what is left is counted. */
async function redriveIn(partition: Asked, which: Which, { to, maxRedrives, pace, result }: Redriving): Promise<void> {
  let rest = which;
  let isOver = false;
  // Nobody waits for letters that are not there: so the first look is at once, whether or not any may go.
  for (let most = pace.now(SLICE); ; isOver = most === 0) {
    const share = await partition.redrive({ which: rest, most: isOver ? SLICE : most, to, maxRedrives, countsOnly: isOver });
    pace.spent(share.redriven);
    result.redriven += share.redriven;
    result.kept += share.kept;
    result.left += share.busy;
    if (share.next === undefined) return;
    rest = behind(rest, share.next);
    most = await pace.most(SLICE);
  }
}

/** What is left of it. */
function behind(which: Which, place: LetterPlace): Which {
  if ('upTo' in which) return { ...which, after: place };
  return which.slice(1 + which.findIndex(({ sequence, died }) => sequence === place.sequence && died === place.died));
}

/** By partition; what is named twice counts once, and what is no name of the station's not at all. */
function namesOf(ids: readonly string[], secret: number): Map<number, LetterPlace[]> {
  const names = new Map<number, LetterPlace[]>();
  for (const id of new Set(ids)) {
    const name = parseLetter(id, secret);
    if (name === undefined) continue;
    const { partition, sequence, died } = name;
    names.set(partition, names.get(partition) ?? []);
    names.get(partition)!.push({ sequence, died });
  }
  return names;
}

function targetOf({ to = 'group' }: RedriveInput, target: Station | undefined): RedriveTarget {
  if (to === 'group') return 'group';
  return target === undefined ? 'groups' : { station: target.id, partitions: target.config.partitions };
}

function filterOf(station: Station, { group, reason, key, from = 0, until = Infinity }: LetterMatch): LetterFilter {
  // A group that is not there has none.
  return { group: group === undefined ? undefined : (station.groups.get(group)?.id ?? -1), reason, key, from, until };
}

function notFound(): never {
  throw new WaysideError('DEAD_LETTER_NOT_FOUND', 'There is no such dead letter: it was redriven, removed, or never there.');
}
