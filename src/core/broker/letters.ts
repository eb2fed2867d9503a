/** Dead letters of a station, over all its partitions. */
import type { DeadLetter, DeadLetterFilter, Page, RedriveInput, RedriveResult } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { notYet, whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { LetterName } from '../partition/dead.ts';
import { formatLetter, parseLetter } from '../partition/dead.ts';
import type { Partition } from '../partition/partition.ts';
import type { Letter } from '../partition/state.ts';
import type { Partitions } from './partitions.ts';

interface Found {
  readonly partition: Partition;
  readonly letter: Letter;
}

export class Letters {
  readonly #partitions: Partitions;
  readonly #limits: Limits;

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
    const group = filter.group === undefined ? undefined : (station.groups.get(filter.group)?.id ?? -1);
    const found: Found[] = [];
    for (const partition of await this.#partitions.all(station)) {
      const { partition: number } = partition.state;
      if (after !== undefined && number < after.partition) continue;
      for (const letter of partition.letters(after?.partition === number ? after : undefined, group)) {
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
      if (item === undefined) continue;
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

  /** Letters that are gone (redriven before, say) are passed over, so that asking twice does nothing twice. */
  async redrive(station: Station, { ids, all, match, to = 'group', ratePerSecond, maxRedrives }: RedriveInput): Promise<RedriveResult> {
    if (match !== undefined || ratePerSecond !== undefined || maxRedrives !== undefined)
      throw notYet('match, ratePerSecond and maxRedrives are');
    if ((ids === undefined) === (all !== true))
      throw new WaysideError('INVALID_REQUEST', 'Name the dead letters with ids, or all of them with all: true.', { field: 'ids' });
    if (to !== 'group')
      throw new WaysideError(
        'INVALID_REQUEST',
        'Dead letters can go back to the group that failed ("group"); other places are not available in this version.',
        { field: 'to' },
      );
    whole('ids.length', ids?.length ?? 0, 0, this.#limits.receiptsMax);
    const partitions = await this.#partitions.all(station);
    const counts = await Promise.all(
      partitions.map(async (partition) => {
        const letters = ids === undefined ? [...partition.letters(undefined, undefined)] : named(partition, ids);
        await partition.redrive(letters);
        return letters.length;
      }),
    );
    return { redriven: counts.reduce((sum, count) => sum + count, 0), kept: 0, left: 0 };
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
