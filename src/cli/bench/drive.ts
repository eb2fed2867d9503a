/**
 * The loops that drive a client, whichever it is: publish as fast as may be with a fixed number of calls under way; and
 * publish at a fixed pace while reading along. `wayside bench` drives the SDK with them, `npm run bench` peers' clients too.
 *
 * Holds: a clock stops with the last answer, so every message that counts was answered, and none is left out.
 */

/** One way to publish: calls of so many messages each, so many of them under way. */
export interface Publisher {
  readonly messagesPerCall: number;
  readonly callsUnderWay: number;
  /** Resolves once the server has answered for every message of the call; rejects where one was refused. */
  call(): Promise<unknown>;
}

/** Publishes single messages, and delivers them again. */
export interface Followed {
  publish(stream: string, payload: Uint8Array): Promise<unknown>;
  /** Delivers what is published from now on, and acks it. Resolves once deliveries can come, with what ends it. */
  follow(stream: string, deliver: (payload: Uint8Array) => void): Promise<() => Promise<void>>;
}

export interface Driven {
  readonly messages: number;
  readonly seconds: number;
}

/** For `ms` milliseconds, or until `signal`. `took` is told how long each call was under way, in milliseconds. */
export function publishFor(publisher: Publisher, ms: number, took?: (ms: number) => void, signal?: AbortSignal): Promise<Driven> {
  const until = performance.now() + ms;
  return publishWhile(publisher, () => performance.now() < until && !signal?.aborted, took);
}

/** `count` messages, or a few more, where calls hold several; fewer after `signal`. */
export function publishCount(publisher: Publisher, count: number, signal?: AbortSignal): Promise<Driven> {
  let left = Math.ceil(count / publisher.messagesPerCall);
  return publishWhile(publisher, () => !signal?.aborted && left-- > 0);
}

async function publishWhile(publisher: Publisher, goesOn: () => boolean, took?: (ms: number) => void): Promise<Driven> {
  const { messagesPerCall, callsUnderWay } = publisher;
  const started = performance.now();
  let calls = 0;
  const lane = async () => {
    while (goesOn()) {
      const sent = took === undefined ? 0 : performance.now();
      await publisher.call();
      took?.(performance.now() - sent);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: callsUnderWay }, lane));
  return { messages: calls * messagesPerCall, seconds: (performance.now() - started) / 1000 };
}

/** Milliseconds after a message should have been sent (also where the client was late) until it was delivered. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly messages: number;
}

export interface Pace {
  readonly perSecond: number;
  readonly ms: number;
  /** Bytes of a payload; 4 at least. */
  readonly size: number;
  /** Sends no more, and measures what was sent. */
  readonly signal?: AbortSignal;
}

/** Messages come in bursts, one a tick; each is due at its tick. */
const TICK_MS = 1;
const SETTLE_MS_MAX = 10_000;
/** Left out at the beginning, while the pace is found. */
const WARM_SHARE = 0.2;

/**
 * Publishes at a pace that does not wait for answers, and measures each message from when it was due: a stall counts for
 * all that it held up.
 *
 * @throws when not all are delivered within 10 s after the last was sent, or one was refused
 */
export async function latencyAt(client: Followed, stream: string, { perSecond, ms, size, signal }: Pace): Promise<Latency> {
  let total = Math.floor((perSecond * ms) / 1000);
  const dueAt = (index: number) => Math.ceil((index * 1000) / perSecond / TICK_MS) * TICK_MS;
  const took = new Float64Array(total).fill(Number.NaN);
  const here = Promise.withResolvers<void>();
  let delivered = 0;
  let started = 0;
  const stop = await client.follow(stream, (payload) => {
    const index = indexIn(payload);
    // Delivered twice would be a second time for the same message; the first one counts.
    if (!Number.isNaN(took[index])) return;
    took[index] = performance.now() - started - dueAt(index);
    if (++delivered === total) here.resolve();
  });
  const answers: Promise<unknown>[] = [];
  const sent = Promise.withResolvers<void>();
  let next = 0;
  started = performance.now();
  const tick = setInterval(() => {
    for (const now = performance.now() - started; next < total && dueAt(next) <= now; next++) {
      const answer = client.publish(stream, payloadWith(next, size));
      answer.catch(sent.reject);
      answers.push(answer);
    }
    if (signal?.aborted) total = next;
    if (next < total) return;
    if (delivered === total) here.resolve();
    sent.resolve();
  }, TICK_MS);
  try {
    await sent.promise;
    await Promise.all(answers);
    await within(here.promise, () => `${total - delivered} of ${total} messages were not delivered within ${SETTLE_MS_MAX / 1000} s.`);
  } finally {
    clearInterval(tick);
    await stop();
  }
  const sorted = took.subarray(Math.floor(total * WARM_SHARE), total).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { p50: at(0.5), p99: at(0.99), messages: sorted.length };
}

const INDEX_BYTES = 4;

/** The index in sevens of bits, so that it is the same where a client reads it as text. */
function payloadWith(index: number, size: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(Math.max(size, INDEX_BYTES));
  for (let i = 0; i < INDEX_BYTES; i++) payload[i] = (index >>> (7 * i)) & 0x7f;
  return payload;
}

function indexIn(payload: Uint8Array): number {
  let index = 0;
  for (let i = 0; i < INDEX_BYTES; i++) index |= payload[i]! << (7 * i);
  return index;
}

async function within(done: Promise<void>, why: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(why())), SETTLE_MS_MAX);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}

/** The same bytes for everyone, and no run of one letter that could be folded. */
export function payloadOf(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size).map((_, i) => 97 + ((i * 7) % 26));
}
