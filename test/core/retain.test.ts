/** What a station keeps: by number, bytes, age, until acknowledged; and purging. */
import { describe, expect, test } from 'vitest';
import { Alarms } from '../../src/core/actor/alarms.ts';
import { Time } from '../../src/core/actor/time.ts';
import { planted } from '../../src/core/faults.ts';
import { World } from '../simulation/world.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

test('the oldest go when there are more than maxMessages, soon after', async () => {
  const bench = await openBench({ retention: { maxMessages: 2 } });
  await produce(bench.broker, ['a', 'b', 'c']);
  await produce(bench.broker, ['d']);
  await bench.pass(200);
  expect((await bench.broker.station(NS, 's')).counts).toMatchObject([{ messages: 2, first: 3, last: 4 }]);
});

test('the oldest go when there are more record bytes than maxBytes, and what is counted is what is left', async () => {
  const bench = await openBench({ retention: { maxBytes: 50 } });
  for (let i = 0; i < 5; i++) await produce(bench.broker, ['x'.repeat(14), 'y'.repeat(4)]);
  await bench.pass(200);
  const [counts] = (await bench.broker.station(NS, 's')).counts;
  // A record has six bytes before its payload.
  expect(counts).toMatchObject({ messages: 3, bytes: 40, first: 8 });
});

test('messages go when they are too old, nobody has to ask', async () => {
  const bench = await openBench({ retention: { maxAgeMs: 1000 } });
  await produce(bench.broker, ['a']);
  await bench.pass(600);
  await produce(bench.broker, ['b']);
  await bench.pass(500);
  expect(texts((await bench.broker.read(NS, 's', {})).blocks)).toEqual(['0.2 b']);
  await bench.pass(600);
  expect((await bench.broker.station(NS, 's')).counts).toMatchObject([{ messages: 0, bytes: 0, first: 3, last: 2 }]);
});

test('messages go once every group has settled them', async () => {
  const bench = await openBench({ retention: { untilAcked: true } });
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', {});
  await broker.putGroup(NS, 's', 'h', {});
  await produce(broker, ['a', 'b', 'c']);
  for (const [group, max] of [
    ['g', 3],
    ['h', 2],
  ] as const) {
    const { blocks } = await broker.fetch(NS, 's', group, { consumer: 'c', max });
    await broker.settle(NS, 's', group, 'ack', { receipts: receipts(blocks) });
    await bench.pass(200);
    expect((await broker.station(NS, 's')).counts[0]!.first).toBe(group === 'g' ? 1 : 3);
  }
});

test('what is trimmed is settled for the groups: neither unread nor in flight', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await produce(broker, ['a', 'b', 'c', 'd', 'e']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 2 });
  await broker.settle(NS, 's', 'g', 'nack', { receipts: [receipts(blocks)[0]!] });
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 4, inFlight: 1 });
  await broker.purge(NS, 's', { upTo: 3 });
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 2, inFlight: 0, redelivered: 0, dead: 0 });
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toEqual([]);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.4 d', '0.5 e']);
});

test('a purge tells how many went, once; sequences go on', async () => {
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a', 'b', 'c'], { partition: 0 });
  await produce(broker, ['d', 'e'], { partition: 1 });
  expect(await Promise.all([broker.purge(NS, 's', { upTo: 2 }), broker.purge(NS, 's', { upTo: 2 })])).toEqual([
    { purged: 4 },
    { purged: 0 },
  ]);
  expect(await broker.purge(NS, 's', { partition: 1 })).toEqual({ purged: 0 });
  expect(await broker.purge(NS, 's', { partition: 0 })).toEqual({ purged: 1 });
  expect(await codeOf(broker.purge(NS, 's', { partition: 2 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.purge(NS, 's', { upTo: 0 }))).toBe('INVALID_REQUEST');
  bench.cut();
  await bench.open();
  expect((await produce(bench.broker, ['f'], { partition: 0 })).ranges).toEqual([[0, 4, 1]]);
  expect((await produce(bench.broker, ['g'], { partition: 1 })).ranges).toEqual([[1, 3, 1]]);
});

test('an id is remembered within its window though its message is gone, after a power cut too', async () => {
  const bench = await openBench({ dedupWindowMs: 60_000 }, { on: 'disk' });
  for (let i = 0; i < 10; i++) await produce(bench.broker, [{ id: `i${i}`, payload: 'x'.repeat(100) }]);
  await bench.broker.purge(NS, 's', {});
  bench.cut();
  await bench.open();
  expect((await produce(bench.broker, [{ id: 'i3' }])).duplicates).toEqual([[0, 0, 4]]);
});

test('alarms keep what is wanted, not what was put off', async () => {
  const world = new World(1);
  const process = world.process('p');
  const rung: string[] = [];
  const alarms = new Alarms(process, new Time(process), (key) => rung.push(key));
  const now = process.now();
  const year = 365 * 24 * 3_600_000;
  for (let i = 0; i < 10_000; i++) alarms.set('far', now + year + i);
  alarms.set('near', now + 1000);
  alarms.set('taken back', now + 500);
  alarms.set('taken back', Infinity);
  expect(alarms.size).toBeLessThan(200);
  await world.pass(2000);
  expect(rung).toEqual(['near']);
  await world.pass(2 * year);
  expect(rung).toEqual(['near', 'far']);
  alarms.stop();
  alarms.set('late', process.now() + 10);
  await world.pass(1000);
  expect(rung).toEqual(['near', 'far']);
});

describe('a clock that is wrong by years when the broker starts', () => {
  const HOUR = 3_600_000;
  const YEARS = 10 * 365 * 24 * HOUR;

  /** Ten messages, a dead letter, and a restart with the clock somewhere else. */
  async function restarted(wallOffset: number) {
    const bench = await openBench({ retention: { maxAgeMs: HOUR }, deadLetter: { maxAgeMs: HOUR } }, { on: 'disk' });
    for (let i = 0; i < 10; i++) await produce(bench.broker, [`m${i}`]);
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
    await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks) });
    await bench.broker.close();
    await bench.open(wallOffset);
    return bench;
  }
  const left = async ({ broker }: Awaited<ReturnType<typeof restarted>>) => [
    (await broker.station(NS, 's')).messages,
    (await broker.deadLetters(NS, 's', {})).items.length,
  ];

  test('nothing goes by age for a while; set right meanwhile, nothing goes at all, nor after the next start', async () => {
    const bench = await restarted(YEARS);
    await bench.pass(300_000);
    expect(await left(bench)).toEqual([10, 1]);
    bench.process.wallOffset = 0;
    await bench.pass(1_800_000);
    expect(await left(bench)).toEqual([10, 1]);
    await produce(bench.broker, ['of a time to come']);
    await bench.broker.close();
    await bench.open(0);
    await bench.pass(1_200_000);
    expect(await left(bench)).toEqual([11, 1]);
  });

  test('it was right: after ten minutes what is too old goes', async () => {
    const bench = await restarted(YEARS);
    await bench.pass(540_000);
    expect(await left(bench)).toEqual([10, 1]);
    await bench.pass(120_000);
    expect(await left(bench)).toEqual([0, 0]);
  });

  test('a few hours are nothing to wonder at', async () => {
    const bench = await restarted(5 * HOUR);
    await bench.pass(1_000);
    expect(await left(bench)).toEqual([0, 0]);
  });

  test('planted, that it is trusted at once is noticed', async () => {
    planted.add('clock-trusted-at-once');
    try {
      const bench = await restarted(YEARS);
      await bench.pass(300_000);
      expect(await left(bench)).not.toEqual([10, 1]);
    } finally {
      planted.delete('clock-trusted-at-once');
    }
  });
});
