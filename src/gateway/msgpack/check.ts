/**
 * Are these bytes one msgpack value that may be decoded? Asked before the decoder sees them, since a decoder allocates
 * what a length claims and reads texts that are no UTF-8.
 *
 * Holds: no length goes beyond the bytes that are there, so whatever is decoded is of the order of what was sent; no
 * recursion; no extension types; nothing is left over.
 */
import { isUtf8 } from '../../core/batch/utf8.ts';

/** Lists and maps inside one another: beyond it the decoder's own recursion, and ours, would be at risk. */
export const DEPTH_MAX = 128;

/** @returns what is wrong, or undefined */
export function msgpackFault(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const left = new Float64Array(DEPTH_MAX + 1);
  let depth = 0;
  let at = 0;
  // Values that are due at this depth; the outermost is one.
  left[0] = 1;
  while (depth >= 0) {
    if (left[depth] === 0) {
      depth--;
      continue;
    }
    left[depth]!--;
    const head = headOf(view, at, bytes.length);
    if (head === undefined) return `the bytes end, or are no msgpack, at byte ${at}`;
    at = head.next;
    if (head.kind === 'text' && !isUtf8(bytes, at, at + head.size)) return `a text is not UTF-8, at byte ${at}`;
    if (head.kind === 'values') {
      if (head.size === 0) continue;
      if (++depth > DEPTH_MAX) return `it is nested deeper than ${DEPTH_MAX}`;
      left[depth] = head.size;
    } else at += head.size;
  }
  return at === bytes.length ? undefined : `${bytes.length - at} bytes follow its end`;
}

interface Head {
  readonly kind: 'text' | 'bytes' | 'values';
  /** Bytes that follow, or values. */
  readonly size: number;
  readonly next: number;
}

/** The value's first bytes. Undefined where what it claims does not fit into the bytes that are left. */
function headOf(view: DataView, at: number, end: number): Head | undefined {
  if (at >= end) return undefined;
  const tag = view.getUint8(at);
  if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return { kind: 'bytes', size: 0, next: at + 1 };
  if (tag < 0x90) return fits('values', (tag & 15) * 2, at + 1, end);
  if (tag < 0xa0) return fits('values', tag & 15, at + 1, end);
  if (tag < 0xc0) return fits('text', tag & 31, at + 1, end);
  switch (tag) {
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return sized('bytes', view, at, end, tag - 0xc4, 1);
    case 0xca:
    case 0xce:
    case 0xd2:
      return fits('bytes', 4, at + 1, end);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return fits('bytes', 8, at + 1, end);
    case 0xcc:
    case 0xd0:
      return fits('bytes', 1, at + 1, end);
    case 0xcd:
    case 0xd1:
      return fits('bytes', 2, at + 1, end);
    case 0xd9:
    case 0xda:
    case 0xdb:
      return sized('text', view, at, end, tag - 0xd9, 1);
    case 0xdc:
    case 0xdd:
      return sized('values', view, at, end, tag - 0xdc + 1, 1);
    case 0xde:
    case 0xdf:
      return sized('values', view, at, end, tag - 0xde + 1, 2);
    default:
      // 0xc1 is reserved; the rest are extension types, which no call takes.
      return undefined;
  }
}

/** @param width 0, 1, 2 for a length of 1, 2, 4 bytes */
function sized(kind: Head['kind'], view: DataView, at: number, end: number, width: number, times: number): Head | undefined {
  const next = at + 1 + (1 << width);
  if (next > end) return undefined;
  const size = width === 0 ? view.getUint8(at + 1) : width === 1 ? view.getUint16(at + 1) : view.getUint32(at + 1);
  return fits(kind, size * times, next, end);
}

/** Each value takes a byte at least, so a number of values is bounded as a number of bytes is. */
function fits(kind: Head['kind'], size: number, next: number, end: number): Head | undefined {
  return next + size > end ? undefined : { kind, size, next };
}
