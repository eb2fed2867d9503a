/** Fetch: who gets what, when, and who is woken. */
import { expect, test } from 'vitest';
import { WaysideError } from '../../src/core/errors.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

test('a message is given to one consumer, until its lease ends', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a', 'b', 'c']);
  const one = await broker.fetch(NS, 's', 'g', { consumer: 'one', max: 2, leaseMs: 5000 });
  const two = await broker.fetch(NS, 's', 'g', { consumer: 'two', leaseMs: 60_000 });
  expect([texts(one.blocks), texts(two.blocks)]).toEqual([['0.1 a', '0.2 b'], ['0.3 c']]);
  await bench.pass(5100);
  const again = await broker.fetch(NS, 's', 'g', { consumer: 'two' });
  expect(texts(again.blocks)).toEqual(['0.1 a', '0.2 b']);
  expect(again.blocks[0]!.deliveries).toBe(2);
});

test('what comes back goes out before what is new', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a', 'b', 'c']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 2 });
  await broker.settle(NS, 's', 'g', 'nack', { receipts: [receipts(blocks)[1]!] });
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.2 b', '0.3 c']);
});

test('maxInFlight holds back, in each partition, until something is settled', async () => {
  const { broker } = await openBench();
  await broker.putGroup(NS, 's', 'g', { maxInFlight: 2 });
  await produce(broker, ['a', 'b', 'c']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(texts(blocks)).toEqual(['0.1 a', '0.2 b']);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'd', waitMs: 1000 });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: [receipts(blocks)[0]!] });
  expect(texts((await waiting).blocks)).toEqual(['0.3 c']);
});

test('in the order "partition" nothing goes out while something is in flight, or waits to come back', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', { order: 'partition' });
  await produce(broker, ['a', 'b', 'c']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks).toEqual([]);
  await broker.settle(NS, 's', 'g', 'nack', { receipts: receipts(blocks), delayMs: 500 });
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks).toEqual([]);
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'd', max: 2, waitMs: 1000 });
  expect(texts((await waiting).blocks)).toEqual(['0.1 a', '0.2 b']);
});

test('max and maxBytes bound what is given; one message always goes', async () => {
  const { broker } = await openBench();
  await produce(broker, ['x'.repeat(100), 'y', 'z']);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c', maxBytes: 10 })).blocks).toMatchObject([{ first: 1, count: 1 }]);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 })).blocks).toMatchObject([{ first: 2, count: 1 }]);
});

test('a fetch that waits is woken by a message, and ends with nothing when its time is over', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const began = bench.world.time;
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 1000 })).blocks).toEqual([]);
  expect(bench.world.time - began).toBeCloseTo(1000, -2);
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000 });
  await bench.pass(5);
  await produce(broker, ['a']);
  expect(texts((await waiting).blocks)).toEqual(['0.1 a']);
  expect(bench.world.time - began).toBeLessThan(2000);
});

test('messages of two partitions that come at once wake two consumers', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  await Promise.all([produce(broker, ['x'], { partition: 0 }), produce(broker, ['y'], { partition: 1 })]);
  await broker.fetch(NS, 's', 'g', { consumer: 'a', startAt: 'end' });
  const waiting = ['a', 'b'].map((consumer) => broker.fetch(NS, 's', 'g', { consumer, max: 1, waitMs: 20_000 }));
  await bench.pass(10);
  const began = bench.world.time;
  await broker.seek(NS, 's', 'g', 'start');
  const got = await Promise.all(waiting);
  expect(got.flatMap(({ blocks }) => texts(blocks)).sort()).toEqual(['0.1 x', '1.1 y']);
  expect(bench.world.time - began).toBeLessThan(1000);
});

test('a consumer that goes away as it is woken leaves its hint, and its leases, to the next', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await broker.fetch(NS, 's', 'g', { consumer: 'a' });
  const gone = new AbortController();
  const first = broker.fetch(NS, 's', 'g', { consumer: 'a', waitMs: 20_000, signal: gone.signal });
  await bench.pass(1);
  const second = broker.fetch(NS, 's', 'g', { consumer: 'b', waitMs: 20_000 });
  await bench.pass(10);
  const began = bench.world.time;
  const sent = produce(broker, ['x']);
  bench.process.endOfTurn(() => gone.abort());
  await sent;
  expect((await first).blocks).toEqual([]);
  const { blocks } = await second;
  expect(texts(blocks)).toEqual(['0.1 x']);
  expect(blocks[0]!.deliveries).toBe(1);
  expect(bench.world.time - began).toBeLessThan(1000);
});

test('what one partition has leased is given out though another one is damaged', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker, volume } = bench;
  await produce(broker, ['x'], { partition: 0 });
  await produce(broker, ['y'], { partition: 1 });
  const { find } = volume;
  volume.find = (key, by, value) => {
    if (key.endsWith('.1')) throw new WaysideError('CORRUPTION', 'Damaged.');
    return find.call(volume, key, by, value);
  };
  const answers = [];
  for (let i = 0; i < 2; i++) answers.push(await broker.fetch(NS, 's', 'g', { consumer: 'c' }).catch(({ code }) => code));
  expect(answers.filter((answer) => answer === 'CORRUPTION').length).toBe(1);
  expect(texts(answers.find((answer) => answer !== 'CORRUPTION').blocks)).toEqual(['0.1 x']);
  expect(bench.stray).toEqual([]);
});

test('a storage that fails while one partition is read and another delivers refuses the fetch, and no more', async () => {
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  const { broker, volume } = bench;
  await produce(broker, ['x'], { partition: 0 });
  await produce(broker, ['y'], { partition: 1 });
  await broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 1000 });
  await bench.pass(1000);
  const { find } = volume;
  volume.find = (key, by, value) => {
    const found = find.call(volume, key, by, value);
    return key.endsWith('.1') ? bench.pass(500).then(() => found) : found;
  };
  // What comes back rests on the entry that brought it back, which is not synced yet. One of the two begins at partition 0.
  const fetching = ['c', 'd'].map((consumer) => codeOf(broker.fetch(NS, 's', 'g', { consumer, waitMs: 100 })));
  bench.files.odds.sync = 1;
  await bench.pass(600);
  bench.files.odds.sync = 0;
  expect(await Promise.all(fetching)).toContain('STORAGE_FAILED');
  await bench.pass(1000);
  expect(bench.stray).toEqual([]);
});

test('whoever waits is told at once that the group, or the station, was removed', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const began = bench.world.time;
  const inGroup = codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000 }));
  await bench.pass(5);
  await broker.removeGroup(NS, 's', 'g');
  expect(await inGroup).toBe('GROUP_NOT_FOUND');
  const inStation = codeOf(broker.fetch(NS, 's', 'h', { consumer: 'c', waitMs: 20_000 }));
  await bench.pass(5);
  await broker.removeStation(NS, 's');
  expect(await inStation).toBe('STATION_NOT_FOUND');
  expect(bench.world.time - began).toBeLessThan(1000);
});

test('receipts given with a fetch are settled first; those that do not count are named', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a', 'b']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
  const next = await broker.fetch(NS, 's', 'g', { consumer: 'c', ack: [...receipts(blocks), 'nonsense'] });
  expect(next.failed).toMatchObject([{ receipt: 'nonsense', code: 'INVALID_RECEIPT' }]);
  expect(texts(next.blocks)).toEqual(['0.2 b']);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, inFlight: 1 });
});
