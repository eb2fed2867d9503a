/**
 * What the frames with an id do: each is a call of the broker, or changes a subscription of the session.
 *
 * Holds: `produce` reaches the broker in the turn in which its frame came. Nothing here is judged that the broker judges.
 * Elsewhere: ids and answers (session.ts), subscriptions (subscription.ts), calls of the API (call.ts).
 */
import { BatchBuilder } from '../../core/batch/build.ts';
import { cut } from '../../core/batch/slice.ts';
import type { LeasedBlock, ProduceInput, ProduceResult } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import type { AnyFrame, FrameOf } from '../../protocol/frame-schemas.ts';
import type { FrameBlock, FrameSubscribed } from '../../protocol/frames.ts';
import { described } from '../problem.ts';
import { appendGiven } from '../rest/given.ts';
import { placesOf, rangesOf } from '../results.ts';
import { Calls } from './call.ts';
import { readMessages, sizeOf } from './incoming.ts';
import type { FetchedBlocks, Outgoing } from './outgoing.ts';
import type { DeliveryRoom, Look } from './room.ts';
import type { FrameService } from './service.ts';
import { Subscription } from './subscription.ts';

export interface VerbPorts extends FrameService {
  readonly namespace: string;
  readonly room: DeliveryRoom;
  send(frame: Outgoing): void;
  /** So many bytes more, or fewer, wait to be stored. */
  storing(bytes: number): void;
}

export class Verbs {
  readonly #ports: VerbPorts;
  readonly #calls: Calls;
  readonly #subscriptions = new Map<number, Subscription>();
  /** Of fetches that are under way. */
  readonly #looks = new Set<Look>();
  #over = false;

  constructor(ports: VerbPorts) {
    this.#ports = ports;
    this.#calls = new Calls(ports.dispatch, ports.namespace);
  }

  /**
   * @param answer gives the answer before the returned promise does, for what has to leave in front of something else
   * @throws, or rejects with, what is refused
   */
  run(frame: AnyFrame, answer: (ok: unknown) => void): Promise<unknown> {
    switch (frame.op) {
      case 'produce':
        return this.#produce(frame);
      case 'ack':
      case 'nack':
      case 'reject':
      case 'extend':
        return this.#settle(frame);
      case 'fetch':
        return this.#fetch(frame, answer);
      case 'call':
        return this.#calls.run(frame);
      case 'subscribe':
        return this.#subscribe(frame, answer);
      case 'credit':
        return this.#credit(frame);
      case 'unsubscribe':
        return this.#unsubscribe(frame);
    }
  }

  /** The session is over: ends the deliveries, and what waits. */
  end(): void {
    this.#over = true;
    this.#calls.end();
    for (const look of this.#looks) look.end();
    this.stopDelivering();
  }

  stopDelivering(): void {
    for (const subscription of this.#subscriptions.values()) void subscription.stop();
  }

  #produce({ station, partition, records, messages, atomic, producer, expectedSequence }: FrameOf<'produce'>): Promise<unknown> {
    const { limits } = this.#ports;
    if ((records === undefined) === (messages === undefined)) {
      throw new WaysideError('INVALID_REQUEST', 'A produce has records or messages, and not both.', { field: 'messages' });
    }
    const input = { partition, atomic, producer, expectedSequence };
    if (records !== undefined) return this.#store(station, records, input).then(rangesOf);

    const builder = new BatchBuilder(Math.min(sizeOf(messages) ?? 0, limits.batchBytesMax) + 1024);
    if (!readMessages(messages, (message, index) => appendGiven(builder, message, index, limits)))
      throw new WaysideError('INVALID_REQUEST', 'messages is a list.', { field: 'messages' });
    if (builder.count === 0) throw new WaysideError('INVALID_REQUEST', 'messages is empty; send one at least.', { field: 'messages' });
    return this.#store(station, builder.finish(), { ...input, trusted: true }).then(resultsOf);
  }

  #store(station: string, batch: Uint8Array, input: ProduceInput): Promise<ProduceResult> {
    const { broker, namespace, storing } = this.#ports;
    const done = () => storing(-batch.length);
    storing(batch.length);
    const stored = broker.produce(namespace, station, batch, input);
    stored.then(done, done);
    return stored;
  }

  async #settle(frame: FrameOf<'ack'> | FrameOf<'nack'> | FrameOf<'reject'> | FrameOf<'extend'>): Promise<unknown> {
    const { id: _, op, station, group, receipts = [], ...rest } = frame;
    return { failed: await this.#ports.broker.settle(this.#ports.namespace, station, group, op, { receipts, ...rest }) };
  }

  /** Waits without holding room; if there is none when something comes, it is taken as soon as there is. */
  async #fetch(frame: FrameOf<'fetch'>, answer: (ok: unknown) => void): Promise<void> {
    const { id: _, op: __, station, group, ack, waitMs = 0, ...input } = frame;
    const { broker, namespace, room, limits, clock } = this.#ports;
    const end = clock.monotonic() + waitMs;
    let acks = ack;
    let failed: readonly unknown[] = [];
    while (!this.#over) {
      const look = room.look(limits.outgoingBytesMax);
      this.#looks.add(look);
      try {
        const left = Math.max(0, Math.min(waitMs, Math.ceil(end - clock.monotonic())));
        const asked = { ...input, waitMs: left, ack: acks, signal: look.signal, room: look };
        const fetched = await broker.fetch(namespace, station, group, asked);
        if (acks !== undefined) failed = fetched.failed;
        acks = undefined;
        if (!look.full) {
          // Before the room is given back: what was sent counts there as well.
          answer({ blocks: fetched.blocks.map(frameBlock), ...(failed.length > 0 ? { failed } : {}) } satisfies FetchedBlocks);
          return;
        }
      } finally {
        this.#looks.delete(look);
        look.done();
      }
      await room.turn();
    }
  }

  async #subscribe(frame: FrameOf<'subscribe'>, answer: (ok: unknown) => void): Promise<unknown> {
    const { sub } = frame;
    const { broker, namespace, limits, room, journal, send } = this.#ports;
    if (this.#subscriptions.has(sub)) {
      throw new WaysideError('INVALID_REQUEST', `The subscription ${sub} is there already. Unsubscribe first, or take another number.`, {
        field: 'sub',
      });
    }
    if (this.#subscriptions.size >= limits.subscriptionsMax)
      throw new WaysideError('LIMIT_EXCEEDED', `A session has ${limits.subscriptionsMax} subscriptions at most.`);
    const subscription = new Subscription(
      {
        ...this.#ports,
        sharers: () => this.#subscriptions.size,
        deliver: (to, blocks) => send({ sub: to, blocks: blocks.map(frameBlock) }),
        tell: (to, event) => send({ sub: to, event }),
        ended: (of) => this.#subscriptions.delete(of),
        report: (thrown) => journal.error(`A subscription: ${described(thrown)}`),
      },
      frame,
    );
    this.#subscriptions.set(sub, subscription);
    try {
      await subscription.start(async () => {
        const leaseMs = frame.leaseMs ?? (await broker.group(namespace, frame.station, frame.group)).leaseMs;
        answer({ leaseMs } satisfies FrameSubscribed);
      });
    } catch (error) {
      this.#subscriptions.delete(sub);
      throw error;
    } finally {
      room.changed();
    }
    return {};
  }

  async #credit({ sub, messages, bytes }: FrameOf<'credit'>): Promise<unknown> {
    this.#subscription(sub).credit(messages, bytes);
    return {};
  }

  async #unsubscribe({ sub, release = false }: FrameOf<'unsubscribe'>): Promise<unknown> {
    const subscription = this.#subscription(sub);
    await subscription.stop();
    this.#subscriptions.delete(sub);
    if (!release) return {};
    const { broker, namespace } = this.#ports;
    const { station, group, consumer } = subscription;
    return broker.release(namespace, station, group, consumer);
  }

  #subscription(sub: number): Subscription {
    const subscription = this.#subscriptions.get(sub);
    if (subscription !== undefined) return subscription;
    throw new WaysideError('NOT_FOUND', `There is no subscription ${sub}.`, { field: 'sub' });
  }
}

function resultsOf(result: ProduceResult): unknown {
  const { durability } = result;
  return {
    results: placesOf<unknown>(result, {
      placed: (partition, sequence, duplicate) => ({ partition, sequence, duplicate, durability }),
      delayed: (scheduleId, dueAt) => ({ scheduleId, dueAt, durability }),
      refused: (code, detail) => ({ code, detail }),
    }),
  };
}

function frameBlock({ partition, first, count, producedAt, deliveries, lease, bytes, start, end }: LeasedBlock): FrameBlock {
  return { partition, first, producedAt, deliveries, lease, records: cut(bytes, start, end, count, { crc: false }) };
}
