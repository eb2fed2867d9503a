/**
 * Messages of a group given to a function: acked when it is done, given back when it throws.
 *
 * Holds: no more than `concurrency` run at once; stopping waits for those that run, and for their acks.
 */

import { asWaysideError, WaysideError } from '../errors.ts';
import type { ConsumeOptions, Intake } from './intake.ts';
import type { Delivered, Message } from './message.ts';

/** How messages are handled. */
export interface HandleOptions<T = unknown> extends Omit<ConsumeOptions<T>, 'autoAck'> {
  /** Messages that are handled at once, from 1 (unless given). */
  readonly concurrency?: number | undefined;
  /**
   * Milliseconds until a message comes again whose handler threw; 250 at first, doubling with each delivery up to a minute,
   * unless given.
   */
  readonly retryDelayMs?: ((message: Message<T>, error: unknown) => number) | undefined;
}

/** A function at work on a group's messages. */
export interface Consumer extends AsyncDisposable {
  /** Takes no more, waits for what runs and for the acks, and gives the rest back. */
  stop(): Promise<void>;
  /** Resolves when it has stopped. @throws why it ended by itself: its group is gone, or the credential */
  readonly done: Promise<void>;
  /** In whose name the leases are. */
  readonly consumer: string;
  /** How many messages were lost to others: see `onLost`. */
  readonly lost: number;
}

/** Characters of an error that a dead letter keeps; the broker takes 4 KiB. */
const REASON_MAX = 1_000;

export class Handler<T> implements Consumer {
  readonly done: Promise<void>;
  readonly #intake: Intake<T>;
  readonly #run: (message: Message<T>) => unknown;
  readonly #options: HandleOptions<T>;

  constructor(intake: Intake<T>, run: (message: Message<T>) => unknown, options: HandleOptions<T>) {
    this.#intake = intake;
    this.#run = run;
    this.#options = options;
    intake.closer = () => this.stop();
    const workers = Array.from({ length: options.concurrency ?? 1 }, () => this.#work());
    this.done = this.#ending(workers);
    // Whoever looks at `done` is told; a program that does not shall not fall for it.
    this.done.catch(() => undefined);
  }

  get consumer(): string {
    return this.#intake.name;
  }

  get lost(): number {
    return this.#intake.lost;
  }

  async stop(): Promise<void> {
    this.#intake.halt();
    await this.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #ending(workers: readonly Promise<void>[]): Promise<void> {
    const fates = await Promise.allSettled(workers);
    await this.#intake.stop();
    const failure = fates.find((fate) => fate.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #work(): Promise<void> {
    try {
      for (let message = await this.#intake.next(); message !== undefined; message = await this.#intake.next()) {
        await this.#handle(message);
      }
    } catch (error) {
      // Its fellows have nothing to wait for.
      this.#intake.halt();
      throw error;
    }
  }

  async #handle(message: Delivered<T>): Promise<void> {
    try {
      // What a schema refuses becomes a dead letter, and is never handled.
      if (message.delivery.schema !== undefined) await message.prepare();
    } catch (error) {
      void message.reject(asWaysideError(error).message.slice(0, REASON_MAX));
      return;
    }
    try {
      await this.#run(message);
      // It may have said something itself.
      if (!message.isSettled) void message.ack();
    } catch (error) {
      if (message.isSettled) return;
      void message.nack({ delayMs: this.#delayMs(message, error), reason: reasonOf(error) });
    }
  }

  #delayMs(message: Delivered<T>, error: unknown): number {
    const { retryDelayMs } = this.#options;
    const delayMs = retryDelayMs === undefined ? Math.min(60_000, 250 * 2 ** (message.deliveries - 1)) : retryDelayMs(message, error);
    if (delayMs >= 0) return Math.floor(delayMs);
    throw new WaysideError('INVALID_REQUEST', `retryDelayMs gave ${delayMs}; it is milliseconds from 0.`, { field: 'retryDelayMs' });
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, REASON_MAX);
}
