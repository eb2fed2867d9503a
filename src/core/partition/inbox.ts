/**
 * What was sent to a partition and waits for the end of the turn, to become one commit.
 *
 * Holds: parts are taken in the order in which they came, also when they have to wait for room on the disk; each is
 * answered alone, once what its answer rests on is durable. Elsewhere: what becomes of a part (produce.ts).
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Timers, Volume } from '../ports.ts';
import type { Part, PartResult } from './produce.ts';

/** Results by place in the parts that were given, and when they may leave (undefined: now). */
export interface Committed {
  readonly results: readonly (PartResult | WaysideError)[];
  readonly open: Promise<void> | undefined;
}

interface Sent {
  readonly part: Part;
  answer(result: PartResult): void;
  refuse(error: unknown): void;
}

export class Inbox {
  readonly #volume: Volume;
  readonly #timers: Timers;
  readonly #prepare: (parts: readonly Part[]) => Promise<void> | undefined;
  readonly #commit: (parts: readonly Part[]) => Committed;
  #sent: Sent[] = [];
  #flushAsked = false;

  /**
   * @param prepare reads what deciding the parts needs; undefined when all is there
   * @param commit stores the parts in one step; what it throws refuses all of them
   */
  constructor(
    volume: Volume,
    timers: Timers,
    prepare: (parts: readonly Part[]) => Promise<void> | undefined,
    commit: (parts: readonly Part[]) => Committed,
  ) {
    this.#volume = volume;
    this.#timers = timers;
    this.#prepare = prepare;
    this.#commit = commit;
  }

  /** Resolves once the part is as durable as the station says. */
  send(part: Part): Promise<PartResult> {
    return new Promise((answer, refuse) => {
      this.#sent.push({ part, answer, refuse });
      if (this.#flushAsked) return;
      this.#flushAsked = true;
      this.#timers.endOfTurn(() => this.#flush());
    });
  }

  refuse(error: unknown): void {
    this.#flushAsked = false;
    for (const each of this.#sent.splice(0)) each.refuse(error);
  }

  #flush(): void {
    const bytes = this.#sent.reduce((sum, { part }) => sum + part.view.recordsEnd, 0);
    const parts = this.#sent.map(({ part }) => part);
    const waits = this.#volume.hasRoom(bytes) ? this.#prepare(parts) : this.#volume.makeRoom(bytes);
    if (waits === undefined) {
      this.#flushNow();
      return;
    }
    // Later parts queue behind, so that the order holds; there may be more of them by then than there is room for.
    waits.then(
      () => this.#flush(),
      (error: unknown) => this.refuse(error),
    );
  }

  #flushNow(): void {
    const sent = this.#sent;
    this.#sent = [];
    this.#flushAsked = false;
    if (sent.length === 0) return;
    try {
      const { results, open } = this.#commit(sent.map(({ part }) => part));
      // Parts that come again wait for nothing: then nobody may be left who hears that it failed.
      open?.catch(() => undefined);
      for (const [i, each] of sent.entries()) answerWhen(open, each, results[i]!);
    } catch (error) {
      for (const each of sent) each.refuse(error);
    }
  }
}

function answerWhen(open: Promise<void> | undefined, { answer, refuse }: Sent, result: PartResult | WaysideError): void {
  const go = () => (result instanceof WaysideError ? refuse(result) : answer(result));
  if (result instanceof WaysideError && isPlanted('refuse-before-the-gate')) go();
  // Nobody outside is told of it: the part comes again at once, before others of its sender that come now.
  const isStale = result instanceof WaysideError && result.code === 'STALE_CONFIG';
  if (open === undefined || isStale) go();
  else open.then(go, refuse);
}
