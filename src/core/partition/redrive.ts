/**
 * Sends dead letters of a partition again, a slice at a time: to the group that failed, to all groups, or to another station.
 *
 * Holds: what has to be read and waited for comes first; then all that goes is judged anew, and goes in one turn and one commit: so
 * no letter goes twice, and none whose bytes a copy still needs. Letters that stay cost a look at each slice, and no bytes.
 * Elsewhere: the entries (dead.ts), how fast (broker/pace.ts), several partitions (broker/letters.ts).
 */
import type { Block } from '../calls.ts';
import { WaysideError } from '../errors.ts';
import { partitionFor } from '../route.ts';
import type { LetterPlace, LettersOf, RedriveShare, RedriveSlice, RedriveTarget } from './calls.ts';
import { cursorOf, findLetter, isCopying, letterBlock, lettersAfter, redriveToGroup, redriveToGroups, redriveToStation } from './dead.ts';
import type { LetterParts } from './letters.ts';
import { OUTPUT_PLACE } from './outbox.ts';
import type { Letter } from './state.ts';

/** Letters whose bytes are read for one slice, and bytes of those that are produced anew. */
const READ_MAX = 1_000;
const PART_BYTES = 1024 * 1024;
/** Where a slice goes on that has passed none. */
const START: LetterPlace = { sequence: 0, died: 0 };

interface Chosen {
  readonly letter: Letter;
  /** Where it is produced anew; else nobody needs it any more. */
  readonly block: Block | undefined;
  /** Of the station that it goes to; else 0. */
  readonly partition: number;
}

interface Looked {
  readonly chosen: readonly Chosen[];
  readonly kept: number;
  readonly busy: number;
  readonly next: LetterPlace | undefined;
}

export class Redrive {
  readonly #parts: LetterParts;
  /** Messages without key and id take turns; not all partitions begin with the same. */
  #turn: number;

  constructor(parts: LetterParts) {
    this.#parts = parts;
    this.#turn = parts.state.partition;
  }

  async slice(slice: RedriveSlice): Promise<RedriveShare> {
    const { state } = this.#parts;
    const { chosen, kept, busy, next } = await this.#look(slice);
    if (slice.to === 'groups' && chosen.length > 0) await this.#makeRoom(chosen);
    // Some may have gone, or a copy of them is on its way, since they were looked at.
    const there = chosen.filter(({ letter }) => findLetter(state, letter) !== undefined);
    const going = there.filter(({ letter }) => !isCopying(state, letter));
    if (going.length > 0) this.#send(going, slice.to);
    await this.#parts.durable();
    return { redriven: going.length, kept, busy: busy + there.length - going.length, next };
  }

  async #look(slice: RedriveSlice): Promise<Looked> {
    const { which, to, most } = slice;
    const key = 'upTo' in which ? which.filter?.key : undefined;
    const needsBytes = to !== 'group' || key !== undefined;
    const chosen: Chosen[] = [];
    const stay = { kept: 0, busy: 0 };
    let [reads, bytes] = [0, 0];
    let last = 'upTo' in which ? which.after : undefined;
    for (const letter of this.#letters(which)) {
      // No bytes are read of those that stay, unless they tell whether the letter is meant at all.
      const stays = key === undefined && this.#fate(letter, slice) !== 'goes';
      if (!stays && (chosen.length >= most || reads >= READ_MAX || bytes >= PART_BYTES)) return { chosen, ...stay, next: last ?? START };
      last = { sequence: letter.sequence, died: letter.died };
      const isRead = needsBytes && !stays;
      const block = isRead ? await this.#read(letter, key) : undefined;
      if (isRead) reads++;
      if (isRead && block === undefined) continue;
      const fate = this.#fate(letter, slice);
      if (fate !== 'goes') stay[fate]++;
      else chosen.push(this.#choose(letter, block, to));
      if (fate === 'goes' && to === 'groups') bytes += block!.end - block!.start;
    }
    return { chosen, ...stay, next: undefined };
  }

  #letters(which: readonly LetterPlace[] | LettersOf): Iterable<Letter> {
    const { state } = this.#parts;
    if ('upTo' in which) return lettersAfter(state, which.after, which.filter, which.upTo);
    return which.map((name) => findLetter(state, name)).filter((letter) => letter !== undefined);
  }

  #fate(letter: Letter, { to, maxRedrives, countsOnly }: RedriveSlice): 'kept' | 'busy' | 'goes' {
    // No group can be given what was never a message of the station.
    if (letter.redrives >= maxRedrives || (to === 'group' && letter.sequence >= OUTPUT_PLACE)) return 'kept';
    return countsOnly || isCopying(this.#parts.state, letter) ? 'busy' : 'goes';
  }

  /** Undefined when it has gone meanwhile, or has another key. */
  async #read(letter: Letter, key: string | undefined): Promise<Block | undefined> {
    const { state, stored } = this.#parts;
    const block = await letterBlock(state, stored, letter);
    if (block === undefined || findLetter(state, letter) === undefined) return undefined;
    return key === undefined || cursorOf(block).key === key ? block : undefined;
  }

  /** Holds no more bytes than are needed: there may be many letters in a slice. */
  #choose(letter: Letter, block: Block | undefined, to: RedriveTarget): Chosen {
    if (typeof to === 'object')
      return { letter, block: undefined, partition: partitionFor(cursorOf(block!), to.partitions, () => this.#turn++) };
    return { letter, block: to === 'groups' ? block : undefined, partition: 0 };
  }

  /** @throws LIMIT_EXCEEDED · STORAGE_FULL */
  async #makeRoom(chosen: readonly Chosen[]): Promise<void> {
    const { state, log } = this.#parts;
    const bytes = chosen.reduce((sum, { block }) => sum + block!.end - block!.start, 0);
    const { maxMessages = Infinity, maxBytes = Infinity, discard } = state.settings.retention;
    const isFull = state.next - state.first + chosen.length > maxMessages || state.bytes + bytes > maxBytes;
    if (discard === 'refuse' && isFull)
      throw new WaysideError('LIMIT_EXCEEDED', 'The station has no room for them, and discards nothing. Consume or purge, then ask again.');
    if (!log.volume.hasRoom(bytes)) await log.volume.makeRoom(bytes);
  }

  #send(going: readonly Chosen[], to: RedriveTarget): void {
    const { log, state, limits, reopened, produced, leaving } = this.#parts;
    const letters = going.map(({ letter }) => letter);
    if (to === 'group') {
      redriveToGroup(log, letters);
      reopened();
    } else if (to === 'groups') {
      redriveToGroups(
        log,
        state,
        letters,
        going.map(({ block }) => block!),
      );
      produced();
    } else {
      const { intentsMax } = limits;
      if (state.outbox.count + letters.length > intentsMax)
        throw new WaysideError(
          'LIMIT_EXCEEDED',
          `${intentsMax} messages of the partition may be on their way to other stations. Ask again in a moment.`,
          { retryAfterMs: 1000 },
        );
      redriveToStation(
        log,
        letters,
        to.station,
        going.map(({ partition }) => partition),
      );
      leaving();
    }
  }
}
