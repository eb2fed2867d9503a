/**
 * Every limit that the core enforces, by its number: at it a call is taken, above it it is refused with its code.
 *
 * Elsewhere: those of the gateway (controlBytesMax, ticketMs) in test/gateway; what a volume does with syncWithinMs in
 * test/volume.
 */
import { describe, expect, test } from 'vitest';
import type { Limits } from '../../src/core/limits.ts';
import { DEFAULT_LIMITS, makeLimits } from '../../src/core/limits.ts';
import type { Bench } from './_broker.ts';
import { batch, codeOf, NS, openBench, produce, receipts } from './_broker.ts';

const open = (limits: Partial<Limits>, station = {}): Promise<Bench> => openBench(station, { limits });
const text = (bytes: number): string => 'x'.repeat(bytes);

async function errorsOf(bench: Bench, message: Parameters<typeof produce>[1][number]): Promise<string | undefined> {
  return (await produce(bench.broker, [message])).errors[0]?.code;
}

describe('a message and a batch', () => {
  test('messageBytesMax', async () => {
    const bench = await open({ messageBytesMax: 50 });
    expect(await errorsOf(bench, text(50))).toBe(undefined);
    expect(await errorsOf(bench, text(51))).toBe('MESSAGE_TOO_LARGE');
    expect(await codeOf(bench.broker.putStation(NS, 't', { maxMessageBytes: 51 }))).toBe('INVALID_REQUEST');
  });

  test('batchBytesMax', async () => {
    const bytes = batch(text(40)).length;
    const bench = await open({ batchBytesMax: bytes, messageBytesMax: bytes });
    expect(await codeOf(produce(bench.broker, [text(40)]))).toBe('answered');
    expect(await codeOf(produce(bench.broker, [text(41)]))).toBe('BATCH_TOO_LARGE');
  });

  test('batchCountMax', async () => {
    const bench = await open({ batchCountMax: 3 });
    expect(await codeOf(produce(bench.broker, ['', '', '']))).toBe('answered');
    expect(await codeOf(produce(bench.broker, ['', '', '', '']))).toBe('BATCH_TOO_LARGE');
  });

  test('headerBytesMax', async () => {
    const bench = await open({ headerBytesMax: 50 });
    // With the length before each text.
    expect(await errorsOf(bench, { headers: [[text(10), text(38)]] })).toBe(undefined);
    expect(await errorsOf(bench, { headers: [[text(10), text(39)]] })).toBe('MESSAGE_TOO_LARGE');
  });

  test('keyBytesMax', async () => {
    const bench = await open({ keyBytesMax: 5 });
    expect(await errorsOf(bench, { key: text(5) })).toBe(undefined);
    expect(await errorsOf(bench, { key: text(6) })).toBe('MESSAGE_TOO_LARGE');
  });

  test('idBytesMax', async () => {
    const bench = await open({ idBytesMax: 5 });
    expect(await errorsOf(bench, { id: text(5) })).toBe(undefined);
    expect(await errorsOf(bench, { id: text(6) })).toBe('MESSAGE_TOO_LARGE');
  });

  test('pendingBytesMax: more waits than may, until what waits is stored', async () => {
    const bytes = batch(text(1000)).length;
    const bench = await open({ pendingBytesMax: 2 * bytes, batchBytesMax: bytes, messageBytesMax: 1000 });
    const calls = [1, 2, 3].map(() => codeOf(produce(bench.broker, [text(1000)])));
    expect(await Promise.all(calls)).toEqual(['answered', 'answered', 'OVERLOADED']);
    expect(await codeOf(produce(bench.broker, [text(1000)]))).toBe('answered');
  });
});

describe('stations', () => {
  test('partitionsMax', async () => {
    const { broker } = await open({ partitionsMax: 2 });
    expect(await codeOf(broker.putStation(NS, 't', { partitions: 2 }))).toBe('answered');
    expect(await codeOf(broker.putStation(NS, 'u', { partitions: 3 }))).toBe('INVALID_REQUEST');
  });

  test('stationsMax counts all namespaces, and what is removed no more', async () => {
    const { broker } = await open({ stationsMax: 2 });
    expect(await codeOf(broker.putStation('other', 't', {}))).toBe('answered');
    expect(await codeOf(broker.putStation(NS, 'u', {}))).toBe('LIMIT_EXCEEDED');
    expect(await codeOf(broker.putStation(NS, 's', {}))).toBe('answered');
    await broker.removeStation('other', 't');
    expect(await codeOf(broker.putStation(NS, 'u', {}))).toBe('answered');
  });

  test('dedupWindowMsDefault and dedupWindowMsMax', async () => {
    const { broker } = await open({ dedupWindowMsDefault: 7, dedupWindowMsMax: 9 });
    expect((await broker.station(NS, 's')).dedupWindowMs).toBe(7);
    expect(await codeOf(broker.patchStation(NS, 's', { dedupWindowMs: 9 }))).toBe('answered');
    expect(await codeOf(broker.patchStation(NS, 's', { dedupWindowMs: 10 }))).toBe('INVALID_REQUEST');
  });

  test('listLimitDefault and listLimitMax, in every list', async () => {
    const bench = await open({ listLimitDefault: 2, listLimitMax: 3 });
    const { broker } = bench;
    for (let i = 0; i < 4; i++) {
      await broker.putStation(NS, `t${i}`, {});
      await broker.putGroup(NS, 's', `g${i}`, {});
      await produce(broker, ['x', 'y']);
    }
    const given = receipts((await broker.fetch(NS, 's', 'g0', { consumer: 'c' })).blocks);
    await broker.settle(NS, 's', 'g0', 'reject', { receipts: given.slice(0, 4) });
    const lists = [
      (limit?: number) => broker.stations(NS, { limit }),
      (limit?: number) => broker.groups(NS, 's', { limit }),
      (limit?: number) => broker.pending(NS, 's', 'g0', { limit }),
      (limit?: number) => broker.deadLetters(NS, 's', { limit }),
    ];
    for (const list of lists) {
      expect((await list()).items.length).toBe(2);
      expect((await list(3)).items.length).toBe(3);
      expect(await codeOf(list(4))).toBe('INVALID_REQUEST');
      expect(await codeOf(list(0))).toBe('INVALID_REQUEST');
    }
  });
});

describe('groups', () => {
  test('groupsPerStationMax, whoever makes them', async () => {
    const { broker } = await open({ groupsPerStationMax: 1 });
    await broker.fetch(NS, 's', 'g', { consumer: 'c' });
    expect(await codeOf(broker.putGroup(NS, 's', 'h', {}))).toBe('LIMIT_EXCEEDED');
    expect(await codeOf(broker.fetch(NS, 's', 'h', { consumer: 'c' }))).toBe('LIMIT_EXCEEDED');
    await broker.removeGroup(NS, 's', 'g');
    expect(await codeOf(broker.putGroup(NS, 's', 'h', {}))).toBe('answered');
  });

  test('leaseMsMin, leaseMsDefault and leaseMsMax: of a group, a fetch, and an extension', async () => {
    const { broker } = await open({ leaseMsMin: 10, leaseMsDefault: 20, leaseMsMax: 30 });
    expect((await broker.putGroup(NS, 's', 'g', {})).group.leaseMs).toBe(20);
    await produce(broker, ['a']);
    const given = receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks);
    for (const [leaseMs, code] of [
      [9, 'INVALID_REQUEST'],
      [10, 'answered'],
      [30, 'answered'],
      [31, 'INVALID_REQUEST'],
    ] as const) {
      expect(await codeOf(broker.patchGroup(NS, 's', 'g', { leaseMs }))).toBe(code);
      expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs }))).toBe(code);
      expect(await codeOf(broker.settle(NS, 's', 'g', 'extend', { receipts: given, leaseMs }))).toBe(code);
    }
  });

  test('maxDeliveriesDefault and maxDeliveriesMax', async () => {
    const { broker } = await open({ maxDeliveriesDefault: 3, maxDeliveriesMax: 4 });
    expect((await broker.putGroup(NS, 's', 'g', {})).group.maxDeliveries).toBe(3);
    expect(await codeOf(broker.patchGroup(NS, 's', 'g', { maxDeliveries: 4 }))).toBe('answered');
    expect(await codeOf(broker.patchGroup(NS, 's', 'g', { maxDeliveries: 5 }))).toBe('INVALID_REQUEST');
  });

  test('maxInFlightMax', async () => {
    const { broker } = await open({ maxInFlightMax: 4 });
    expect(await codeOf(broker.putGroup(NS, 's', 'g', { maxInFlight: 4 }))).toBe('answered');
    expect(await codeOf(broker.patchGroup(NS, 's', 'g', { maxInFlight: 5 }))).toBe('INVALID_REQUEST');
  });

  test('runsMax: deliveries of new messages pause, and go on as the runs become fewer', async () => {
    const { broker } = await open({ runsMax: 5 });
    await produce(
      broker,
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
    const given = receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10 })).blocks);
    await broker.settle(NS, 's', 'g', 'ack', { receipts: given.filter((_, i) => i % 2 === 1) });
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
    await broker.settle(NS, 's', 'g', 'nack', { receipts: given.filter((_, i) => i % 2 === 0) });
    let left = 15;
    while (left > 0) {
      const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 10 });
      expect(blocks.length).toBeGreaterThan(0);
      left -= receipts(blocks).length;
      await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
    }
  });
});

describe('fetches, reads and receipts', () => {
  test('fetchCountDefault and fetchCountMax', async () => {
    const { broker } = await open({ fetchCountDefault: 2, fetchCountMax: 3 });
    await produce(broker, ['1', '2', '3', '4', '5']);
    expect(receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).length).toBe(2);
    expect(receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 3 })).blocks).length).toBe(3);
    expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', max: 4 }))).toBe('INVALID_REQUEST');
    expect((await broker.read(NS, 's', {})).blocks).toMatchObject([{ count: 2 }]);
    expect(await codeOf(broker.read(NS, 's', { limit: 4 }))).toBe('INVALID_REQUEST');
  });

  test('fetchBytesDefault and fetchBytesMax', async () => {
    const { broker } = await open({ fetchBytesDefault: 40, fetchBytesMax: 60 });
    await produce(
      broker,
      Array.from({ length: 9 }, () => text(14)),
    );
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toMatchObject([{ count: 2 }]);
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'c', maxBytes: 60 })).blocks).toMatchObject([{ count: 3 }]);
    expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', maxBytes: 61 }))).toBe('INVALID_REQUEST');
    expect((await broker.read(NS, 's', {})).blocks).toMatchObject([{ count: 2 }]);
    expect(await codeOf(broker.read(NS, 's', { maxBytes: 61 }))).toBe('INVALID_REQUEST');
  });

  test('waitMsMax', async () => {
    const { broker } = await open({ waitMsMax: 50 });
    expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 50 }))).toBe('answered');
    expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 51 }))).toBe('INVALID_REQUEST');
    expect(await codeOf(broker.read(NS, 's', { waitMs: 50 }))).toBe('answered');
    expect(await codeOf(broker.read(NS, 's', { waitMs: 51 }))).toBe('INVALID_REQUEST');
  });

  test('waitersMax counts fetches and reads together, and those that ended no more', async () => {
    const bench = await open({ waitersMax: 2 });
    const { broker } = bench;
    await broker.putGroup(NS, 's', 'g', {});
    const waiting = [codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 1000 })), codeOf(broker.read(NS, 's', { waitMs: 1000 }))];
    await bench.pass(1);
    expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 1000 }))).toBe('OVERLOADED');
    expect(await codeOf(broker.read(NS, 's', { waitMs: 1000 }))).toBe('OVERLOADED');
    expect(await Promise.all(waiting)).toEqual(['answered', 'answered']);
    expect(await codeOf(broker.read(NS, 's', { waitMs: 10 }))).toBe('answered');
  });

  test('receiptsMax: in a settlement, with a fetch, and of letters in a redrive', async () => {
    const { broker } = await open({ receiptsMax: 2 });
    await broker.putGroup(NS, 's', 'g', {});
    for (const [count, code] of [
      [2, 'answered'],
      [3, 'INVALID_REQUEST'],
    ] as const) {
      const many = Array.from({ length: count }, () => 'x');
      expect(await codeOf(broker.settle(NS, 's', 'g', 'ack', { receipts: many }))).toBe(code);
      expect(await codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', ack: many }))).toBe(code);
      expect(await codeOf(broker.redrive(NS, 's', { ids: many }))).toBe(code);
    }
  });

  test('delayMsMax', async () => {
    const { broker } = await open({ delayMsMax: 50 });
    await broker.putGroup(NS, 's', 'g', {});
    expect(await codeOf(broker.settle(NS, 's', 'g', 'nack', { receipts: [], delayMs: 50 }))).toBe('answered');
    expect(await codeOf(broker.settle(NS, 's', 'g', 'nack', { receipts: [], delayMs: 51 }))).toBe('INVALID_REQUEST');
  });

  test('reasonBytesMax counts bytes, not characters', async () => {
    const { broker } = await open({ reasonBytesMax: 4 });
    await broker.putGroup(NS, 's', 'g', {});
    for (const [reason, code] of [
      ['abcd', 'answered'],
      ['éé', 'answered'],
      ['ééa', 'INVALID_REQUEST'],
    ] as const)
      expect(await codeOf(broker.settle(NS, 's', 'g', 'reject', { receipts: [], reason }))).toBe(code);
  });
});

test('settleBytes: sections are written, so that what has to be replayed stays short', async () => {
  const bench = await open({ settleBytes: 2000 });
  const { broker } = bench;
  for (let i = 0; i < 50; i++) {
    await produce(broker, ['x']);
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
    await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
  }
  const [info] = [...bench.volume.actors()];
  expect(info!.last).toBeGreaterThan(100);
  expect(info!.last - Math.max(...info!.sections.map(({ asOf }) => asOf))).toBeLessThan(60);
});

describe('the table', () => {
  test('every limit is a setting', () => {
    for (const name of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
      for (const value of [0, -1, 1.5, Number.NaN, 2 ** 53]) expect(() => makeLimits({ [name]: value })).toThrow(name);
    }
    expect(() => makeLimits({ nonsense: 1 } as Partial<Limits>)).toThrow('nonsense');
  });

  test('one setting cannot break another', () => {
    expect(() => makeLimits({ messageBytesMax: 9 * 1024 * 1024 })).toThrow('batchBytesMax');
    expect(() => makeLimits({ leaseMsMin: 31_000 })).toThrow('leaseMsDefault');
    expect(() => makeLimits({ leaseMsMax: 29_000 })).toThrow('leaseMsMax');
    expect(() => makeLimits({ listLimitDefault: 1001 })).toThrow('listLimitMax');
    expect(() => makeLimits({ maxDeliveriesDefault: 5, maxDeliveriesMax: 4 })).toThrow('maxDeliveriesMax');
  });
});
