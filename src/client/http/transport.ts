/**
 * Calls over plain HTTP: for runtimes and networks without a WebSocket, and for programs that call seldom.
 *
 * Holds: one request a call, and nothing kept between them but the token that a function gave.
 * Elsewhere: subscriptions (poll.ts), messages as JSON (json.ts), trying again (../retry.ts).
 */
import type { FrameBlock, FrameFailure, FrameProduced, FrameRange } from '../../protocol/frames.ts';
import { failuresOf, producedOf } from '../answers.ts';
import { queryOf } from '../context.ts';
import { lasting, reasonOf, WaysideError } from '../errors.ts';
import type { ConnectOptions } from '../options.ts';
import { timing, tokenOf } from '../options.ts';
import { problem } from '../problem.ts';
import type {
  Answer,
  CallOrder,
  FetchOrder,
  ProduceOrder,
  SettleOrder,
  Sink,
  SubscribeOrder,
  Subscription,
  Transport,
} from '../transport.ts';
import { deliveredBlocks } from './json.ts';
import { Poll } from './poll.ts';

interface Request {
  readonly method: string;
  /** Behind the base. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

const JSON_TYPE = 'application/json';
const RECORDS_TYPE = 'application/vnd.wayside.records';
/** Receipts that one call takes. */
const RECEIPTS_MAX = 10_000;

export class HttpTransport implements Transport {
  /** Requests may overtake each other. */
  readonly ordered = false;
  readonly batchBytesMax = 8 * 1024 * 1024;
  readonly batchCountMax = 10_000;
  readonly #base: string;
  readonly #options: ConnectOptions;
  readonly #fetch: typeof fetch;
  #token: Promise<string | undefined> | undefined;
  readonly #polls = new Set<Poll>();

  readonly closing: AbortSignal;

  /**
   * @param base up to and with `/v1`, or the namespace's path below it
   * @param closing aborted when nothing more shall be sent; `close` then waits for what is under way
   */
  constructor(base: string, options: ConnectOptions, closing: AbortSignal) {
    this.closing = closing;
    this.#base = base;
    this.#options = options;
    // Called as a function of its own: browsers refuse it as a method of something else.
    this.#fetch = options.fetch ?? ((...given) => fetch(...given));
  }

  async ready(): Promise<void> {
    if (this.closing.aborted) throw closed();
  }

  async produce(order: ProduceOrder, timeoutMs: number): Promise<FrameProduced> {
    const { station, partition, records, producer, atomic, expectedSequence } = order;
    const headers: Record<string, string> = {
      'Content-Type': RECORDS_TYPE,
      'Producer-Id': producer.id,
      'Producer-Epoch': String(producer.epoch),
      'Producer-Sequence': String(producer.sequence),
    };
    if (expectedSequence !== undefined) headers['Expected-Sequence'] = String(expectedSequence);
    const query = queryOf({ partition, atomic: atomic ? 'true' : undefined });
    const path = `/stations/${encodeURIComponent(station)}/messages/batch${query}`;
    const request = { method: 'POST', path, headers, body: records as Uint8Array<ArrayBuffer> };
    return producedOf((await this.#send(request, timeoutMs)).body);
  }

  async settle(order: SettleOrder, timeoutMs: number): Promise<readonly FrameFailure[]> {
    const { station, group, verb, ranges, ...more } = order;
    const path = `${groupPath(station, group)}/${verb}`;
    const receipts = receiptsOf(ranges);
    const failures: FrameFailure[] = [];
    for (let at = 0; at < receipts.length; at += RECEIPTS_MAX) {
      const body = { receipts: receipts.slice(at, at + RECEIPTS_MAX), ...more };
      failures.push(...failuresOf((await this.#send(jsonRequest('POST', path, body), timeoutMs)).body));
    }
    return failures;
  }

  fetch({ station, group, ...order }: FetchOrder, timeoutMs: number, signal?: AbortSignal): Promise<readonly FrameBlock[]> {
    const request = jsonRequest('POST', `${groupPath(station, group)}/fetch?as=base64`, order);
    return this.#send(request, timeoutMs, signal).then(({ body }) => deliveredBlocks(body));
  }

  call({ method, path, body, version, signal }: CallOrder, timeoutMs: number): Promise<Answer> {
    const request = jsonRequest(method, path, body);
    if (version !== undefined) request.headers['If-Match'] = `"${version}"`;
    return this.#send(request, timeoutMs, signal);
  }

  subscribe(order: SubscribeOrder, sink: Sink): Subscription {
    const fetchWith: ConstructorParameters<typeof Poll>[2] = (asked, timeoutMs, signal) => this.fetch(asked, timeoutMs, signal);
    const poll: Poll = new Poll(order, sink, fetchWith, timing(this.#options), () => this.#polls.delete(poll));
    this.#polls.add(poll);
    return poll;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#polls].map((poll) => poll.stop()));
  }

  /** @throws what it answers from 400 up · UNAVAILABLE no answer came */
  async #send(request: Request, timeoutMs: number, signal?: AbortSignal): Promise<Answer> {
    if (this.closing.aborted) throw closed();
    const isAsked = typeof this.#options.token === 'function';
    try {
      return await this.#sendOnce(request, timeoutMs, signal);
    } catch (error) {
      if (!isAsked || !(error instanceof WaysideError) || error.code !== 'UNAUTHENTICATED') throw error;
      // The token may have run out: another one is asked for, once.
      this.#token = undefined;
      return this.#sendOnce(request, timeoutMs, signal);
    }
  }

  async #sendOnce({ method, path, headers, body }: Request, timeoutMs: number, signal?: AbortSignal): Promise<Answer> {
    this.#token ??= tokenOf(this.#options);
    const token = await this.#token.catch((error: unknown) => {
      this.#token = undefined;
      throw error;
    });
    const ending = new AbortController();
    const end = () => ending.abort();
    const cancel = timing(this.#options).clock.after(timeoutMs, end);
    const signals = [this.closing, ...(signal === undefined ? [] : [signal])];
    for (const other of signals) other.addEventListener('abort', end, { once: true });
    if (signals.some(({ aborted }) => aborted)) end();
    try {
      const credential = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const response = await this.#fetch(this.#base + path, {
        method,
        headers: { ...headers, ...credential },
        ...(body !== undefined && { body }),
        signal: ending.signal,
      });
      return await answerOf(response);
    } catch (cause) {
      if (cause instanceof WaysideError) throw cause;
      if (this.closing.aborted) throw closed();
      const why = ending.signal.aborted ? `did not answer within ${Math.round(timeoutMs)} ms` : `cannot be reached: ${reasonOf(cause)}`;
      throw new WaysideError('UNAVAILABLE', `The broker at ${this.#base} ${why}. Start one, or check the address.`, {
        outcome: wasRefused(cause) ? 'refused' : 'unknown',
        cause,
      });
    } finally {
      cancel();
      for (const other of signals) other.removeEventListener('abort', end);
    }
  }
}

function closed(): WaysideError {
  return lasting('The program has closed this connection.', { outcome: 'unknown' });
}

function jsonRequest(method: string, path: string, body: unknown): Request & { headers: Record<string, string> } {
  if (body === undefined) return { method, path, headers: {} };
  return { method, path, headers: { 'Content-Type': JSON_TYPE }, body: JSON.stringify(body) };
}

async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const type = headers.get('content-type')?.split(';', 1)[0] ?? '';
  const isJson = type === JSON_TYPE || type.endsWith('+json');
  const bytes = isJson ? undefined : new Uint8Array(await response.arrayBuffer());
  // Cut off, or not what it says: as if none had come.
  const body: unknown = isJson ? await response.json() : bytes?.length === 0 ? undefined : bytes;
  if (status < 400) return { status, body };
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  throw problem(status, body, seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {});
}

function groupPath(station: string, group: string): string {
  return `/stations/${encodeURIComponent(station)}/groups/${encodeURIComponent(group)}`;
}

function receiptsOf(ranges: readonly FrameRange[]): string[] {
  const receipts: string[] = [];
  for (const [partition, lease, from, to] of ranges) {
    for (let sequence = from; sequence <= to; sequence++) receipts.push(`${partition}.${sequence}.${lease}`);
  }
  return receipts;
}

/** Node says why a connection was not made; browsers do not, and then nobody knows. */
function wasRefused(cause: unknown): boolean {
  const { code } = ((cause as { cause?: unknown } | undefined)?.cause ?? {}) as { code?: unknown };
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND';
}
