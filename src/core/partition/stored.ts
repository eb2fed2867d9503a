/**
 * Finds messages' bytes: at once where they are in memory, else as a promise.
 *
 * Holds: a bounded window of what was read last, so that a step that had to wait for the disk finds its bytes when it is
 * asked again; nothing of a damaged range is served. Elsewhere: what to read (fetch.ts, read.ts, retain.ts).
 */
import type { ActorLog } from '../actor/log.ts';
import { HEADER_BYTES } from '../batch/layout.ts';
import { skip, take } from '../batch/walk.ts';
import type { Block } from '../calls.ts';
import { readCarried, recordsEnd } from '../entry/produce.ts';
import { WaysideError } from '../errors.ts';
import type { Soon, StoredEntry } from '../ports.ts';
import type { PartitionState } from './state.ts';
import { Window } from './window.ts';

const READ_AHEAD_BYTES = 1024 * 1024;

/** A block, and the index of the entry that holds it: what delivering it rests on. */
export interface Found {
  readonly block: Block;
  readonly index: number;
}

export class Stored {
  readonly #log: ActorLog;
  readonly #state: PartitionState;
  readonly #window = new Window();

  constructor(log: ActorLog, state: PartitionState) {
    this.#log = log;
    this.#state = state;
  }

  /**
   * Messages from `sequence` on, of one entry: at most `count`, as many as fit in `bytesMax` and at least one.
   * `sequence` must be there (within first … next, or pinned).
   *
   * @throws MESSAGE_TRIMMED it went while its bytes were read · CORRUPTION · what the log was closed with
   */
  take(sequence: number, count: number, bytesMax: number): Soon<Found> {
    const carried = this.#carried(sequence);
    try {
      const found = this.#take(sequence, count, bytesMax);
      if (!(found instanceof Promise)) return found;
      return found.catch((error: unknown) => {
        const reason = this.#reason(sequence, error);
        // It was copied forward while its bytes were read: they are there.
        if (reason === error && this.#carried(sequence) !== carried) return this.take(sequence, count, bytesMax);
        throw reason;
      });
    } catch (error) {
      throw this.#reason(sequence, error);
    }
  }

  /** Bytes that are not there are damage only where they should be. */
  #reason(sequence: number, error: unknown): unknown {
    if (this.#log.closed !== undefined) return this.#log.closed;
    if (sequence >= this.#state.first || this.#state.pins.has(sequence)) return error;
    return new WaysideError('MESSAGE_TRIMMED', `Message ${sequence} of partition ${this.#state.partition} is gone.`);
  }

  #take(sequence: number, count: number, bytesMax: number): Soon<Found> {
    const carried = this.#carried(sequence);
    if (carried !== 0) return soon(this.#entry(carried), (entry) => this.#carriedBlock(entry, sequence));
    return soon(this.#holding(sequence), (entry) => ({ index: entry.index, block: this.#cut(entry, sequence, count, bytesMax) }));
  }

  /** Index of the entry that holds a copy of it; 0 where it lies as it was produced. */
  #carried(sequence: number): number {
    return this.#state.pins.get(sequence)?.carried ?? 0;
  }

  /** The entry that holds a message which was not carried. */
  holding(sequence: number): Soon<StoredEntry> {
    return this.#holding(sequence);
  }

  /** A data entry that lives. */
  entry(index: number): Soon<StoredEntry> {
    return this.#entry(index);
  }

  /** What was read is no longer needed: frees it. */
  forget(): void {
    this.#window.clear();
  }

  #holding(sequence: number): Soon<StoredEntry> {
    const kept = this.#window.holding(sequence);
    if (kept !== undefined) return kept;
    const found = this.#log.volume.find(this.#log.key, 'sequence', sequence);
    return soon(found, (index) =>
      soon(this.#entry(index), (entry) => {
        // Whoever had to wait for its place only would have to again, without end.
        if (found instanceof Promise) this.#window.add([entry]);
        return entry;
      }),
    );
  }

  #entry(index: number): Soon<StoredEntry> {
    const kept = this.#window.at(index);
    if (kept !== undefined) return kept;
    const now = this.#log.volume.entry(this.#log.key, index);
    if (now !== undefined) return now;
    const read = this.#log.volume.read(this.#log.key, index, READ_AHEAD_BYTES, 'data');
    return soon(read, (entries) => {
      if (read instanceof Promise) this.#window.add(entries);
      const [entry] = entries;
      if (entry?.index !== index) throw new WaysideError('CORRUPTION', `Entry ${index} of ${this.#log.key} is missing.`);
      return entry;
    });
  }

  #cut(entry: StoredEntry, sequence: number, count: number, bytesMax: number): Block {
    const before = sequence - entry.first;
    if (before < 0 || before >= entry.count) throw new WaysideError('CORRUPTION', `Message ${sequence} of ${this.#log.key} is missing.`);
    const last = recordsEnd(entry.body);
    const start = skip(entry.body, HEADER_BYTES, before);
    const taken = take(entry.body, start, last, Math.min(count, entry.count - before), bytesMax);
    return {
      partition: this.#state.partition,
      first: sequence,
      count: taken.count,
      producedAt: entry.time,
      bytes: entry.body,
      start,
      end: taken.end,
    };
  }

  #carriedBlock(entry: StoredEntry, sequence: number): Found {
    const { messages } = readCarried(entry.body);
    const place = messages.findIndex((message) => message.sequence === sequence);
    const message = messages[place];
    if (message === undefined)
      throw new WaysideError('CORRUPTION', `Message ${sequence} is not in entry ${entry.index} of ${this.#log.key}.`);
    const start = skip(entry.body, HEADER_BYTES, place);
    const block = {
      partition: this.#state.partition,
      first: sequence,
      count: 1,
      producedAt: message.time,
      bytes: entry.body,
      start,
      end: skip(entry.body, start, 1),
    };
    return { index: entry.index, block };
  }
}

export function isTrimmed(error: unknown): boolean {
  return error instanceof WaysideError && error.code === 'MESSAGE_TRIMMED';
}

/** Goes on at once with a value that is there, later with one that is promised. */
export function soon<A, B>(value: Soon<A>, then: (value: A) => Soon<B>): Soon<B> {
  return value instanceof Promise ? value.then(then) : then(value);
}
