/** Dead letters that go elsewhere: to all groups as new messages, to another station through the outbox; crashes between. */
import { describe, expect, test } from 'vitest';
import { RecordCursor } from '../../src/core/batch/walk.ts';
import type { DeadLetter } from '../../src/core/broker.ts';
import { planted } from '../../src/core/faults.ts';
import type { Bench, Told } from './_broker.ts';
import { batch, codeOf, NS, openBench, receipts, texts } from './_broker.ts';

/** Messages of `s` that its group `g` has rejected; and the station `t`. */
async function withLetters(names: readonly string[], setup: { partitions?: number; on?: 'disk' } = {}): Promise<Bench> {
  const bench = await openBench({}, { on: setup.on ?? 'memory', limits: { settleBytes: 500 } });
  await bench.broker.putStation(NS, 't', { partitions: setup.partitions ?? 1 });
  if (names.length > 0) await letters(bench, names);
  return bench;
}

async function letters({ broker }: Bench, names: readonly string[], withIds = true): Promise<void> {
  const messages = names.map(
    (name): Told => ({ payload: name, key: name[0]!, ...(withIds && { id: `id ${name}` }), headers: [['h', name]] }),
  );
  await broker.produce(NS, 's', batch(...messages));
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks), reason: 'bad' });
}

const there = async ({ broker }: Bench, station: string) =>
  texts((await broker.read(NS, station, {})).blocks).map((text) => text.split(' ')[1]);
const left = async ({ broker }: Bench) => (await broker.deadLetters(NS, 's', {})).items;
const toT = { to: { station: 't' } } as const;

describe('to all groups', () => {
  test('new messages with their bytes, key and headers, without an id; the letters are gone', async () => {
    const bench = await withLetters(['a', 'b']);
    const { broker } = bench;
    expect(await broker.redrive(NS, 's', { all: true, to: 'groups' })).toMatchObject({ redriven: 2 });
    expect(await broker.redrive(NS, 's', { all: true, to: 'groups' })).toMatchObject({ redriven: 0 });
    for (const group of ['g', 'other']) {
      const { blocks } = await broker.fetch(NS, 's', group, { consumer: 'c', startAt: 3 });
      expect(texts(blocks)).toEqual(['0.3 a', '0.4 b']);
    }
    expect(await left(bench)).toEqual([]);
    expect(await broker.produce(NS, 's', batch({ id: 'id a' }))).toMatchObject({ duplicates: [[0, 0, 1]] });
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ produced: 4, dead: 2, inFlight: 2, balanced: true });
  });

  test('a station that refuses and has no room keeps its letters', async () => {
    const bench = await withLetters(['a', 'b']);
    await bench.broker.patchStation(NS, 's', { retention: { maxMessages: 3, discard: 'refuse' } });
    expect(await codeOf(bench.broker.redrive(NS, 's', { all: true, to: 'groups' }))).toBe('LIMIT_EXCEEDED');
    expect(await left(bench)).toHaveLength(2);
  });
});

test('which ones: by ids, group, reason, key and time; listed and redriven', async () => {
  const bench = await withLetters(['a1', 'b1', 'a2']);
  const { broker } = bench;
  const at = bench.process.now();
  await bench.pass(1_000);
  await letters(bench, ['a3']);
  const matched = async (match: object) =>
    (await broker.deadLetters(NS, 's', match)).items.map(({ message }) => texts([message])[0]!.split(' ')[1]);
  expect(await matched({ key: 'a' })).toEqual(['a1', 'a2', 'a3']);
  expect(await matched({ key: 'a', until: at + 500 })).toEqual(['a1', 'a2']);
  expect(await matched({ from: at + 500 })).toEqual(['a3']);
  expect(await matched({ reason: 'max-deliveries' })).toEqual([]);
  expect(await matched({ reason: 'rejected', group: 'g' })).toHaveLength(4);
  expect(await matched({ group: 'none' })).toEqual([]);
  expect(await broker.redrive(NS, 's', { match: { key: 'a', until: at + 500 }, to: 'groups' })).toMatchObject({ redriven: 2 });
  expect(await there(bench, 's')).toEqual(['a1', 'b1', 'a2', 'a3', 'a1', 'a2']);
  expect(await codeOf(broker.redrive(NS, 's', { match: {}, all: true }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.redrive(NS, 's', {}))).toBe('INVALID_REQUEST');
});

describe('to another station', () => {
  test('there once, as they were, in its partitions by their keys; on their way they are in no list', async () => {
    const bench = await withLetters(['a', 'b', 'c'], { partitions: 4 });
    const { broker } = bench;
    expect(await broker.redrive(NS, 's', { all: true, ...toT })).toMatchObject({ redriven: 3 });
    expect(await left(bench)).toEqual([]);
    expect(await broker.redrive(NS, 's', { all: true, ...toT })).toMatchObject({ redriven: 0 });
    await bench.pass(500);
    expect((await there(bench, 't')).sort()).toEqual(['a', 'b', 'c']);
    expect(await broker.station(NS, 's')).toMatchObject({ outbox: 0 });
    const [one] = (await broker.read(NS, 't', {})).blocks;
    const placed = await broker.produce(NS, 't', batch({ key: texts([one!])[0]!.split(' ')[1]!, payload: 'same' }));
    expect(placed.ranges[0]![0]).toBe(one!.partition);
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ dead: 3, balanced: true });
  });

  test('a station that is not there: nothing has gone', async () => {
    const bench = await withLetters(['a']);
    expect(await codeOf(bench.broker.redrive(NS, 's', { all: true, to: { station: 'none' } }))).toBe('STATION_NOT_FOUND');
    expect(await left(bench)).toHaveLength(1);
  });

  test('removed while they are on their way: they are dead letters again, which say why', async () => {
    const bench = await withLetters(['a', 'b'], { on: 'disk' });
    const redriven = bench.broker.redrive(NS, 's', { all: true, ...toT });
    await bench.broker.removeStation(NS, 't');
    await bench.broker.putStation(NS, 't', {});
    await redriven.catch(() => undefined);
    await bench.pass(500);
    const [in1, letters1] = [await there(bench, 't'), await left(bench)];
    expect(in1).toEqual([]);
    // They came to the old one before it went, or they are here.
    if (letters1.length > 0) expect(letters1).toMatchObject([{ error: expect.stringContaining('removed') }, {}]);
  });

  test('what the target never takes is a dead letter again, and holds up no other; what it cannot take now goes later', async () => {
    const bench = await withLetters(['a', 'bbbbbbbb', 'c']);
    const { broker } = bench;
    await broker.patchStation(NS, 't', { maxMessageBytes: 4, retention: { maxMessages: 1, discard: 'refuse' } });
    await broker.redrive(NS, 's', { all: true, ...toT });
    await bench.pass(2_000);
    expect(await there(bench, 't')).toEqual(['a']);
    expect(await broker.station(NS, 's')).toMatchObject({ outbox: 1 });
    expect(await left(bench)).toMatchObject([{ error: expect.stringMatching(/bytes/) }]);
    await broker.purge(NS, 't', {});
    await bench.pass(20_000);
    expect(await there(bench, 't')).toEqual(['c']);
    expect(await broker.station(NS, 's')).toMatchObject({ outbox: 0 });
  });

  test('a station that is removed lets go first of what is on its way, unless the target cannot take it', async () => {
    const bench = await withLetters(['a'], { on: 'disk' });
    const { broker } = bench;
    await broker.redrive(NS, 's', { all: true, ...toT });
    await broker.removeStation(NS, 's');
    expect(await there(bench, 't')).toEqual(['a']);
    await broker.putStation(NS, 's', {});
    await letters(bench, ['b']);
    await broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
    await broker.redrive(NS, 's', { all: true, ...toT });
    await broker.removeStation(NS, 's');
    expect(await there(bench, 't')).toEqual(['a']);
    expect(await codeOf(broker.station(NS, 's'))).toBe('STATION_NOT_FOUND');
  });

  test('too many on their way are refused, and stay', async () => {
    const bench = await openBench({}, { limits: { intentsMax: 1 } });
    await bench.broker.putStation(NS, 't', {});
    await letters(bench, ['a', 'b']);
    expect(await codeOf(bench.broker.redrive(NS, 's', { all: true, ...toT }))).toBe('LIMIT_EXCEEDED');
    expect(await left(bench)).toHaveLength(2);
  });

  test('a group that is removed takes nothing with it that is on its way', async () => {
    const bench = await withLetters(['a']);
    await bench.broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
    await bench.broker.produce(NS, 't', batch('full'));
    await bench.broker.redrive(NS, 's', { all: true, ...toT });
    await bench.broker.removeGroup(NS, 's', 'g');
    await bench.broker.purge(NS, 's', {});
    await bench.broker.purge(NS, 't', {});
    await bench.pass(20_000);
    expect(await there(bench, 't')).toEqual(['a']);
  });
});

/** Redrives 40 letters, ends the process at every moment in turn, and looks at what came of it. @returns what is wrong */
async function crashAt(ms: number, end: 'cut' | 'kill'): Promise<string | undefined> {
  const names = Array.from({ length: 40 }, (_, i) => `${'abcdefgh'[i % 8]}${i}`);
  const bench = await openBench({}, { on: 'disk', callMs: 3, limits: { settleBytes: 800 } });
  await bench.broker.putStation(NS, 't', { partitions: 2 });
  // An id would keep them from being there twice all by itself.
  await letters(bench, names, false);
  let told = 0;
  // Nobody hears what comes of it once the process is gone.
  const redrive = async () => {
    for (let from = 0; from < names.length; from += 10) {
      const ids = (await left(bench)).slice(0, 10).map(({ id }) => id);
      told += (await bench.broker.redrive(NS, 's', { ids, ...toT })).redriven;
    }
  };
  redrive().catch(() => undefined);
  await bench.pass(ms);
  bench[end]();
  await bench.open();
  await bench.pass(1_000);
  const gone = await there(bench, 't');
  const here = (await left(bench)).map(({ message }) => texts([message])[0]!.split(' ')[1]);
  if (gone.length < told) return `${told} were told to be on their way, ${gone.length} came`;
  if (new Set(gone).size !== gone.length) return `some came twice: ${gone.join(' ')}`;
  if ([...gone, ...here].sort().join(' ') !== [...names].sort().join(' '))
    return `of ${names.length}, ${gone.length} are there and ${here.length} here`;
  return undefined;
}

describe('a crash at any moment loses none and doubles none', () => {
  test.each(['cut', 'kill'] as const)('%s', { timeout: 60_000 }, async (end) => {
    for (let ms = 0; ms < 60; ms += 0.7) expect(await crashAt(ms, end), `at ${ms.toFixed(2)} ms`).toBeUndefined();
  });

  test.each(['sent-anew', 'outbox-section-forgotten'])('planted, %s is noticed', { timeout: 120_000 }, async (bug) => {
    planted.add(bug);
    try {
      let noticed: string | undefined;
      for (let ms = 0; ms < 60 && noticed === undefined; ms += 0.3)
        noticed = await crashAt(ms, ms % 0.6 < 0.3 ? 'cut' : 'kill').catch(String);
      expect(noticed).toBeDefined();
    } finally {
      planted.delete(bug);
    }
  });
});

describe('copies in another station', () => {
  const copied = { deadLetter: { station: 't' } } as const;

  test('every dead letter is there once, says where it comes from, and stays', async () => {
    const bench = await withLetters([], { partitions: 2, on: 'disk' });
    await bench.broker.patchStation(NS, 's', copied);
    await letters(bench, ['a', 'b']);
    await bench.pass(500);
    const { blocks } = await bench.broker.read(NS, 't', {});
    expect((await there(bench, 't')).sort()).toEqual(['a', 'b']);
    const cursor = new RecordCursor(blocks[0]!.bytes, blocks[0]!.start, blocks[0]!.end);
    cursor.next();
    expect(cursor.id).toBeUndefined();
    expect(Object.fromEntries(cursor.headers!)).toMatchObject({
      h: expect.any(String),
      'wayside-dead-reason': 'rejected',
      'wayside-dead-group': 'g',
      'wayside-dead-place': expect.stringMatching(/^0\.[12]$/),
      'wayside-dead-error': 'bad',
    });
    expect(await left(bench)).toHaveLength(2);
    bench.cut();
    await bench.open();
    await bench.pass(1_000);
    expect(await there(bench, 't')).toHaveLength(2);
    expect(await bench.broker.redrive(NS, 's', { all: true })).toMatchObject({ redriven: 2, left: 0 });
  });

  test('a crash at every moment: each copy once', { timeout: 60_000 }, async () => {
    for (let ms = 0; ms < 25; ms++) {
      const bench = await openBench({}, { on: 'disk', callMs: 1, limits: { settleBytes: 200 } });
      await bench.broker.putStation(NS, 't', {});
      await bench.broker.patchStation(NS, 's', copied);
      letters(bench, ['a', 'b', 'c']).catch(() => undefined);
      await bench.pass(ms);
      bench.cut();
      await bench.open();
      await bench.pass(20_000);
      const there2 = await there(bench, 't');
      expect(there2.sort()).toEqual((await left(bench)).map(({ message }) => texts([message])[0]!.split(' ')[1]).sort());
    }
  });

  const whileThereIsNone = async () => {
    const bench = await withLetters([], { on: 'disk' });
    await bench.broker.patchStation(NS, 's', copied);
    await bench.broker.removeStation(NS, 't');
    await letters(bench, ['a', 'b']);
    await bench.pass(1_000);
    const [first] = await left(bench);
    await bench.broker.removeDeadLetter(NS, 's', first!.id);
    await bench.broker.close();
    await bench.open();
    await bench.broker.putStation(NS, 't', {});
    await bench.pass(20_000);
    expect(await there(bench, 't')).toEqual(['b']);
  };

  test('as long as there is no such station they wait, over restarts; a letter that is gone by then is not copied', whileThereIsNone);

  test('planted, that is noticed', async () => {
    planted.add('copies-forgotten');
    try {
      await expect(whileThereIsNone()).rejects.toThrow();
    } finally {
      planted.delete('copies-forgotten');
    }
  });

  test('to the station itself, or to none', async () => {
    const { broker } = await withLetters([]);
    expect(await codeOf(broker.patchStation(NS, 's', { deadLetter: { station: 's' } }))).toBe('INVALID_REQUEST');
    expect(await codeOf(broker.patchStation(NS, 's', { deadLetter: { station: 'nowhere' } }))).toBe('STATION_NOT_FOUND');
  });
});

describe('again and again', () => {
  test('how often it was redriven, what came of its deliveries, and a cap', async () => {
    const bench = await withLetters(['a']);
    const { broker } = bench;
    await broker.patchGroup(NS, 's', 'g', { maxDeliveries: 2 });
    const reasons = async () => (await left(bench)).map(({ redrives, history }) => [redrives, history.map(({ event }) => event)]);
    expect(await reasons()).toEqual([[0, ['delivered', 'rejected']]]);
    for (let round = 1; round <= 2; round++) {
      expect(await broker.redrive(NS, 's', { all: true, maxRedrives: 2 })).toEqual({ redriven: 1, kept: 0, left: 0 });
      for (let delivery = 0; delivery < 2; delivery++) {
        const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: `c${delivery}` });
        await broker.settle(NS, 's', 'g', 'nack', { receipts: receipts(blocks) });
      }
    }
    expect(await broker.redrive(NS, 's', { all: true, maxRedrives: 2 })).toEqual({ redriven: 0, kept: 1, left: 0 });
    const [[redrives, events]] = (await reasons()) as [[number, string[]]];
    expect(redrives).toBe(2);
    expect(events.slice(-5)).toEqual(['max-deliveries', 'redriven', 'nacked', 'delivered', 'max-deliveries']);
    const [{ history }] = (await left(bench)) as readonly [DeadLetter];
    expect(history.at(-1)).toMatchObject({ consumer: 'c1', deliveries: 2 });
    expect(history.at(-3)).toMatchObject({ consumer: 'c0', deliveries: 1 });
  });

  test('so many a second, and what is left after half a minute is said', async () => {
    const bench = await withLetters(Array.from({ length: 50 }, (_, i) => `m${i}`));
    const { broker } = bench;
    const begun = bench.process.now();
    expect(await broker.redrive(NS, 's', { ids: (await left(bench)).slice(0, 11).map(({ id }) => id), ratePerSecond: 10 })).toMatchObject({
      redriven: 11,
    });
    expect(bench.process.now() - begun).toBeGreaterThanOrEqual(1_000);
    expect(bench.process.now() - begun).toBeLessThan(1_500);
    expect(await broker.redrive(NS, 's', { all: true, ratePerSecond: 1 })).toEqual({ redriven: 31, kept: 0, left: 8 });
    expect(bench.process.now() - begun).toBeLessThan(33_000);
    expect(await broker.redrive(NS, 's', { all: true })).toMatchObject({ redriven: 8 });
    expect(await codeOf(broker.redrive(NS, 's', { all: true, ratePerSecond: 0 }))).toBe('INVALID_REQUEST');
    expect(await codeOf(broker.redrive(NS, 's', { all: true, maxRedrives: 0 }))).toBe('INVALID_REQUEST');
  });
});

test('a dead letter that is too old while it is on its way goes when it has arrived', async () => {
  const bench = await withLetters([]);
  const { broker } = bench;
  await broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
  await broker.produce(NS, 't', batch('full'));
  await broker.patchStation(NS, 's', { deadLetter: { maxAgeMs: 1_000, station: 't' } });
  await letters(bench, ['a']);
  await bench.pass(5_000);
  expect(await left(bench)).toHaveLength(1);
  await broker.patchStation(NS, 't', { retention: { maxMessages: 10 } });
  await bench.pass(30_000);
  expect(await there(bench, 't')).toEqual(['full', 'a']);
  expect(await left(bench)).toEqual([]);
});
