/**
 * What `wayside bench` measures, each on an empty station.
 *
 * Holds: a workload ends early, with what it has, when `signal` says so.
 */
import type { Station, Wayside } from '../../client/index.ts';
import type { Publisher } from './drive.ts';
import { latencyAt, payloadOf, publishCount, publishFor } from './drive.ts';

export interface Given {
  readonly wayside: Wayside;
  readonly station: Station<unknown>;
  readonly signal: AbortSignal;
  readonly size: number;
  readonly batch: number;
  readonly producers: number;
  readonly seconds: number;
  readonly messages: number;
  readonly rate: number;
}

export interface Result {
  readonly messages: number;
  readonly seconds: number;
  /** Milliseconds; of what, `of` says. */
  readonly p50?: number;
  readonly p99?: number;
  readonly of: string;
}

/** Messages that a producer has under way. */
const UNDER_WAY = 1_000;

export const WORKLOADS = { publish, consume, latency };

async function publish(given: Given): Promise<Result> {
  const took: number[] = [];
  const { messages, seconds } = await publishFor(publisherOf(given), given.seconds * 1000, (ms) => took.push(ms), given.signal);
  const sorted = Float64Array.from(took).sort();
  return { messages, seconds, p50: at(sorted, 0.5), p99: at(sorted, 0.99), of: 'a call, until its answer' };
}

/** The clock runs from the first call to the answer to the last ack. */
async function consume(given: Given): Promise<Result> {
  const { station, signal } = given;
  const { messages: count } = await publishCount(publisherOf(given), given.messages, signal);
  const started = performance.now();
  const messages = station.group('bench').messages({ signal });
  const acks: PromiseLike<void>[] = [];
  for await (const message of messages) {
    acks.push(message.ack());
    if (acks.length === count) break;
  }
  await Promise.all(acks);
  const seconds = (performance.now() - started) / 1000;
  await messages.stop();
  return { messages: acks.length, seconds, of: '' };
}

async function latency({ station, size, seconds, rate, signal }: Given): Promise<Result> {
  let sent = 0;
  const followed = {
    publish(_: string, payload: Uint8Array) {
      sent++;
      return station.produce(payload);
    },
    async follow(_: string, deliver: (payload: Uint8Array) => void) {
      const group = station.group('bench');
      await group.create({ startAt: 'end' });
      const messages = group.messages({ autoAck: true });
      const loop = (async () => {
        for await (const message of messages) deliver(message.bytes);
      })();
      return async () => {
        await messages.stop();
        await loop;
      };
    },
  };
  const started = performance.now();
  const { p50, p99 } = await latencyAt(followed, station.name, { perSecond: rate, ms: seconds * 1000, size, signal });
  return { messages: sent, seconds: (performance.now() - started) / 1000, p50, p99, of: 'a message, until it is delivered' };
}

function publisherOf({ station, size, batch, producers }: Given): Publisher {
  const payload = payloadOf(size);
  if (batch === 1) {
    const all = Array.from({ length: producers }, () => station.producer());
    let turn = 0;
    return { messagesPerCall: 1, callsUnderWay: producers * UNDER_WAY, call: () => all[turn++ % producers]!.produce(payload) };
  }
  const messages = Array.from({ length: batch }, () => ({ payload }));
  return {
    messagesPerCall: batch,
    callsUnderWay: producers * Math.ceil(UNDER_WAY / batch),
    async call() {
      for (const result of (await station.produceMany(messages)).results) if (result instanceof Error) throw result;
    },
  };
}

/** @param sorted rising; empty only where nothing was measured */
function at(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
