/** Bytes as they travel: each without what else lies in its buffer, since a copy of a view takes all of that along. */
import { alone } from '../bytes.ts';
import type { Block } from '../calls.ts';
import type { Part } from '../partition/produce.ts';
import type { Output } from '../partition/step.ts';

export function packedPart({ view, ...part }: Part): Part {
  return { ...part, view: { ...view, bytes: alone(view.bytes) } };
}

/** The records of a step alone: their batches may be large, and hold others'. */
export function packedOutputs(outputs: readonly Output[]): readonly Output[] {
  return outputs.map(({ bytes, start, end, ...to }) => ({ ...to, bytes: bytes.slice(start, end), start: 0, end: end - start }));
}

export function packedBlock<T extends Block>(block: T): T {
  const { bytes, start, end } = block;
  return { ...block, bytes: bytes.slice(start, end), start: 0, end: end - start };
}
