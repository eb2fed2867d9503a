/** Delayed messages: accepted, known by their ids, due, cancelled, listed; over restarts and trims. */
import { describe, expect, test } from 'vitest';
import type { Broker } from '../../src/core/broker.ts';
import type { Bench, Told } from './_broker.ts';
import { codeOf, NS, openBench, produce, texts } from './_broker.ts';

const YEAR = 365 * 24 * 3600 * 1000;

async function read({ broker }: Bench): Promise<string[]> {
  return texts((await broker.read(NS, 's', {})).blocks);
}

async function later(broker: Broker, ...messages: Told[]) {
  const { scheduled } = await produce(broker, messages);
  return scheduled;
}

const list = async ({ broker }: Bench) => (await broker.schedules(NS, 's', {})).items;

test('it comes when it is due, with a sequence given then, in the order of due times', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const before = bench.process.now();
  const scheduled = await later(broker, { payload: 'late', delayMs: 900 }, { payload: 'soon', delayMs: 300 }, 'now');
  expect(scheduled).toMatchObject([
    { index: 0, dueAt: before + 900, duplicate: false },
    { index: 1, dueAt: before + 300, duplicate: false },
  ]);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 1, scheduled: 2 });
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1, startAt: 'end', waitMs: 20_000 });
  await bench.pass(290);
  expect(await read(bench)).toEqual(['0.1 now']);
  expect(texts((await waiting).blocks)).toEqual(['0.2 soon']);
  await bench.pass(700);
  expect(await read(bench)).toEqual(['0.1 now', '0.2 soon', '0.3 late']);
  const [block] = (await broker.read(NS, 's', { from: 3 })).blocks;
  expect(block!.producedAt).toBeGreaterThanOrEqual(before + 900);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 3, scheduled: 0 });
});

test('what is delivered is what was sent, without its delay', async () => {
  const bench = await openBench();
  const whole = {
    key: 'k',
    id: 'i',
    contentType: 'a/b',
    headers: [
      ['h', 'v'],
      ['h', 'w'],
    ] as [string, string][],
    expiresMs: 60_000,
    payload: 'p',
  };
  await later(bench.broker, { ...whole, delayMs: 10 });
  await bench.pass(50);
  await produce(bench.broker, [{ ...whole, id: 'j' }]);
  const [one, two] = (await bench.broker.read(NS, 's', {})).blocks;
  const bytes = ({ bytes: all, start, end }: typeof one & object) => Buffer.from(all.subarray(start, end)).toString('latin1');
  expect(bytes(one!).replace('i', 'j')).toBe(bytes(two!));
});

describe('ids', () => {
  test('a repeat is answered with the same schedule until it is due, then with the sequence, delayed or not', async () => {
    const bench = await openBench({ dedupWindowMs: 1_000 });
    const { broker } = bench;
    const [first] = await later(broker, { id: 'x', delayMs: 5_000 });
    await bench.pass(4_000);
    for (const again of [{ id: 'x', delayMs: 60_000 }, { id: 'x' }]) {
      expect(await produce(broker, [again])).toMatchObject({
        ranges: [],
        scheduled: [{ scheduleId: first!.scheduleId, dueAt: first!.dueAt, duplicate: true }],
      });
    }
    await bench.pass(1_100);
    expect(await produce(broker, [{ id: 'x', delayMs: 9 }, { id: 'x' }])).toMatchObject({
      scheduled: [],
      duplicates: [
        [0, 0, 1],
        [1, 0, 1],
      ],
    });
    // The window counts from when it got its sequence.
    await bench.pass(1_100);
    expect(await produce(broker, [{ id: 'x' }])).toMatchObject({ ranges: [[0, 2, 1]] });
  });

  test('within one batch the first counts', async () => {
    const { broker } = await openBench();
    expect(await produce(broker, [{ id: 'a', delayMs: 5 }, { id: 'a' }, { id: 'b' }, { id: 'b', delayMs: 5 }])).toMatchObject({
      scheduled: [
        { index: 0, duplicate: false },
        { index: 1, duplicate: true },
      ],
      ranges: [[0, 1, 1]],
      duplicates: [[3, 0, 1]],
    });
  });

  test('an id that was cancelled is free again', async () => {
    const bench = await openBench();
    const [first] = await later(bench.broker, { id: 'x', delayMs: 5_000 });
    await bench.broker.cancelSchedule(NS, 's', first!.scheduleId);
    expect(await produce(bench.broker, [{ id: 'x' }])).toMatchObject({ ranges: [[0, 1, 1]] });
  });
});

test('a producer that repeats itself is answered as the first time, before and after it is due', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const send = (sequence: number) =>
    produce(bench.broker, [{ payload: 'a', delayMs: 1_000 }, { payload: 'b' }], { producer: { id: 'p', epoch: 1, sequence } });
  const first = await send(1);
  expect(await send(1)).toMatchObject({ scheduled: [{ ...first.scheduled[0], duplicate: true }], duplicates: [[1, 0, 1]] });
  bench.kill();
  await bench.open();
  expect(await send(1)).toMatchObject({ scheduled: [{ ...first.scheduled[0], duplicate: true }] });
  await bench.pass(1_100);
  expect(await send(1)).toMatchObject({
    scheduled: [],
    duplicates: [
      [0, 0, 2],
      [1, 0, 1],
    ],
  });
  const { scheduled } = await send(3);
  await bench.broker.cancelSchedule(NS, 's', scheduled[0]!.scheduleId);
  expect((await send(3)).errors).toMatchObject([{ index: 0, code: 'PRODUCER_GAP' }]);
});

test('from 1 ms to a year and no longer; with an expected sequence not at all', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const made = await produce(broker, [{ delayMs: 1 }, { delayMs: YEAR }, { delayMs: YEAR + 1 }]);
  expect(made.scheduled).toHaveLength(2);
  expect(made.errors).toMatchObject([{ index: 2, code: 'INVALID_REQUEST' }]);
  expect(await codeOf(produce(broker, [{ delayMs: 10 * YEAR }], { atomic: true }))).toBe('INVALID_REQUEST');
  expect(await codeOf(produce(broker, [{ delayMs: 5 }], { expectedSequence: 1 }))).toBe('INVALID_REQUEST');
  await bench.pass(YEAR - 1_000);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 1, scheduled: 1 });
  await bench.pass(2_000);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 2, scheduled: 0 });
});

test('cancelled it never comes; what is due, cancelled, foreign or of another life of the station is not found', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const [one, two] = await later(broker, { payload: 'one', delayMs: 500 }, { payload: 'two', delayMs: 500 });
  await broker.cancelSchedule(NS, 's', one!.scheduleId);
  for (const id of [one!.scheduleId, 'x', '0-1-0000000', two!.scheduleId.replace('0-', '7-'), '9'.repeat(300)])
    expect(await codeOf(broker.cancelSchedule(NS, 's', id))).toBe('NOT_FOUND');
  await bench.pass(600);
  expect(await read(bench)).toEqual(['0.1 two']);
  expect(await codeOf(broker.cancelSchedule(NS, 's', two!.scheduleId))).toBe('NOT_FOUND');
  const [old] = await later(broker, { delayMs: 500 });
  await broker.removeStation(NS, 's');
  await broker.putStation(NS, 's', {});
  await later(broker, { delayMs: 500 });
  expect(await codeOf(broker.cancelSchedule(NS, 's', old!.scheduleId))).toBe('NOT_FOUND');
  expect(await list(bench)).toHaveLength(1);
});

test('listed by due time, in pages', async () => {
  const bench = await openBench({ partitions: 2 });
  const messages = Array.from({ length: 50 }, (_, i) => ({ key: `k${i % 7}`, id: `id ${i}`, delayMs: 1_000 + ((i * 37) % 50) }));
  await later(bench.broker, ...messages);
  const seen: { partition: number; dueAt: number; id: string | undefined }[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await bench.broker.schedules(NS, 's', { limit: 7, after });
    seen.push(...items);
    if (next === null) break;
    after = next;
  }
  expect(seen.map(({ id }) => id).sort()).toEqual(messages.map(({ id }) => id).sort());
  expect(seen).toEqual([...seen].sort((a, b) => a.partition - b.partition || a.dueAt - b.dueAt));
  expect(await codeOf(bench.broker.schedules(NS, 's', { after: 'x' }))).toBe('INVALID_REQUEST');
});

test('the limit of what waits, and the quota of a station that refuses', async () => {
  const { broker } = await openBench({}, { limits: { schedulesMax: 2 } });
  const made = await produce(broker, [{ delayMs: 5_000 }, { delayMs: 5_000 }, { delayMs: 5_000 }, 'now']);
  expect(made).toMatchObject({
    scheduled: [{ index: 0 }, { index: 1 }],
    errors: [{ index: 2, code: 'LIMIT_EXCEEDED' }],
    ranges: [[0, 1, 1]],
  });
  const full = await openBench({ retention: { maxMessages: 2, discard: 'refuse' } });
  expect((await produce(full.broker, [{ delayMs: 500 }, 'a', 'b'])).errors).toMatchObject([{ index: 2, code: 'LIMIT_EXCEEDED' }]);
  await full.pass(600);
  expect(await full.broker.station(NS, 's')).toMatchObject({ messages: 2 });
});

test.each(['kill', 'cut', 'close'] as const)('they outlive the process (%s), with what was due meanwhile, once', async (end) => {
  const bench = await openBench({}, { on: 'disk', limits: { settleBytes: 400 } });
  await later(bench.broker, ...Array.from({ length: 30 }, (_, i) => ({ payload: `${i}`, id: `id ${i}`, delayMs: 100 * (i + 1) })));
  for (let life = 0; life < 4; life++) {
    await bench.pass(650);
    if (end === 'close') {
      await bench.broker.close();
      bench.kill();
    } else bench[end]();
    await bench.pass(300);
    await bench.open();
  }
  await bench.pass(3_000);
  expect(await read(bench)).toEqual(Array.from({ length: 30 }, (_, i) => `0.${i + 1} ${i}`));
  expect(await list(bench)).toEqual([]);
  expect(await produce(bench.broker, [{ id: 'id 7' }])).toMatchObject({ duplicates: [[0, 0, 8]] });
});

test('their bytes outlive trims and purges, and go when they are no longer needed', async () => {
  const bench = await openBench({ retention: { maxMessages: 5 } }, { on: 'disk', limits: { settleBytes: 2_000 } });
  const { broker } = bench;
  const payload = 'x'.repeat(500);
  await later(broker, ...Array.from({ length: 20 }, (_, i) => ({ payload: `${i} ${payload}`, delayMs: 200_000 + i })));
  for (let i = 0; i < 200; i++) {
    await produce(
      broker,
      Array.from({ length: 10 }, () => payload),
    );
    await bench.pass(500);
  }
  await broker.purge(NS, 's', {});
  bench.kill();
  await bench.open();
  expect(await list(bench)).toHaveLength(20);
  await bench.pass(150_000);
  const { blocks } = await bench.broker.read(NS, 's', {});
  expect(texts(blocks).map((text) => text.split(' ')[1])).toEqual(['15', '16', '17', '18', '19']);
  await bench.broker.purge(NS, 's', {});
  await bench.pass(60_000);
  expect(bench.volume.stats().liveBytes).toBeLessThan(40_000);
});

test('very many that are due at once come in slices, and others are served between', async () => {
  const bench = await openBench();
  const { broker } = bench;
  for (let i = 0; i < 5; i++) await later(broker, ...Array.from({ length: 2_000 }, () => ({ payload: 'late', delayMs: 1_000 })));
  await bench.pass(999);
  const { ranges } = await produce(broker, ['now']);
  await bench.pass(500);
  expect(ranges[0]![1]).toBeLessThan(10_001);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 10_001, scheduled: 0 });
  // One after another: 10,000 messages of 1,000 each are ten entries at least.
  expect((await broker.read(NS, 's', { limit: 10_000 })).blocks.length).toBeGreaterThanOrEqual(10);
});
