/** Dead letters of a station, over all its partitions. */
import { RecordCursor } from '../batch/cursor.ts';
import type { Block, DeadLetter, DeadLetterFilter, LetterMatch, Page, RedriveInput, RedriveResult } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { notYet, whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { LetterName } from '../partition/dead.ts';
import { formatLetter, parseLetter } from '../partition/dead.ts';
import type { Partition } from '../partition/partition.ts';
import type { Letter } from '../partition/state.ts';
import { slotOf } from '../xxh32.ts';
import type { Partitions } from './partitions.ts';
import { partitionOf } from './produce.ts';

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
  /** Messages without key and id take turns. */
  #turn = 0;

  constructor(partitions: Partitions, limits: Limits) {
    this.#partitions = partitions;
    this.#limits = limits;
  }

  /** By partition, then in the order in which they died. */
  async list(station: Station, filter: DeadLetterFilter): Promise<Page<DeadLetter>> {
    const limit = whole('limit', filter.limit ?? this.#limits.listLimitDefault, 1, this.#limits.listLimitMax);
    const after = filter.after === undefined ? undefined : parseLetter(filter.after);
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
    return { items, next: last && last !== found.at(-1) ? formatLetter(last.partition.state.partition, last.letter) : null };
  }

  async get(station: Station, id: string): Promise<DeadLetter> {
    const { partition, letter } = await this.#find(station, id);
    return (await partition.describeLetter(letter)) ?? notFound();
  }

  async remove(station: Station, id: string): Promise<void> {
    const { partition, letter } = await this.#find(station, id);
    await partition.removeLetters([letter]);
  }

  /**
   * Letters that are gone (redriven before, say) are passed over, so that asking twice does nothing twice.
   *
   * @param target where they go, if that is another station
   */
  async redrive(station: Station, input: RedriveInput, target: Station | undefined): Promise<RedriveResult> {
    const { ids, all, match, to = 'group', ratePerSecond, maxRedrives } = input;
    if (ratePerSecond !== undefined || maxRedrives !== undefined) throw notYet('ratePerSecond and maxRedrives are');
    if ([ids, all, match].filter((each) => each !== undefined).length !== 1)
      throw new WaysideError('INVALID_REQUEST', 'Name the dead letters with ids, or with match, or all of them with all: true.', {
        field: 'ids',
      });
    whole('ids.length', ids?.length ?? 0, 0, this.#limits.receiptsMax);
    const filter = match === undefined ? undefined : filterOf(station, match);
    let redriven = 0;
    for (const partition of await this.#partitions.all(station)) {
      const letters = ids === undefined ? [...partition.letters(undefined, filter?.group)] : named(partition, ids);
      for (let from = 0; from < letters.length; from += SLICE)
        redriven += await this.#slice(partition, letters.slice(from, from + SLICE), filter, to, target);
    }
    return { redriven, kept: 0, left: 0 };
  }

  /** One commit. @returns how many went */
  async #slice(
    partition: Partition,
    slice: readonly Letter[],
    filter: Filter | undefined,
    to: 'group' | 'groups' | object,
    target: Station | undefined,
  ): Promise<number> {
    const needsBytes = to !== 'group' || filter?.key !== undefined;
    const chosen: [Letter, Block | undefined][] = [];
    for (const letter of slice) {
      if (filter !== undefined && !filter.fits(letter)) continue;
      const block = needsBytes ? await partition.letterBlock(letter) : undefined;
      if (needsBytes && block === undefined) continue;
      if (filter?.key === undefined || keyOf(block!) === filter.key) chosen.push([letter, block]);
    }
    // Some may have gone while the bytes of others were read.
    const there = chosen.filter(([letter]) => partition.letter({ partition: partition.state.partition, ...letter }) === letter);
    if (to === 'group') await partition.redrive(there.map(([letter]) => letter));
    else if (target === undefined) for (const part of parts(there as [Letter, Block][])) await partition.redriveToGroups(part);
    else await this.#toStation(partition, there as [Letter, Block][], target);
    return there.length;
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
    const routes = letters.map(([, block]) => {
      const cursor = cursorOf(block);
      if (cursor.keyStart >= 0) return partitionOf(slotOf(cursor.bytes, cursor.keyStart, cursor.keyEnd), partitions);
      if (cursor.idStart >= 0) return partitionOf(slotOf(cursor.bytes, cursor.idStart, cursor.idEnd), partitions);
      return this.#turn++ % partitions;
    });
    await partition.redriveToStation(
      letters.map(([letter]) => letter),
      target.id,
      routes,
    );
  }

  async #find(station: Station, id: string): Promise<Found> {
    const name = parseLetter(id);
    if (name !== undefined && name.partition < station.config.partitions) {
      const partition = await this.#partitions.of(station, name.partition);
      const letter = partition.letter(name);
      if (letter !== undefined) return { partition, letter };
      await partition.durable();
    }
    return notFound();
  }
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
    const name: LetterName | undefined = parseLetter(id);
    const letter = name?.partition === partition.state.partition ? partition.letter(name) : undefined;
    if (letter !== undefined) letters.push(letter);
  }
  return letters;
}
