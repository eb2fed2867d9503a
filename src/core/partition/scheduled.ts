/**
 * Delayed messages of a partition as they are asked for: in pages, and cancelled.
 *
 * Holds: what is told of them is durable. Elsewhere: what waits (schedule.ts), their ids, and several partitions
 * (broker/schedules.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import { RecordCursor } from '../batch/cursor.ts';
import { HEADER_BYTES } from '../batch/layout.ts';
import { skip } from '../batch/walk.ts';
import { KIND } from '../entry/kinds.ts';
import type { DelayedInfo, DelayedPage, DelayedPlace } from './calls.ts';
import type { Delayed, Schedule } from './schedule.ts';
import type { Stored } from './stored.ts';

/** What it needs of the partition. */
export interface ScheduledParts {
  readonly log: ActorLog;
  readonly state: { readonly schedule: Schedule };
  readonly stored: Stored;
  /** Resolves when all that the partition says now is as durable as the station says. */
  durable(): Promise<void> | undefined;
  /** What is due may be another now. */
  changed(): void;
}

export class Scheduled {
  readonly #parts: ScheduledParts;

  constructor(parts: ScheduledParts) {
    this.#parts = parts;
  }

  async page(after: DelayedPlace | undefined, most: number): Promise<DelayedPage> {
    const found = this.#first(after, most + 1);
    const looked = found.slice(0, most);
    const items = await Promise.all(looked.map((delayed) => this.#describe(delayed)));
    await this.#parts.durable();
    const last = looked.at(-1);
    return {
      items: items.filter((item) => item !== undefined),
      looked: looked.length,
      last: last && { due: last.due, number: last.number },
      isMore: found.length > looked.length,
    };
  }

  async cancel(number: number): Promise<boolean> {
    const { log, state, changed, durable } = this.#parts;
    const isThere = state.schedule.get(number) !== undefined;
    if (isThere) {
      log.append([draft(KIND.scheduleEnded, { why: 'cancelled', numbers: [number], first: 0 })], log.now);
      changed();
    }
    await durable();
    return isThere;
  }

  /** The first behind `after`: picked out, since what waits is in no order but by its heap. */
  #first(after: DelayedPlace | undefined, most: number): Delayed[] {
    const behind: Delayed[] = [];
    for (const each of this.#parts.state.schedule.all()) {
      if (after !== undefined && compare(each, after) <= 0) continue;
      behind.push(each);
      // Kept short, so that a page costs a walk over what waits, and not its sorting.
      if (behind.length >= 2 * most + 1_000) behind.sort(compare).splice(most);
    }
    return behind.sort(compare).slice(0, most);
  }

  /** Undefined when it was cancelled, or was due, while its bytes were read. */
  async #describe(delayed: Delayed): Promise<DelayedInfo | undefined> {
    const { state, stored } = this.#parts;
    const { number, due, accepted, bytes } = delayed;
    try {
      const { body } = await stored.entry(delayed.index);
      const start = skip(body, HEADER_BYTES, delayed.place);
      const cursor = new RecordCursor(body, start, skip(body, start, 1));
      cursor.next();
      return { number, due, accepted, key: cursor.key, id: cursor.id, bytes };
    } catch (error) {
      if (state.schedule.get(number) !== delayed) return undefined;
      throw error;
    }
  }
}

function compare(a: DelayedPlace, b: DelayedPlace): number {
  return a.due - b.due || a.number - b.number;
}
