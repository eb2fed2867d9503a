/** Bytes as they travel: each without what else lies in its buffer, since a copy of a view takes all of that along. */
import type { Block } from '../calls.ts';
import type { Part } from '../partition/produce.ts';
import type { Output } from '../partition/step.ts';

function own(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

export function packedPart({ view, input, version }: Part): Part {
  const { signal: _, ...rest } = input as Part['input'] & { readonly signal?: unknown };
  return { view: { ...view, bytes: own(view.bytes) }, input: rest, version };
}

/** The records of a step alone: their batches may be large, and hold others'. */
export function packedOutputs(outputs: readonly Output[]): readonly Output[] {
  return outputs.map(({ bytes, start, end, ...to }) => ({ ...to, bytes: bytes.slice(start, end), start: 0, end: end - start }));
}

export function packedBlock<T extends Block>(block: T): T {
  const { bytes, start, end } = block;
  return { ...block, bytes: bytes.slice(start, end), start: 0, end: end - start };
}
