/**
 * Messages of a group as a loop takes them: `for await (const message of group.messages()) …`
 *
 * Holds: leaving the loop, however, stops it; what was not settled then goes back.
 */
import type { ConsumeOptions, Intake } from './intake.ts';
import type { Delivered, Message } from './message.ts';

/** Messages of a group, as they come. Loop over it once; leaving the loop stops it. */
export interface Messages<T = unknown> extends AsyncIterableIterator<Message<T>, undefined>, AsyncDisposable {
  /**
   * Ends the loop, lets acks reach the broker, and gives back what is not settled, uncounted: also what the program still
   * works on, so settle that before.
   */
  stop(): Promise<void>;
  /** In whose name the leases are. */
  readonly consumer: string;
  /** How many messages were lost to others: see `onLost`. */
  readonly lost: number;
}

export class MessageLoop<T> implements Messages<T> {
  readonly #intake: Intake<T>;
  readonly #options: ConsumeOptions<T>;
  /** For `autoAck`: what the loop works on. */
  #current: Delivered<T> | undefined;

  constructor(intake: Intake<T>, options: ConsumeOptions<T>) {
    this.#intake = intake;
    this.#options = options;
  }

  get consumer(): string {
    return this.#intake.name;
  }

  get lost(): number {
    return this.#intake.lost;
  }

  async next(): Promise<IteratorResult<Message<T>, undefined>> {
    if (this.#options.autoAck) {
      const done = this.#current;
      this.#current = undefined;
      if (done !== undefined && !done.isSettled) void done.ack();
    }
    const message = await this.#intake.next();
    if (message === undefined) {
      await this.#intake.stop();
      return { value: undefined, done: true };
    }
    // What a schema refuses is told where the payload is asked for.
    if (message.delivery.schema !== undefined) await message.prepare().catch(() => undefined);
    this.#current = message;
    return { value: message, done: false };
  }

  async return(): Promise<IteratorResult<Message<T>, undefined>> {
    await this.stop();
    return { value: undefined, done: true };
  }

  stop(): Promise<void> {
    return this.#intake.stop();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
