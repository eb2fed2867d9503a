/**
 * Following a station live, as server-sent events: one a message, whose id is the cursor after it.
 *
 * Holds: nothing is read ahead of a client that does not read; what is refused is refused before the stream begins;
 * whoever goes frees what waits for him. A stream that the broker ends says why, as an event `problem`.
 */
import { RecordCursor } from '../../core/batch/cursor.ts';
import { advanceCursor } from '../../core/broker.ts';
import type { ReadInput, ReadResult } from '../../core/calls.ts';
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import type { BodyForm } from '../json/message.ts';
import { writeMessage } from '../json/message.ts';
import { JsonWriter } from '../json/write.ts';
import { described, problemOf } from '../problem.ts';
import { EVENTS_TYPE } from './answer.ts';
import type { Call } from './call.ts';
import type { Service } from './service.ts';

/** Well below the half minute after which proxies take a silent connection for dead. */
const KEEP_ALIVE_MS = 15_000;
/** Of one read: what waits in memory for a client that reads slowly. */
const AHEAD = { limit: 100, maxBytes: 256 * 1024 };

/** @param input where to begin, and of which partition; `Last-Event-ID` wins */
export async function followed({ limits, journal }: Service, call: Call, input: ReadInput, form: BodyForm): Promise<Response> {
  const { namespace, station, request } = call;
  const gone = new AbortController();
  const stop = () => gone.abort();
  request.signal.addEventListener('abort', stop, { once: true });
  const last = call.header('last-event-id');
  const waitMs = Math.min(KEEP_ALIVE_MS, limits.waitMsMax);
  const partition = input.partition;
  const ahead = { ...AHEAD, partition, signal: gone.signal };

  // Read before the answer begins, so that a station that is not there is a 404.
  const begin = last ? { cursor: last } : { from: input.from, cursor: input.cursor };
  let result: ReadResult | undefined = await call.broker.read(namespace, station, { ...ahead, ...begin });
  let { cursor } = result;

  const events = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(ENCODER.encode('retry: 1000\n\n'));
      },
      async pull(controller) {
        try {
          const now = result ?? (await call.broker.read(namespace, station, { ...ahead, cursor, waitMs }));
          result = undefined;
          cursor = now.cursor;
          controller.enqueue(now.blocks.length === 0 ? ENCODER.encode(': nothing new\n\n') : eventsOf(now, form));
        } catch (error) {
          if (gone.signal.aborted) return;
          if (!(error instanceof WaysideError)) journal.error(`Following ${station}: ${described(error)}`);
          controller.enqueue(ENCODER.encode(`event: problem\ndata: ${problemOf(asWaysideError(error)).body}\n\n`));
          controller.close();
        }
      },
      cancel() {
        request.signal.removeEventListener('abort', stop);
        stop();
      },
    },
    // Nothing is asked of the broker before the client has taken what came before.
    { highWaterMark: 0 },
  );
  return new Response(events, {
    headers: { 'Content-Type': EVENTS_TYPE, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'X-Accel-Buffering': 'no' },
  });
}

function eventsOf({ blocks, start }: ReadResult, form: BodyForm): Uint8Array {
  const out = new JsonWriter(blocks.reduce((sum, block) => sum + (block.end - block.start) + block.count * 128, 64));
  let cursor = start;
  for (const { bytes, start: from, end, first, partition, producedAt } of blocks) {
    const record = new RecordCursor(bytes, from, end);
    for (let sequence = first; record.next(); sequence++) {
      cursor = advanceCursor(cursor, partition, sequence + 1);
      out.ascii(`id: ${cursor}\ndata: `);
      writeMessage(out, record, { partition, sequence, producedAt }, form, true);
      out.ascii('\n\n');
    }
  }
  return out.finish();
}

const ENCODER = new TextEncoder();
