/** Sequential reads over one partition or all of them, without a group. */
import type { Block, ReadInput, ReadResult } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import { whole } from '../config.ts';
import type { Cursor } from '../cursor.ts';
import { formatCursor, parseCursor } from '../cursor.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { PartitionCalls } from '../partition/calls.ts';
import type { Soon } from '../ports.ts';
import type { Places } from './places.ts';
import type { Waiting } from './waiting.ts';

export class Reading {
  readonly #partitions: Places;
  readonly #limits: Limits;
  readonly #waiting: Waiting;

  constructor(partitions: Places, limits: Limits, waiting: Waiting) {
    this.#partitions = partitions;
    this.#limits = limits;
    this.#waiting = waiting;
  }

  /** @param find looks the station up again after a wait: it may be gone, or another one */
  async read(find: () => Soon<Station>, input: ReadInput): Promise<ReadResult> {
    const station = await find();
    const { limits } = this.#checked(input);
    const partitions = await this.#asked(station, input);
    const cursor = await this.#begin(station, input, partitions);
    const start = formatCursor(cursor);
    let { next } = cursor;
    let isEnd = false;
    const look = async () => {
      if ((await find()).id !== station.id) throw new WaysideError('STATION_NOT_FOUND', 'The station was removed.');
      const read = await collect(partitions, cursor.next, limits.count, limits.bytes);
      // Also where there is nothing to give: what was trimmed is passed.
      ({ next, isEnd } = read);
      return read.blocks.length === 0 ? undefined : read.blocks;
    };
    const park = (waiter: { wake(): void }) => {
      const leaves = partitions.map((partition) => partition.addReader(waiter));
      return () => {
        for (const leave of leaves) leave();
      };
    };
    const blocks = await this.#waiting.for({ waitMs: limits.waitMs, signal: input.signal, park, look, passOn: () => undefined });
    return {
      blocks: blocks ?? [],
      start,
      cursor: formatCursor({ ...cursor, next }),
      end: isEnd,
    };
  }

  #checked(input: ReadInput): { limits: { count: number; bytes: number; waitMs: number } } {
    const { fetchCountDefault, fetchCountMax, fetchBytesDefault, fetchBytesMax, waitMsMax } = this.#limits;
    return {
      limits: {
        count: whole('limit', input.limit ?? fetchCountDefault, 1, fetchCountMax),
        bytes: whole('maxBytes', input.maxBytes ?? fetchBytesDefault, 1, fetchBytesMax),
        waitMs: whole('waitMs', input.waitMs ?? 0, 0, waitMsMax),
      },
    };
  }

  async #asked(station: Station, input: ReadInput): Promise<readonly PartitionCalls[]> {
    const only = input.cursor === undefined ? input.partition : parseCursor(input.cursor).partition;
    if (input.cursor !== undefined && input.partition !== undefined && input.partition !== only) {
      throw new WaysideError('INVALID_REQUEST', 'The cursor is of another partition, or of all. Leave the partition out.', {
        field: 'partition',
      });
    }
    if (only === undefined) return this.#partitions.all(station);
    return [await this.#partitions.of(station, checkPartition(station, only))];
  }

  async #begin(station: Station, input: ReadInput, partitions: readonly PartitionCalls[]): Promise<Cursor> {
    if (input.cursor === undefined) {
      const from = input.from ?? 'start';
      const next = await Promise.all(partitions.map((partition) => partition.place(from)));
      return { station: station.id, partition: input.partition, next };
    }
    const cursor = parseCursor(input.cursor);
    if (cursor.station !== station.id || cursor.next.length !== partitions.length) {
      throw new WaysideError(
        'INVALID_REQUEST',
        'The cursor is of another station, or of one that was removed. Begin anew with from=start.',
        { field: 'cursor' },
      );
    }
    return cursor;
  }
}

export function checkPartition(station: Station, partition: number): number {
  const { partitions } = station.config;
  if (Number.isSafeInteger(partition) && partition >= 0 && partition < partitions) return partition;
  throw new WaysideError('INVALID_REQUEST', `There is no partition ${partition}: the station has ${partitions}, counted from 0.`, {
    field: 'partition',
  });
}

/** Asks one partition after another for what is left; the first to be asked moves on with what was read. */
async function collect(
  partitions: readonly PartitionCalls[],
  from: readonly number[],
  count: number,
  bytes: number,
): Promise<{ blocks: Block[]; next: number[]; isEnd: boolean }> {
  const next = from.slice();
  const blocks: Block[] = [];
  const first = from.reduce((sum, sequence) => sum + sequence, 0) % partitions.length;
  let countLeft = count;
  let bytesLeft = bytes;
  let isEnd = true;
  for (let i = 0; i < partitions.length; i++) {
    const place = (first + i) % partitions.length;
    const isFull = countLeft <= 0 || (blocks.length > 0 && bytesLeft <= 0);
    // Of those for which there is no room it is asked whether they have more.
    const read = await partitions[place]!.read(from[place]!, isFull ? 0 : countLeft, Math.max(1, bytesLeft));
    for (const block of read.blocks) {
      countLeft -= block.count;
      bytesLeft -= block.end - block.start;
      blocks.push(block);
    }
    next[place] = read.next;
    isEnd &&= read.isEnd;
    if (isFull && !isEnd) break;
  }
  return { blocks, next, isEnd };
}
