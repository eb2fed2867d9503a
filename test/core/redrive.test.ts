/** Dead letters and delayed messages over several partitions and many slices: what a broker makes of what each partition says. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { DeadLetterFilter } from '../../src/core/broker.ts';
import { Partition } from '../../src/core/partition/partition.ts';
import type { Bench, Told } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

async function kill({ broker }: Bench, messages: readonly Told[], partition = 0): Promise<void> {
  await produce(broker, [...messages], { partition });
  for (let left = messages.length; left > 0; ) {
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10_000 });
    const given = receipts(blocks);
    await broker.settle(NS, 's', 'g', 'reject', { receipts: given });
    left -= given.length;
  }
}

const some = (count: number, key?: string): Told[] => Array.from({ length: count }, (_, i) => ({ payload: `m${i}`, ...(key && { key }) }));

async function ids({ broker }: Bench): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await broker.deadLetters(NS, 's', { limit: 1_000, after });
    found.push(...items.map(({ id }) => id));
    if (next === null) return found;
    after = next;
  }
}

afterEach(() => void vi.restoreAllMocks());

/** All that a partition is asked here goes through a copy, as between two processes. @returns how often each was asked */
function copied(): Map<string, number> {
  const asked = new Map<string, number>();
  const calls = Partition.prototype as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  for (const name of ['letters', 'letter', 'removeLetter', 'redrive', 'lastIndex', 'delayed', 'cancelDelayed']) {
    const call = calls[name]!;
    vi.spyOn(calls, name).mockImplementation(async function (this: unknown, ...args) {
      asked.set(name, (asked.get(name) ?? 0) + 1);
      return structuredClone(await call.apply(this, structuredClone(args)));
    });
  }
  return asked;
}

describe('pages over partitions', () => {
  test('one that ends with a partition has a next one only where another partition has more', async () => {
    const bench = await openBench({ partitions: 4 });
    await kill(bench, some(3), 1);
    const letters = (input: DeadLetterFilter) => bench.broker.deadLetters(NS, 's', input);
    expect(await letters({ limit: 3 })).toMatchObject({ items: [{}, {}, {}], next: null });
    await kill(bench, some(1), 3);
    const first = await letters({ limit: 3 });
    expect(first).toMatchObject({ items: [{}, {}, {}], next: first.items[2]!.id });
    expect(await letters({ limit: 3, after: first.next! })).toMatchObject({ items: [{ message: { partition: 3 } }], next: null });
  });

  test('the same of delayed messages', async () => {
    const bench = await openBench({ partitions: 4 });
    const later = (count: number, partition: number) =>
      produce(
        bench.broker,
        some(count).map((each) => ({ ...(each as object), delayMs: 5_000 })),
        { partition },
      );
    await later(3, 1);
    expect(await bench.broker.schedules(NS, 's', { limit: 3 })).toMatchObject({ items: [{}, {}, {}], next: null });
    await later(1, 3);
    const { next } = await bench.broker.schedules(NS, 's', { limit: 3 });
    expect(await bench.broker.schedules(NS, 's', { limit: 3, after: next! })).toMatchObject({ items: [{ partition: 3 }], next: null });
  });

  test('a page of a key may hold none, and leads on', async () => {
    const bench = await openBench();
    await kill(bench, [...some(5, 'a'), ...some(1, 'b')]);
    const { items, next } = await bench.broker.deadLetters(NS, 's', { key: 'b', limit: 4 });
    expect(items).toEqual([]);
    expect(await bench.broker.deadLetters(NS, 's', { key: 'b', limit: 4, after: next! })).toMatchObject({ items: [{}], next: null });
  });
});

describe('slice by slice', () => {
  const MANY = 2_500;

  test.each(['group', 'groups'] as const)('many letters, to %s', async (to) => {
    const bench = await openBench({ partitions: 2 });
    await kill(bench, some(MANY), 0);
    await kill(bench, some(7), 1);
    expect(await bench.broker.redrive(NS, 's', { all: true, to })).toEqual({ redriven: MANY + 7, kept: 0, left: 0 });
    expect(await ids(bench)).toEqual([]);
  });

  test('a part of those produced anew is a MiB, and none is left out between two', async () => {
    const bench = await openBench();
    for (let i = 0; i < 5; i++) await kill(bench, [{ payload: new Uint8Array(700_000) }]);
    const asked = copied();
    expect(await bench.broker.redrive(NS, 's', { all: true, to: 'groups' })).toMatchObject({ redriven: 5 });
    expect(asked.get('redrive')).toBe(3);
  });

  test('few of a key among many: slices go on behind those that stay, named or not', async () => {
    const bench = await openBench();
    await kill(bench, [...some(MANY, 'a'), ...some(3, 'b')]);
    const asked = copied();
    expect(await bench.broker.redrive(NS, 's', { match: { key: 'b' }, ratePerSecond: 1_000 })).toEqual({ redriven: 3, kept: 0, left: 0 });
    expect(asked.get('redrive')!).toBeLessThanOrEqual(10);
    expect(await bench.broker.redrive(NS, 's', { ids: (await ids(bench)).slice(1) })).toMatchObject({ redriven: MANY - 1 });
    expect(await ids(bench)).toHaveLength(1);
  });

  test('of another group: one look passes over all', async () => {
    const bench = await openBench();
    await kill(bench, some(MANY));
    await bench.broker.putGroup(NS, 's', 'h', {});
    const asked = copied();
    expect(await bench.broker.redrive(NS, 's', { match: { group: 'h' } })).toEqual({ redriven: 0, kept: 0, left: 0 });
    expect(asked.get('redrive')).toBe(1);
  });

  test('what is kept is counted once, before, between and behind what goes', async () => {
    const bench = await openBench();
    await kill(bench, some(MANY));
    const all = await ids(bench);
    const again = all.filter((_, i) => i % 5 === 0);
    await bench.broker.redrive(NS, 's', { ids: again });
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10_000 });
    await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks) });
    const kept = again.length;
    expect(await bench.broker.redrive(NS, 's', { all: true, maxRedrives: 1 })).toEqual({ redriven: MANY - kept, kept, left: 0 });
  });

  test('what dies once it was asked for is not meant', async () => {
    const bench = await openBench({ partitions: 2 });
    await kill(bench, some(3), 0);
    await kill(bench, some(3), 1);
    const redriven = bench.broker.redrive(NS, 's', { all: true, ratePerSecond: 1 });
    await bench.pass(500);
    await produce(bench.broker, ['late'], { partition: 1 });
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
    const late = receipts(blocks).filter((each) => each.startsWith('1.4.'));
    expect(await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: late })).toEqual([]);
    expect(await redriven).toEqual({ redriven: 6, kept: 0, left: 0 });
    expect(await ids(bench)).toHaveLength(1);
  });

  test('one that goes while a slice waits is passed over; asked for twice at once, each goes once', async () => {
    const bench = await openBench();
    await kill(bench, some(20));
    const all = await ids(bench);
    const first = bench.broker.redrive(NS, 's', { ids: all, ratePerSecond: 10, to: 'groups' });
    await bench.pass(500);
    await bench.broker.removeDeadLetter(NS, 's', all[19]!);
    const second = await bench.broker.redrive(NS, 's', { all: true, to: 'groups' });
    const { redriven, left } = await first;
    expect([redriven + second.redriven, left]).toEqual([19, 0]);
    expect(await bench.broker.station(NS, 's')).toMatchObject({ messages: 39 });
  });
});

describe('at a rate', () => {
  test('nobody waits for partitions that have none, nor for letters that are gone', async () => {
    const bench = await openBench({ partitions: 8 });
    await kill(bench, some(1), 0);
    await kill(bench, some(1), 5);
    const [one, gone] = await ids(bench);
    await bench.broker.removeDeadLetter(NS, 's', gone!);
    const begun = bench.process.now();
    expect(await bench.broker.redrive(NS, 's', { all: true, ratePerSecond: 1 })).toMatchObject({ redriven: 1 });
    await kill(bench, some(1), 0);
    const [other] = await ids(bench);
    expect(await bench.broker.redrive(NS, 's', { ids: [other!, one!, gone!], ratePerSecond: 1 })).toMatchObject({ redriven: 1 });
    expect(bench.process.now() - begun).toBeLessThan(500);
  });

  test('when the time is over, what is left of all partitions is counted, that of a key too', async () => {
    const bench = await openBench({ partitions: 2 });
    await kill(bench, [...some(40, 'a'), ...some(1_500, 'b')], 0);
    await kill(bench, some(10, 'a'), 1);
    const rated = { ratePerSecond: 1 } as const;
    expect(await bench.broker.redrive(NS, 's', { match: { key: 'a' }, ...rated })).toEqual({ redriven: 31, kept: 0, left: 19 });
    expect(await bench.broker.redrive(NS, 's', { all: true, ...rated })).toEqual({ redriven: 31, kept: 0, left: 1_488 });
  });
});

test('all that is asked and answered may be copied from one process to another', async () => {
  const asked = copied();
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  const { broker } = bench;
  await broker.putStation(NS, 't', { partitions: 3 });
  await kill(bench, ['a', 'b', { payload: 'c', key: 'k' }], 0);
  await kill(bench, ['d'], 1);
  const all = await ids(bench);
  expect(texts([(await broker.deadLetter(NS, 's', all[3]!)).message])).toEqual(['1.1 d']);
  await broker.removeDeadLetter(NS, 's', all[0]!);
  for (const call of [broker.removeDeadLetter(NS, 's', all[0]!), broker.deadLetter(NS, 's', all[0]!)])
    expect(await codeOf(call)).toBe('DEAD_LETTER_NOT_FOUND');
  expect(await broker.redrive(NS, 's', { match: { key: 'k' }, to: { station: 't' } })).toMatchObject({ redriven: 1 });
  expect(await broker.redrive(NS, 's', { ids: [all[1]!, all[0]!, all[3]!] })).toMatchObject({ redriven: 2 });
  const { scheduled } = await produce(broker, [{ payload: 'e', key: 'k', id: 'i', delayMs: 5_000 }], { partition: 1 });
  const { scheduleId } = scheduled[0]!;
  expect(await broker.schedules(NS, 's', {})).toMatchObject({ items: [{ scheduleId, partition: 1, key: 'k', id: 'i' }], next: null });
  await broker.cancelSchedule(NS, 's', scheduleId);
  expect([...asked.keys()].sort()).toEqual(['cancelDelayed', 'delayed', 'lastIndex', 'letter', 'letters', 'redrive', 'removeLetter']);
});
