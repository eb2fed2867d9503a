/** Which consumers of a group were here lately. In memory only: whoever is alive shows it by fetching again. */
import type { Time } from '../actor/time.ts';
import type { Holder } from './counts.ts';

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

  /** Those of `holders`, and whoever was seen within the last minute. */
  with(group: number, holders: ReadonlyMap<string, Holder>): ReadonlyMap<string, Holder> {
    const seen = this.#seen.get(group);
    if (seen === undefined) return holders;
    const members = new Map(holders);
    const since = this.#time.now() - REMEMBER_MS;
    for (const [consumer, at] of seen) {
      const { inFlight, lastSeenAt } = holders.get(consumer) ?? { inFlight: 0, lastSeenAt: 0 };
      if (at < since) seen.delete(consumer);
      else members.set(consumer, { inFlight, lastSeenAt: Math.max(lastSeenAt, at) });
    }
    if (seen.size === 0) this.#seen.delete(group);
    return members;
  }

  forget(group: number): void {
    this.#seen.delete(group);
  }
}
