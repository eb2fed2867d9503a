/**
 * The way of one producer into one partition: messages are gathered into batches, which go out numbered, in order.
 *
 * Holds:
 *  1. Every message is settled once, at its deadline at the latest.
 *  2. What was sent and not answered is sent again as the same bytes under the same numbers, and in the same order, so that
 *     the broker stores it once. A number is given anew, in a newer epoch, only to what is known not to be stored.
 *  3. What is given up under way has an unknown outcome; the newer epoch that follows fences it off.
 *  4. A batch goes when none is under way, or when it is full and fewer than `inFlight` are: what is produced meanwhile
 *     gathers.
 * All of it rests on the broker remembering its producers, as it does for a day: a first batch that comes again after that
 * is taken for a new one.
 * Elsewhere: which lane a message takes (producer.ts), reading an answer (batch.ts).
 */
import type { NewMessage as Encodable } from '../../core/batch/build.ts';
import { BatchBuilder } from '../../core/batch/build.ts';
import { CRC_BYTES, HEADER_BYTES } from '../../core/batch/layout.ts';
import type { FrameProduced } from '../../protocol/frames.ts';
import type { Backoff, ClientClock } from '../clock.ts';
import { backoffMs, sleep } from '../clock.ts';
import { asWaysideError, isPassing, WaysideError, withOutcome } from '../errors.ts';
import type { Transport } from '../transport.ts';
import type { Entry } from './batch.ts';
import { Batch } from './batch.ts';

export interface LaneSettings {
  readonly transport: Transport;
  readonly clock: ClientClock;
  readonly backoff: Backoff;
  readonly station: string;
  readonly id: string;
  readonly epoch: number;
  readonly maxBatchBytes: number;
  readonly maxBatchMessages: number;
  readonly inFlight: number;
  readonly lingerMs: number;
  readonly timeoutMs: number;
  /** So many messages, and their record bytes, are settled. */
  readonly settled: (messages: number, bytes: number) => void;
  /** What gathered is closed. */
  readonly closed: (partition: number) => void;
  /** The station may not be what it was. */
  readonly doubt: () => void;
}

export class Lane {
  readonly #to: LaneSettings;
  readonly #partition: number;
  readonly #builder = new BatchBuilder();
  /** Gathers; its records are in the builder. */
  #open: Batch | undefined;
  /** Closed, and not sent yet. */
  #queue: Batch[] = [];
  /** Sent and not settled, in order. */
  #window: Batch[] = [];
  #epoch: number;
  /** The next batch's first number in this epoch. */
  #next = 1;
  #underWay = 0;
  /** Something of the window has to be sent again, once nothing is under way. */
  #isBroken = false;
  /** … under new numbers. */
  #isRenumbered = false;
  #isRecovering = false;
  #tries = 0;
  #retryAfterMs = 0;
  #isScheduled = false;
  #fenced: WaysideError | undefined;
  #cancelDeadline: (() => void) | undefined;
  #cancelLinger: (() => void) | undefined;

  constructor(settings: LaneSettings, partition: number) {
    this.#to = settings;
    this.#partition = partition;
    this.#epoch = settings.epoch;
  }

  /** @returns the record's bytes. @throws INVALID_REQUEST the message cannot be encoded; it is not in any batch then */
  append(message: Encodable, entry: Entry): number {
    if (this.#fenced !== undefined) throw this.#fenced;
    const { maxBatchBytes, maxBatchMessages } = this.#to;
    if (this.#open !== undefined && this.#builder.byteLength + message.payload.length > maxBatchBytes) this.#close();
    const before = this.#builder.byteLength;
    this.#builder.append(message);
    let open = this.#open;
    if (open === undefined) {
      open = this.#open = this.#newBatch();
      this.#linger();
    }
    open.resolves.push(entry.resolve);
    open.rejects.push(entry.reject);
    const after = this.#builder.byteLength;
    if (after >= maxBatchBytes || open.rejects.length >= maxBatchMessages) this.#close();
    this.#schedule();
    return after - before;
  }

  /** Messages that are a batch of their own: all or nothing, or only at a sequence. @returns their bytes */
  appendBatch(messages: readonly Encodable[], entries: readonly Entry[], atomic: boolean, expectedSequence: number | undefined): number {
    if (this.#fenced !== undefined) throw this.#fenced;
    const builder = new BatchBuilder();
    messages.forEach((message, index) => {
      try {
        builder.append(message);
      } catch (thrown) {
        const { code, message: text, field } = asWaysideError(thrown);
        throw new WaysideError(code, text, { field, index });
      }
    });
    this.#close();
    const batch = this.#newBatch(atomic, expectedSequence);
    for (const { resolve, reject } of entries) {
      batch.resolves.push(resolve);
      batch.rejects.push(reject);
    }
    batch.bytes = builder.finish();
    this.#queue.push(batch);
    this.#schedule();
    return recordBytes(batch);
  }

  /** What lingers goes now. */
  hurry(): void {
    if (this.#cancelLinger === undefined) return;
    this.#cancelLinger();
    this.#cancelLinger = undefined;
    this.#schedule();
  }

  #newBatch(atomic = false, expectedSequence?: number): Batch {
    const { clock, timeoutMs } = this.#to;
    const batch = new Batch(clock.now() + timeoutMs, atomic, expectedSequence);
    this.#cancelDeadline ??= clock.after(timeoutMs, () => this.#expire());
    return batch;
  }

  #linger(): void {
    const { lingerMs, clock } = this.#to;
    if (lingerMs > 0) this.#cancelLinger ??= clock.after(lingerMs, () => this.hurry());
  }

  #close(): void {
    const batch = this.#open;
    if (batch === undefined) return;
    this.#open = undefined;
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    batch.bytes = this.#builder.finish();
    this.#builder.reset();
    this.#queue.push(batch);
    this.#to.closed(this.#partition);
  }

  /** At the end of the turn, so that what is produced in one goes together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const most = this.#to.transport.ordered ? this.#to.inFlight : 1;
    while (!this.#isBroken && !this.#isRecovering && this.#window.length < most) {
      if (this.#queue.length === 0) {
        if (this.#open === undefined || this.#window.length > 0 || this.#cancelLinger !== undefined) break;
        this.#close();
      }
      const batch = this.#queue.shift()!;
      if (this.#isTooLarge(batch)) continue;
      this.#number(batch);
      this.#window.push(batch);
      this.#attempt(batch);
    }
    if (this.#window.length + this.#queue.length === 0 && this.#open === undefined) {
      this.#cancelDeadline?.();
      this.#cancelDeadline = undefined;
    }
  }

  /** A frame that is too large costs the connection, so it is never sent. */
  #isTooLarge(batch: Batch): boolean {
    const { batchBytesMax, batchCountMax } = this.#to.transport;
    const { bytes, count } = batch;
    if (bytes.length <= batchBytesMax && count <= batchCountMax) return false;
    const what = count === 1 ? 'The message' : `The batch of ${count} messages`;
    const limits = `this broker takes ${batchBytesMax} bytes and ${batchCountMax} messages at once`;
    const code = count === 1 ? 'MESSAGE_TOO_LARGE' : 'BATCH_TOO_LARGE';
    this.#fail(batch, new WaysideError(code, `${what} takes ${bytes.length} bytes; ${limits}. Nothing was stored.`));
    return true;
  }

  #number(batch: Batch): void {
    batch.epoch = this.#epoch;
    batch.sequence = this.#next;
    this.#next += batch.count;
  }

  #attempt(batch: Batch): void {
    const { transport, clock, station, id } = this.#to;
    const { bytes: records, epoch, sequence, atomic, expectedSequence } = batch;
    batch.isUnderWay = true;
    batch.gap = false;
    this.#underWay++;
    const order = { station, partition: this.#partition, records, producer: { id, epoch, sequence }, atomic, expectedSequence };
    transport.produce(order, Math.max(1, batch.deadline - clock.now())).then(
      (answer) => this.#answered(batch, answer),
      (error: unknown) => this.#failed(batch, asWaysideError(error)),
    );
  }

  #answered(batch: Batch, answer: FrameProduced): void {
    if (batch.isDone) return;
    try {
      batch.answered(answer, this.#partition);
    } catch (error) {
      this.#failed(batch, asWaysideError(error), true);
      return;
    }
    this.#tries = 0;
    this.#back(batch);
    this.#leave(batch);
    this.#after();
  }

  /** @param isLasting sending it again would only bring the same */
  #failed(batch: Batch, error: WaysideError, isLasting = false): void {
    if (batch.isDone) return;
    this.#back(batch);
    if (error.code === 'PRODUCER_GAP') {
      batch.gap = true;
      this.#isBroken = true;
    } else if (isPassing(error) && !isLasting) {
      batch.maybeStored ||= error.outcome === 'unknown';
      this.#isBroken = true;
      this.#retryAfterMs = Math.max(this.#retryAfterMs, error.retryAfterMs ?? 0);
    } else if (error.code === 'PRODUCER_FENCED') {
      this.#fence(error);
    } else {
      // Whether a refused batch has used its numbers is the broker's matter: a newer epoch is right either way.
      this.#fail(batch, error);
      this.#leave(batch);
      this.#isBroken = this.#isRenumbered = true;
      if (error.code === 'STATION_NOT_FOUND' || error.code === 'INVALID_REQUEST') this.#to.doubt();
    }
    this.#after();
  }

  #back(batch: Batch): void {
    if (!batch.isUnderWay) return;
    batch.isUnderWay = false;
    this.#underWay--;
  }

  #leave(batch: Batch): void {
    const place = this.#window.indexOf(batch);
    if (place >= 0) this.#window.splice(place, 1);
    if (batch.isDone) this.#settled(batch);
  }

  #settled(batch: Batch): void {
    this.#to.settled(batch.count, recordBytes(batch));
  }

  #fail(batch: Batch, error: WaysideError): void {
    batch.fail(batch.maybeStored || batch.isUnderWay ? withOutcome(error, 'unknown') : error);
    if (!this.#window.includes(batch)) this.#settled(batch);
  }

  #after(): void {
    if (!this.#isBroken) {
      this.#pump();
      return;
    }
    if (this.#underWay === 0 && !this.#isRecovering) void this.#recover();
  }

  /** Nothing is under way, and something has to go again. */
  async #recover(): Promise<void> {
    this.#isRecovering = true;
    const { transport, clock, backoff } = this.#to;
    do {
      this.#isBroken = false;
      // The first of the window has everything before it stored: a gap there means that the broker has forgotten us.
      if (this.#isRenumbered || this.#window[0]?.gap) this.#renew();
      const [oldest] = this.#window;
      if (oldest === undefined) break;
      const waitMs = Math.max(this.#retryAfterMs, this.#tries === 0 ? 0 : backoffMs(backoff, this.#tries - 1, clock));
      this.#tries++;
      this.#retryAfterMs = 0;
      if (waitMs > 0) await sleep(clock, waitMs, transport.closing);
      try {
        await transport.ready(Math.max(1, oldest.deadline - clock.now()));
      } catch (thrown) {
        this.#unreachable(asWaysideError(thrown));
      }
      // While we waited, some may have been given up: what is left is due for new numbers then.
    } while (this.#isBroken || this.#isRenumbered);
    this.#isRecovering = false;
    for (const batch of this.#window) this.#attempt(batch);
    this.#pump();
  }

  /** No connection came. In passing: the deadlines decide. Else nothing that waits will ever be sent. */
  #unreachable(error: WaysideError): void {
    if (isPassing(error)) {
      this.#isBroken = this.#window.length > 0;
      return;
    }
    this.#failAll(error);
  }

  /** Numbers from 1 in a newer epoch, for what is known not to be stored; the rest is given up. */
  #renew(): void {
    this.#isRenumbered = false;
    this.#epoch++;
    this.#next = 1;
    const window = this.#window;
    this.#window = [];
    for (const batch of window) {
      if (batch.maybeStored) this.#fail(batch, forgotten());
      else {
        this.#number(batch);
        this.#window.push(batch);
      }
    }
  }

  /** Somebody else has this producer's id, with a newer epoch: nothing more can be stored under it. */
  #fence(error: WaysideError): void {
    this.#fenced = error;
    this.#failAll(error);
  }

  #failAll(error: WaysideError): void {
    this.#close();
    const batches = [...this.#window, ...this.#queue];
    this.#window = [];
    this.#queue = [];
    for (const batch of batches) {
      this.#fail(batch, error);
      this.#back(batch);
    }
    this.#isBroken = false;
    this.#renew();
    this.#pump();
  }

  #expire(): void {
    this.#cancelDeadline = undefined;
    const { clock, timeoutMs } = this.#to;
    const now = clock.now();
    const isLate = (batch: Batch | undefined) => batch !== undefined && batch.deadline <= now;
    if (isLate(this.#window[0])) this.#giveUp(`No answer came within ${timeoutMs} ms.`);
    while (isLate(this.#queue[0])) this.#fail(this.#queue.shift()!, unsent(timeoutMs));
    if (isLate(this.#open)) {
      this.#close();
      this.#fail(this.#queue.pop()!, unsent(timeoutMs));
    }
    const oldest = this.#window[0] ?? this.#queue[0] ?? this.#open;
    if (oldest !== undefined) this.#cancelDeadline = clock.after(Math.max(1, oldest.deadline - now), () => this.#expire());
    this.#after();
  }

  /** The oldest, and with it whatever else is under way or may be stored: an epoch ends for all at once. */
  #giveUp(why: string): void {
    const [oldest] = this.#window;
    const window = this.#window;
    this.#window = [];
    for (const batch of window) {
      const isGone = batch.isUnderWay || batch.maybeStored;
      if (!isGone && batch !== oldest) {
        this.#window.push(batch);
        continue;
      }
      const hint = isGone ? ' It may be stored: look before you produce it again.' : ' It was not stored.';
      this.#fail(batch, new WaysideError('UNAVAILABLE', why + hint, { outcome: isGone ? 'unknown' : 'refused' }));
      this.#back(batch);
    }
    this.#isBroken = this.#isRenumbered = true;
  }
}

function recordBytes({ bytes }: Batch): number {
  return bytes.length - HEADER_BYTES - CRC_BYTES;
}

function forgotten(): WaysideError {
  const text =
    'The broker has forgotten this producer while the message was under way. It may be stored: look before you produce it again.';
  return new WaysideError('PRODUCER_GAP', text, { outcome: 'unknown' });
}

function unsent(timeoutMs: number): WaysideError {
  const text = `It could not be sent within ${timeoutMs} ms, because the broker does not answer or does not keep up. It was not stored.`;
  return new WaysideError('UNAVAILABLE', text, { outcome: 'refused' });
}
