/**
 * Reading a station without a group, page by page, on and on if asked.
 *
 * Holds: what is given is in order within each partition and without a gap; each message has the cursor after it.
 */
import { fieldsOf, misshapen } from './answers.ts';
import type { Stored, StoredMessage } from './consume/message.ts';
import type { Context } from './context.ts';
import { queryOf } from './context.ts';
import { WaysideError, withOutcome } from './errors.ts';
import { jsonMessages, storedOf } from './json.ts';
import type { Where } from './place.ts';
import { placeOf } from './place.ts';
import type { StandardSchemaV1 } from './schema.ts';

/** What is read of a station. */
export interface ReadOptions {
  /** From 0; all partitions unless given. */
  readonly partition?: number | undefined;
  /** A sequence, `start` (unless given), `end`, or `{ time }`: milliseconds since 1970. */
  readonly from?: Where | undefined;
  /** Goes on where a read has been: the `cursor` of a message. Instead of `partition` and `from`. */
  readonly cursor?: string | undefined;
  /** Goes on with what comes, until it is stopped. False unless given: ends at the end. */
  readonly follow?: boolean | undefined;
  /** Messages at most; no bound unless given. */
  readonly limit?: number | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

const PAGE_MESSAGES = 1_000;
const WAIT_MS = 20_000;

export async function* read<T>(
  context: Context,
  station: string,
  schema: StandardSchemaV1<unknown, T> | undefined,
  options: ReadOptions,
): AsyncGenerator<StoredMessage<T>, void, undefined> {
  const { follow = false, limit = Infinity, signal } = options;
  let { cursor } = options;
  const waitMs = follow ? WAIT_MS : undefined;
  for (let left = limit; left > 0; ) {
    const where = cursor === undefined ? { partition: options.partition, from: options.from && placeOf(options.from) } : { cursor };
    const query = queryOf({ ...where, limit: Math.min(left, PAGE_MESSAGES), waitMs, as: 'base64' });
    const order = { method: 'GET', path: `${context.path('stations', station, 'messages')}${query}`, waitMs, signal };
    const answer = await orAborted(context.call(order), signal);
    if (answer === undefined) return;
    const page = await pageOf<T>(answer.body, schema);
    left -= page.messages.length;
    cursor = page.cursor;
    for (const message of page.messages) {
      if (signal?.aborted) return;
      yield message;
    }
    if (page.end && !follow) return;
  }
}

/** @throws MESSAGE_NOT_FOUND · MESSAGE_TRIMMED · STATION_NOT_FOUND */
export async function readOne<T>(
  context: Context,
  station: string,
  schema: StandardSchemaV1<unknown, T> | undefined,
  partition: number,
  sequence: number,
): Promise<StoredMessage<T>> {
  for await (const message of read(context, station, schema, { partition, from: sequence, limit: 1 })) {
    if (message.sequence === sequence) return message;
  }
  // It is not there: the call for one message says why.
  await context.call({ method: 'GET', path: context.path('stations', station, 'partitions', partition, 'messages', sequence) });
  throw new WaysideError('MESSAGE_NOT_FOUND', `There is no message ${sequence} in partition ${partition}.`);
}

interface Page<T> {
  readonly messages: readonly Stored<T>[];
  readonly cursor: string;
  readonly end: boolean;
}

async function pageOf<T>(body: unknown, schema: StandardSchemaV1<unknown, T> | undefined): Promise<Page<T>> {
  const { messages: list, cursor, end } = fieldsOf(body);
  if (typeof cursor !== 'string' || typeof end !== 'boolean') throw misshapen('a read');
  try {
    const messages = await storedOf(jsonMessages(list), schema);
    giveCursors(messages, cursor);
    return { messages, cursor, end };
  } catch {
    throw withOutcome(misshapen('a read'), 'refused');
  }
}

/**
 * The page's cursor, wound back from its end message by message. Its layout is `c1.STATION.SCOPE.NEXT-NEXT-…`: the next
 * sequence of each partition in base 36, or of the one that SCOPE names (core/cursor.ts).
 */
function giveCursors(messages: readonly Stored<unknown>[], end: string): void {
  const [, head, scope, list = ''] = /^(c1\.\w+\.(\w+)\.)(.+)$/.exec(end) ?? [];
  if (head === undefined) throw new TypeError('no cursor');
  const next = list.split('-');
  for (const message of messages.toReversed()) {
    message.cursor = head + next.join('-');
    next[scope === 'all' ? message.partition : 0] = message.sequence.toString(36);
  }
}

/** Undefined once the signal is aborted, whatever becomes of the promise. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const end = () => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}
