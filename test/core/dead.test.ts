/** Dead letters: how messages die, what is kept of them, and how they come back. */
import { expect, test } from 'vitest';
import type { Draft } from '../../src/core/actor/log.ts';
import { draft } from '../../src/core/actor/log.ts';
import { KIND } from '../../src/core/entry/kinds.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { PartitionMachine } from '../../src/core/partition/machine.ts';
import { PartitionState } from '../../src/core/partition/state.ts';
import type { Bench } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

async function kill(bench: Bench, messages: string[], reason = 'bad'): Promise<void> {
  const { broker } = bench;
  await produce(broker, messages);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1000 });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks), reason });
}

test('a rejected message is a dead letter with its bytes, its reason and its history', async () => {
  const bench = await openBench();
  await kill(bench, ['a'], 'no such order');
  const { items, next } = await bench.broker.deadLetters(NS, 's', {});
  expect(next).toBe(null);
  expect(items).toMatchObject([{ reason: 'rejected', error: 'no such order', group: 'g', consumer: 'c', deliveries: 1 }]);
  expect(items[0]!.history.map(({ event }) => event)).toEqual(['delivered', 'rejected']);
  expect(texts([items[0]!.message])).toEqual(['0.1 a']);
  expect(await bench.broker.deadLetter(NS, 's', items[0]!.id)).toEqual(items[0]);
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ dead: 1, unread: 0, inFlight: 0 });
});

test('a message dies with its last delivery, whether it is handed back or its lease runs out', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', { maxDeliveries: 2, leaseMs: 1000 });
  await produce(broker, ['a', 'b']);
  for (let i = 0; i < 2; i++) {
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
    expect(texts(blocks)).toEqual(['0.1 a', '0.2 b']);
    await broker.settle(NS, 's', 'g', 'nack', { receipts: [receipts(blocks)[0]!], reason: 'cannot' });
    await bench.pass(1100);
  }
  const { items } = await broker.deadLetters(NS, 's', {});
  expect(items.map(({ reason, error, deliveries, message }) => [reason, error, deliveries, message.first])).toEqual([
    ['max-deliveries', 'cannot', 2, 1],
    ['max-deliveries', 'Its last lease ran out.', 2, 2],
  ]);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
});

test('pages go through all letters of all partitions once, also as letters go', async () => {
  const bench = await openBench({ partitions: 3 });
  for (let round = 0; round < 2; round++)
    for (let partition = 0; partition < 3; partition++) {
      await produce(bench.broker, ['x', 'y'], { partition });
      const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1000 });
      await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks).reverse() });
    }
  const all = (await bench.broker.deadLetters(NS, 's', {})).items.map(({ id }) => id);
  expect(new Set(all).size).toBe(12);
  const paged: string[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await bench.broker.deadLetters(NS, 's', { limit: 5, ...(after !== undefined && { after }) });
    paged.push(...items.map(({ id }) => id));
    if (next === null) break;
    // What marks the place may be gone by the next page.
    await bench.broker.removeDeadLetter(NS, 's', next);
    after = next;
  }
  expect(paged).toEqual(all);
  expect((await bench.broker.deadLetters(NS, 's', { group: 'other' })).items).toEqual([]);
});

test('a redriven message is delivered again as if never before; asking twice does nothing twice', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await kill(bench, ['a', 'b', 'c']);
  const ids = (await broker.deadLetters(NS, 's', {})).items.map(({ id }) => id);
  expect(await broker.redrive(NS, 's', { ids: [ids[1]!, ids[1]!, 'nonsense', '0-9-9'] })).toMatchObject({ redriven: 1 });
  expect(await broker.redrive(NS, 's', { ids: [ids[1]!] })).toMatchObject({ redriven: 0 });
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'd' });
  expect(texts(blocks)).toEqual(['0.2 b']);
  expect(blocks[0]!.deliveries).toBe(1);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ dead: 2, inFlight: 1, redelivered: 0, unread: 0 });
});

test('letters and what is redriven keep their bytes when the station trims and the broker restarts', async () => {
  const bench = await openBench({ retention: { maxMessages: 1 } }, { on: 'disk' });
  await kill(bench, ['a', 'b']);
  for (let i = 0; i < 20; i++) {
    await produce(bench.broker, ['x'.repeat(500)]);
    await bench.pass(200);
  }
  await bench.broker.close();
  await bench.open();
  expect((await bench.broker.station(NS, 's')).counts).toMatchObject([{ messages: 1, first: 22 }]);
  const { items } = await bench.broker.deadLetters(NS, 's', {});
  expect(items.flatMap(({ message }) => texts([message]))).toEqual(['0.1 a', '0.2 b']);
  await bench.broker.redrive(NS, 's', { ids: [items[1]!.id] });
  await bench.broker.purge(NS, 's', {});
  bench.cut();
  await bench.open();
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.2 b']);
  expect(texts([(await bench.broker.deadLetter(NS, 's', items[0]!.id)).message])).toEqual(['0.1 a']);
});

test('a letter goes with its group, by hand, and with its age', async () => {
  const bench = await openBench({ deadLetter: { maxAgeMs: 1000 } });
  const { broker } = bench;
  await kill(bench, ['a', 'b']);
  const [first] = (await broker.deadLetters(NS, 's', {})).items;
  await broker.removeDeadLetter(NS, 's', first!.id);
  expect(await codeOf(broker.removeDeadLetter(NS, 's', first!.id))).toBe('DEAD_LETTER_NOT_FOUND');
  expect((await broker.group(NS, 's', 'g')).dead).toBe(1);
  await bench.pass(1100);
  expect((await broker.deadLetters(NS, 's', {})).items).toEqual([]);
  expect((await broker.group(NS, 's', 'g')).dead).toBe(0);
  await kill(bench, ['c']);
  await broker.removeGroup(NS, 's', 'g');
  expect((await broker.deadLetters(NS, 's', {})).items).toEqual([]);
});

test('several redriven messages are still owed after a seek, in a life after it too', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await kill(bench, ['1', '2', '3', '4', '5', '6', '7', '8']);
  const { items } = await bench.broker.deadLetters(NS, 's', {});
  await bench.broker.redrive(NS, 's', { ids: [items[2]!.id, items[3]!.id, items[6]!.id] });
  await bench.broker.seek(NS, 's', 'g', 'end');
  bench.cut();
  await bench.open();
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.3 3', '0.4 4', '0.7 7']);
});

test('a redriven message that is out when the group is moved comes again, though that was its last delivery', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', { maxDeliveries: 1 });
  await kill(bench, ['a', 'b']);
  await broker.redrive(NS, 's', { all: true });
  await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.seek(NS, 's', 'g', 'end');
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toMatchObject([{ first: 1, count: 2, deliveries: 1 }]);
});

test('redriving a letter takes a message from nobody who was given it since', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await kill(bench, ['a']);
  await broker.seek(NS, 's', 'g', 'start');
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(await broker.redrive(NS, 's', { all: true })).toMatchObject({ redriven: 1 });
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks).toEqual([]);
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toEqual([]);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, inFlight: 0, dead: 0 });
});

test('a page of letters is bounded in bytes', async () => {
  const bench = await openBench({}, { limits: { fetchBytesMax: 1000, fetchBytesDefault: 1000 } });
  for (let i = 0; i < 10; i++) await kill(bench, ['x'.repeat(400)]);
  let seen = 0;
  for (let after: string | undefined; ; ) {
    const { items, next } = await bench.broker.deadLetters(NS, 's', { ...(after !== undefined && { after }) });
    expect(items.length).toBeLessThanOrEqual(3);
    seen += items.length;
    if (next === null) break;
    after = next;
  }
  expect(seen).toBe(10);
});

test('a pin goes when the last that needs it does, however the message died and came back', () => {
  const state = new PartitionState(0, 1, DEFAULT_LIMITS);
  const machine = new PartitionMachine(state);
  const config = {
    startAt: 'start',
    order: 'none',
    leaseMs: 1000,
    maxDeliveries: 5,
    maxInFlight: undefined,
    maxInFlightPerConsumer: undefined,
    backoff: undefined,
    filter: undefined,
    paused: false,
  } as const;
  let index = 0;
  const apply = ({ kind, value }: Draft) =>
    machine.apply({ kind, value, index: ++index, epoch: 1, time: index, first: 0, count: 0, body: undefined, live: true });
  state.next = 10;
  apply(draft(KIND.groupMade, { command: 1, group: 5, name: 'g', at: 1, config }));
  const die = () => {
    apply(draft(KIND.leased, { group: 5, consumer: 'c', expires: 99, runs: [{ from: 1, count: 3, deliveries: 1 }] }));
    apply(draft(KIND.died, { group: 5, reason: 'rejected', error: '', ranges: [{ from: 1, count: 3 }] }));
  };
  die();
  apply(draft(KIND.sought, { command: 2, group: 5, at: 1 }));
  die();
  apply(draft(KIND.redriven, { letters: [...state.letters.values()].map(({ sequence, died }) => ({ sequence, died })) }));
  expect([...state.pins.values()].map(({ holders }) => holders)).toEqual([1, 1, 1]);
  [...machine.takeSections()];
  apply(draft(KIND.acked, { group: 5, ranges: [{ from: 2, count: 1 }] }));
  expect([...state.pins.keys()]).toEqual([1, 3]);
  [...machine.takeSections()];
  apply(draft(KIND.sought, { command: 3, group: 5, at: 3 }));
  expect([...state.pins.keys()]).toEqual([1]);
  // Sections hold the pins: one that goes has to be written.
  expect([...machine.takeSections()].map(([name]) => name)).toContain('letters:0');
  apply(draft(KIND.acked, { group: 5, ranges: [{ from: 1, count: 1 }] }));
  expect(state.pins.size).toBe(0);
});

test('bad requests are refused', async () => {
  const { broker } = await openBench();
  expect(await codeOf(broker.redrive(NS, 's', {}))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.redrive(NS, 's', { ids: [], all: true }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.redrive(NS, 's', { all: true, ratePerSecond: 0 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.deadLetters(NS, 's', { after: 'x' }))).toBe('INVALID_REQUEST');
  for (const id of ['', 'x', '0-1', '9-1-1', '0-0-1', '0-1-zzzzzzzzzzz', `0-${2 ** 53}-1`])
    expect(await codeOf(broker.deadLetter(NS, 's', id))).toBe('DEAD_LETTER_NOT_FOUND');
});

test('one more dead letter has only its neighbours written again, and all are in the order in which they died after a restart', async () => {
  const bench = await openBench({}, { on: 'disk', limits: { settleBytes: 2 ** 30 } });
  for (let i = 0; i < 5; i++)
    await produce(
      bench.broker,
      Array.from({ length: 1_000 }, () => 'x'),
    );
  const reject = async (at: readonly number[]) => {
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10_000 });
    const all = receipts(blocks);
    await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: at.map((place) => all[place]!) });
    await bench.broker.release(NS, 's', 'g', 'c');
  };
  // The last ones first, so that the order is not that of their sequences.
  await reject(Array.from({ length: 2_000 }, (_, i) => 3_000 + i));
  await reject([0]);
  await bench.broker.close();
  bench.kill();
  await bench.open();
  const { items } = await bench.broker.deadLetters(NS, 's', { limit: 1_000 });
  expect(items.slice(0, 2).map(({ message }) => message.first)).toEqual([3_001, 3_002]);
  const sections = () => [...bench.volume.actors()].flatMap((actor) => actor.sections).filter(({ name }) => name.startsWith('letters:'));
  const before = new Map(sections().map(({ name, asOf }) => [name, asOf]));
  expect(before.size).toBeGreaterThanOrEqual(3);
  await reject([500]);
  await bench.broker.close();
  const written = sections().filter(({ name, asOf }) => before.get(name) !== asOf);
  expect(written.map(({ name }) => name)).toEqual(['letters:0']);
});

test('an id of a station that was removed names no letter of the one that is made after it', async () => {
  const bench = await openBench();
  const { broker } = bench;
  await kill(bench, ['a']);
  const [was] = (await broker.deadLetters(NS, 's', {})).items;
  await broker.removeStation(NS, 's');
  await broker.putStation(NS, 's', {});
  await kill(bench, ['b']);
  const [is] = (await broker.deadLetters(NS, 's', {})).items;
  const placeOf = (id = '') => id.split('-').slice(0, 3).join('-');
  expect(placeOf(is?.id), 'it died in the same place').toBe(placeOf(was?.id));
  expect(await codeOf(broker.deadLetter(NS, 's', was!.id))).toBe('DEAD_LETTER_NOT_FOUND');
  expect(await codeOf(broker.removeDeadLetter(NS, 's', was!.id))).toBe('DEAD_LETTER_NOT_FOUND');
  expect(await broker.redrive(NS, 's', { ids: [was!.id] })).toMatchObject({ redriven: 0 });
  expect(await codeOf(broker.deadLetters(NS, 's', { after: was!.id }))).toBe('INVALID_REQUEST');
  expect((await broker.deadLetters(NS, 's', {})).items).toHaveLength(1);
});
