/**
 * What a message costs in the byte layer: `node bench/batch.ts`.
 *
 * Prints the best of some rounds, since noise only ever adds. The trial before the broker had (another machine; 227 ns a
 * KiB is the speed of a native CRC): 42 ns a message of 128 B, 227 of 1 KiB, in batches of 100, without the UTF-8 check.
 */
import type { NewMessage } from '../src/core/batch/build.ts';
import { BatchBuilder } from '../src/core/batch/build.ts';
import { checkBatch, RecordCursor, viewStored } from '../src/core/batch/walk.ts';
import { crc32c } from '../src/core/crc32c.ts';
import { DEFAULT_LIMITS } from '../src/core/limits.ts';
import { slotOf } from '../src/core/xxh32.ts';

const COUNT = 100;
const ROUNDS = 12;
const ROUND_MS = 40;

const plain = (size: number): NewMessage => ({ payload: new Uint8Array(size).fill(120) });
const keyed = (size: number): NewMessage => ({
  ...plain(size),
  key: 'order-4711',
  id: '0191e8a0-5c1e-7b4f-9d3a-0123456789ab',
  contentType: 'application/json',
});
const dressed = (size: number): NewMessage => ({
  ...keyed(size),
  headers: [
    ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['city', 'Zürich'],
  ],
});

const shapes: [string, NewMessage][] = [
  ['100 × 128 B', plain(128)],
  ['100 × 1 KiB', plain(1024)],
  ['100 × 128 B, key id type', keyed(128)],
  ['100 × 128 B, headers too', dressed(128)],
];

/** Where results go, so that no work can be left out as unused. */
let sink = 0;

console.log('ns a message'.padEnd(28), 'build', 'check', 'check without CRC', 'cursor', 'texts');
for (const [name, message] of shapes) {
  const builder = new BatchBuilder();
  const build = () => {
    builder.reset();
    for (let i = 0; i < COUNT; i++) builder.append(message);
    return builder.finish();
  };
  const bytes = build();
  const crc = crc32c(bytes, 0, bytes.length - 4);
  const known = () => crc;
  const figures = [
    best(() => build().length),
    best(() => checkBatch(bytes, DEFAULT_LIMITS).count),
    best(() => checkBatch(bytes, DEFAULT_LIMITS, known).count),
    best(() => walk(bytes)),
    best(() => decode(bytes)),
  ].map((ns) => (ns / COUNT).toFixed(1));
  console.log(name.padEnd(28), figures.join('  '));
}

console.log('\ncrc32c'.padEnd(29), 'MB/s');
const noise = new Uint8Array(1 << 16).map((_, i) => Math.imul(i, 2654435761) >>> 13);
for (const size of [128, 1000, 1024, 13_400, 65_536]) {
  console.log(`${size} B`.padEnd(28), ((size / best(() => crc32c(noise, 0, size))) * 1000).toFixed(0));
}
const key = new TextEncoder().encode('order-4711');
console.log('\nslotOf a key of 10 B'.padEnd(29), best(() => slotOf(key)).toFixed(1), 'ns');
if (sink === -1) console.log(sink);

function walk(bytes: Uint8Array): number {
  const view = viewStored(bytes);
  const cursor = new RecordCursor(bytes, view.recordsStart, view.recordsEnd);
  let sum = 0;
  while (cursor.next()) sum += cursor.payloadEnd - cursor.payloadStart;
  return sum;
}

function decode(bytes: Uint8Array): number {
  const view = viewStored(bytes);
  const cursor = new RecordCursor(bytes, view.recordsStart, view.recordsEnd);
  let sum = 0;
  while (cursor.next()) sum += cursor.payload.length + (cursor.key?.length ?? 0) + (cursor.id?.length ?? 0) + (cursor.headers?.length ?? 0);
  return sum;
}

/** @returns ns of one call, the least of all rounds */
function best(work: () => number): number {
  let least = Number.POSITIVE_INFINITY;
  let calls = 1;
  for (let round = 0; round < ROUNDS; ) {
    const from = performance.now();
    for (let i = 0; i < calls; i++) sink ^= work();
    const ms = performance.now() - from;
    if (ms < ROUND_MS / 2) calls *= 2;
    else {
      least = Math.min(least, (ms * 1e6) / calls);
      round++;
    }
  }
  return least;
}
