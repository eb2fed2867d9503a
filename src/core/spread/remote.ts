/**
 * A partition that is in another process.
 *
 * Holds: what is asked goes over the link as it is; who waits is parked over there before anybody looks.
 * Elsewhere: the other end (host.ts), hints (hints.ts).
 */
import type { Audit, Block, DeadLetter, LeasedBlock, PendingInfo, Place, StepResult } from '../calls.ts';
import { WaysideError } from '../errors.ts';
import type { Settling, Span } from '../partition/acknowledge.ts';
import type {
  Ask,
  DelayedPage,
  DelayedPlace,
  GroupShare,
  LetterFilter,
  LetterPage,
  LetterPlace,
  PartitionCalls,
  PartitionCommand,
  PartitionInfo,
  ReadBlocks,
  RedriveShare,
  RedriveSlice,
  Refusal,
  Taken,
} from '../partition/calls.ts';
import type { Part, PartResult } from '../partition/produce.ts';
import type { Output } from '../partition/step.ts';
import type { Waiter } from '../partition/waiters.ts';
import type { Timers } from '../ports.ts';
import { Hints, READERS } from './hints.ts';
import type { PartitionLink } from './links.ts';
import { packedOutputs, packedPart } from './pack.ts';
import type { Where } from './wire.ts';
import { opened, unanswered } from './wire.ts';

export class RemotePartition implements PartitionCalls {
  readonly where: Where;
  readonly #link: PartitionLink;
  readonly #timers: Timers;
  readonly #hints: Hints;

  constructor(where: Where, link: PartitionLink, timers: Timers, hints?: Hints) {
    this.where = where;
    this.#link = link;
    this.#timers = timers;
    this.#hints =
      hints ??
      new Hints(async (listener) => {
        try {
          return await link.listen(where, listener);
        } catch (error) {
          throw error instanceof WaysideError ? error : unanswered();
        }
      }, timers);
  }

  /** The same one, with a configuration that is newer. */
  at(where: Where): RemotePartition {
    return new RemotePartition(where, this.#link, this.#timers, this.#hints);
  }

  get number(): number {
    return this.where.partition;
  }

  #ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    return opened<T>(this.#link.ask(this.where, method, args));
  }

  produce(part: Part): Promise<PartResult> {
    return this.#ask('produce', packedPart(part));
  }

  async read(from: number, count: number, bytesMax: number): Promise<ReadBlocks> {
    await this.#hints.parked();
    return this.#ask('read', from, count, bytesMax);
  }

  message(sequence: number): Promise<Block> {
    return this.#ask('message', sequence);
  }

  place(place: Place): Promise<number> {
    return this.#ask('place', place);
  }

  addReader(waiter: Waiter): () => void {
    return this.#hints.add(READERS, waiter);
  }

  addFetcher(group: number, waiter: Waiter): () => void {
    return this.#hints.add(group, waiter);
  }

  passOn(group: number): void {
    this.#hints.passOn(group);
  }

  async take(ask: Ask, gone: () => boolean): Promise<Taken> {
    await this.#hints.parked();
    const blocks = await this.#ask<readonly LeasedBlock[]>('take', ask);
    const count = blocks.reduce((sum, block) => sum + block.count, 0);
    const bytes = blocks.reduce((sum, { start, end }) => sum + end - start, 0);
    return { count, bytes, blocks: Promise.resolve(gone() ? this.#undone(ask.group, blocks) : blocks) };
  }

  #undone(group: number, blocks: readonly LeasedBlock[]): readonly LeasedBlock[] {
    // Nobody waits for it: if it does not get there, the leases end by themselves.
    for (const lease of new Set(blocks.map((block) => block.lease))) this.undo(group, lease).catch(() => undefined);
    return [];
  }

  undo(group: number, lease: string): Promise<void> {
    return this.#ask('undo', group, lease);
  }

  settle(group: number, settling: Settling): Promise<readonly Refusal[]> {
    return this.#ask('settle', group, settling);
  }

  step(group: number, spans: readonly Span[], outputs: readonly Output[]): Promise<StepResult> {
    return this.#ask('step', group, spans, packedOutputs(outputs));
  }

  release(group: number, consumer: string): Promise<number> {
    return this.#ask('release', group, consumer);
  }

  info(): Promise<PartitionInfo> {
    return this.#ask('info');
  }

  groupShare(group: number): Promise<GroupShare> {
    return this.#ask('groupShare', group);
  }

  audit(group: number): Promise<Audit> {
    return this.#ask('audit', group);
  }

  pending(group: number, after: number, most: number): Promise<readonly PendingInfo[]> {
    return this.#ask('pending', group, after, most);
  }

  letters(filter: LetterFilter, after: LetterPlace | undefined, most: number, bytesMax: number): Promise<LetterPage> {
    return this.#ask('letters', filter, after, most, bytesMax);
  }

  letter(name: LetterPlace): Promise<DeadLetter | undefined> {
    return this.#ask('letter', name);
  }

  removeLetter(name: LetterPlace): Promise<boolean> {
    return this.#ask('removeLetter', name);
  }

  redrive(slice: RedriveSlice): Promise<RedriveShare> {
    return this.#ask('redrive', slice);
  }

  lastIndex(): Promise<number> {
    return this.#ask('lastIndex');
  }

  delayed(after: DelayedPlace | undefined, most: number): Promise<DelayedPage> {
    return this.#ask('delayed', after, most);
  }

  cancelDelayed(number: number): Promise<boolean> {
    return this.#ask('cancelDelayed', number);
  }

  carryOut(command: PartitionCommand): Promise<number> {
    return this.#ask('carryOut', command);
  }

  synced(): Promise<void> {
    return this.#ask('synced');
  }

  /** The partition is gone, and its data. */
  remove(): Promise<void> {
    return this.#ask('remove');
  }

  /** Nobody waits here any more. */
  close(): void {
    this.#hints.close();
  }
}
