/** Dead letters of a station, over all its partitions. */
import type { Time } from '../actor/time.ts';
import { RecordCursor } from '../batch/cursor.ts';
import type { Block, DeadLetter, DeadLetterFilter, LetterMatch, Page, RedriveInput, RedriveResult } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { LetterName } from '../partition/dead.ts';
import { formatLetter, parseLetter } from '../partition/dead.ts';
import { OUTPUT_PLACE } from '../partition/outbox.ts';
import type { Partition } from '../partition/partition.ts';
import type { Letter } from '../partition/state.ts';
import type { Timers } from '../ports.ts';
import type { Context } from './context.ts';
import { Pace } from './pace.ts';
import type { Partitions } from './partitions.ts';
import { partitionFor } from './produce.ts';

/** Letters of one commit, and bytes of those that are produced anew. */
const SLICE = 1_000;
const PART_BYTES = 1024 * 1024;

interface Found {
  readonly partition: Partition;
  readonly letter: Letter;
}

export class Letters {
  readonly #partitions: Partitions;
  readonly #limits: Limits;
  readonly #time: Time;
  readonly #timers: Timers;
  /** Messages without key and id take turns. */
  #turn = 0;

  constructor(partitions: Partitions, { limits, time, timers }: Pick<Context, 'limits' | 'time' | 'timers'>) {
    this.#partitions = partitions;
    this.#limits = limits;
    this.#time = time;
    this.#timers = timers;
  }

  /** By partition, then in the order in which they died. */
  async list(station: Station, filter: DeadLetterFilter): Promise<Page<DeadLetter>> {
    const limit = whole('limit', filter.limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
    const after = filter.after === undefined ? undefined : parseLetter(filter.after, station.secret);
    if (filter.after !== undefined && after === undefined)
      throw new WaysideError('INVALID_REQUEST', 'after is none. Give the `next` of the page before.', { field: 'after' });
    const wanted = filterOf(station, filter);
    const found: Found[] = [];
    for (const partition of await this.#partitions.all(station)) {
      const { partition: number } = partition.state;
      if (after !== undefined && number < after.partition) continue;
      for (const letter of partition.letters(after?.partition === number ? after : undefined, wanted.group)) {
        if (!wanted.fits(letter)) continue;
        found.push({ partition, letter });
        if (found.length > limit) break;
      }
      if (found.length > limit) break;
    }
    const items: DeadLetter[] = [];
    let last: Found | undefined;
    let bytes = 0;
    // One after another: a page holds at most as many bytes as a fetch, or one letter.
    for (const each of found.slice(0, limit)) {
      if (bytes >= this.#limits.fetchBytesMax) break;
      last = each;
      const item = await each.partition.describeLetter(each.letter);
      if (item === undefined || (wanted.key !== undefined && keyOf(item.message) !== wanted.key)) continue;
      items.push(item);
      bytes += item.message.end - item.message.start;
    }
    return {
      items,
      next: last && last !== found.at(-1) ? formatLetter(last.partition.state.partition, last.letter, station.secret) : null,
    };
  }

  async get(station: Station, id: string): Promise<DeadLetter> {
    const { partition, letter } = await this.#find(station, id);
    return (await partition.describeLetter(letter)) ?? notFound();
  }

  async remove(station: Station, id: string): Promise<void> {
    const { partition, letter } = await this.#find(station, id);
    if (partition.outgoing.isCopying(letter))
      throw new WaysideError('UNAVAILABLE', 'The dead letter is just being copied. Ask again in a moment.', { retryAfterMs: 500 });
    await partition.removeLetters([letter]);
  }

  /**
   * Letters that are gone (redriven before, say) are passed over, so that asking twice does nothing twice.
   *
   * @param target where they go, if that is another station
   */
  async redrive(station: Station, input: RedriveInput, target: Station | undefined): Promise<RedriveResult> {
    const { ids, all, match, to = 'group', ratePerSecond, maxRedrives = Infinity } = input;
    if ([ids, all, match].filter((each) => each !== undefined).length !== 1)
      throw new WaysideError('INVALID_REQUEST', 'Name the dead letters with ids, or with match, or all of them with all: true.', {
        field: 'ids',
      });
    whole('ids.length', ids?.length ?? 0, 0, this.#limits.receiptsMax);
    if (input.maxRedrives !== undefined) whole('maxRedrives', input.maxRedrives, 1, Number.MAX_SAFE_INTEGER);
    const filter = match === undefined ? undefined : filterOf(station, match);
    const pace = new Pace(ratePerSecond, this.#time, this.#timers);
    const result = { redriven: 0, kept: 0, left: 0 };
    for (const partition of await this.#partitions.all(station)) {
      const letters = ids === undefined ? [...partition.letters(undefined, filter?.group)] : named(partition, ids);
      for (let from = 0; from < letters.length; ) {
        const most = await pace.most(Math.min(SLICE, letters.length - from));
        const slice = letters.slice(from, from + (most === 0 ? SLICE : most));
        const { chosen, kept, busy } = await choose(partition, slice, filter, to, maxRedrives);
        from += slice.length;
        result.kept += kept;
        result.left += busy + (most === 0 ? chosen.length : 0);
        if (most === 0) continue;
        await this.#send(partition, chosen, to, target);
        pace.spent(chosen.length);
        result.redriven += chosen.length;
      }
    }
    return result;
  }

  /** One commit, or a few where bytes are produced anew. */
  async #send(partition: Partition, chosen: readonly Chosen[], to: To, target: Station | undefined): Promise<void> {
    if (to === 'group') await partition.redrive(chosen.map(([letter]) => letter));
    else if (target === undefined) for (const part of parts(chosen as readonly [Letter, Block][])) await partition.redriveToGroups(part);
    else await this.#toStation(partition, chosen as readonly [Letter, Block][], target);
  }

  async #toStation(partition: Partition, letters: readonly [Letter, Block][], target: Station): Promise<void> {
    const { intentsMax } = this.#limits;
    if (partition.state.outbox.count + letters.length > intentsMax)
      throw new WaysideError(
        'LIMIT_EXCEEDED',
        `${intentsMax} messages of the partition may be on their way to other stations. Ask again in a moment.`,
        {
          retryAfterMs: 1000,
        },
      );
    const { partitions } = target.config;
    const routes = letters.map(([, block]) => partitionFor(cursorOf(block), partitions, () => this.#turn++));
    await partition.redriveToStation(
      letters.map(([letter]) => letter),
      target.id,
      routes,
    );
  }

  async #find(station: Station, id: string): Promise<Found> {
    const name = parseLetter(id, station.secret);
    if (name !== undefined && name.partition < station.config.partitions) {
      const partition = await this.#partitions.of(station, name.partition);
      const letter = partition.letter(name);
      if (letter !== undefined) return { partition, letter };
      await partition.durable();
    }
    return notFound();
  }
}

type To = NonNullable<RedriveInput['to']>;
/** With its bytes, where those are needed. */
type Chosen = readonly [Letter, Block | undefined];

/** Those of a slice that go. What is being copied just now is left for later. */
async function choose(
  partition: Partition,
  slice: readonly Letter[],
  filter: Filter | undefined,
  to: To,
  maxRedrives: number,
): Promise<{ chosen: Chosen[]; kept: number; busy: number }> {
  const needsBytes = to !== 'group' || filter?.key !== undefined;
  const found: Chosen[] = [];
  for (const letter of slice) {
    if (filter !== undefined && !filter.fits(letter)) continue;
    const block = needsBytes ? await partition.letterBlock(letter) : undefined;
    if (needsBytes && block === undefined) continue;
    if (filter?.key === undefined || keyOf(block!) === filter.key) found.push([letter, block]);
  }
  // Some may have gone while the bytes of others were read.
  const there = found.filter(([letter]) => partition.letter({ partition: partition.state.partition, ...letter }) === letter);
  // No group can be given what was never a message of the station.
  const may = there.filter(([letter]) => letter.redrives < maxRedrives && (to !== 'group' || letter.sequence < OUTPUT_PLACE));
  const chosen = may.filter(([letter]) => !partition.outgoing.isCopying(letter));
  return { chosen, kept: there.length - may.length, busy: may.length - chosen.length };
}

/** As many at a time as make a batch of moderate size. */
function* parts(letters: readonly [Letter, Block][]): Generator<[Letter, Block][]> {
  let part: [Letter, Block][] = [];
  let bytes = 0;
  for (const each of letters) {
    part.push(each);
    bytes += each[1].end - each[1].start;
    if (bytes < PART_BYTES) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}

/** Which letters; those of a key only their bytes tell. */
interface Filter {
  readonly group: number | undefined;
  readonly key: string | undefined;
  fits(letter: Letter): boolean;
}

function filterOf(station: Station, { group, reason, key, from = 0, until = Infinity }: LetterMatch): Filter {
  return {
    // A group that is not there has none.
    group: group === undefined ? undefined : (station.groups.get(group)?.id ?? -1),
    key,
    fits: (letter) => (reason === undefined || letter.reason === reason) && letter.diedAt >= from && letter.diedAt < until,
  };
}

function cursorOf({ bytes, start, end }: Block): RecordCursor {
  const cursor = new RecordCursor(bytes, start, end);
  cursor.next();
  return cursor;
}

function keyOf(block: Block): string | undefined {
  return cursorOf(block).key;
}

function notFound(): never {
  throw new WaysideError('DEAD_LETTER_NOT_FOUND', 'There is no such dead letter: it was redriven, removed, or never there.');
}

function named(partition: Partition, ids: readonly string[]): Letter[] {
  const names = new Set(ids).values();
  const letters: Letter[] = [];
  for (const id of names) {
    const name: LetterName | undefined = parseLetter(id, partition.state.secret);
    const letter = name?.partition === partition.state.partition ? partition.letter(name) : undefined;
    if (letter !== undefined) letters.push(letter);
  }
  return letters;
}
