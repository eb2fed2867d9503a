/**
 * Chunks of memory that commits are copied into once: what waits to be written, and the cache of the log's tail.
 *
 * Holds: a chunk's bytes never change once a commit is in it, unless it is used anew, which happens only if no reader was
 * ever given a part of it. A chunk with blocks that are not synced stays (they may have to be appended again).
 * Elsewhere: what is copied (commit.ts), when it is written (writer.ts).
 */
import { viewOf } from './format.ts';
import type { Segment } from './segment.ts';

export class Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  used = 0;
  /** Blocks in it that are not synced. */
  held = 0;
  /** A reader has a part of it, for ever. */
  lent = false;
  spans: Span[] = [];

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
    this.view = viewOf(this.bytes);
  }
}

/** Bytes `from` to `to` of a segment's file lie in `chunk` from `at` on. */
export interface Span {
  readonly segment: Segment;
  readonly from: number;
  to: number;
  readonly chunk: Chunk;
  readonly at: number;
}

export class Arena {
  readonly #chunkBytes: number;
  readonly #tailBytes: number;
  #chunks: Chunk[] = [];
  #bytes = 0;
  #spare: Chunk | undefined;

  constructor(chunkBytes: number, tailBytes: number) {
    this.#chunkBytes = chunkBytes;
    this.#tailBytes = tailBytes;
  }

  /** A chunk with room for `bytes`; a new one where the last has less. */
  chunk(bytes: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last && last.bytes.length - last.used >= bytes) return last;
    let chunk = bytes <= this.#chunkBytes ? this.#spare : undefined;
    if (chunk) this.#spare = undefined;
    else chunk = new Chunk(Math.max(bytes, this.#chunkBytes));
    this.#chunks.push(chunk);
    this.#bytes += chunk.bytes.length;
    this.#evict();
    return chunk;
  }

  /** `bytes` more of `segment`, from `offset` on, are now in `chunk` at `at`. */
  hold(segment: Segment, offset: number, chunk: Chunk, at: number, bytes: number): void {
    const last = segment.spans.at(-1);
    if (last && last.chunk === chunk && last.to === offset && last.at + last.to - last.from === at) {
      last.to += bytes;
      return;
    }
    const span = { segment, from: offset, to: offset + bytes, chunk, at };
    segment.spans.push(span);
    chunk.spans.push(span);
  }

  /** The bytes where they are in memory. */
  find(segment: Segment, offset: number, bytes: number): Uint8Array | undefined {
    const { spans } = segment;
    let low = 0;
    let high = spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (spans[middle]!.from <= offset) low = middle + 1;
      else high = middle;
    }
    const span = spans[low - 1];
    if (!span || offset + bytes > span.to) return undefined;
    span.chunk.lent = true;
    const at = span.at + offset - span.from;
    return span.chunk.bytes.subarray(at, at + bytes);
  }

  /** Lets go of the oldest chunks beyond the bound; the newest and those not synced stay. */
  #evict(): void {
    while (this.#bytes > this.#tailBytes && this.#chunks.length > 1) {
      const oldest = this.#chunks[0]!;
      if (oldest.held > 0) return;
      this.#chunks.shift();
      this.#bytes -= oldest.bytes.length;
      for (const span of oldest.spans) {
        const at = span.segment.spans.indexOf(span);
        if (at >= 0) span.segment.spans.splice(at, 1);
      }
      if (oldest.lent || oldest.bytes.length !== this.#chunkBytes) continue;
      oldest.used = 0;
      oldest.spans = [];
      this.#spare = oldest;
    }
  }
}
