/** Seek: where a group goes on, and what becomes of what it had. */
import { expect, test } from 'vitest';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

test('a group goes back, ahead, and to a time', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a', 'b']);
  await bench.pass(100);
  const between = bench.process.now();
  await bench.pass(100);
  await produce(broker, ['c', 'd']);
  const after = async (to: Parameters<typeof broker.seek>[3]) => {
    await broker.seek(NS, 's', 'g', to);
    const { unread } = await broker.group(NS, 's', 'g');
    const given = texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks);
    expect(unread).toBe(given.length);
    return given;
  };
  await broker.putGroup(NS, 's', 'g', {});
  expect(await after(3)).toEqual(['0.3 c', '0.4 d']);
  expect(await after('start')).toEqual(['0.1 a', '0.2 b', '0.3 c', '0.4 d']);
  expect(await after('end')).toEqual([]);
  expect(await after({ time: between })).toEqual(['0.3 c', '0.4 d']);
  expect(await after({ time: 0 })).toEqual(['0.1 a', '0.2 b', '0.3 c', '0.4 d']);
  expect(await after({ time: Number.MAX_SAFE_INTEGER })).toEqual([]);
  expect(await after(99)).toEqual([]);
});

test('receipts from before a seek count no more', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a', 'b']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.seek(NS, 's', 'g', 'start');
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toMatchObject([
    { code: 'LEASE_EXPIRED' },
    { code: 'LEASE_EXPIRED' },
  ]);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 2, inFlight: 0 });
});

test('a seek in one partition leaves the others', async () => {
  const { broker } = await openBench({ partitions: 2 });
  await produce(broker, ['a'], { partition: 0 });
  await produce(broker, ['b'], { partition: 1 });
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
  await broker.seek(NS, 's', 'g', 'start', 1);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['1.1 b']);
  expect(await codeOf(broker.seek(NS, 's', 'g', 'start', 2))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.seek(NS, 's', 'absent', 'start'))).toBe('GROUP_NOT_FOUND');
});

test('a seek wakes who waits, and is not undone by a power cut', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['a']);
  await bench.broker.putGroup(NS, 's', 'g', { startAt: 'end' });
  const waiting = bench.broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000 });
  await bench.pass(5);
  await bench.broker.seek(NS, 's', 'g', 'start');
  const { blocks } = await waiting;
  expect(texts(blocks)).toEqual(['0.1 a']);
  await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
  await bench.broker.seek(NS, 's', 'g', 'start');
  bench.cut();
  await bench.open();
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.1 a']);
});
