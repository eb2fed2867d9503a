/**
 * What is on its way from this partition to others, as intents.
 *
 * Holds: an intent is there from the commit that makes it until one that says what became of it; its place among what this
 * partition produces in the target (producer sequence) is settled when it is made, without gaps, so that sending it again is
 * recognised. A letter that an intent is of keeps its bytes until then, whatever becomes of its group.
 * Elsewhere: sending (broker/outbox.ts), making and ending them (dead.ts, machine.ts).
 */
import { decode, encode, list, number, struct } from '../entry/codec.ts';
import type { Intended } from '../entry/outbox.ts';
import { isPlanted } from '../faults.ts';

export interface Intent {
  readonly number: number;
  /** The target. */
  readonly station: number;
  readonly partition: number;
  /** Which of the messages from here to there it is, from 1. */
  readonly place: number;
  /** The letter. */
  readonly sequence: number;
  readonly died: number;
}

const layout = struct({
  next: number,
  intents: list(struct({ number, station: number, partition: number, place: number, sequence: number, died: number })),
  targets: list(struct({ station: number, partition: number, next: number })),
});

export class Outbox {
  next = 1;
  readonly #intents = new Map<number, Intent>();
  /** The place that the next intent gets, by `station.partition` of the target. */
  readonly #places = new Map<string, number>();
  /** Open intents of a letter, by its key. */
  readonly #letters = new Map<string, number>();
  #isDirty = false;

  get count(): number {
    return this.#intents.size;
  }

  all(): Iterable<Intent> {
    return this.#intents.values();
  }

  /** Is a letter on its way? Then it is in no list, and nothing else is done with it. */
  isLeaving(letterKey: string): boolean {
    return this.#letters.has(letterKey);
  }

  /** Where anything is on its way to. */
  targets(): { readonly station: number; readonly partition: number }[] {
    const targets = new Map<string, Intent>();
    for (const intent of this.#intents.values()) targets.set(`${intent.station}.${intent.partition}`, intent);
    return [...targets.values()];
  }

  /** The first ones to a target, in the order of their places. */
  first(station: number, partition: number, count: number): Intent[] {
    const found: Intent[] = [];
    for (const intent of this.#intents.values()) {
      if (intent.station === station && intent.partition === partition) found.push(intent);
      if (found.length === count) break;
    }
    return found;
  }

  intend({ station, items }: Intended): void {
    this.#isDirty = true;
    for (const { sequence, died, partition } of items) {
      const target = `${station}.${partition}`;
      const place = this.#places.get(target) ?? 1;
      this.#places.set(target, place + 1);
      this.#put({ number: this.next++, station, partition, place, sequence, died });
    }
  }

  #put(intent: Intent): void {
    this.#intents.set(intent.number, intent);
    const key = `${intent.sequence}.${intent.died}`;
    this.#letters.set(key, (this.#letters.get(key) ?? 0) + 1);
  }

  /** @returns the intent that has ended; undefined when it had before */
  end(number: number): Intent | undefined {
    const intent = this.#intents.get(number);
    if (intent === undefined) return undefined;
    this.#isDirty = true;
    this.#intents.delete(number);
    const key = `${intent.sequence}.${intent.died}`;
    const left = (this.#letters.get(key) ?? 1) - 1;
    if (left > 0) this.#letters.set(key, left);
    else this.#letters.delete(key);
    return intent;
  }

  takeSections(): [string, Uint8Array][] {
    if (!this.#isDirty || isPlanted('outbox-section-forgotten')) return [];
    this.#isDirty = false;
    const targets = [...this.#places].map(([target, next]) => {
      const [station, partition] = target.split('.').map(Number);
      return { station: station!, partition: partition!, next };
    });
    return [['outbox', encode(layout, { next: this.next, intents: [...this.#intents.values()], targets })]];
  }

  /** What was on its way stays where it is: it has no target any more. */
  clear(): void {
    this.#intents.clear();
    this.#letters.clear();
    this.#places.clear();
    this.#isDirty = true;
  }

  load(body: Uint8Array): void {
    const { next, intents, targets } = decode(layout, body);
    this.next = next;
    for (const intent of intents) this.#put(intent);
    for (const target of targets) this.#places.set(`${target.station}.${target.partition}`, target.next);
  }
}
