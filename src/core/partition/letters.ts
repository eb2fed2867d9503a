/**
 * Dead letters of a partition as they are asked for: in pages, one by its name, and one away.
 *
 * Holds: a letter is told of when its death is durable, and that there is none when that is.
 * Elsewhere: their names and entries (dead.ts), sending them again (redrive.ts), several partitions (broker/letters.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import type { DeadLetter } from '../calls.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { LetterFilter, LetterPage, LetterPlace } from './calls.ts';
import { cursorOf, describe, findLetter, isCopying, lettersAfter, removeLetters } from './dead.ts';
import type { Letter, PartitionState } from './state.ts';
import { letterKey } from './state.ts';
import type { Stored } from './stored.ts';

/** What it, and who sends letters again, need of the partition. */
export interface LetterParts {
  readonly log: ActorLog;
  readonly state: PartitionState;
  readonly stored: Stored;
  readonly limits: Pick<Limits, 'intentsMax'>;
  /** Resolves when all that the partition says now is as durable as the station says. */
  durable(): Promise<void> | undefined;
  /** What is due may be another now. */
  changed(): void;
  /** There are new messages. */
  produced(): void;
  /** Groups have messages again that they had settled. */
  reopened(): void;
  /** Something is on its way to other stations. */
  leaving(): void;
}

export class Letters {
  readonly #parts: LetterParts;

  constructor(parts: LetterParts) {
    this.#parts = parts;
  }

  async page(filter: LetterFilter, after: LetterPlace | undefined, most: number, bytesMax: number): Promise<LetterPage> {
    const found: Letter[] = [];
    for (const letter of lettersAfter(this.#parts.state, after, filter)) if (found.push(letter) > most) break;
    const items: DeadLetter[] = [];
    let looked = 0;
    // One after another: no more bytes are held than the page may have.
    for (let bytes = 0; looked < Math.min(most, found.length) && bytes < bytesMax; looked++) {
      const item = await this.#describe(found[looked]!);
      if (item === undefined || (filter.key !== undefined && cursorOf(item.message).key !== filter.key)) continue;
      items.push(item);
      bytes += item.message.end - item.message.start;
    }
    await this.#parts.durable();
    const last = found[looked - 1];
    return { items, looked, last: last && { sequence: last.sequence, died: last.died }, isMore: found.length > looked };
  }

  async one(name: LetterPlace): Promise<DeadLetter | undefined> {
    const letter = findLetter(this.#parts.state, name);
    const described = letter && (await this.#describe(letter));
    await this.#parts.durable();
    return described;
  }

  async remove(name: LetterPlace): Promise<boolean> {
    const { log, state, changed, durable } = this.#parts;
    const letter = findLetter(state, name);
    if (letter !== undefined) {
      if (isCopying(state, letter))
        throw new WaysideError('UNAVAILABLE', 'The dead letter is just being copied. Ask again in a moment.', { retryAfterMs: 500 });
      removeLetters(log, [letter], 'removed');
      changed();
    }
    await durable();
    return letter !== undefined;
  }

  /** Undefined when it was removed while its bytes were read. */
  async #describe(letter: Letter): Promise<DeadLetter | undefined> {
    const { state, stored } = this.#parts;
    try {
      return await describe(state, stored, letter);
    } catch (error) {
      if (!state.letters.has(letterKey(letter.sequence, letter.died))) return undefined;
      throw error;
    }
  }
}
