/**
 * Consuming as a member of a group: fetch over all partitions, and settling by receipt.
 *
 * Holds: a fetch asks each partition for what is left of what was asked, beginning at another one each time; nothing is
 * leased beyond it. Elsewhere: what one partition gives out (partition/fetch.ts), waiting (waiting.ts).
 */
import type {
  FetchInput,
  FetchResult,
  LeasedBlock,
  ReceiptFailure,
  ReceiptRange,
  SettleInput,
  SettleVerb,
  StepInput,
  StepResult,
} from '../calls.ts';
import type { CatalogGroup, Station } from '../catalog/state.ts';
import { checkName, whole } from '../config.ts';
import { asWaysideError, WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { Settling, Span } from '../partition/acknowledge.ts';
import type { PartitionCalls, Refusal } from '../partition/calls.ts';
import type { Output } from '../partition/step.ts';
import { formatReceipt, parseLease, parseReceipt } from '../receipt.ts';
import type { Places } from './places.ts';
import type { Waiting } from './waiting.ts';
import { isGone } from './waiting.ts';

const encoder = new TextEncoder();

interface FetchLimits {
  readonly max: number;
  readonly maxBytes: number;
  readonly waitMs: number;
  readonly leaseMs: number | undefined;
}

export class Consuming {
  readonly #partitions: Places;
  readonly #limits: Limits;
  readonly #waiting: Waiting;
  /** Which partition is asked first. */
  #turn: number;

  constructor(partitions: Places, limits: Limits, waiting: Waiting, turn = 0) {
    this.#partitions = partitions;
    this.#limits = limits;
    this.#waiting = waiting;
    this.#turn = turn;
  }

  /** All that can be refused without looking at the group. @throws INVALID_REQUEST · INVALID_NAME */
  check(input: FetchInput): FetchLimits {
    checkName('consumer', input.consumer);
    const { fetchCountDefault, fetchCountMax, fetchBytesDefault, fetchBytesMax, waitMsMax, leaseMsMin, leaseMsMax, receiptsMax } =
      this.#limits;
    whole('ack.length', input.ack?.length ?? 0, 0, receiptsMax);
    return {
      max: whole('max', input.max ?? fetchCountDefault, 1, fetchCountMax),
      maxBytes: whole('maxBytes', input.maxBytes ?? fetchBytesDefault, 1, fetchBytesMax),
      waitMs: whole('waitMs', input.waitMs ?? 0, 0, waitMsMax),
      leaseMs: input.leaseMs === undefined ? undefined : whole('leaseMs', input.leaseMs, leaseMsMin, leaseMsMax),
    };
  }

  /** @param looked is told when it has found the group, and looked for messages */
  async fetch(
    station: Station,
    group: CatalogGroup,
    input: FetchInput,
    limits: FetchLimits,
    looked: () => void = () => undefined,
  ): Promise<FetchResult> {
    const failed =
      input.ack === undefined || input.ack.length === 0 ? [] : await this.settle(station, group, 'ack', { receipts: input.ack });
    const partitions = await this.#partitions.all(station);
    const gone = () => isGone(input.signal);
    const look = async () => {
      const blocks = await this.#collect(partitions, group.id, input, limits, gone);
      looked();
      return blocks.length === 0 ? undefined : blocks;
    };
    const park = (waiter: { wake(): void }) => {
      const leaves = partitions.map((partition) => partition.addFetcher(group.id, waiter));
      return () => {
        for (const leave of leaves) leave();
      };
    };
    const passOn = () => {
      for (const partition of partitions) partition.passOn(group.id);
    };
    const blocks = await this.#waiting.for({ waitMs: limits.waitMs, signal: input.signal, park, look, passOn });
    return { blocks: blocks ?? [], failed };
  }

  async #collect(
    partitions: readonly PartitionCalls[],
    group: number,
    { consumer, room }: FetchInput,
    limits: FetchLimits,
    gone: () => boolean,
  ): Promise<LeasedBlock[]> {
    let { max } = limits;
    let maxBytes = room?.take(limits.maxBytes) ?? limits.maxBytes;
    if (maxBytes <= 0) return [];
    const first = this.#turn++ % partitions.length;
    const delivered: Promise<readonly LeasedBlock[]>[] = [];
    try {
      for (let i = 0; i < partitions.length && max > 0 && (delivered.length === 0 || maxBytes > 0) && !gone(); i++) {
        const partition = partitions[(first + i) % partitions.length]!;
        const asked = partition.take({ group, consumer, max, maxBytes, leaseMs: limits.leaseMs }, gone);
        const { count, bytes, blocks } = asked instanceof Promise ? await asked : asked;
        if (count === 0) continue;
        max -= count;
        maxBytes -= bytes;
        // It may fail while another partition is still asked, when nobody awaits it yet.
        blocks.catch(() => undefined);
        delivered.push(blocks);
      }
    } catch (error) {
      // What other partitions have leased by now is given out all the same: nobody else would get it before the lease ends.
      if (delivered.length === 0) throw error;
    } finally {
      room?.giveBack(maxBytes);
    }
    return (await Promise.all(delivered)).flat();
  }

  async settle(station: Station, group: CatalogGroup, verb: SettleVerb, input: SettleInput): Promise<ReceiptFailure[]> {
    const settling = this.#checkSettling(verb, input);
    const failures: ReceiptFailure[] = [];
    const byPartition = this.#sort(station, input, failures);
    await Promise.all(
      [...byPartition].map(async ([number, asked]) => {
        const partition = await this.#partitions.of(station, number);
        const spans = asked.map(({ span }) => span);
        const refused = await partition.settle(group.id, { ...settling, verb, spans });
        for (const refusal of refused) failures.push(failureOf(asked[refusal.place]!, refusal));
      }),
    );
    return failures;
  }

  /** @throws INVALID_RECEIPT · LEASE_EXPIRED one of them does not count: nothing was done */
  async step(station: Station, group: CatalogGroup, { receipts, ranges }: StepInput, outputs: readonly Output[]): Promise<StepResult> {
    this.#checkSettling('ack', { receipts, ranges });
    const failures: ReceiptFailure[] = [];
    const byPartition = this.#sort(station, { receipts, ranges }, failures);
    const [failed] = failures;
    if (failed !== undefined) throw new WaysideError(failed.code, failed.detail);
    const [first, ...others] = [...byPartition];
    if (first === undefined) throw invalid('A step needs receipts: those of the messages that it was made of.');
    if (others.length > 0)
      throw new WaysideError('INVALID_REQUEST', 'The messages of a step must be of one partition.', { field: 'receipts' });
    const [number, asked] = first;
    const partition = await this.#partitions.of(station, number);
    return partition.step(
      group.id,
      asked.map(({ span }) => span),
      outputs,
    );
  }

  async release(station: Station, group: CatalogGroup, consumer: string): Promise<number> {
    checkName('consumer', consumer);
    const partitions = await this.#partitions.all(station);
    const released = await Promise.all(partitions.map((partition) => partition.release(group.id, consumer)));
    return released.reduce((sum, count) => sum + count, 0);
  }

  #checkSettling(verb: SettleVerb, input: SettleInput): Omit<Settling, 'verb' | 'spans'> {
    const { receiptsMax, leaseMsMin, leaseMsMax, delayMsMax, reasonBytesMax } = this.#limits;
    whole('receipts.length', input.receipts.length, 0, receiptsMax);
    whole('ranges.length', input.ranges?.length ?? 0, 0, receiptsMax);
    const reason = input.reason ?? '';
    const reasonBytes = encoder.encode(reason).length;
    if (reasonBytes > reasonBytesMax)
      throw new WaysideError('INVALID_REQUEST', `The reason has ${reasonBytes} bytes; ${reasonBytesMax} are allowed.`, {
        field: 'reason',
      });
    return {
      delayMs: verb === 'nack' ? whole('delayMs', input.delayMs ?? 0, 0, delayMsMax) : 0,
      leaseMs: verb === 'extend' && input.leaseMs !== undefined ? whole('leaseMs', input.leaseMs, leaseMsMin, leaseMsMax) : undefined,
      reason,
    };
  }

  /** Receipts and ranges by partition; those that are none go to `failures`. */
  #sort(station: Station, { receipts, ranges = [] }: SettleInput, failures: ReceiptFailure[]): Map<number, Asked[]> {
    const byPartition = new Map<number, Asked[]>();
    const add = (partition: number, asked: Asked) => {
      if (partition >= station.config.partitions) throw invalid(`The station has no partition ${partition}.`);
      const same = byPartition.get(partition);
      if (same === undefined) byPartition.set(partition, [asked]);
      else same.push(asked);
    };
    for (const text of receipts) {
      try {
        const { partition, sequence, ...lease } = parseReceipt(text, station.secret);
        add(partition, { text, range: undefined, span: { ...lease, from: sequence, to: sequence } });
      } catch (error) {
        failures.push(failure(text, asWaysideError(error)));
      }
    }
    let messages = 0;
    for (const range of ranges) {
      const [partition, lease, from, to] = range;
      try {
        checkRange(range, this.#limits);
        add(partition, { text: undefined, range, span: { ...parseLease(lease, partition, station.secret), from, to } });
        messages += to - from + 1;
      } catch (error) {
        failures.push({ ...failure(formatReceipt(partition, from, lease), asWaysideError(error)), to });
      }
    }
    whole('messages of all ranges', messages, 0, this.#limits.settledMax);
    return byPartition;
  }
}

/** What was asked to be settled: a receipt as it was given, or a range. */
type Asked = { readonly span: Span } & (
  | { readonly text: string; readonly range: undefined }
  | { readonly text: undefined; readonly range: ReceiptRange }
);

function checkRange([partition, , from, to]: ReceiptRange, { fetchCountMax }: Limits): void {
  const isRange = [partition, from, to].every(Number.isSafeInteger) && partition >= 0 && from >= 1 && from <= to;
  if (!isRange) throw invalid('A range is [partition, lease, from, to], with sequences from 1 and from at most to.');
  // Else a lease whose entry a crash took would settle all that was never given out.
  if (to - from >= fetchCountMax) throw invalid(`A range has ${fetchCountMax} messages at most: no lease is of more.`);
}

function failureOf({ text, range }: Asked, { from, to, code, detail }: Refusal): ReceiptFailure {
  return range === undefined ? { receipt: text, code, detail } : { receipt: formatReceipt(range[0], from, range[1]), code, detail, to };
}

function failure(receipt: string, { code, message }: WaysideError): ReceiptFailure {
  return { receipt, code, detail: message };
}

function invalid(detail: string): WaysideError {
  return new WaysideError('INVALID_RECEIPT', detail);
}
