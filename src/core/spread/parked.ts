/**
 * Those elsewhere who wait at a partition that is here, by the channels over which they get hints.
 *
 * Holds: a hint ends the park that it was for, and goes on to another when its channel breaks; who is parked survives that the process
 * sleeps, with the channel. Elsewhere: the near end (hints.ts).
 */
import { isPlanted } from '../faults.ts';
import type { PartitionCalls } from '../partition/calls.ts';
import type { HintText } from './hints.ts';
import { READERS } from './hints.ts';
import type { KeptChannel } from './links.ts';

type Partition = Pick<PartitionCalls, 'addFetcher' | 'addReader' | 'passOn'>;

export class Parked {
  readonly #partition: Partition;
  readonly #channel: KeptChannel;
  /** How to leave, by who is parked. */
  readonly #leaves = new Map<number, () => void>();
  /** Who had a hint, and has not come again or passed it on. */
  readonly #hinted = new Set<number>();

  /** Takes up what the channel kept. */
  constructor(partition: Partition, channel: KeptChannel) {
    this.#partition = partition;
    this.#channel = channel;
    for (const who of isPlanted('parked-forgotten-in-sleep') ? [] : channel.kept) {
      if (who < 0) this.#hinted.add(-who);
      else this.#add(who);
    }
  }

  message(text: string): void {
    const { do: what, who } = JSON.parse(text) as HintText;
    this.#hinted.delete(who);
    if (what === 'park') {
      this.#add(who);
      this.#keep();
      this.#send({ do: 'parked', who });
    } else if (what === 'pass') {
      this.#keep();
      this.#partition.passOn(who);
    }
  }

  closed(): void {
    // Also of those who are parked: one may be on its way with a hint, and another parked for the same since.
    const left = new Set([...this.#leaves.keys(), ...this.#hinted]);
    for (const leave of this.#leaves.values()) leave();
    this.#leaves.clear();
    this.#hinted.clear();
    if (!isPlanted('hint-lost-with-its-channel')) for (const who of left) if (who !== READERS) this.#partition.passOn(who);
  }

  #add(who: number): void {
    if (this.#leaves.has(who)) return;
    const waiter = { wake: () => this.#hint(who) };
    this.#leaves.set(who, who === READERS ? this.#partition.addReader(waiter) : this.#partition.addFetcher(who, waiter));
  }

  #hint(who: number): void {
    this.#leaves.get(who)?.();
    this.#leaves.delete(who);
    // What readers make of it concerns nobody else.
    if (who !== READERS) this.#hinted.add(who);
    this.#keep();
    this.#send({ do: 'hint', who });
  }

  #keep(): void {
    this.#channel.keep([...this.#leaves.keys(), ...Array.from(this.#hinted, (who) => -who)]);
  }

  #send(text: HintText): void {
    this.#channel.send(JSON.stringify(text));
  }
}
