/** FORMAT.md is what others write their codecs from: its example must be the bytes that ours makes and takes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { NewMessage } from '../../src/core/batch/build.ts';
import { checkBatch } from '../../src/core/batch/walk.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { batchOf, hex, messagesOf, utf8 } from './_batches.ts';

const MESSAGES: NewMessage[] = [
  { key: 'k7', id: 'a1', contentType: 'text/plain', headers: [['city', 'Köln']], delayMs: 300, payload: utf8('hi') },
  { payload: utf8('x') },
];

test('the example of FORMAT.md is built, taken and read as it says', () => {
  const example = exampleBytes();
  expect(hex(batchOf(MESSAGES))).toBe(hex(example));
  expect(checkBatch(example, DEFAULT_LIMITS)).toMatchObject({ count: 2, crc: 0xefa81233, anyKey: true, anyExpires: false });
  expect(messagesOf(example)).toEqual(MESSAGES);
});

/** The pairs of hex digits that begin each line of the hex block; two spaces end them. */
function exampleBytes(): Uint8Array {
  const text = readFileSync(new URL('../../src/core/batch/FORMAT.md', import.meta.url), 'utf8');
  const block = /```hex\n([^`]+)```/.exec(text)?.[1] ?? '';
  const pairs = block.split('\n').flatMap((line) => line.split('  ')[0]?.match(/[0-9a-f]{2}/g) ?? []);
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}
