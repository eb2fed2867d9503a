/**
 * What a consumer says of its messages, gathered: acks above all, a range for each run of neighbours.
 *
 * Holds: one round is under way at a time, and more gathers meanwhile; what did not count reaches whoever awaits it, else
 * `onLost` of its consumer; nothing is dropped: a break sends a round again.
 */
import type { FrameFailure, FrameRange } from '../../protocol/frames.ts';
import { misshapen } from '../answers.ts';
import type { Context } from '../context.ts';
import type { WaysideError } from '../errors.ts';
import { asWaysideError, told } from '../errors.ts';
import { retrying } from '../retry.ts';
import type { SettleOrder } from '../transport.ts';
import type { Delivered } from './message.ts';

export type Verb = SettleOrder['verb'];

export interface Settling {
  readonly delayMs?: number | undefined;
  readonly leaseMs?: number | undefined;
  readonly reason?: string | undefined;
}

/** The most that one frame takes: ranges, and messages in one of them. */
const ORDER_MAX = 10_000;
const NONE: Settling = {};

export class Settler {
  readonly #context: Context;
  readonly #station: string;
  readonly #group: string;
  #gathering: Order[] = [];
  #round: Promise<void> | undefined;

  constructor(context: Context, station: string, group: string) {
    this.#context = context;
    this.#station = station;
    this.#group = group;
  }

  add(verb: Verb, message: Delivered<unknown>, settling: Settling = NONE): Settlement {
    let order = this.#gathering.at(-1);
    if (order === undefined || !order.takes(verb, settling)) {
      order = new Order(verb, settling);
      this.#gathering.push(order);
      // At the end of the turn, so that what is said in one goes together.
      if (this.#round === undefined) {
        this.#context.opened(this);
        this.#round = Promise.resolve().then(() => this.#rounds());
      }
    }
    return order.add(message);
  }

  /** Resolves when all that was said so far is answered, or given up. */
  async flush(): Promise<void> {
    while (this.#round !== undefined) await this.#round;
  }

  close(): Promise<void> {
    return this.flush();
  }

  async #rounds(): Promise<void> {
    while (this.#gathering.length > 0) {
      const orders = this.#gathering;
      this.#gathering = [];
      await Promise.all(orders.map((order) => this.#send(order)));
    }
    this.#round = undefined;
    this.#context.left(this);
  }

  async #send(order: Order): Promise<void> {
    const { transport, clock, backoff, timeoutMs } = this.#context;
    const { verb, settling } = order;
    const sent = { station: this.#station, group: this.#group, verb, ranges: order.joined(), ...settling };
    let isRepeated = false;
    try {
      const failures = await retrying(transport, { clock, backoff, timeoutMs }, true, (leftMs, again) => {
        isRepeated = again;
        return transport.settle(sent, leftMs);
      });
      order.answered(failures, isRepeated && verb !== 'ack' && verb !== 'extend');
    } catch (error) {
      order.failed(asWaysideError(error));
    }
  }
}

/** Messages of which the same is said. */
class Order {
  readonly verb: Verb;
  readonly settling: Settling;
  readonly #items: Settlement[] = [];
  readonly #ranges: [partition: number, lease: string, from: number, to: number][] = [];
  #done: Promise<void> | undefined;
  #resolve: () => void = () => undefined;
  #isDone = false;

  constructor(verb: Verb, settling: Settling) {
    this.verb = verb;
    this.settling = settling;
  }

  get done(): Promise<void> {
    this.#done ??= this.#isDone
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#resolve = resolve;
        });
    return this.#done;
  }

  takes(verb: Verb, { delayMs, leaseMs, reason }: Settling): boolean {
    const own = this.settling;
    return (
      this.verb === verb && own.delayMs === delayMs && own.leaseMs === leaseMs && own.reason === reason && this.#items.length < ORDER_MAX
    );
  }

  add(message: Delivered<unknown>): Settlement {
    const { partition, lease } = message.delivery;
    const { sequence } = message;
    const last = this.#ranges.at(-1);
    if (last !== undefined && last[3] + 1 === sequence && last[0] === partition && last[1] === lease) last[3] = sequence;
    else this.#ranges.push([partition, lease, sequence, sequence]);
    const item = new Settlement(this, message);
    this.#items.push(item);
    return item;
  }

  /** As few ranges as can say it, in whatever order it was said. */
  joined(): FrameRange[] {
    if (this.#ranges.length === 1) return this.#ranges;
    const sorted = this.#ranges.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : a[2] - b[2]));
    const joined: [number, string, number, number][] = [];
    for (const range of sorted) {
      const last = joined.at(-1);
      if (last !== undefined && last[0] === range[0] && last[1] === range[1] && range[2] <= last[3] + 1)
        last[3] = Math.max(last[3], range[3]);
      else joined.push([...range]);
    }
    return joined;
  }

  /** @param isUnsure a try before may have counted, and be the reason of the failure */
  answered(failures: readonly FrameFailure[], isUnsure: boolean): void {
    if (failures.length > 0) this.#blame(failures, isUnsure);
    this.#end();
  }

  failed(error: WaysideError): void {
    for (const item of this.#items) item.fail(error);
    this.#end();
  }

  #blame(failures: readonly FrameFailure[], isUnsure: boolean): void {
    const byLease = new Map<string, (FrameFailure & { readonly from: number })[]>();
    for (const failure of failures) {
      const [partition, sequence, lease] = failure.receipt.split('.', 3);
      const from = Number(sequence);
      const list = byLease.get(`${partition}.${lease}`);
      if (list === undefined) byLease.set(`${partition}.${lease}`, [{ ...failure, from }]);
      else list.push({ ...failure, from });
    }
    let blamed = 0;
    for (const item of this.#items) {
      const { delivery, sequence } = item.message;
      const found = byLease
        .get(`${delivery.partition}.${delivery.lease}`)
        ?.find(({ from, to = from }) => from <= sequence && sequence <= to);
      if (found === undefined) continue;
      item.fail(told(found.code, found.detail, { outcome: isUnsure ? 'unknown' : 'refused' }));
      blamed++;
    }
    // Something did not count, and nobody can say what: better all than none.
    if (blamed === 0) for (const item of this.#items) item.fail(misshapen(this.verb));
  }

  #end(): void {
    this.#isDone = true;
    this.#resolve();
    for (const item of this.#items) item.end();
  }
}

/** What was said of one message. May be awaited; need not be. */
export class Settlement implements PromiseLike<void> {
  readonly message: Delivered<unknown>;
  readonly #order: Order;
  #error: WaysideError | undefined;
  #isAwaited = false;

  constructor(order: Order, message: Delivered<unknown>) {
    this.#order = order;
    this.message = message;
  }

  get verb(): Verb {
    return this.#order.verb;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a PromiseLike, so that an ack that nobody awaits costs no promise
  then<A = void, B = never>(
    // biome-ignore lint/suspicious/noConfusingVoidType: PromiseLike<void> has it so
    fulfilled?: ((value: void) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAwaited = true;
    return this.#order.done
      .then(() => {
        if (this.#error !== undefined) throw this.#error;
      })
      .then(fulfilled, rejected);
  }

  fail(error: WaysideError): void {
    this.#error = error;
  }

  /** It is answered, or given up. */
  end(): void {
    const error = this.#error;
    if (error !== undefined) this.message.delivery.failed(this.message, this.verb, error, this.#isAwaited);
  }
}
