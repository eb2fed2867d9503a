/**
 * Delayed messages as they are accepted, and by what they are known outside.
 *
 * Holds: what is decided at acceptance (partition, id, producer sequence, place in the quota) is not decided again; the
 * record that is kept is the one that will be delivered: it has no delay any more.
 * Elsewhere: what waits (schedule.ts), the step that accepts (produce.ts).
 */
import type { Draft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import type { RecordCursor } from '../batch/cursor.ts';
import { u32At } from '../batch/layout.ts';
import { KIND } from '../entry/kinds.ts';
import type { ScheduledMeta } from '../entry/schedule.ts';
import { scheduledBody } from '../entry/schedule.ts';
import type { Limits } from '../limits.ts';
import { xxh32 } from '../xxh32.ts';

type Item = ScheduledMeta['items'][number];

/** Gathers records that wait into entries. */
export class ScheduledWriter {
  readonly #limits: Pick<Limits, 'batchBytesMax' | 'batchCountMax'>;
  readonly #drafts: Draft[] = [];
  /** Of all records taken. */
  bytes = 0;
  /** Made when it is needed: nearly no step has anything that is delayed. */
  #builder: BatchBuilder | undefined;
  #items: Item[] = [];

  constructor(limits: Pick<Limits, 'batchBytesMax' | 'batchCountMax'>) {
    this.#limits = limits;
  }

  /** Takes the cursor's record, without its delay. */
  take(cursor: RecordCursor, item: Item): void {
    const { key, id, contentType, headers, expiresMs, payload } = cursor;
    this.#builder ??= new BatchBuilder();
    this.#builder.append({ key, id, contentType, headers, expiresMs: expiresMs < 0 ? undefined : expiresMs, payload });
    this.bytes += cursor.end - cursor.offset;
    this.#taken(this.#builder, item);
  }

  /** Takes a record that waits already, as it is. */
  carry(bytes: Uint8Array, start: number, end: number, item: Item): void {
    this.#builder ??= new BatchBuilder();
    this.#builder.appendRecord(bytes, start, end);
    this.#taken(this.#builder, item);
  }

  #taken(builder: BatchBuilder, item: Item): void {
    this.#items.push(item);
    const { batchBytesMax, batchCountMax } = this.#limits;
    if (builder.byteLength > batchBytesMax / 2 || builder.count >= batchCountMax) this.#close();
  }

  finish(): Draft[] {
    this.#close();
    return this.#drafts;
  }

  #close(): void {
    if (this.#builder === undefined) return;
    const batch = this.#builder.finish();
    const end = batch.length - 4;
    const meta = { items: this.#items };
    const body = scheduledBody(batch, end, u32At(batch, end), meta);
    this.#drafts.push({ kind: KIND.scheduled, value: meta, batch: { body, first: 0, count: 0 } });
    this.#builder = undefined;
    this.#items = [];
  }
}

const encoder = new TextEncoder();

/** An incarnation of a station. */
interface Incarnation {
  readonly id: number;
  readonly secret: number;
}

/** `PARTITION-NUMBER-TAG`: the tag is of the station's incarnation, so that it means nothing in another one of its name. */
export function formatScheduleId(partition: number, number: number, { id, secret }: Incarnation): string {
  const body = `${partition}-${number.toString(36)}`;
  return `${body}-${xxh32(encoder.encode(`${id}.${body}`), secret)
    .toString(36)
    .padStart(7, '0')}`;
}

/** Undefined where it is none of this station. */
export function parseScheduleId(id: string, station: Incarnation): { partition: number; number: number } | undefined {
  const [, partition, digits] = /^(0|[1-9]\d{0,4})-([0-9a-z]{1,11})-[0-9a-z]{7}$/.exec(id) ?? [];
  const number = parseInt(digits ?? '', 36);
  if (partition === undefined || !Number.isSafeInteger(number)) return undefined;
  return formatScheduleId(Number(partition), number, station) === id ? { partition: Number(partition), number } : undefined;
}
