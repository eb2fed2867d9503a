/** Sequential reads: places, cursors, waiting, and single messages. */
import { expect, test } from 'vitest';
import { advanceCursor } from '../../src/core/broker.ts';
import { codeOf, NS, openBench, produce, texts } from './_broker.ts';

test('a cursor goes on where the last read ended, through all partitions, each message once', async () => {
  const { broker } = await openBench({ partitions: 3 });
  for (let partition = 0; partition < 3; partition++)
    await produce(
      broker,
      Array.from({ length: 7 + partition }, (_, i) => `${i}`),
      { partition },
    );
  const seen: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const answer = await broker.read(NS, 's', { limit: 5, ...(cursor !== undefined && { cursor }) });
    const given = texts(answer.blocks);
    expect(given.length).toBeLessThanOrEqual(5);
    seen.push(...given);
    cursor = answer.cursor;
    if (answer.end) break;
    expect(given.length).toBeGreaterThan(0);
  }
  expect(new Set(seen).size).toBe(24);
  expect(seen.length).toBe(24);
  for (let partition = 0; partition < 3; partition++)
    expect(seen.filter((text) => text.startsWith(`${partition}.`))).toEqual(
      Array.from({ length: 7 + partition }, (_, i) => `${partition}.${i + 1} ${i}`),
    );
});

test('the cursor of a message leads to the one after it', async () => {
  const { broker } = await openBench({ partitions: 2 });
  await produce(broker, ['a', 'b'], { partition: 0 });
  await produce(broker, ['c'], { partition: 1 });
  const { start } = await broker.read(NS, 's', {});
  const cursor = advanceCursor(start, 0, 2);
  expect(texts((await broker.read(NS, 's', { cursor })).blocks).sort()).toEqual(['0.2 b', '1.1 c']);
});

test('a read begins at a sequence, an end, or a time', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a', 'b']);
  await bench.pass(50);
  const time = bench.process.now();
  await bench.pass(50);
  await produce(broker, ['c']);
  const from = async (place: Parameters<typeof broker.read>[2]['from']) => texts((await broker.read(NS, 's', { from: place })).blocks);
  expect(await from('start')).toEqual(['0.1 a', '0.2 b', '0.3 c']);
  expect(await from(2)).toEqual(['0.2 b', '0.3 c']);
  expect(await from({ time })).toEqual(['0.3 c']);
  expect(await from({ time: 0 })).toEqual(['0.1 a', '0.2 b', '0.3 c']);
  expect(await from({ time: time * 2 })).toEqual([]);
  expect(await from('end')).toEqual([]);
});

test('a read that waits is woken, and ends when its time is over or its client has gone', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  const began = bench.world.time;
  const waiting = broker.read(NS, 's', { waitMs: 20_000 });
  await bench.pass(5);
  await produce(broker, ['a'], { partition: 1 });
  const answer = await waiting;
  expect(texts(answer.blocks)).toEqual(['1.1 a']);
  const gone = new AbortController();
  const left = broker.read(NS, 's', { cursor: answer.cursor, waitMs: 20_000, signal: gone.signal });
  await bench.pass(5);
  gone.abort();
  expect(await left).toMatchObject({ blocks: [], end: true, cursor: answer.cursor });
  expect(bench.world.time - began).toBeLessThan(1000);
});

test('a read that waits is told at once that the station was removed', async () => {
  const bench = await openBench();
  const began = bench.world.time;
  const waiting = codeOf(bench.broker.read(NS, 's', { waitMs: 20_000 }));
  await bench.pass(5);
  await bench.broker.removeStation(NS, 's');
  expect(await waiting).toBe('STATION_NOT_FOUND');
  expect(bench.world.time - began).toBeLessThan(1000);
});

test('trimmed messages are passed over, and told as gone where one is asked for', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a', 'b', 'c']);
  const { cursor } = await broker.read(NS, 's', { limit: 1 });
  await broker.purge(NS, 's', { upTo: 2 });
  expect(texts((await broker.read(NS, 's', { cursor })).blocks)).toEqual(['0.3 c']);
  expect(texts((await broker.read(NS, 's', { from: 1 })).blocks)).toEqual(['0.3 c']);
  expect(await codeOf(broker.message(NS, 's', 0, 2))).toBe('MESSAGE_TRIMMED');
  expect(texts([await broker.message(NS, 's', 0, 3)])).toEqual(['0.3 c']);
  expect(await codeOf(broker.message(NS, 's', 0, 4))).toBe('MESSAGE_NOT_FOUND');
  expect(await codeOf(broker.message(NS, 's', 1, 1))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.message(NS, 's', 0, 0))).toBe('INVALID_REQUEST');
});

test('bad cursors are refused', async () => {
  const { broker } = await openBench({ partitions: 2 });
  const { cursor } = await broker.read(NS, 's', {});
  const { cursor: one } = await broker.read(NS, 's', { partition: 1 });
  const bad = [
    '',
    'x',
    `${cursor}-1`,
    cursor.replace('c1', 'c2'),
    cursor.replace(/.$/, '0'),
    one.replace('.1.', '.2.'),
    one.replace('.1.', '.zzzz.'),
    `c1.${'z'.repeat(11)}.all.1-1`,
  ];
  for (const text of bad) expect(await codeOf(broker.read(NS, 's', { cursor: text }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.read(NS, 's', { cursor: one, partition: 0 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.read(NS, 's', { partition: 2 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.read(NS, 's', { cursor: one, partition: 1 }))).toBe('answered');
});

test('messages are read back from the disk, also while they are trimmed', async () => {
  const bench = await openBench(
    { retention: { maxMessages: 60 } },
    { on: 'disk', settings: { segmentBytes: 16 * 1024, chunkBytes: 4096, tailBytes: 4096 }, callMs: 3 },
  );
  const { broker } = bench;
  for (let i = 0; i < 100; i++) await produce(broker, ['x'.repeat(500)]);
  const readers = Array.from({ length: 3 }, async () => {
    for (let next = 1; next < 150; ) {
      const { blocks } = await broker.read(NS, 's', { from: next, limit: 3 });
      for (const block of blocks) {
        expect(block.first).toBeGreaterThanOrEqual(next);
        next = block.first + block.count;
      }
      await bench.pass(1);
    }
  });
  const writer = (async () => {
    for (let i = 0; i < 100; i++) await produce(broker, ['x'.repeat(500)]);
  })();
  await Promise.all([...readers, writer]);
});
