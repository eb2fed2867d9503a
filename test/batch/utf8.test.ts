/** The validator of the core against the one of the runtime (which core may not use: it is Node's). */
import { isUtf8 as runtimeIsUtf8 } from 'node:buffer';
import { expect, test } from 'vitest';
import { isUtf8 } from '../../src/core/batch/utf8.ts';
import { hex, Random } from './_batches.ts';

/** Each byte where a rule of RFC 3629 begins or ends. */
const EDGES = [
  0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5,
  0xff,
];

test('every sequence of one or two bytes', () => {
  for (let a = 0; a < 256; a++) {
    same(Uint8Array.of(a));
    for (let b = 0; b < 256; b++) same(Uint8Array.of(a, b));
  }
});

test('every sequence of three or four bytes at the edges of the rules', () => {
  for (const a of EDGES)
    for (const b of EDGES)
      for (const c of EDGES) {
        same(Uint8Array.of(a, b, c));
        for (const d of EDGES) same(Uint8Array.of(a, b, c, d));
      }
});

test('every code point alone and after ASCII of each length up to 9, cut at each byte', () => {
  const encoder = new TextEncoder();
  for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 101) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const bytes = encoder.encode(`${'a'.repeat(point % 10)}${String.fromCodePoint(point)}`);
    for (let end = bytes.length; end >= bytes.length - 4 && end >= 0; end--) same(bytes.subarray(0, end));
  }
});

test('100,000 random sequences of valid pieces with a byte changed', () => {
  const random = new Random(3);
  const encoder = new TextEncoder();
  for (let run = 0; run < 100_000; run++) {
    const text = Array.from({ length: 1 + random.below(6) }, () =>
      random.oneOf(['a', 'abcdefgh', 'ß', '\ud7ff', '\ue000', '\uffff', '🚲', '\u{10ffff}']),
    ).join('');
    const bytes = encoder.encode(text);
    if (run % 2 === 1) bytes[random.below(bytes.length)] = random.oneOf(EDGES);
    same(bytes);
  }
});

test('only the bytes between start and end count', () => {
  const bytes = Uint8Array.of(0xff, 0x61, 0xc3, 0xb6, 0xff);
  expect(isUtf8(bytes, 1, 4)).toBe(true);
  expect(isUtf8(bytes, 1, 3)).toBe(false);
  expect(isUtf8(bytes, 2, 2)).toBe(true);
});

function same(bytes: Uint8Array): void {
  if (isUtf8(bytes, 0, bytes.length) !== runtimeIsUtf8(bytes)) expect.fail(`${hex(bytes)}: the runtime says ${runtimeIsUtf8(bytes)}`);
}
