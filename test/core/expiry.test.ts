/** Messages that expire, groups that are paused, bounds of one consumer, what comes back later, and the sums of it all. */
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/core/partition/backoff.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

describe('expiry', () => {
  test('an expired message is not delivered, whether new or come back; a read still shows it', async () => {
    const bench = await openBench();
    const { broker } = bench;
    await broker.putGroup(NS, 's', 'g', {});
    await produce(broker, [{ payload: 'short', expiresMs: 500 }, { payload: 'out', expiresMs: 2_000 }, 'ever']);
    await bench.pass(600);
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 1_000 });
    expect(texts(blocks)).toEqual(['0.2 out', '0.3 ever']);
    await bench.pass(2_000);
    expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.3 ever']);
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ produced: 3, expired: 2, inFlight: 1, balanced: true });
    expect((await broker.read(NS, 's', {})).blocks[0]).toMatchObject({ count: 3 });
    // A receipt from before counts for what is settled.
    expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks).slice(0, 1) })).toEqual([]);
  });

  test('where the station says so it becomes a dead letter, and a redriven one expires again', async () => {
    const bench = await openBench({ deadLetter: { expired: true } });
    const { broker } = bench;
    await broker.putGroup(NS, 's', 'g', {});
    await produce(broker, [{ payload: 'a', expiresMs: 10 }]);
    await bench.pass(50);
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
    const { items } = await broker.deadLetters(NS, 's', {});
    expect(items).toMatchObject([{ reason: 'expired', group: 'g', deliveries: 0 }]);
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ expired: 1, balanced: true });
    await broker.redrive(NS, 's', { all: true });
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ expired: 0, pending: 1, balanced: true });
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
    expect((await broker.deadLetters(NS, 's', {})).items).toHaveLength(1);
  });

  test('it is known after a restart; from 1 ms to a year, and no longer', async () => {
    const bench = await openBench({}, { on: 'disk' });
    const year = 365 * 24 * 3600 * 1000;
    expect((await produce(bench.broker, [{ expiresMs: 1 }, { expiresMs: year }, { expiresMs: year + 1 }])).errors).toMatchObject([
      { index: 2, code: 'INVALID_REQUEST' },
    ]);
    bench.kill();
    await bench.open();
    await bench.pass(10);
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
    expect(blocks).toMatchObject([{ first: 2, count: 1 }]);
    expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ unreadIsUpperBound: true });
  });
});

test('a paused group gives nothing out; what is out can be settled; who waits is woken when it goes on', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a', 'b']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
  await broker.patchGroup(NS, 's', 'g', { paused: true });
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000 });
  await bench.pass(1_000);
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toEqual([]);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ paused: true, inFlight: 0, unread: 1 });
  await broker.patchGroup(NS, 's', 'g', { paused: false });
  expect(texts((await waiting).blocks)).toEqual(['0.2 b']);
});

test('a consumer has so many out at most, and the others get the rest', async () => {
  const { broker } = await openBench();
  await broker.putGroup(NS, 's', 'g', { maxInFlightPerConsumer: 2 });
  await produce(broker, ['a', 'b', 'c', 'd', 'e']);
  const mine = (await broker.fetch(NS, 's', 'g', { consumer: 'fast' })).blocks;
  expect(texts(mine)).toEqual(['0.1 a', '0.2 b']);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'fast' })).blocks).toEqual([]);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'slow', max: 1 })).blocks)).toEqual(['0.3 c']);
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(mine).slice(0, 1) });
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'fast' })).blocks)).toEqual(['0.4 d']);
});

test('waiting consumers of unequal speed are served in turn', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', {});
  const got = { fast: 0, slow: 0 };
  let isOver = false;
  const consume = async (consumer: 'fast' | 'slow', restMs: number) => {
    while (!isOver) {
      const { blocks } = await broker.fetch(NS, 's', 'g', { consumer, max: 1, waitMs: 1_000 });
      got[consumer] += blocks.length;
      await bench.pass(restMs);
    }
  };
  const both = [consume('fast', 1), consume('slow', 8)];
  for (let i = 0; i < 200; i++) {
    await produce(broker, ['x']);
    await bench.pass(10);
  }
  isOver = true;
  await Promise.all(both);
  expect(got.fast + got.slow).toBe(200);
  // Both are back before the next message comes, so both wait, and each has its turn.
  expect(got.slow).toBeGreaterThan(80);
});

describe('backoff', () => {
  test('a list, of which the last one repeats; a growing one, bounded; with chance, the same each time', () => {
    expect([1, 2, 3, 9].map((deliveries) => backoffMs([10, 20, 50], deliveries, 0, 1))).toEqual([10, 20, 50, 50]);
    const rule = { minMs: 100, maxMs: 1_000, factor: 3, jitterPercent: 0 };
    expect([1, 2, 3, 4, 100].map((deliveries) => backoffMs(rule, deliveries, 0, 1))).toEqual([100, 300, 900, 1_000, 1_000]);
    const chance = { ...rule, jitterPercent: 50 };
    const drawn = Array.from({ length: 100 }, (_, slot) => backoffMs(chance, 4, slot, 7));
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(1_000);
    expect(new Set(drawn).size).toBeGreaterThan(50);
    expect(backoffMs(chance, 4, 3, 7)).toBe(drawn[3]);
  });

  test('a nack without a delay and a lease that runs out wait for it; a nack with one does not', async () => {
    const bench = await openBench();
    const { broker } = bench;
    await broker.putGroup(NS, 's', 'g', { backoff: [2_000, 5_000] });
    await produce(broker, ['a']);
    const fetch = async () => (await broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 1_000 })).blocks;
    const nack = async (delayMs?: number) => broker.settle(NS, 's', 'g', 'nack', { receipts: receipts(await fetch()), delayMs });
    await nack();
    await bench.pass(1_900);
    expect(await fetch()).toEqual([]);
    await bench.pass(200);
    await fetch();
    await bench.pass(1_100);
    expect(await fetch()).toEqual([]);
    await bench.pass(5_000);
    await nack(10);
    await bench.pass(20);
    expect(await fetch()).toMatchObject([{ deliveries: 4 }]);
  });

  test('a nack of very many with chance makes few entries', async () => {
    const { broker, volume } = await openBench();
    await broker.putGroup(NS, 's', 'g', { backoff: { minMs: 1_000, maxMs: 60_000, jitterPercent: 50 } });
    for (let i = 0; i < 10; i++)
      await produce(
        broker,
        Array.from({ length: 1_000 }, () => 'x'),
      );
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10_000 });
    const before = [...volume.actors()].reduce((sum, { last }) => sum + last, 0);
    await broker.settle(NS, 's', 'g', 'nack', { receipts: receipts(blocks) });
    expect([...volume.actors()].reduce((sum, { last }) => sum + last, 0) - before).toBeLessThanOrEqual(160);
  });
});

test('the last N of each partition, where a group begins and where it is moved to', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a', 'b', 'c', 'd']);
  await broker.putGroup(NS, 's', 'g', { startAt: 'last:2' });
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.3 c', '0.4 d']);
  await broker.seek(NS, 's', 'g', { last: 1 });
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.4 d']);
  await broker.seek(NS, 's', 'g', { last: 100 });
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toMatchObject([{ first: 1, count: 4 }]);
  expect(await codeOf(broker.putGroup(NS, 's', 'h', { startAt: 'last:0' }))).toBe('INVALID_REQUEST');
});

test('the sums are right through acks, deaths, redrives, trims, seeks and messages that are not told of', async () => {
  const bench = await openBench({ retention: { maxMessages: 8 } });
  const { broker } = bench;
  await produce(broker, ['1', '2', '3', '4']);
  await broker.putGroup(NS, 's', 'g', { startAt: 3 });
  const audit = () => broker.audit(NS, 's', 'g');
  expect(await audit()).toMatchObject({ produced: 4, skipped: 2, pending: 2, balanced: true });
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  const [three, four] = receipts(blocks);
  await broker.settle(NS, 's', 'g', 'reject', { receipts: [three!] });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: [four!] });
  expect(await audit()).toMatchObject({ acknowledged: 1, dead: 1, skipped: 2, balanced: true });
  await broker.seek(NS, 's', 'g', 'start');
  expect(await audit()).toMatchObject({ pending: 4, dead: 0, skipped: 0, balanced: true });
  const again = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(again.blocks) });
  // It was acked anew since it died: opened again, it counts twice.
  await broker.redrive(NS, 's', { all: true });
  expect(await audit()).toMatchObject({ acknowledged: 4, pending: 1, again: 1, balanced: true });
  await produce(
    broker,
    Array.from({ length: 12 }, () => 'x'),
  );
  await bench.pass(1_000);
  expect(await audit()).toMatchObject({ produced: 16, acknowledged: 4, trimmed: 4, pending: 9, again: 1, balanced: true });
  await broker.seek(NS, 's', 'g', 'end');
  expect(await audit()).toMatchObject({ skipped: 15, pending: 1, balanced: true });
});
