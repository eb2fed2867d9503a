/**
 * What is on its way from this partition to others, as intents.
 *
 * Holds: an intent is there from the commit that makes it until one that says what became of it; its place among what this
 * partition produces in the target (producer sequence) is settled when it is made, without gaps, so that sending it again is
 * recognised. A letter that an intent is of keeps its bytes until then, whatever becomes of its group; so does an output.
 * Elsewhere: sending (broker/outbox.ts), making and ending them (dead.ts, step.ts, machine.ts).
 */
import { decode, encode, list, number, oneOf, struct } from '../entry/codec.ts';
import type { Intended, OutputsMeta } from '../entry/outbox.ts';
import { isPlanted } from '../faults.ts';

export interface Intent {
  readonly number: number;
  readonly what: 'redrive' | 'copy' | 'output';
  /** The target. */
  readonly station: number;
  readonly partition: number;
  /** Which of the messages from here to there it is, from 1. */
  readonly place: number;
  /** The letter; 0 and 0 where it is none. */
  readonly sequence: number;
  readonly died: number;
  /** The output: who made it, the entry that holds it, and which of its records it is; 0 where it is none. */
  readonly group: number;
  index: number;
  record: number;
}

const intentLayout = struct({
  number,
  what: oneOf('redrive', 'copy', 'output'),
  station: number,
  partition: number,
  place: number,
  sequence: number,
  died: number,
  group: number,
  index: number,
  record: number,
});

const layout = struct({
  next: number,
  intents: list(intentLayout),
  targets: list(struct({ station: number, partition: number, next: number })),
});

/** An output that was refused for good is a dead letter whose sequence is the number of its intent above this. */
export const OUTPUT_PLACE = 2 ** 52;

export class Outbox {
  next = 1;
  readonly #intents = new Map<number, Intent>();
  /** The place that the next intent gets, by `station.partition` of the target. */
  readonly #places = new Map<string, number>();
  /** Open intents of a letter, by its key: those that take it away, and those that copy it. */
  readonly #leaving = new Map<string, number>();
  readonly #copied = new Map<string, number>();
  #isDirty = false;

  get count(): number {
    return this.#intents.size;
  }

  all(): Iterable<Intent> {
    return this.#intents.values();
  }

  /** Is a letter on its way? Then it is in no list, and nothing else is done with it. */
  isLeaving(letterKey: string): boolean {
    return this.#leaving.has(letterKey);
  }

  /** Is it being sent, or copied? Then its bytes are needed. */
  isNeeded(letterKey: string): boolean {
    return this.#leaving.has(letterKey) || this.#copied.has(letterKey);
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

  /** Outputs whose bytes lie in entries below `floor`. */
  outputsBelow(floor: number): Intent[] {
    return [...this.#intents.values()].filter(({ what, index }) => what === 'output' && index < floor);
  }

  intend({ why, station, items }: Intended): void {
    for (const { sequence, died, partition } of items)
      this.add({ number: this.next, what: why, station, partition, sequence, died, group: 0, index: 0, record: 0 });
  }

  /** @param index of the entry that holds them */
  output({ items }: OutputsMeta, index: number): void {
    this.#isDirty = true;
    items.forEach(({ number, station, partition, group }, record) => {
      const known = this.#intents.get(number);
      if (known === undefined) this.add({ number, what: 'output', station, partition, sequence: 0, died: 0, group, index, record });
      else Object.assign(known, { index, record });
    });
  }

  /** Its place is the next one to its target. */
  add(intent: Omit<Intent, 'place'>): void {
    this.#isDirty = true;
    const target = `${intent.station}.${intent.partition}`;
    const place = this.#places.get(target) ?? 1;
    this.#places.set(target, place + 1);
    this.next = intent.number + 1;
    this.#put({ ...intent, place });
  }

  #put(intent: Intent): void {
    this.#intents.set(intent.number, intent);
    const held = this.#held(intent);
    const key = `${intent.sequence}.${intent.died}`;
    held?.set(key, (held.get(key) ?? 0) + 1);
  }

  #held({ what }: Intent): Map<string, number> | undefined {
    if (what === 'output') return undefined;
    return what === 'copy' ? this.#copied : this.#leaving;
  }

  /** @returns the intent that has ended; undefined when it had before */
  end(number: number): Intent | undefined {
    const intent = this.#intents.get(number);
    if (intent === undefined) return undefined;
    this.#isDirty = true;
    this.#intents.delete(number);
    const held = this.#held(intent);
    const key = `${intent.sequence}.${intent.died}`;
    const left = (held?.get(key) ?? 1) - 1;
    if (left > 0) held?.set(key, left);
    else held?.delete(key);
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

  /** Nothing is on its way any more, and every target is a new one. @returns what was, and had not arrived */
  clear(): Intent[] {
    const open = [...this.#intents.values()];
    this.#intents.clear();
    this.#leaving.clear();
    this.#copied.clear();
    this.#places.clear();
    this.#isDirty = true;
    return open;
  }

  load(body: Uint8Array): void {
    const { next, intents, targets } = decode(layout, body);
    this.next = next;
    for (const intent of intents) this.#put({ ...intent });
    for (const target of targets) this.#places.set(`${target.station}.${target.partition}`, target.next);
  }
}
