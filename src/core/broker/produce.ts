/**
 * Produce: checks a batch once, and sends its records to the partitions that they belong to.
 *
 * Holds: a batch that falls in one partition goes there as it came; one that does not is taken apart, and the answer is
 * put together by the places in the batch that was sent. Elsewhere: what a partition does with it (partition/produce.ts).
 */
import { BatchBuilder } from '../batch/build.ts';
import { RecordCursor } from '../batch/cursor.ts';
import type { BatchView } from '../batch/walk.ts';
import { checkBatch, trustedCrc } from '../batch/walk.ts';
import type { ProduceInput, ProduceResult, Producer, ScheduledPlace } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { checkName, whole } from '../config.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { formatScheduleId } from '../partition/delay.ts';
import type { PartResult } from '../partition/produce.ts';
import type { Output } from '../partition/step.ts';
import type { Soon } from '../ports.ts';
import { partitionFor } from '../route.ts';
import { SLOTS } from '../xxh32.ts';
import type { Places } from './places.ts';

/** Bytes of batches that have no answer yet: of all who share it. */
export interface Ledger {
  pending: number;
}

export class Producing {
  readonly #partitions: Places;
  readonly #limits: Limits;
  readonly #ledger: Ledger;
  /** Messages without key and id take turns. */
  #turn: number;

  constructor(partitions: Places, limits: Limits, ledger: Ledger = { pending: 0 }, turn = 0) {
    this.#partitions = partitions;
    this.#limits = limits;
    this.#ledger = ledger;
    this.#turn = turn;
  }

  async produce(find: () => Soon<Station>, batch: Uint8Array, input: ProduceInput): Promise<ProduceResult> {
    const bytes = batch.length;
    if (this.#ledger.pending + bytes > this.#limits.pendingBytesMax) {
      throw new WaysideError(
        'OVERLOADED',
        `More than ${this.#limits.pendingBytesMax} bytes wait to be stored. Nothing of this call was stored; send it again in a moment.`,
        { retryAfterMs: 100 },
      );
    }
    this.#ledger.pending += bytes;
    try {
      for (;;) {
        try {
          const station = find();
          return await this.#send(find, station instanceof Promise ? await station : station, batch, input);
        } catch (error) {
          // The station was changed between looking it up and storing: look again.
          if (!isStale(error)) throw error;
        }
      }
    } finally {
      this.#ledger.pending -= bytes;
    }
  }

  /** The records of a step's outputs, each with the partition that it belongs to. @throws what `produce` refuses for good */
  outputs(given: readonly { readonly station: Station; readonly partition: number | undefined; readonly batch: Uint8Array }[]): Output[] {
    const outputs: Output[] = [];
    for (const { station, partition, batch } of given) {
      const view = check(batch, station, {}, this.#limits);
      const [refused] = view.refused ?? [];
      if (refused !== undefined) throw new WaysideError(refused.code, refused.detail, { index: refused.i });
      const { partitions } = station.config;
      if (partition !== undefined) checkPlace(partitions, { partition });
      const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
      while (cursor.next()) {
        const to = partition ?? partitionFor(cursor, partitions, () => this.#turn++);
        outputs.push({ bytes: cursor.bytes, start: cursor.offset, end: cursor.end, station: station.id, partition: to });
      }
    }
    return outputs;
  }

  #send(find: () => Soon<Station>, station: Station, batch: Uint8Array, input: ProduceInput): Promise<ProduceResult> {
    const view = check(batch, station, input, this.#limits);
    const { partitions } = station.config;
    checkPlace(partitions, input);
    if (input.producer !== undefined) checkProducer(input.producer, view.count);
    if (input.partition !== undefined || partitions === 1) return this.#whole(station, input.partition ?? 0, view, input);
    if (!view.anyKey && !view.anyId) return this.#whole(station, this.#turn++ % partitions, view, input);
    const route = routeOf(view, partitions, () => this.#turn++ % partitions);
    const [first] = route;
    if (first === undefined || route.every((partition) => partition === first)) return this.#whole(station, first ?? 0, view, input);
    return this.#split(find, station, view, route, input);
  }

  async #whole(station: Station, partition: number, view: BatchView, input: ProduceInput): Promise<ProduceResult> {
    const found = this.#partitions.of(station, partition);
    const { ranges, duplicates, scheduled, errors } = await (found instanceof Promise ? await found : found).produce({
      view,
      input,
      version: station.version,
    });
    return {
      count: view.count,
      ranges: ranges.map(([first, count]) => [partition, first, count] as const),
      duplicates: duplicates.map(([index, sequence]) => [index, partition, sequence] as const),
      scheduled: scheduled.map((each) => placed(each, each.index, partition, station)),
      errors,
      partitions: undefined,
      durability: station.config.durability,
    };
  }

  async #split(
    find: () => Soon<Station>,
    station: Station,
    view: BatchView,
    route: Uint16Array,
    input: ProduceInput,
  ): Promise<ProduceResult> {
    if (input.atomic === true)
      throw new WaysideError(
        'INVALID_REQUEST',
        'An atomic batch must fall in one partition: give its messages one key, or name the partition.',
        { field: 'atomic' },
      );
    const shares = shareOut(view, route);
    const results = await Promise.all(
      [...shares].map(async ([partition, { builder, places }]) => {
        const result = await this.#share(find, station, partition, builder.finish(), input);
        return { partition, places, result };
      }),
    );
    return gather(view.count, results, route, station);
  }

  /** Tried again by itself where the station was changed meanwhile: other shares may be stored by then. */
  async #share(
    find: () => Soon<Station>,
    station: Station,
    partition: number,
    batch: Uint8Array,
    input: ProduceInput,
  ): Promise<PartResult> {
    for (let current = station; ; ) {
      try {
        const view = checkBatch(batch, limitsOf(current, this.#limits), trustedCrc);
        const opened = await this.#partitions.of(current, partition);
        return await opened.produce({ view, input, version: current.version });
      } catch (error) {
        if (!isStale(error)) throw error;
        current = await find();
        if (current.id !== station.id) throw new WaysideError('STATION_NOT_FOUND', `Station ${station.name} was removed.`);
      }
    }
  }
}

function isStale(error: unknown): boolean {
  return error instanceof WaysideError && error.code === 'STALE_CONFIG';
}

/** The checks of a batch, with the station's own limit of a message. @throws INVALID_RECORDS · BATCH_TOO_LARGE */
function check(batch: Uint8Array, station: Station, input: ProduceInput, limits: Limits): BatchView {
  return checkBatch(batch, limitsOf(station, limits), input.trusted === true ? trustedCrc : undefined);
}

function limitsOf(station: Station, limits: Limits): Limits {
  return { ...limits, messageBytesMax: station.config.maxMessageBytes };
}

function checkPlace(partitions: number, { partition, expectedSequence, producer }: ProduceInput): void {
  if (partition !== undefined && (!Number.isSafeInteger(partition) || partition < 0 || partition >= partitions)) {
    throw new WaysideError('INVALID_REQUEST', `There is no partition ${partition}: the station has ${partitions}, counted from 0.`, {
      field: 'partition',
    });
  }
  if (partition !== undefined || partitions === 1 || (expectedSequence === undefined && producer === undefined)) return;
  const what = producer === undefined ? 'An expected sequence' : 'A producer that counts its messages';
  throw new WaysideError('INVALID_REQUEST', `${what} needs a partition: name it with ?partition=.`, { field: 'partition' });
}

function checkProducer({ id, epoch, sequence }: Producer, count: number): void {
  checkName('producer', id);
  whole('producer.epoch', epoch, 1, Number.MAX_SAFE_INTEGER);
  whole('producer.sequence', sequence, 1, Number.MAX_SAFE_INTEGER - count);
}

/** Partition by place in the batch: by key, else by id, else one turn for all of them. */
function routeOf(view: BatchView, partitions: number, takeTurn: () => number): Uint16Array {
  const route = new Uint16Array(view.count);
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  let turn: number | undefined;
  const once = () => {
    turn ??= takeTurn();
    return turn;
  };
  while (cursor.next()) route[cursor.index] = partitionFor(cursor, partitions, once);
  return route;
}

/** Which slots lead to which partition: `[first, last, partition]`. */
export function slotsOf(partitions: number): [number, number, number][] {
  return Array.from({ length: partitions }, (_, partition) => [
    Math.ceil((partition * SLOTS) / partitions),
    Math.ceil(((partition + 1) * SLOTS) / partitions) - 1,
    partition,
  ]);
}

interface Share {
  readonly builder: BatchBuilder;
  /** Where each of its records was in the batch that was sent. */
  readonly places: number[];
}

function shareOut(view: BatchView, route: Uint16Array): Map<number, Share> {
  const shares = new Map<number, Share>();
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) {
    const partition = route[cursor.index]!;
    const share = shares.get(partition) ?? { builder: new BatchBuilder(), places: [] };
    shares.set(partition, share);
    share.builder.appendRecord(cursor.bytes, cursor.offset, cursor.end);
    share.places.push(cursor.index);
  }
  return shares;
}

function placed(
  { number, dueAt, duplicate }: PartResult['scheduled'][number],
  index: number,
  partition: number,
  station: Station,
): ScheduledPlace {
  return { index, scheduleId: formatScheduleId(partition, number, station), dueAt, duplicate };
}

function gather(
  count: number,
  results: { partition: number; places: number[]; result: PartResult }[],
  route: Uint16Array,
  station: Station,
): ProduceResult {
  results.sort((a, b) => a.partition - b.partition);
  const duplicates = results.flatMap(({ partition, places, result }) =>
    result.duplicates.map(([index, sequence]) => [places[index]!, partition, sequence] as const),
  );
  const scheduled = results.flatMap(({ partition, places, result }) =>
    result.scheduled.map((each) => placed(each, places[each.index]!, partition, station)),
  );
  const errors = results.flatMap(({ places, result }) => result.errors.map((error) => ({ ...error, index: places[error.index]! })));
  return {
    count,
    ranges: results.flatMap(({ partition, result }) => result.ranges.map(([first, length]) => [partition, first, length] as const)),
    duplicates: duplicates.sort((a, b) => a[0] - b[0]),
    scheduled: scheduled.sort((a, b) => a.index - b.index),
    errors: errors.sort((a, b) => a.index - b.index),
    partitions: route,
    durability: station.config.durability,
  };
}
