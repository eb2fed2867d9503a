/** Stations: making, changing, listing and removing them. */
import { expect, test } from 'vitest';
import { batch, codeOf, NS, openBench, produce, texts } from './_broker.ts';

test('putting a station makes it, finds the same, and refuses another', async () => {
  const { broker } = await openBench();
  expect((await broker.putStation(NS, 't', { partitions: 2 })).created).toBe(true);
  expect((await broker.putStation(NS, 't', { partitions: 2 })).created).toBe(false);
  expect(await codeOf(broker.putStation(NS, 't', {}))).toBe('STATION_EXISTS');
  const racing = await Promise.all([1, 1, 2].map((partitions) => codeOf(broker.putStation(NS, 'u', { partitions }))));
  expect(racing).toEqual(['answered', 'answered', 'STATION_EXISTS']);
});

test('a refusal is told no sooner than what it rests on is durable', async () => {
  const bench = await openBench({}, { on: 'disk', callMs: 5 });
  const { broker } = bench;
  const order: string[] = [];
  const note = (what: string) => (): void => void order.push(what);
  await Promise.all([
    broker.putStation(NS, 't', {}).then(note('made')),
    broker.putStation(NS, 't', { partitions: 2 }).catch(note('refused')),
  ]);
  // Both wait for the same sync.
  bench.cut();
  await bench.open();
  expect(order.sort()).toEqual(['made', 'refused']);
  expect(await codeOf(bench.broker.station(NS, 't'))).toBe('answered');
  let refusedAt = 0;
  const refused = bench.broker.putStation(NS, 'u', {}).then(() => bench.world.time);
  const other = bench.broker.putStation(NS, 'u', { partitions: 2 }).catch(() => {
    refusedAt = bench.world.time;
  });
  const began = bench.world.time;
  await Promise.all([refused, other]);
  expect(refusedAt).toBeGreaterThan(began);
});

test('a patch changes what it names, takes null as the default, and leaves the rest', async () => {
  const { broker } = await openBench({ retention: { maxMessages: 5, maxAgeMs: 1000 }, dedupWindowMs: 7 });
  const patched = await broker.patchStation(NS, 's', {
    retention: { maxMessages: null, maxBytes: 9, maxAgeMs: undefined },
    dedupWindowMs: undefined,
  });
  expect(patched).toMatchObject({ version: 2, dedupWindowMs: 7, retention: { maxMessages: undefined, maxBytes: 9, maxAgeMs: 1000 } });
  expect((await broker.patchStation(NS, 's', { retention: { maxBytes: 9 } })).version).toBe(2);
  expect(await broker.patchStation(NS, 's', { retention: null, dedupWindowMs: null })).toMatchObject({
    version: 3,
    dedupWindowMs: 120_000,
    retention: { maxBytes: undefined, discard: 'old' },
  });
  expect(await codeOf(broker.patchStation(NS, 's', {}, 2))).toBe('VERSION_MISMATCH');
  expect(await codeOf(broker.patchStation(NS, 's', { partitions: 2 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.patchStation(NS, 's', { durability: 'buffered' }))).toBe('INVALID_REQUEST');
});

test('a changed configuration holds for the very next message', async () => {
  const { broker } = await openBench();
  const patching = broker.patchStation(NS, 's', { maxMessageBytes: 2 });
  const sent = produce(broker, ['long']);
  await patching;
  await sent;
  expect((await produce(broker, ['long'])).errors).toMatchObject([{ code: 'MESSAGE_TOO_LARGE' }]);
});

test('a station that was removed and made again has nothing of the old one', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, [{ id: 'x', payload: 'a' }]);
  await broker.putGroup(NS, 's', 'g', {});
  const { cursor } = await broker.read(NS, 's', {});
  await broker.removeStation(NS, 's');
  expect(await codeOf(broker.station(NS, 's'))).toBe('STATION_NOT_FOUND');
  await broker.putStation(NS, 's', {});
  expect((await produce(broker, [{ id: 'x', payload: 'b' }])).ranges).toEqual([[0, 1, 1]]);
  expect(await codeOf(broker.group(NS, 's', 'g'))).toBe('GROUP_NOT_FOUND');
  expect(await codeOf(broker.read(NS, 's', { cursor }))).toBe('INVALID_REQUEST');
  bench.cut();
  await bench.open();
  expect(texts((await bench.broker.read(NS, 's', {})).blocks)).toEqual(['0.1 b']);
});

test('calls that meet a removal are answered, or refused with what is so', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', {});
  const groups = await Promise.all([1, 2].map(() => codeOf(broker.removeGroup(NS, 's', 'g'))));
  expect(groups.sort()).toEqual(['GROUP_NOT_FOUND', 'answered']);
  await broker.putGroup(NS, 's', 'g', {});
  const [removed, ...others] = await Promise.all(
    [
      () => broker.removeStation(NS, 's'),
      () => broker.removeStation(NS, 's'),
      () => broker.patchStation(NS, 's', { dedupWindowMs: 1 }),
      () => broker.purge(NS, 's', {}),
      () => broker.putGroup(NS, 's', 'h', {}),
      () => broker.patchGroup(NS, 's', 'g', { leaseMs: 2000 }),
      () => broker.removeGroup(NS, 's', 'g'),
      () => broker.seek(NS, 's', 'g', 'start'),
      () => broker.fetch(NS, 's', 'i', { consumer: 'c' }),
      () => broker.fetch(NS, 's', 'g', { consumer: 'c' }),
      () => broker.station(NS, 's'),
      () => broker.group(NS, 's', 'g'),
      () => broker.deadLetters(NS, 's', {}),
      () => broker.read(NS, 's', {}),
      () => broker.produce(NS, 's', batch('x'), { partition: 1 }),
    ].map(codeOf),
  );
  expect(removed).toBe('answered');
  for (const code of others) expect(['answered', 'STATION_NOT_FOUND', 'GROUP_NOT_FOUND']).toContain(code);
  expect(bench.stray).toEqual([]);
});

test('pages of stations are by name, and neither repeat nor hide what stays', async () => {
  const { broker } = await openBench();
  for (const name of ['c', 'a', 'B', 'b']) await broker.putStation(NS, name, {});
  await broker.putStation('other', 'z', {});
  const first = await broker.stations(NS, { limit: 2 });
  expect([first.items.map(({ name }) => name), first.next]).toEqual([['B', 'a'], 'a']);
  await broker.removeStation(NS, 'a');
  const second = await broker.stations(NS, { limit: 2, after: 'a' });
  expect([second.items.map(({ name }) => name), second.next]).toEqual([['b', 'c'], 'c']);
  expect(await broker.stations(NS, { after: 'c' })).toMatchObject({ items: [{ name: 's' }], next: null });
  expect(await broker.stations('empty', {})).toEqual({ items: [], next: null });
});

test('a durability that cannot be given is refused, and what is given is said', async () => {
  const { broker } = await openBench({}, { on: 'disk' });
  expect(await codeOf(broker.putStation(NS, 't', { durability: 'replicated' }))).toBe('DURABILITY_UNAVAILABLE');
  for (const durability of ['synced', 'buffered', 'memory'] as const) {
    await broker.putStation(NS, durability, { durability });
    expect((await broker.produce(NS, durability, batch('x'))).durability).toBe(durability);
  }
});

test('names, and numbers out of range, are refused', async () => {
  const { broker } = await openBench();
  for (const name of ['', '.a', 'a/b', 'ä', 'x'.repeat(129), '__proto__\n']) {
    expect(await codeOf(broker.putStation(NS, name, {}))).toBe('INVALID_NAME');
    expect(await codeOf(broker.putStation(name, 's', {}))).toBe('INVALID_NAME');
  }
  for (const name of ['__proto__', 'constructor', '-', 'x'.repeat(128)]) {
    expect(await codeOf(broker.station(NS, name))).toBe('STATION_NOT_FOUND');
    expect((await broker.putStation(NS, name, {})).created).toBe(true);
  }
  const inputs = [
    { partitions: 0 },
    { partitions: 1.5 },
    { dedupWindowMs: -1 },
    { maxMessageBytes: 0 },
    { retention: { maxMessages: 0 } },
    { retention: { maxBytes: Number.NaN } },
    { retention: { maxAgeMs: 2 ** 53 } },
    { retention: { discard: 'new' as 'old' } },
    { deadLetter: { maxAgeMs: 0 } },
  ];
  for (const input of inputs) expect(await codeOf(broker.putStation(NS, 'bad', input))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.station(NS, 'bad'))).toBe('STATION_NOT_FOUND');
});
