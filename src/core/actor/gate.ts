/**
 * Holds every answer until what it rests on is durable.
 *
 * Holds: an answer leaves when the volume's `written` (or `synced`) has reached the position it waits for, in the order of
 * positions; when the volume fails, everything that waits is refused with STORAGE_FAILED: its outcome is unknown.
 * Elsewhere: what an answer rests on is said by the verb that gives it; actor/log.ts knows the position of an entry.
 */
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Volume } from '../ports.ts';

/** Which of the volume's two marks lets an answer out. */
export type Level = 'written' | 'synced';

interface Waiting {
  readonly position: number;
  open(): void;
  refuse(error: WaysideError): void;
}

export class Gate {
  readonly #volume: Volume;
  readonly #queues: Record<Level, Waiting[]> = { written: [], synced: [] };

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** Resolves when `position` is as durable as `level` says; asks the volume to see to it. */
  wait(position: number, level: Level): Promise<void> | undefined {
    if (this.#volume[level] >= position || isPlanted('answer-before-the-gate')) return undefined;
    if (level === 'synced') this.#volume.sync(position);
    return new Promise((open, refuse) => insert(this.#queues[level], { position, open, refuse }));
  }

  progressed(): void {
    for (const level of ['written', 'synced'] as const) {
      const queue = this.#queues[level];
      const reached = this.#volume[level];
      let count = 0;
      while (count < queue.length && queue[count]!.position <= reached) count++;
      for (const waiting of queue.splice(0, count)) waiting.open();
    }
  }

  failed(): void {
    for (const level of ['written', 'synced'] as const) {
      for (const waiting of this.#queues[level].splice(0)) waiting.refuse(storageFailed());
    }
  }
}

export function storageFailed(): WaysideError {
  return new WaysideError(
    'STORAGE_FAILED',
    'The storage failed before the outcome was certain. Send the call again with the same id: it is stored once.',
    { retryAfterMs: 1000 },
  );
}

/** Positions nearly always come in rising order, so the place is looked for from the end. */
function insert(queue: Waiting[], waiting: Waiting): void {
  let at = queue.length;
  while (at > 0 && queue[at - 1]!.position > waiting.position) at--;
  if (at === queue.length) queue.push(waiting);
  else queue.splice(at, 0, waiting);
}
