/**
 * Hints from a partition that is elsewhere: whoever waits here is parked there, over one channel.
 *
 * Holds: a park counts once it is confirmed, and whoever looks awaits that, so that nothing comes between looking and waiting; a hint
 * is for one, and one that nobody here has a use for goes back; when the channel breaks everybody here looks again. A
 * channel that nobody waits at is closed after a while, so that the far end may sleep alone.
 * Elsewhere: the far end (parked.ts), waiting at several partitions (broker/waiting.ts).
 */
import { isPlanted } from '../faults.ts';
import type { Waiter } from '../partition/waiters.ts';
import { Waiters } from '../partition/waiters.ts';
import type { Timers } from '../ports.ts';
import type { Channel, ChannelListener } from './links.ts';

/** In the place of a group's id: those who read without a group. */
export const READERS = 0;
/** A channel is kept so long without anybody at it. */
const IDLE_MS = 5_000;

export type HintText = { readonly do: 'park' | 'pass' | 'parked' | 'hint'; readonly who: number };

export class Hints {
  readonly #listen: (listener: ChannelListener) => Promise<Channel>;
  readonly #timers: Timers;
  readonly #waiters = new Waiters();
  /** Groups that are parked over there, or on their way to it. */
  readonly #asked = new Set<number>();
  readonly #unconfirmed = new Set<number>();
  #channel: Promise<Channel> | undefined;
  #waiting = 0;
  #confirmed: { readonly done: Promise<void>; readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  #stopIdle: () => void = () => undefined;

  constructor(listen: (listener: ChannelListener) => Promise<Channel>, timers: Timers) {
    this.#listen = listen;
    this.#timers = timers;
  }

  /** @returns how to leave */
  add(who: number, waiter: Waiter): () => void {
    const leave = this.#waiters.addFetcher(who, waiter);
    this.#waiting++;
    this.#stopIdle();
    this.#park(who);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      leave();
      this.#waiting--;
      if (this.#waiting === 0) this.#closeLater();
    };
  }

  /** Resolves when all who wait here are parked there. @throws what opening the channel throws */
  parked(): Promise<void> | undefined {
    return isPlanted('park-not-awaited') ? undefined : this.#confirmed?.done;
  }

  passOn(who: number): void {
    if (this.#channel !== undefined) this.#send({ do: 'pass', who });
  }

  #park(who: number): void {
    if (this.#asked.has(who)) return;
    this.#asked.add(who);
    this.#unconfirmed.add(who);
    if (this.#confirmed === undefined) {
      const { promise: done, resolve, reject } = Promise.withResolvers<void>();
      // Whoever looks hears of it; there may be nobody.
      done.catch(() => undefined);
      this.#confirmed = { done, resolve, reject };
    }
    this.#send({ do: 'park', who });
  }

  #send(text: HintText): void {
    const channel = this.#open();
    channel.then(
      (open) => open.send(JSON.stringify(text)),
      (error: unknown) => this.#lost(channel, error),
    );
  }

  #open(): Promise<Channel> {
    if (this.#channel !== undefined) return this.#channel;
    const opening: Promise<Channel> = this.#listen({
      message: (text) => this.#heard(JSON.parse(text) as HintText),
      closed: () => this.#lost(opening, undefined),
    });
    this.#channel = opening;
    return opening;
  }

  #heard({ do: what, who }: HintText): void {
    if (what === 'parked') {
      this.#unconfirmed.delete(who);
      if (this.#unconfirmed.size === 0) this.#confirm();
      return;
    }
    this.#asked.delete(who);
    if (who === READERS) this.#waiters.wakeGroup(who);
    else if (this.#waiters.isWaitedFor(who)) this.#waiters.wakeFetcher(who);
    else if (!isPlanted('hint-kept-for-nobody')) this.#send({ do: 'pass', who });
    if (this.#waiters.isWaitedFor(who)) this.#park(who);
  }

  #confirm(): void {
    this.#confirmed?.resolve();
    this.#confirmed = undefined;
  }

  /** The channel is gone: what was parked there is parked no more. @param error why it could not be opened */
  #lost(channel: Promise<Channel>, error: unknown): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    this.#asked.clear();
    this.#unconfirmed.clear();
    if (error === undefined) this.#confirm();
    else {
      this.#confirmed?.reject(error);
      this.#confirmed = undefined;
    }
    this.#waiters.wakeAll();
  }

  #closeLater(): void {
    this.#stopIdle();
    this.#stopIdle = this.#timers.after(IDLE_MS, () => {
      if (this.#waiting === 0) this.close();
    });
  }

  close(): void {
    this.#stopIdle();
    const channel = this.#channel;
    this.#channel = undefined;
    this.#asked.clear();
    this.#unconfirmed.clear();
    this.#confirm();
    channel?.then(
      (open) => open.close(),
      () => undefined,
    );
  }
}
