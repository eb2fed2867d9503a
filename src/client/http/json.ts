/**
 * Deliveries as JSON (API.md §5, `?as=base64`), made into the blocks that everything else reads.
 */
import type { FrameBlock } from '../../protocol/frames.ts';
import { fieldsOf, misshapen } from '../answers.ts';
import type { JsonMessage } from '../json.ts';
import { jsonMessages, recordsOf } from '../json.ts';

/** A block for each run of neighbours under one lease. @throws UNAVAILABLE they make no sense */
export function deliveredBlocks(answer: unknown): FrameBlock[] {
  try {
    return runsOf(jsonMessages(fieldsOf(answer).messages)).map((run) => ({ ...headOf(run[0]!), records: recordsOf(run) }));
  } catch {
    throw misshapen('fetch');
  }
}

function runsOf(messages: readonly JsonMessage[]): JsonMessage[][] {
  const runs: JsonMessage[][] = [];
  for (const message of messages) {
    const run = runs.at(-1);
    if (run !== undefined && isNext(run, message)) run.push(message);
    else runs.push([message]);
  }
  return runs;
}

function isNext(run: readonly JsonMessage[], message: JsonMessage): boolean {
  const head = headOf(run[0]!);
  const next = headOf(message);
  return (
    head.first + run.length === next.first &&
    head.partition === next.partition &&
    head.lease === next.lease &&
    head.producedAt === next.producedAt &&
    head.deliveries === next.deliveries
  );
}

/** @throws TypeError it is no delivery */
function headOf(message: JsonMessage): Omit<FrameBlock, 'records'> {
  const { partition, sequence, producedAt } = message;
  const { receipt, deliveries } = fieldsOf(message);
  const [, lease] = /^\d+\.\d+\.([\w-]{1,40})$/.exec(String(receipt)) ?? [];
  if (lease === undefined || typeof deliveries !== 'number') throw new TypeError('no delivery');
  return { partition, first: sequence, producedAt, deliveries, lease };
}
