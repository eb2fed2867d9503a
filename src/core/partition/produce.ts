/**
 * Produce: batches that wait together become entries, each part answered alone.
 *
 * Holds: a part is stored in the order in which it came; every refusal of a part or a record is decided before its bytes
 * are taken, so that a refused one leaves no trace, its id included; a batch that needs no change is stored as it came,
 * without a copy or a second hash; what a producer has used of its sequences goes with its messages, in one commit.
 * Elsewhere: routing to partitions (broker/produce.ts), whether a producer may (claim.ts), what the entries do (machine.ts).
 */
import type { Draft } from '../actor/log.ts';
import { batchDraft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { IdCursor, RecordCursor } from '../batch/cursor.ts';
import type { BatchView } from '../batch/walk.ts';
import type { ProduceInput } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import { producedBody } from '../entry/produce.ts';
import type { Code } from '../errors.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Claim } from './claim.ts';
import { Claims } from './claim.ts';
import { ScheduledWriter } from './delay.ts';
import { SCHEDULED_PLACE } from './schedule.ts';
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
  readonly scheduled: { readonly index: number; readonly number: number; readonly dueAt: number; readonly duplicate: boolean }[];
  readonly errors: { index: number; code: Code; detail: string }[];
}

/**
 * Below this a batch is copied into one entry with its neighbours; above, an entry of its own costs less: of batches of a
 * hundred messages of 128 bytes, twice as many are stored in the same time as with 16 KiB.
 */
const GATHER_BYTES = 4 * 1024;

/** What the parts that wait together become. Ids are noted in `state` on the way; nothing can be refused after. */
export function decideProduce(
  state: PartitionState,
  parts: readonly Part[],
  now: number,
  limits: Limits,
): { drafts: Draft[]; results: (PartResult | WaysideError)[] } {
  const step: Step = {
    state,
    now,
    writer: new EntryWriter(state.next, limits),
    delayed: new ScheduledWriter(limits),
    nextDelayed: state.schedule.next,
    dueAt: new Map(),
    taken: new Map(),
    claims: undefined,
    isStale: false,
  };
  const results = parts.map((part) => {
    const claim = claimOf(step, part);
    if (claim instanceof WaysideError) return claim;
    const refusal = refusePart(step, part, claim);
    if (refusal !== undefined) return refusal;
    const gather = parts.length > 1 && part.view.recordsEnd < GATHER_BYTES;
    if (gather || !isPlain(state, part, claim)) return new PartTaker(step, part, claim).take(0);
    const noted = part.view.anyId ? noteNew(step, part) : part.view.count;
    return noted === part.view.count ? step.writer.whole(part, claim) : new PartTaker(step, part, claim).take(noted);
  });
  return { drafts: [...step.writer.finish(), ...step.delayed.finish(), ...(step.claims?.drafts() ?? [])], results };
}

/** The places of all ids of the parts. */
export function eachId(parts: readonly Part[], visit: (source: Uint8Array, start: number, end: number) => void): void {
  for (const { view } of parts) {
    if (!view.anyId) continue;
    const cursor = new IdCursor(view.bytes, view.recordsStart, view.recordsEnd);
    while (cursor.next()) visit(cursor.bytes, cursor.idStart, cursor.idEnd);
  }
}

/** What the parts of a step share. */
interface Step {
  readonly state: PartitionState;
  readonly now: number;
  readonly writer: EntryWriter;
  readonly delayed: ScheduledWriter;
  /** The number of the next delayed message. */
  nextDelayed: number;
  /** When those are due that were accepted in this step, by number; and their numbers, by id. */
  readonly dueAt: Map<number, number>;
  readonly taken: Map<string, number>;
  /** Made for the first part that has a producer. */
  claims: Claims | undefined;
  /** A part has to come again, so that all behind it do: they keep their order. */
  isStale: boolean;
}

/** Undefined where no producer counts. */
function claimOf(step: Step, { view, version, input: { producer } }: Part): Claim | WaysideError | undefined {
  const { state, now } = step;
  step.isStale ||= version !== state.version;
  if (step.isStale) return new WaysideError('STALE_CONFIG', 'The station has been changed meanwhile. Send the call again.');
  if (producer === undefined) return undefined;
  step.claims ??= new Claims(state.producers, now);
  return step.claims.judge(producer, view.count);
}

/** Every record is taken as it is, unless its id is known: there is nothing to refuse. */
function isPlain({ settings }: PartitionState, { view }: Part, claim: Claim | undefined): boolean {
  const { retention } = settings;
  const bounded = retention.discard === 'refuse' && (retention.maxMessages !== undefined || retention.maxBytes !== undefined);
  return view.refused === undefined && !view.anyDelay && !view.anyExpires && !bounded && claim?.isRepeat(0) !== true;
}

/**
 * Notes the ids of records up to the first one that is known, with the sequences that they get: nearly always of all, and then
 * the batch is stored as it came.
 *
 * @returns how many records are new
 */
function noteNew(step: Step, { view }: Part): number {
  const { state, now, writer } = step;
  const { dedupWindowMs } = state.settings;
  const cursor = new IdCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) {
    if (findId(step, cursor) !== 0) return cursor.index;
    state.dedup.add(cursor.bytes, cursor.idStart, cursor.idEnd, writer.next + cursor.index, now, dedupWindowMs);
  }
  return view.count;
}

/** Why nothing of the part can be stored. */
function refusePart(step: Step, part: Part, claim: Claim | undefined): WaysideError | undefined {
  const { atomic, expectedSequence } = part.input;
  const { next } = step.writer;
  if (expectedSequence !== undefined && part.view.anyDelay && isAnyDelayed(part.view))
    return new WaysideError('INVALID_REQUEST', 'A delayed message gets its sequence when it is due: none can be expected of it.', {
      field: 'expectedSequence',
    });
  if (expectedSequence !== undefined && expectedSequence !== next && !isRepeat(step, part, claim)) {
    if (isPlanted('sequence-not-compared')) return undefined;
    return new WaysideError(
      'SEQUENCE_MISMATCH',
      `The next sequence is ${next}, not ${expectedSequence}. Read what came meanwhile, then decide anew.`,
    );
  }
  if (atomic !== true) return undefined;
  const first = firstRefusal(step, part, claim);
  if (first === undefined) return undefined;
  const { index, code, detail } = first;
  const isAlone = part.view.count === 1;
  return new WaysideError(code, isAlone ? detail : `Message ${index}: ${detail} The batch is atomic, so none of it is stored.`, { index });
}

function isAnyDelayed(view: BatchView): boolean {
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) if (cursor.delayMs > 0) return true;
  return false;
}

/** Every message of the part was produced before. */
function isRepeat(step: Step, { view }: Part, claim: Claim | undefined): boolean {
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) if (placeBefore(step, cursor, claim) === 0) return false;
  return view.count > 0;
}

function firstRefusal(step: Step, part: Part, claim: Claim | undefined): PartResult['errors'][number] | undefined {
  const { view } = part;
  const room = new Room(step);
  const refused = refusedOf(view);
  const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
  while (cursor.next()) {
    const verdict = judge(step, cursor, claim, refused(cursor.index), room);
    if (typeof verdict === 'object') return { index: cursor.index, code: verdict.code, detail: verdict.detail };
  }
  return undefined;
}

interface Refusal {
  readonly code: Code;
  readonly detail: string;
}

/** Of a record: why it is refused; the message that it became before; or 0, when it is to be stored. */
function judge(step: Step, cursor: RecordCursor, claim: Claim | undefined, early: Refusal | undefined, room: Room): Refusal | number {
  // What its producer has sent before is there, whatever the station would say of it now.
  const repeated = claim?.place(cursor.index) ?? 0;
  if (repeated !== 0) return repeated;
  const refusal = early ?? refuseRecord(cursor, step.writer.limits);
  if (refusal !== undefined) return refusal;
  const known = cursor.idStart < 0 ? 0 : findId(step, cursor);
  if (known !== 0) return known;
  return refuseRepeat(cursor, claim) ?? refuseDelay(step, cursor) ?? room.take(cursor.end - cursor.offset) ?? 0;
}

/** What the walk has refused, by place; asked in order. */
function refusedOf({ refused }: BatchView): (index: number) => Refusal | undefined {
  let next = 0;
  return (index) => (refused?.[next]?.i === index ? refused[next++] : undefined);
}

/** The message that the record became before, by its producer's sequence or by its id; 0 when it is new. */
function placeBefore(step: Step, cursor: RecordCursor, claim: Claim | undefined): number {
  return claim?.place(cursor.index) || (cursor.idStart < 0 ? 0 : findId(step, cursor));
}

/** A sequence that was used is never used again, whatever became of it. */
function refuseRepeat(cursor: RecordCursor, claim: Claim | undefined): Refusal | undefined {
  if (claim?.isRepeat(cursor.index) !== true || isPlanted('repeat-of-a-refused-one-stored')) return undefined;
  return {
    code: 'PRODUCER_GAP',
    detail: 'Its producer sequence was used, and what became of it is not remembered: it was refused then, or is too old.',
  };
}

/** @returns its sequence, or its number on top of SCHEDULED_PLACE while it waits; 0 where it is new */
function findId({ state, now, taken }: Step, cursor: RecordCursor | IdCursor): number {
  if (isPlanted('forget-an-id')) return 0;
  if (state.schedule.count + taken.size > 0) {
    const id = cursor.id!;
    const number = state.schedule.byId(id)?.number ?? taken.get(id);
    if (number !== undefined) return SCHEDULED_PLACE + number;
  }
  return state.dedup.find(cursor.bytes, cursor.idStart, cursor.idEnd, now, state.settings.dedupWindowMs);
}

function refuseDelay({ state: { schedule }, nextDelayed, writer }: Step, { delayMs }: RecordCursor): Refusal | undefined {
  const { schedulesMax } = writer.limits;
  if (delayMs <= 0 || schedule.count + nextDelayed - schedule.next < schedulesMax) return undefined;
  return { code: 'LIMIT_EXCEEDED', detail: `${schedulesMax} delayed messages wait in the partition, and no more are allowed.` };
}

function refuseRecord(cursor: RecordCursor, { delayMsMax }: Limits): Refusal | undefined {
  if (cursor.delayMs > delayMsMax)
    return { code: 'INVALID_REQUEST', detail: `Its delay is ${cursor.delayMs} ms; ${delayMsMax} (a year) are the most.` };
  if (cursor.expiresMs === 0 || cursor.expiresMs > delayMsMax)
    return { code: 'INVALID_REQUEST', detail: `Its expiry is ${cursor.expiresMs} ms; it must be from 1 to ${delayMsMax} (a year).` };
  return undefined;
}

/** What a station that refuses rather than discards has room for. */
class Room {
  #messages: number;
  #bytes: number;

  constructor({ state, writer, delayed, nextDelayed }: Step) {
    const { settings, next, first, bytes, schedule } = state;
    const { maxMessages, maxBytes, discard } = settings.retention;
    // What is delayed has its place already.
    const messages = writer.next - first + schedule.count + nextDelayed - schedule.next;
    const taken = bytes + writer.bytesSince(next) + schedule.bytes + delayed.bytes;
    this.#messages = discard === 'refuse' && maxMessages !== undefined ? maxMessages - messages : Infinity;
    this.#bytes = discard === 'refuse' && maxBytes !== undefined ? maxBytes - taken : Infinity;
  }

  take(bytes: number): Refusal | undefined {
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
  readonly #step: Step;
  readonly #part: Part;
  readonly #claim: Claim | undefined;
  readonly #room: Room;
  readonly #result: PartResult = { ranges: [], duplicates: [], scheduled: [], errors: [] };

  constructor(step: Step, part: Part, claim: Claim | undefined) {
    this.#step = step;
    this.#part = part;
    this.#claim = claim;
    this.#room = new Room(step);
  }

  /** @param noted records from the first on that are new, and whose ids are noted already */
  take(noted: number): PartResult {
    const { view } = this.#part;
    const { ranges, errors } = this.#result;
    const refused = refusedOf(view);
    const cursor = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
    while (cursor.next()) {
      const isNoted = cursor.index < noted;
      const verdict = isNoted ? 0 : judge(this.#step, cursor, this.#claim, refused(cursor.index), this.#room);
      if (verdict === 0 && cursor.delayMs > 0) this.#delay(cursor);
      else if (verdict === 0) extend(ranges, this.#store(cursor, isNoted));
      else if (typeof verdict === 'number') this.#repeat(cursor.index, verdict);
      else errors.push({ index: cursor.index, code: verdict.code, detail: verdict.detail });
    }
    this.#claim?.use();
    return this.#result;
  }

  #delay(cursor: RecordCursor): void {
    const { now, delayed, taken } = this.#step;
    const { index, id } = cursor;
    const number = this.#step.nextDelayed++;
    const dueAt = now + cursor.delayMs;
    delayed.take(cursor, { number, due: dueAt, accepted: now });
    this.#step.dueAt.set(number, dueAt);
    if (id !== undefined) taken.set(id, number);
    this.#claim?.stored(index, 1, SCHEDULED_PLACE + number);
    this.#result.scheduled.push({ index, number, dueAt, duplicate: false });
  }

  /** @param place as findId and Claim.place give it */
  #repeat(index: number, place: number): void {
    const { state } = this.#step;
    if (place < SCHEDULED_PLACE) {
      this.#result.duplicates.push([index, place]);
      return;
    }
    const number = place - SCHEDULED_PLACE;
    const dueAt = state.schedule.get(number)?.due ?? this.#step.dueAt.get(number);
    const sequence = state.schedule.sequenceOf(number);
    if (dueAt !== undefined) this.#result.scheduled.push({ index, number, dueAt, duplicate: true });
    else if (sequence !== undefined) this.#result.duplicates.push([index, sequence]);
    else {
      const detail = 'It was accepted as a delayed message, which was cancelled since, or is no longer remembered.';
      this.#result.errors.push({ index, code: 'PRODUCER_GAP', detail });
    }
  }

  #store(cursor: RecordCursor, isNoted: boolean): number {
    const { state, now, writer } = this.#step;
    const sequence = writer.record(cursor.bytes, cursor.offset, cursor.end);
    if (cursor.idStart >= 0 && !isNoted)
      state.dedup.add(cursor.bytes, cursor.idStart, cursor.idEnd, sequence, now, state.settings.dedupWindowMs);
    if (cursor.expiresMs >= 0) state.expiring = sequence;
    this.#claim?.stored(cursor.index, 1, sequence);
    return sequence;
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
  readonly limits: Limits;
  readonly #began: number;
  #builder: BatchBuilder | undefined;
  #bytes = 0;

  constructor(next: number, limits: Limits) {
    this.next = next;
    this.#began = next;
    this.limits = limits;
  }

  /** Record bytes taken since `sequence`, which is where this writer began. */
  bytesSince(sequence: number): number {
    if (sequence !== this.#began) throw new TypeError('A writer is asked about another beginning.');
    return this.#bytes;
  }

  /** Stores the batch as it came. */
  whole({ view }: Part, claim: Claim | undefined): PartResult {
    claim?.use();
    if (view.count === 0) return { ranges: [], duplicates: [], scheduled: [], errors: [] };
    this.#close();
    const first = this.next;
    this.next += view.count;
    this.#bytes += view.recordsEnd - view.recordsStart;
    this.#drafts.push(batchDraft(KIND.produced, producedBody(view.bytes, view.recordsEnd, view.crc), first, view.count));
    claim?.stored(0, view.count, first);
    return { ranges: [[first, view.count]], duplicates: [], scheduled: [], errors: [] };
  }

  /** @returns its sequence */
  record(bytes: Uint8Array, start: number, end: number): number {
    const { batchBytesMax, batchCountMax } = this.limits;
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
