/**
 * A step: messages are acked and what was made of them is on its way, in one commit.
 *
 * Holds: every receipt must count, else nothing happens; whoever asks again for a step that was made (its answer was lost,
 * say) is told so, and nothing is made twice. Outputs lie in this partition until they are where they belong.
 * Elsewhere: sending them (broker/outbox.ts), what the entries do (machine.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import { BatchBuilder } from '../batch/build.ts';
import { u32At } from '../batch/layout.ts';
import type { StepResult } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import type { OutputsMeta } from '../entry/outbox.ts';
import { outputsBody } from '../entry/outbox.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Span } from './acknowledge.ts';
import { countingRanges } from './acknowledge.ts';
import type { Group, PartitionState, Step, StepSpan } from './state.ts';

/** A record, and where it is to go. */
export interface Output {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly station: number;
  readonly partition: number;
}

type Item = OutputsMeta['items'][number];
type RecordWriterLimits = Pick<Limits, 'batchBytesMax' | 'batchCountMax'>;

/** Gathers outputs into entries. */
export class OutputWriter {
  readonly #limits: RecordWriterLimits;
  readonly #drafts: Draft[] = [];
  #builder = new BatchBuilder();
  #items: Item[] = [];

  constructor(limits: RecordWriterLimits) {
    this.#limits = limits;
  }

  add(bytes: Uint8Array, start: number, end: number, item: Item): void {
    this.#builder.appendRecord(bytes, start, end);
    this.#items.push(item);
    const { batchBytesMax, batchCountMax } = this.#limits;
    if (this.#builder.byteLength > batchBytesMax / 2 || this.#builder.count >= batchCountMax) this.#close();
  }

  finish(): Draft[] {
    this.#close();
    return this.#drafts;
  }

  #close(): void {
    if (this.#items.length === 0) return;
    const batch = this.#builder.finish();
    const end = batch.length - 4;
    const meta = { items: this.#items };
    this.#drafts.push({
      kind: KIND.outputs,
      value: meta,
      batch: { body: outputsBody(batch, end, u32At(batch, end), meta), first: 0, count: 0 },
    });
    this.#builder = new BatchBuilder();
    this.#items = [];
  }
}

/** @throws INVALID_RECEIPT · LEASE_EXPIRED a message does not count any more: nothing was done */
export function step(
  log: ActorLog,
  state: PartitionState,
  group: Group,
  spans: readonly Span[],
  outputs: readonly Output[],
  limits: Limits,
): { readonly result: StepResult; readonly rests: number } {
  const asked = normalized(spans);
  const made = isPlanted('step-not-remembered') ? undefined : group.steps.find((each) => sameSpans(each.spans, asked));
  if (made !== undefined) return { result: { acked: made.acked, produced: made.produced, repeated: true }, rests: group.touched };
  const ranges = countingRanges(log, state, group, spans);
  if (state.outbox.count + outputs.length > limits.intentsMax)
    throw new WaysideError('LIMIT_EXCEEDED', `${limits.intentsMax} messages of the partition may be on their way to other stations.`, {
      retryAfterMs: 1_000,
    });
  const writer = new OutputWriter(limits);
  outputs.forEach(({ bytes, start, end, station, partition }, i) => {
    writer.add(bytes, start, end, { number: state.outbox.next + i, station, partition, group: group.id });
  });
  const stepped = draft(KIND.stepped, { group: group.id, ranges, spans: asked, produced: outputs.length });
  const rests = log.append([...writer.finish(), stepped], log.now);
  const acked = ranges.reduce((sum, { count }) => sum + count, 0);
  return { result: { acked, produced: outputs.length, repeated: false }, rests };
}

/** In order, and neighbours of one lease together, so that the same messages are the same step however they were named. */
function normalized(spans: readonly Span[]): StepSpan[] {
  const sorted = [...spans].sort((a, b) => a.from - b.from);
  const made: { from: number; to: number; epoch: number; index: number }[] = [];
  for (const { from, to, epoch, index } of sorted) {
    const last = made.at(-1);
    if (last !== undefined && last.epoch === epoch && last.index === index && from <= last.to + 1) last.to = Math.max(last.to, to);
    else made.push({ from, to, epoch, index });
  }
  return made;
}

function sameSpans(a: Step['spans'], b: readonly StepSpan[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ from, to, epoch, index }, i) => {
      const other = b[i]!;
      return from === other.from && to === other.to && epoch === other.epoch && index === other.index;
    })
  );
}
