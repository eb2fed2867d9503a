/**
 * Producers that count for themselves: how far each has come, and which messages its last batches became.
 *
 * Holds: of a producer, sequences below `next` of its epoch are used, and none above; `runs` are in order, at most
 * RUNS_MAX, the latest ones; a producer begins an epoch at 1. Whoever used no sequence for `producerMs`, and the longest
 * unheard above `producersMax`, are forgotten: to the partition they are new then.
 * It is made by entries alone (`moved`), so two partitions with the same entries know the same producers. Trimming
 * messages does not touch it. Elsewhere: what a batch may use (claim.ts).
 */
import { decode, encode, list, number, struct, text } from '../entry/codec.ts';
import type { ProducerMoved, ProducerRun } from '../entry/producer.ts';
import { producerRun } from '../entry/producer.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import { xxh32 } from '../xxh32.ts';

/** Batches of a producer whose places are remembered; those that follow each other without a gap are one. */
export const RUNS_MAX = 64;

/** Sections, so that one producer's batch does not have all the others written again. */
const SECTIONS = 32;

const sectionLayout = struct({
  layout: number,
  producers: list(struct({ id: text, epoch: number, next: number, heard: number, heardAt: number, runs: list(producerRun) })),
});
const LAYOUT = 1;

/** How far a producer has come. */
export interface Progress {
  readonly epoch: number;
  /** The sequence that it uses next. */
  readonly next: number;
  readonly runs: readonly ProducerRun[];
}

interface Known extends Progress {
  next: number;
  readonly runs: ProducerRun[];
  /** Index and time of the last entry in which it used sequences. */
  heard: number;
  heardAt: number;
}

export type ProducerLimits = Pick<Limits, 'producerMs' | 'producersMax'>;

export class Producers {
  readonly #limits: ProducerLimits;
  /** The longest unheard first. */
  #known = new Map<string, Known>();
  readonly #dirty = new Set<number>();

  constructor(limits: ProducerLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#known.size;
  }

  /** Undefined where it is not known (any more). */
  find(id: string, now: number): Progress | undefined {
    const known = this.#known.get(id);
    return known === undefined || (this.#isOld(known, now) && !isOutbox(id)) ? undefined : known;
  }

  #isOld({ heardAt }: Known, now: number): boolean {
    return heardAt <= now - this.#limits.producerMs;
  }

  /** @param index of the entry */
  moved({ producer, epoch, sequence, count, stored }: ProducerMoved, index: number, time: number): void {
    const before = this.#known.get(producer);
    // An epoch begins at 1: whoever begins there has nothing to do with what was known by that name.
    const known = before === undefined || sequence === 1 ? { epoch, next: 1, runs: [], heard: 0, heardAt: 0 } : before;
    known.next = sequence + count;
    if (!isPlanted('forget-what-a-producer-sent')) for (const run of stored) remember(known.runs, run);
    known.heard = index;
    known.heardAt = time;
    this.#known.delete(producer);
    this.#known.set(producer, known);
    this.#dirty.add(sectionOf(producer));
    this.#forget(time);
  }

  #forget(now: number): void {
    for (const [id, known] of this.#known) {
      if (isOutbox(id)) continue;
      if (this.#known.size <= this.#limits.producersMax && !this.#isOld(known, now)) return;
      this.#known.delete(id);
      this.#dirty.add(sectionOf(id));
    }
  }

  /** What changed since the last call: sections to write, and (null) to remove. */
  takeSections(): [string, Uint8Array | null][] {
    if (this.#dirty.size === 0 || isPlanted('producer-section-forgotten')) return [];
    const changed = new Map([...this.#dirty].sort((a, b) => a - b).map((section) => [section, [] as ({ id: string } & Known)[]]));
    this.#dirty.clear();
    for (const [id, known] of this.#known) changed.get(sectionOf(id))?.push({ id, ...known });
    return [...changed].map(([section, producers]) => [
      `producers:${section}`,
      producers.length === 0 ? null : encode(sectionLayout, { layout: LAYOUT, producers }),
    ]);
  }

  /** Sections come in any order. */
  load(body: Uint8Array): void {
    const { producers } = decode(sectionLayout, body);
    const loaded = producers.map(({ id, runs, ...rest }): [string, Known] => [id, { ...rest, runs: [...runs] }]);
    this.#known = new Map([...this.#known, ...loaded].sort(([, a], [, b]) => a.heard - b.heard));
  }

  /** Outboxes of other partitions begin anew, under other names; all is written again. */
  forgetOutboxes(): void {
    for (const id of [...this.#known.keys()]) {
      if (isOutbox(id)) this.#known.delete(id);
      else this.#dirty.add(sectionOf(id));
    }
  }

  /** All that are known, the longest unheard first. */
  *all(): Iterable<{ readonly id: string } & Progress> {
    for (const [id, { epoch, next, runs }] of this.#known) yield { id, epoch, next, runs };
  }

  /** Those that are outboxes of other partitions. */
  *outboxes(): Iterable<{ readonly id: string } & Progress> {
    for (const each of this.all()) if (isOutbox(each.id)) yield each;
  }
}

/** Outboxes of partitions (broker/outbox.ts) are never forgotten: they may send again what they sent long ago. No user has such a name. */
function isOutbox(id: string): boolean {
  return id.startsWith('.');
}

/** Adds a run at the end, as part of the last one where both its counts go on there; the oldest makes room. */
export function remember(runs: ProducerRun[], run: ProducerRun): void {
  const last = runs.at(-1);
  const goesOn = last !== undefined && last.sequence + last.count === run.sequence && last.first + last.count === run.first;
  if (goesOn) runs[runs.length - 1] = { ...last, count: last.count + run.count };
  else runs.push(run);
  if (runs.length > RUNS_MAX) runs.shift();
}

/** The message that a producer's sequence became; 0 where that is not remembered. */
export function findRun(runs: readonly ProducerRun[], sequence: number): number {
  for (let i = runs.length - 1; i >= 0; i--) {
    const run = runs[i]!;
    if (sequence >= run.sequence + run.count) return 0;
    if (sequence >= run.sequence) return run.first + sequence - run.sequence;
  }
  return 0;
}

const encoder = new TextEncoder();

function sectionOf(id: string): number {
  return xxh32(encoder.encode(id), 0) % SECTIONS;
}
