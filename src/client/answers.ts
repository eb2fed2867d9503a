/**
 * What a broker answers, looked at before it is believed.
 *
 * Holds: an answer of another shape than the contract's is UNAVAILABLE with an unknown outcome, never a wrong result.
 */
import type { FrameBlock, FrameFailure, FrameProduced } from '../protocol/frames.ts';
import type { WaysideError } from './errors.ts';
import { lasting } from './errors.ts';

/** How many messages an answer speaks of is judged where that is known (produce/batch.ts). */
export function producedOf(answer: unknown): FrameProduced {
  const { ranges, duplicates, scheduled, errors, durability } = fieldsOf(answer);
  if (
    isList(ranges) &&
    isList(duplicates) &&
    isList(errors) &&
    (scheduled === undefined || isList(scheduled)) &&
    typeof durability === 'string'
  ) {
    return { ...(answer as FrameProduced), scheduled: (scheduled ?? []) as FrameProduced['scheduled'] };
  }
  throw misshapen('produce');
}

export function failuresOf(answer: unknown): readonly FrameFailure[] {
  const { failed } = fieldsOf(answer);
  if (isList(failed) && failed.every((failure) => typeof fieldsOf(failure).receipt === 'string')) return failed as FrameFailure[];
  throw misshapen('settle');
}

/** The blocks themselves are judged when their records are walked. */
export function blocksOf(answer: unknown): readonly FrameBlock[] {
  const { blocks } = fieldsOf(answer);
  if (isList(blocks)) return blocks as FrameBlock[];
  throw misshapen('fetch');
}

/** @param what the call that was answered so */
export function misshapen(what: string): WaysideError {
  const text = `The answer to ${what} makes no sense; it may have been done.`;
  return lasting(text, { outcome: 'unknown' });
}

export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
