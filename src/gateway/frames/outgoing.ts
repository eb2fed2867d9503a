/**
 * What a session sends: the frames of the contract, but that the answer of a `call` is still the bytes that the call
 * gave, so that a codec of JSON need not parse and write them again.
 *
 * Leaves to the codecs: the bytes of a frame. `plain` is for carriers of objects.
 */
import type { FrameBlock, ServerFrame } from '../../protocol/frames.ts';

export type Outgoing = ServerFrame | { readonly id: number; readonly ok: Answered };

/** What a `call` was answered with. */
export class Answered {
  readonly status: number;
  readonly bytes: Uint8Array;
  /** The bytes are one JSON value. */
  readonly isJson: boolean;

  constructor(status: number, bytes: Uint8Array, isJson: boolean) {
    this.status = status;
    this.bytes = bytes;
    this.isJson = isJson;
  }
}

/** The `ok` of a fetch. */
export interface FetchedBlocks {
  readonly blocks: readonly FrameBlock[];
  readonly failed?: readonly unknown[] | undefined;
}

/** The blocks in a frame, if it is one that carries them: a delivery, or the answer of a fetch. */
export function blocksIn(frame: Outgoing): FetchedBlocks | undefined {
  if ('blocks' in frame) return frame;
  const ok = 'ok' in frame ? frame.ok : undefined;
  return typeof ok === 'object' && ok !== null && 'blocks' in ok ? (ok as FetchedBlocks) : undefined;
}

/** A frame of values alone: JSON answers are parsed, others stay bytes. */
export function plain(frame: Outgoing): ServerFrame {
  if (!('ok' in frame) || !(frame.ok instanceof Answered)) return frame;
  const { status, bytes, isJson } = frame.ok;
  return { id: frame.id, ok: { status, body: isJson ? JSON.parse(UTF8.decode(bytes)) : bytes.length === 0 ? null : bytes } };
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
