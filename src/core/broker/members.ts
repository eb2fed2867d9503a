/** Which consumers of a group were here lately. In memory only: whoever is alive shows it by fetching again. */
import type { Time } from '../actor/time.ts';

const REMEMBER_MS = 60_000;
/** Bounds what consumers with ever new names can take. */
const MEMBERS_MAX = 1_000;

export class Members {
  readonly #time: Time;
  readonly #seen = new Map<number, Map<string, number>>();

  constructor(time: Time) {
    this.#time = time;
  }

  seen(group: number, consumer: string): void {
    const members = this.#seen.get(group) ?? new Map<string, number>();
    this.#seen.set(group, members);
    // Last seen last, so that the longest unseen is the first.
    members.delete(consumer);
    members.set(consumer, this.#time.now());
    if (members.size > MEMBERS_MAX)
      for (const [oldest] of members) {
        members.delete(oldest);
        break;
      }
  }

  /** Consumers seen within the last minute, and when. */
  of(group: number): Map<string, number> {
    const members = this.#seen.get(group) ?? new Map<string, number>();
    const since = this.#time.now() - REMEMBER_MS;
    for (const [consumer, at] of members) if (at < since) members.delete(consumer);
    if (members.size === 0) this.#seen.delete(group);
    return new Map(members);
  }

  forget(group: number): void {
    this.#seen.delete(group);
  }
}
