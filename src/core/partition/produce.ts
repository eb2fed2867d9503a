/**
 * Produce: batches that wait together become entries, each part answered alone.
 *
 * Holds: a part is stored in the order in which it came; every refusal of a part or a record is decided before its bytes
 * are taken, so that a refused one leaves no trace, its id included; a batch that needs no change is stored as it came,
 * without a copy or a second hash. Elsewhere: routing to partitions (broker/produce.ts), what the entry does (machine.ts).
 */
import type { Draft } from '../actor/log.ts';
import { batchDraft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { RecordCursor } from '../batch/cursor.ts';
import type { BatchView } from '../batch/walk.ts';
import type { ProduceInput } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import { producedBody } from '../entry/produce.ts';
import type { Code } from '../errors.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { PartitionState } from './state.ts';

/** A batch of which all records go to this partition. */
export interface Part {
  readonly view: BatchView;
  readonly input: ProduceInput;
  /** The station's configuration that the sender was told of; another one has to be asked again. */
  readonly version: number;
}

export interface PartResult {
  /** Sequences given, `[first, count]`, in the order sent. */
  readonly ranges: [number, number][];
  /** `[index, sequence of the first one]`. */
  readonly duplicates: [number, number][];
  readonly errors: { index: number; code: Code; detail: string }[];
}

/** Below this a batch is copied into one entry with its neighbours; above, an entry of its own costs less. */
const GATHER_BYTES = 16 * 1024;

/** What the parts that wait together become. Ids are noted in `state` on the way; nothing can be refused after. */
export function decideProduce(
  state: PartitionState,
  parts: readonly Part[],
  now: number,
  limits: Limits,
): { drafts: Draft[]; results: (PartResult | WaysideError)[] } {
  const writer = new EntryWriter(state.next, limits);
  const results = parts.map((part) => {
    const refusal = refusePart(state, part, now, writer);
    if (refusal !== undefined) return refusal;
    const gather = parts.length > 1 && part.view.recordsEnd < GATHER_BYTES;
    return isPlain(state, part) && !gather ? writer.whole(part) : new PartTaker(state, part, now, writer).take();
  });
  return { drafts: writer.finish(), results };
}

/** Every record is taken as it is: there is nothing to look up, to refuse or to leave out. */
function isPlain({ settings }: PartitionState, { view }: Part): boolean {
  const { retention } = settings;
  const bounded = retention.discard === 'refuse' && (retention.maxMessages !== undefined || retention.maxBytes !== undefined);
  return view.refused === undefined && !view.anyId && !view.anyDelay && !view.anyExpires && !bounded;
}

/** Why nothing of the part can be stored. */
function refusePart(state: PartitionState, part: Part, now: number, writer: EntryWriter): WaysideError | undefined {
  const { atomic, expectedSequence } = part.input;
  if (part.version !== state.version)
    return new WaysideError('STALE_CONFIG', 'The station has been changed meanwhile. Send the call again.');
  if (expectedSequence !== undefined && expectedSequence !== writer.next && !isRepeat(state, part, now)) {
    if (isPlanted('sequence-not-compared')) return undefined;
    return new WaysideError(
      'SEQUENCE_MISMATCH',
      `The next sequence is ${writer.next}, not ${expectedSequence}. Read what came meanwhile, then decide anew.`,
    );
  }
  if (atomic !== true) return undefined;
  const first = firstRefusal(state, part, now, writer);
  return (
    first &&
    new WaysideError(first.code, `Message ${first.index}: ${first.detail} The batch is atomic, so none of it is stored.`, {
      index: first.index,
    })
  );
}

/** Every message of the part was produced before. */
function isRepeat(state: PartitionState, { view }: Part, now: number): boolean {
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) if (cursor.idStart < 0 || findId(state, cursor, now) === 0) return false;
  return view.count > 0;
}

function firstRefusal(state: PartitionState, part: Part, now: number, writer: EntryWriter): PartResult['errors'][number] | undefined {
  const { view } = part;
  const refused = new Map(view.refused?.map((each) => [each.i, each]));
  const room = new Room(state, writer);
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) {
    const early = refused.get(cursor.index) ?? refuseRecord(cursor);
    if (early !== undefined) return { index: cursor.index, code: early.code, detail: early.detail };
    if (cursor.idStart >= 0 && findId(state, cursor, now) !== 0) continue;
    const full = room.take(cursor.end - cursor.offset);
    if (full !== undefined) return { index: cursor.index, ...full };
  }
  return undefined;
}

function findId(state: PartitionState, cursor: RecordCursor, now: number): number {
  if (isPlanted('forget-an-id')) return 0;
  return state.dedup.find(cursor.bytes, cursor.idStart, cursor.idEnd, now, state.settings.dedupWindowMs);
}

function refuseRecord(cursor: RecordCursor): { code: Code; detail: string } | undefined {
  if (cursor.delayMs > 0) return { code: 'INVALID_REQUEST', detail: 'Delayed messages are not available in this version.' };
  if (cursor.expiresMs >= 0) return { code: 'INVALID_REQUEST', detail: 'Messages that expire are not available in this version.' };
  return undefined;
}

/** What a station that refuses rather than discards has room for. */
class Room {
  #messages: number;
  #bytes: number;

  constructor({ settings: { retention }, next, first, bytes }: PartitionState, writer: EntryWriter) {
    const refuses = retention.discard === 'refuse';
    this.#messages = refuses && retention.maxMessages !== undefined ? retention.maxMessages - (writer.next - first) : Infinity;
    this.#bytes = refuses && retention.maxBytes !== undefined ? retention.maxBytes - bytes - writer.bytesSince(next) : Infinity;
  }

  take(bytes: number): { code: Code; detail: string } | undefined {
    if (this.#messages < 1)
      return {
        code: 'LIMIT_EXCEEDED',
        detail: 'The station holds its maxMessages and discards nothing. Consume or purge, then send again.',
      };
    if (this.#bytes < bytes)
      return { code: 'LIMIT_EXCEEDED', detail: 'The station holds its maxBytes and discards nothing. Consume or purge, then send again.' };
    this.#messages--;
    this.#bytes -= bytes;
    return undefined;
  }
}

/** Takes a part record by record. */
class PartTaker {
  readonly #state: PartitionState;
  readonly #part: Part;
  readonly #now: number;
  readonly #writer: EntryWriter;
  readonly #room: Room;
  readonly #result: PartResult = { ranges: [], duplicates: [], errors: [] };

  constructor(state: PartitionState, part: Part, now: number, writer: EntryWriter) {
    this.#state = state;
    this.#part = part;
    this.#now = now;
    this.#writer = writer;
    this.#room = new Room(state, writer);
  }

  take(): PartResult {
    const { view } = this.#part;
    const refused = view.refused?.slice().reverse() ?? [];
    const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
    while (cursor.next()) {
      const early = refused.at(-1)?.i === cursor.index ? refused.pop() : refuseRecord(cursor);
      if (early !== undefined) this.#result.errors.push({ index: cursor.index, code: early.code, detail: early.detail });
      else this.#takeRecord(cursor);
    }
    return this.#result;
  }

  #takeRecord(cursor: RecordCursor): void {
    const { dedup, settings } = this.#state;
    const hasId = cursor.idStart >= 0;
    const before = hasId ? findId(this.#state, cursor, this.#now) : 0;
    if (before !== 0) {
      this.#result.duplicates.push([cursor.index, before]);
      return;
    }
    const full = this.#room.take(cursor.end - cursor.offset);
    if (full !== undefined) {
      this.#result.errors.push({ index: cursor.index, ...full });
      return;
    }
    const sequence = this.#writer.record(cursor.bytes, cursor.offset, cursor.end);
    if (hasId) dedup.add(cursor.bytes, cursor.idStart, cursor.idEnd, sequence, this.#now, settings.dedupWindowMs);
    extend(this.#result.ranges, sequence);
  }
}

function extend(ranges: [number, number][], sequence: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last[0] + last[1] === sequence) last[1]++;
  else ranges.push([sequence, 1]);
}

/** Gathers records into entries and gives out sequences. */
class EntryWriter {
  next: number;
  readonly #drafts: Draft[] = [];
  readonly #limits: Limits;
  readonly #began: number;
  #builder: BatchBuilder | undefined;
  #bytes = 0;

  constructor(next: number, limits: Limits) {
    this.next = next;
    this.#began = next;
    this.#limits = limits;
  }

  /** Record bytes taken since `sequence`, which is where this writer began. */
  bytesSince(sequence: number): number {
    if (sequence !== this.#began) throw new TypeError('A writer is asked about another beginning.');
    return this.#bytes;
  }

  /** Stores the batch as it came. */
  whole({ view }: Part): PartResult {
    if (view.count === 0) return { ranges: [], duplicates: [], errors: [] };
    this.#close();
    const first = this.next;
    this.next += view.count;
    this.#bytes += view.recordsEnd - view.recordsStart;
    this.#drafts.push(batchDraft(KIND.produced, producedBody(view.bytes, view.recordsEnd, view.crc), first, view.count));
    return { ranges: [[first, view.count]], duplicates: [], errors: [] };
  }

  /** @returns its sequence */
  record(bytes: Uint8Array, start: number, end: number): number {
    const { batchBytesMax, batchCountMax } = this.#limits;
    if (this.#builder && (this.#builder.byteLength + end - start > batchBytesMax || this.#builder.count >= batchCountMax)) this.#close();
    this.#builder ??= new BatchBuilder();
    this.#builder.appendRecord(bytes, start, end);
    this.#bytes += end - start;
    return this.next++;
  }

  finish(): Draft[] {
    this.#close();
    return this.#drafts;
  }

  #close(): void {
    const builder = this.#builder;
    if (builder === undefined || builder.count === 0) return;
    this.#builder = undefined;
    const batch = builder.finish();
    const end = batch.length - 4;
    const crc = new DataView(batch.buffer, batch.byteOffset).getUint32(end, true);
    this.#drafts.push(batchDraft(KIND.produced, producedBody(batch, end, crc), this.next - builder.count, builder.count));
  }
}
