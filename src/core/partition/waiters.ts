/**
 * Who waits at a partition: readers, and fetchers by group.
 *
 * Holds: a hint for a group goes to one, whoever waits longest, who leaves with it; readers are all told and stay.
 * Elsewhere: whether there is anything to hint at (partition.ts), waiting at several partitions (broker/waiting.ts).
 */

/** Someone who waits for messages. `wake` may be called at any time, and means: look again. */
export interface Waiter {
  wake(): void;
}

export class Waiters {
  readonly #readers = new Set<Waiter>();
  readonly #fetchers = new Map<number, Set<Waiter>>();

  /** @returns how to leave */
  addReader(waiter: Waiter): () => void {
    this.#readers.add(waiter);
    return () => this.#readers.delete(waiter);
  }

  /** @returns how to leave */
  addFetcher(group: number, waiter: Waiter): () => void {
    const waiters = this.#fetchers.get(group) ?? new Set();
    this.#fetchers.set(group, waiters.add(waiter));
    return () => {
      waiters.delete(waiter);
      // Those who parked since may be in another set.
      if (waiters.size === 0 && this.#fetchers.get(group) === waiters) this.#fetchers.delete(group);
    };
  }

  isWaitedFor(group: number): boolean {
    return (this.#fetchers.get(group)?.size ?? 0) > 0;
  }

  /** Groups that anybody waits for. */
  groups(): Iterable<number> {
    return this.#fetchers.keys();
  }

  wakeReaders(): void {
    for (const reader of this.#readers) reader.wake();
  }

  /** If the hint is for nothing, nothing is lost. */
  wakeFetcher(group: number): void {
    const [waiter] = this.#fetchers.get(group) ?? [];
    if (waiter === undefined) return;
    this.#fetchers.get(group)?.delete(waiter);
    waiter.wake();
  }

  /** The group is gone: all who wait for it are told. */
  wakeGroup(group: number): void {
    for (const waiter of this.#fetchers.get(group) ?? []) waiter.wake();
    this.#fetchers.delete(group);
  }

  /** Nothing comes any more. */
  wakeAll(): void {
    this.wakeReaders();
    for (const waiters of this.#fetchers.values()) for (const waiter of waiters) waiter.wake();
    this.#fetchers.clear();
    this.#readers.clear();
  }
}
