/** Produce, as a broker answers it: sequences, repeats, refusals, order, and waiting for room. */
import { expect, test } from 'vitest';
import { WaysideError } from '../../src/core/errors.ts';
import { batch, codeOf, NS, openBench, produce, texts } from './_broker.ts';

test('messages get sequences without gaps, in the order in which they were sent', async () => {
  const { broker } = await openBench();
  const answers = await Promise.all([produce(broker, ['a', 'b']), produce(broker, ['c']), produce(broker, ['d', 'e'])]);
  expect(answers.map(({ ranges }) => ranges)).toEqual([[[0, 1, 2]], [[0, 3, 1]], [[0, 4, 2]]]);
  expect(texts((await broker.read(NS, 's', {})).blocks)).toEqual(['0.1 a', '0.2 b', '0.3 c', '0.4 d', '0.5 e']);
});

test('a repeat of an id is a duplicate within the window, in its own batch too, and not after it', async () => {
  const bench = await openBench({ dedupWindowMs: 1000 });
  const { broker } = bench;
  const first = await produce(broker, [{ id: 'x' }, { id: 'y' }, { id: 'x' }]);
  expect(first).toMatchObject({ ranges: [[0, 1, 2]], duplicates: [[2, 0, 1]] });
  await bench.pass(990);
  expect(await produce(broker, [{ id: 'y' }, { id: 'z' }])).toMatchObject({ ranges: [[0, 3, 1]], duplicates: [[0, 0, 2]] });
  await bench.pass(20);
  expect(await produce(broker, [{ id: 'y' }])).toMatchObject({ ranges: [[0, 4, 1]], duplicates: [] });
});

test('without a window nothing is a duplicate', async () => {
  const { broker } = await openBench({ dedupWindowMs: 0 });
  expect(await produce(broker, [{ id: 'x' }, { id: 'x' }])).toMatchObject({ ranges: [[0, 1, 2]], duplicates: [] });
});

test('a key chooses the partition, and so does an id where there is no key', async () => {
  const { broker } = await openBench({ partitions: 4 });
  const keyed = await produce(
    broker,
    Array.from({ length: 40 }, (_, i) => ({ key: `k${i % 8}`, payload: `${i}` })),
  );
  const byKey = new Map<number, Set<number>>();
  for (const [i, partition] of keyed.partitions!.entries()) byKey.set(i % 8, (byKey.get(i % 8) ?? new Set()).add(partition));
  for (const partitions of byKey.values()) expect(partitions.size).toBe(1);
  expect(new Set(keyed.partitions!).size).toBeGreaterThan(1);
  const [one, again] = [await produce(broker, [{ id: 'same' }]), await produce(broker, [{ id: 'same' }])];
  expect(again.duplicates).toEqual([[0, one.ranges[0]![0], one.ranges[0]![1]]]);
});

test('an expected sequence is compared, unless every message is a repeat', async () => {
  const { broker } = await openBench();
  await produce(broker, [{ id: 'x' }], { expectedSequence: 1 });
  expect(await codeOf(produce(broker, ['late'], { expectedSequence: 1 }))).toBe('SEQUENCE_MISMATCH');
  expect(await produce(broker, [{ id: 'x' }], { expectedSequence: 1 })).toMatchObject({ duplicates: [[0, 0, 1]] });
  const both = [produce(broker, ['one'], { expectedSequence: 2 }), produce(broker, ['two'], { expectedSequence: 2 })];
  expect(await Promise.all(both.map(codeOf))).toEqual(['answered', 'SEQUENCE_MISMATCH']);
});

test('of a batch the good messages are stored and the others refused; of an atomic one all or none', async () => {
  const { broker } = await openBench({ maxMessageBytes: 4 });
  const mixed = await produce(broker, ['ok', 'too long', { payload: 'ok', delayMs: 2 ** 40 }, { payload: 'ok', expiresMs: 0 }, 'fine']);
  expect(mixed.ranges).toEqual([[0, 1, 2]]);
  expect(mixed.errors.map(({ index, code }) => [index, code])).toEqual([
    [1, 'MESSAGE_TOO_LARGE'],
    [2, 'INVALID_REQUEST'],
    [3, 'INVALID_REQUEST'],
  ]);
  await expect(produce(broker, [{ id: 'x', payload: 'ok' }, 'too long'], { atomic: true })).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
    extra: { index: 1 },
  });
  expect(await produce(broker, [{ id: 'x', payload: 'ok' }])).toMatchObject({ ranges: [[0, 3, 1]], duplicates: [] });
});

test('an atomic batch that falls in several partitions is refused, and leaves nothing', async () => {
  const { broker } = await openBench({ partitions: 4 });
  const keyed = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}` }));
  expect(await codeOf(produce(broker, keyed, { atomic: true }))).toBe('INVALID_REQUEST');
  expect((await broker.station(NS, 's')).messages).toBe(0);
});

test('a station that refuses takes what it has room for, and more once there is', async () => {
  const bench = await openBench({ retention: { maxMessages: 3, discard: 'refuse' } });
  const { broker } = bench;
  const answer = await produce(broker, ['a', 'b', 'c', 'd']);
  expect(answer.ranges).toEqual([[0, 1, 3]]);
  expect(answer.errors).toMatchObject([{ index: 3, code: 'LIMIT_EXCEEDED' }]);
  expect(await codeOf(produce(broker, ['d', 'e'], { atomic: true }))).toBe('LIMIT_EXCEEDED');
  await broker.purge(NS, 's', { upTo: 1 });
  expect((await produce(broker, ['d', 'e'])).ranges).toEqual([[0, 4, 1]]);
});

test('what waits for room keeps its order, and room is made for all that waits by then', async () => {
  const bench = await openBench();
  const asked: number[] = [];
  let grant: () => void = () => undefined;
  let limit = 0;
  bench.volume.hasRoom = (bytes) => bytes <= limit;
  bench.volume.makeRoom = (bytes) => {
    asked.push(bytes);
    return new Promise((resolve) => {
      grant = () => {
        limit = bytes;
        resolve();
      };
    });
  };
  const first = produce(bench.broker, ['1']);
  await bench.turn();
  const second = produce(bench.broker, ['22']);
  const third = produce(bench.broker, ['333']);
  await bench.turn();
  grant();
  await bench.turn();
  expect(asked.length).toBe(2);
  expect(asked[1]).toBeGreaterThan(2 * asked[0]!);
  grant();
  expect((await Promise.all([first, second, third])).map(({ ranges }) => ranges[0]![1])).toEqual([1, 2, 3]);
});

test('a full storage refuses what waits, and takes the next once there is room', async () => {
  const bench = await openBench();
  const { hasRoom } = bench.volume;
  bench.volume.hasRoom = () => false;
  bench.volume.makeRoom = () => Promise.reject(new WaysideError('STORAGE_FULL', 'Full.'));
  expect(await Promise.all([codeOf(produce(bench.broker, ['a'])), codeOf(produce(bench.broker, ['b']))])).toEqual([
    'STORAGE_FULL',
    'STORAGE_FULL',
  ]);
  bench.volume.hasRoom = hasRoom;
  expect((await produce(bench.broker, ['c'])).ranges).toEqual([[0, 1, 1]]);
});

test('a batch over several partitions is stored once though the station changes in the middle of it', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker, volume } = bench;
  await broker.station(NS, 's');
  let room: () => void = () => undefined;
  const { hasRoom } = volume;
  volume.hasRoom = () => {
    // The first to ask waits; the other share is stored meanwhile.
    volume.hasRoom = hasRoom;
    return false;
  };
  volume.makeRoom = () =>
    new Promise((resolve) => {
      room = resolve;
    });
  const sent = produce(
    broker,
    Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, payload: `${i}` })),
  );
  await bench.pass(1);
  await broker.patchStation(NS, 's', { dedupWindowMs: 5000 });
  room();
  const { ranges } = await sent;
  expect(ranges.reduce((sum, [, , count]) => sum + count, 0)).toBe(10);
  expect((await broker.station(NS, 's')).messages).toBe(10);
});

test('bad batches and places are refused, with their code', async () => {
  const { broker } = await openBench({ partitions: 2 });
  const damaged = batch('x');
  damaged[20]! ^= 1;
  expect(await codeOf(broker.produce(NS, 's', damaged))).toBe('INVALID_RECORDS');
  expect(await codeOf(broker.produce(NS, 's', new Uint8Array()))).toBe('INVALID_RECORDS');
  for (const partition of [-1, 2, 0.5, Number.NaN]) expect(await codeOf(produce(broker, ['x'], { partition }))).toBe('INVALID_REQUEST');
  expect(await codeOf(produce(broker, ['x'], { expectedSequence: 1 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.produce(NS, 'absent', batch('x')))).toBe('STATION_NOT_FOUND');
  expect(await codeOf(broker.produce(NS, '.x', batch('x')))).toBe('INVALID_NAME');
});
