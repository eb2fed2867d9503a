/** Groups: where they start, what they count, and who is in them. */
import { expect, test } from 'vitest';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

test('a group starts where it was told to, in every partition', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  await produce(broker, ['a', 'b'], { partition: 0 });
  await produce(broker, ['c'], { partition: 1 });
  await bench.pass(50);
  const time = bench.process.now();
  await bench.pass(50);
  await broker.putGroup(NS, 's', 'end', { startAt: 'end' });
  await produce(broker, ['d'], { partition: 0 });
  await produce(broker, ['e'], { partition: 1 });
  const places = { end: undefined, start: 'start', second: 2, text: '2', time: `time:${time}` } as const;
  const given: Record<string, string[]> = {};
  for (const [name, startAt] of Object.entries(places))
    given[name] = texts((await broker.fetch(NS, 's', name, { consumer: 'c', ...(startAt !== undefined && { startAt }) })).blocks).sort();
  expect(given).toEqual({
    end: ['0.3 d', '1.2 e'],
    start: ['0.1 a', '0.2 b', '0.3 d', '1.1 c', '1.2 e'],
    second: ['0.2 b', '0.3 d', '1.2 e'],
    text: ['0.2 b', '0.3 d', '1.2 e'],
    time: ['0.3 d', '1.2 e'],
  });
});

test('startAt is ignored once the group exists, and refused when it is none', async () => {
  const { broker } = await openBench();
  await produce(broker, ['a']);
  await broker.putGroup(NS, 's', 'g', {});
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c', startAt: 'end' })).blocks)).toEqual(['0.1 a']);
  for (const startAt of ['', 'begin', 0, -1, 1.5, 'time:x', '01', 2 ** 53, 'time:99999999999999999'])
    expect(await codeOf(broker.fetch(NS, 's', 'h', { consumer: 'c', startAt }))).toBe('INVALID_REQUEST');
  expect((await broker.groups(NS, 's', {})).items.map(({ name }) => name)).toEqual(['g']);
});

test('putting finds the same and refuses another; a patch leaves what it does not name', async () => {
  const { broker } = await openBench();
  expect((await broker.putGroup(NS, 's', 'g', { leaseMs: 5000, maxInFlight: 3 })).created).toBe(true);
  expect((await broker.putGroup(NS, 's', 'g', { leaseMs: 5000, maxInFlight: 3 })).created).toBe(false);
  expect(await codeOf(broker.putGroup(NS, 's', 'g', {}))).toBe('GROUP_EXISTS');
  const patched = await broker.patchGroup(NS, 's', 'g', { maxInFlight: null, maxDeliveries: 2, leaseMs: undefined });
  expect(patched).toMatchObject({ version: 2, leaseMs: 5000, maxDeliveries: 2, maxInFlight: undefined });
  expect(await codeOf(broker.patchGroup(NS, 's', 'g', {}, 1))).toBe('VERSION_MISMATCH');
  expect(await codeOf(broker.patchGroup(NS, 's', 'g', { startAt: 'end' }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.patchGroup(NS, 's', 'absent', {}))).toBe('GROUP_NOT_FOUND');
});

test('every message is counted once: unread, in flight, dead, or settled', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  const count = async () => {
    const { unread, inFlight, redelivered, dead } = await broker.group(NS, 's', 'g');
    return [unread, inFlight, redelivered, dead];
  };
  await produce(broker, ['1', '2', '3', '4', '5', '6'], { partition: 0 });
  await produce(broker, ['7', '8'], { partition: 1 });
  await broker.putGroup(NS, 's', 'g', { leaseMs: 1000 });
  expect(await count()).toEqual([8, 0, 0, 0]);
  const given = receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 5 })).blocks);
  expect(await count()).toEqual([3, 5, 0, 0]);
  await broker.settle(NS, 's', 'g', 'ack', { receipts: [given[1]!] });
  await broker.settle(NS, 's', 'g', 'nack', { receipts: [given[2]!], delayMs: 5000 });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: [given[3]!] });
  expect(await count()).toEqual([4, 2, 0, 1]);
  await bench.pass(1100);
  expect(await count()).toEqual([6, 0, 0, 1]);
  await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1000 });
  expect(await count()).toEqual([1, 5, 2, 1]);
});

test('members are those who fetched lately or hold a lease', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a']);
  await broker.fetch(NS, 's', 'g', { consumer: 'holder', leaseMs: 600_000 });
  await broker.fetch(NS, 's', 'g', { consumer: 'idle' });
  expect((await broker.group(NS, 's', 'g')).members).toMatchObject([
    { consumer: 'holder', inFlight: 1 },
    { consumer: 'idle', inFlight: 0 },
  ]);
  await bench.pass(61_000);
  expect((await broker.group(NS, 's', 'g')).members).toMatchObject([{ consumer: 'holder', inFlight: 1 }]);
});

test('leases are listed in pages, by partition and sequence, with receipts that count', async () => {
  const { broker } = await openBench({ partitions: 2 });
  await produce(broker, ['a', 'b', 'c'], { partition: 0 });
  await produce(broker, ['d'], { partition: 1 });
  await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  const first = await broker.pending(NS, 's', 'g', { limit: 3 });
  expect([first.items.map(({ partition, sequence }) => `${partition}.${sequence}`), first.next]).toEqual([['0.1', '0.2', '0.3'], '0.3']);
  const second = await broker.pending(NS, 's', 'g', { limit: 3, after: first.next! });
  expect(second).toMatchObject({ items: [{ partition: 1, sequence: 1, consumer: 'c', deliveries: 1 }], next: null });
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: [...first.items, ...second.items].map(({ receipt }) => receipt) })).toEqual(
    [],
  );
  expect(await codeOf(broker.pending(NS, 's', 'g', { after: 'x' }))).toBe('INVALID_REQUEST');
});

test('a group that was removed and made again starts anew', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
  await broker.removeGroup(NS, 's', 'g');
  await broker.putGroup(NS, 's', 'g', {});
  bench.cut();
  await bench.open();
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ unread: 1, inFlight: 0, dead: 0 });
});

test('bad groups are refused', async () => {
  const { broker } = await openBench();
  const bad = [
    { filter: 'key = "a"' },
    { filter: Array.from({ length: 10_000 }, (_, i) => `key == "${i}"`).join(' || ') },
    { backoff: [] },
    { backoff: [0] },
    { backoff: { minMs: 10, maxMs: 5 } },
    { maxInFlightPerConsumer: 0 },
    { order: 'x' as 'none' },
    { leaseMs: 1 },
    { maxDeliveries: 0 },
    { maxInFlight: 0 },
    { maxInFlight: 1.5 },
  ];
  for (const input of bad) expect(await codeOf(broker.putGroup(NS, 's', 'g', input))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.putGroup(NS, 's', '.g', {}))).toBe('INVALID_NAME');
  expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: '' }))).toBe('INVALID_NAME');
  expect(await codeOf(broker.putGroup(NS, 'absent', 'g', {}))).toBe('STATION_NOT_FOUND');
});
