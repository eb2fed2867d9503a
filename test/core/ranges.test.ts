/** Settling by ranges, and giving back all that a consumer holds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LeasedBlock, ReceiptFailure, ReceiptRange, SettleVerb } from '../../src/core/broker.ts';
import type { Bench } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

function range({ partition, lease, first, count }: LeasedBlock): ReceiptRange {
  return [partition, lease, first, first + count - 1];
}

async function leased(bench: Bench, count: number, consumer = 'c'): Promise<LeasedBlock[]> {
  return [...(await bench.broker.fetch(NS, 's', 'g', { consumer, max: count, leaseMs: 5000 })).blocks];
}

function settle(bench: Bench, verb: SettleVerb, ranges: ReceiptRange[], group = 'g'): Promise<readonly ReceiptFailure[]> {
  return bench.broker.settle(NS, 's', group, verb, { receipts: [], ranges });
}

async function stocked(count: number): Promise<Bench> {
  const bench = await openBench();
  await produce(
    bench.broker,
    Array.from({ length: count }, (_, i) => `${i + 1}`),
  );
  return bench;
}

test('a range settles all its messages, beside receipts in the same call', async () => {
  const bench = await stocked(10);
  const blocks = await leased(bench, 10);
  const [partition, lease] = range(blocks[0]!);
  const ranges: ReceiptRange[] = [
    [partition, lease, 1, 4],
    [partition, lease, 3, 6],
  ];
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks).slice(6, 8), ranges })).toEqual([]);
  expect((await bench.broker.pending(NS, 's', 'g', {})).items.map(({ sequence }) => sequence)).toEqual([9, 10]);
  expect(await settle(bench, 'nack', [[partition, lease, 9, 10]])).toEqual([]);
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks)).toEqual(['0.9 9', '0.10 10']);
});

test('the part of a range that does not count is refused as a range of its own', async () => {
  const bench = await stocked(10);
  const [block] = await leased(bench, 6);
  const [, lease] = range(block!);
  await settle(bench, 'nack', [[0, lease, 3, 4]]);
  await leased(bench, 2, 'other');
  await settle(bench, 'ack', [[0, lease, 6, 6]]);
  expect(await settle(bench, 'extend', [[0, lease, 1, 12]])).toMatchObject([
    { receipt: `0.3.${lease}`, to: 4, code: 'LEASE_EXPIRED', detail: expect.stringContaining('again') as string },
    { receipt: `0.6.${lease}`, to: 6, code: 'LEASE_EXPIRED', detail: expect.stringContaining('settled') as string },
    { receipt: `0.7.${lease}`, to: 10, code: 'INVALID_RECEIPT', detail: expect.stringContaining('never given out') as string },
    { receipt: `0.11.${lease}`, to: 12, code: 'INVALID_RECEIPT', detail: expect.stringContaining('does not exist') as string },
  ]);
  // To ack what is settled is fine.
  expect(await settle(bench, 'ack', [[0, lease, 5, 6]])).toEqual([]);
});

test('a range that is none is refused alone', async () => {
  const bench = await stocked(3);
  const [, lease] = range((await leased(bench, 3))[0]!);
  const bad: ReceiptRange[] = [
    [0, lease, 2, 1],
    [0, lease, 0, 1],
    [0, lease, 1.5, 2],
    [0, lease, 1, Number.MAX_SAFE_INTEGER],
    [1, lease, 1, 1],
    [-1, lease, 1, 1],
    [0, 'made-up-lease-0000000', 1, 1],
    [0, '', 1, 1],
  ];
  const failures = await settle(bench, 'ack', [...bad, [0, lease, 1, 2]]);
  expect(failures.map(({ code, to }) => [code, to])).toEqual(bad.map(([, , , to]) => ['INVALID_RECEIPT', to]));
  expect((await bench.broker.pending(NS, 's', 'g', {})).items.map(({ sequence }) => sequence)).toEqual([3]);
});

test('ranges are bounded, in their number and in all that they name', async () => {
  const bench = await openBench({}, { limits: { receiptsMax: 3, settledMax: 10 } });
  await produce(bench.broker, ['a']);
  const [, lease] = range((await leased(bench, 1))[0]!);
  const many: ReceiptRange[] = Array.from({ length: 4 }, () => [0, lease, 1, 1]);
  expect(await codeOf(settle(bench, 'ack', many))).toBe('INVALID_REQUEST');
  expect(await codeOf(settle(bench, 'ack', [[0, lease, 1, 11]]))).toBe('INVALID_REQUEST');
  expect((await bench.broker.group(NS, 's', 'g')).inFlight).toBe(1);
});

test('a range of another group, or from before the group was moved, counts for nothing', async () => {
  const bench = await stocked(4);
  const given = range((await leased(bench, 4))[0]!);
  await bench.broker.putGroup(NS, 's', 'h', {});
  expect(await settle(bench, 'ack', [given], 'h')).toMatchObject([{ to: 4, code: 'INVALID_RECEIPT' }]);
  await bench.broker.seek(NS, 's', 'g', 'start');
  expect(await settle(bench, 'ack', [given])).toMatchObject([{ to: 4, code: 'LEASE_EXPIRED' }]);
});

test('extending brings back no more than the group may have out', async () => {
  const bench = await stocked(6);
  await bench.broker.putGroup(NS, 's', 'g', { maxInFlight: 4 });
  const given = range((await leased(bench, 4))[0]!);
  await bench.pass(5100);
  await bench.broker.patchGroup(NS, 's', 'g', { maxInFlight: 3 });
  expect(await settle(bench, 'extend', [given])).toMatchObject([{ receipt: `0.4.${given[1]}`, to: 4, code: 'LEASE_EXPIRED' }]);
  expect((await bench.broker.group(NS, 's', 'g')).inFlight).toBe(3);
});

test('a range whose lease a crash took counts, but not for what came after the crash', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['1', '2', '3']);
  await bench.broker.putGroup(NS, 's', 'g', {});
  const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
  const [, lease] = range(blocks[0]!);
  bench.cut();
  await bench.open();
  await produce(bench.broker, ['4', '5']);
  const failures = await settle(bench, 'ack', [[0, lease, 2, 5]]);
  expect(failures).toMatchObject([{ receipt: `0.4.${lease}`, to: 5, code: 'INVALID_RECEIPT' }]);
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.1 1', '0.4 4', '0.5 5']);
});

interface Step {
  readonly verb: SettleVerb;
  /** `lease`: by its place among those that were given. */
  readonly spans: readonly { readonly lease: number; readonly from: number; readonly length: number }[];
  readonly fetch: number;
  readonly pass: number;
}

/** What is to be seen after the steps, settled by ranges or by receipts. A world of its own: time goes on in it. */
async function after(steps: readonly Step[], byRange: boolean): Promise<unknown> {
  const bench = await stocked(20);
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', {});
  const leases: string[] = [];
  const failed: string[] = [];
  for (const { verb, spans, fetch, pass } of steps) {
    for (const block of fetch === 0 ? [] : await leased(bench, fetch)) leases.push(block.lease);
    await bench.pass(pass);
    const ranges = spans.map(({ lease, from, length }): ReceiptRange => [0, leases[lease] ?? 'none', from, from + length - 1]);
    const all = ranges.flatMap(([, lease, from, to]) => Array.from({ length: to - from + 1 }, (_, n) => `0.${from + n}.${lease}`));
    const input = byRange ? { receipts: [], ranges } : { receipts: all };
    for (const { receipt, to, code } of await broker.settle(NS, 's', 'g', verb, input)) {
      const from = Number(receipt.split('.')[1]);
      for (let sequence = from; sequence <= (to ?? from); sequence++) failed.push(`${sequence} ${code}`);
    }
  }
  const letters = (await broker.deadLetters(NS, 's', {})).items.map(({ message }) => message.first);
  return { failed: failed.sort(), group: await broker.group(NS, 's', 'g'), pending: await broker.pending(NS, 's', 'g', {}), letters };
}

test('a range does what the receipts of its messages would have done', async () => {
  const span = fc.record({ lease: fc.nat(3), from: fc.integer({ min: 1, max: 24 }), length: fc.integer({ min: 1, max: 12 }) });
  const step = fc.record({
    verb: fc.constantFrom<SettleVerb>('ack', 'nack', 'extend', 'reject'),
    spans: fc.array(span, { minLength: 1, maxLength: 3 }),
    fetch: fc.nat(6),
    pass: fc.constantFrom(0, 0, 6000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      expect(await after(steps, true)).toEqual(await after(steps, false));
    }),
    { numRuns: 150 },
  );
});

test('what a consumer holds is given back at once, and was not delivered', async () => {
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  const { broker } = bench;
  for (const partition of [0, 1]) await produce(broker, ['a', 'b', 'c'], { partition });
  await broker.putGroup(NS, 's', 'g', { maxDeliveries: 1 });
  const mine = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 5 });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(mine.blocks).slice(0, 1) });
  const theirs = await broker.fetch(NS, 's', 'g', { consumer: 'd', max: 1 });
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'e', max: 10, waitMs: 1000 });
  await bench.turn();
  expect(await broker.release(NS, 's', 'g', 'c')).toEqual({ released: 4 });
  const { blocks } = await waiting;
  const left = receipts(blocks).length;
  const rest = await broker.fetch(NS, 's', 'g', { consumer: 'e', max: 10 });
  expect(left + receipts(rest.blocks).length).toBe(4);
  for (const { deliveries } of [...blocks, ...rest.blocks]) expect(deliveries).toBe(1);
  // Its receipts are those of an older lease now.
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(mine.blocks).slice(1) })).toMatchObject(
    Array.from({ length: 4 }, () => ({ code: 'LEASE_EXPIRED' })),
  );
  expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(theirs.blocks) })).toEqual([]);
  expect(await broker.release(NS, 's', 'g', 'c')).toEqual({ released: 0 });
  expect(await codeOf(broker.release(NS, 's', 'g', '.'))).toBe('INVALID_NAME');
  expect(await codeOf(broker.release(NS, 's', 'nobody', 'c'))).toBe('GROUP_NOT_FOUND');
});

test('what was given back survives a power cut, and its receipts count until it is out again', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['a', 'b']);
  await bench.broker.putGroup(NS, 's', 'g', {});
  const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 60_000 });
  expect(await bench.broker.release(NS, 's', 'g', 'c')).toEqual({ released: 2 });
  bench.cut();
  await bench.open();
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks).slice(0, 1) })).toEqual([]);
  expect((await bench.broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks).toMatchObject([{ first: 2, count: 1, deliveries: 1 }]);
});

test('what was given back, held again by an extend and given back again, does not lose a delivery that was counted', async () => {
  const bench = await stocked(1);
  for (const deliveries of [1, 2]) {
    const [block] = await leased(bench, 1);
    expect(block!.deliveries).toBe(deliveries);
    if (deliveries === 1) await settle(bench, 'nack', [range(block!)]);
    else
      for (let i = 0; i < 3; i++) {
        expect(await bench.broker.release(NS, 's', 'g', 'c')).toEqual({ released: 1 });
        expect(await settle(bench, 'extend', [range(block!)])).toEqual([]);
      }
  }
  await bench.broker.release(NS, 's', 'g', 'c');
  expect((await leased(bench, 1))[0]!.deliveries).toBe(2);
});
