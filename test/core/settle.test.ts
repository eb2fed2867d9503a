/** Ack, nack, extend, reject: what a receipt may do, and for how long. */
import { expect, test } from 'vitest';
import { formatLease, formatReceipt, parseReceipt } from '../../src/core/receipt.ts';
import type { Bench } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

async function leased(bench: Bench, messages: string[], group = 'g'): Promise<string[]> {
  await produce(bench.broker, messages);
  return receipts((await bench.broker.fetch(NS, 's', group, { consumer: 'c', leaseMs: 5000 })).blocks);
}

test('acking settles for good, and acking twice is fine', async () => {
  const bench = await openBench();
  const given = await leased(bench, ['a', 'b']);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: given })).toEqual([]);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [...given, given[0]!] })).toEqual([]);
  for (const verb of ['nack', 'extend', 'reject'] as const)
    expect(await bench.broker.settle(NS, 's', 'g', verb, { receipts: given })).toMatchObject([
      { code: 'LEASE_EXPIRED' },
      { code: 'LEASE_EXPIRED' },
    ]);
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, inFlight: 0, redelivered: 0, dead: 0 });
});

test('a receipt counts after its lease has ended, until a later lease exists', async () => {
  const bench = await openBench();
  const [late, lost] = await leased(bench, ['a', 'b']);
  await bench.pass(5100);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [late!] })).toEqual([]);
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks)).toEqual(['0.2 b']);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [lost!] })).toMatchObject([{ code: 'LEASE_EXPIRED' }]);
});

test('a nack gives back at once, or not before its delay', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const [now, later] = await leased(bench, ['a', 'b']);
  await broker.settle(NS, 's', 'g', 'nack', { receipts: [now!] });
  await broker.settle(NS, 's', 'g', 'nack', { receipts: [later!], delayMs: 3000 });
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.1 a']);
  await bench.pass(2900);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
  await bench.pass(200);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.2 b']);
});

test('extending holds a message longer, counted from now', async () => {
  const bench = await openBench();
  const { broker } = bench;
  const given = await leased(bench, ['a']);
  await bench.pass(4000);
  await broker.settle(NS, 's', 'g', 'extend', { receipts: given, leaseMs: 5000 });
  await bench.pass(4000);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks).toEqual([]);
  expect((await broker.pending(NS, 's', 'g', {})).items).toMatchObject([{ sequence: 1, consumer: 'c', deliveries: 1 }]);
  await bench.pass(1100);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'd' })).blocks)).toEqual(['0.1 a']);
});

test('a receipt of another group, of a group before this one, or made up, counts for nothing', async () => {
  const bench = await openBench({ partitions: 2 });
  const { broker } = bench;
  await produce(broker, ['a', 'b'], { partition: 0 });
  const [mine] = receipts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks);
  await broker.putGroup(NS, 's', 'h', {});
  const ack = async (group: string, receipt: string) => (await broker.settle(NS, 's', group, 'ack', { receipts: [receipt] }))[0]?.code;
  expect(await ack('h', mine!)).toBe('INVALID_RECEIPT');
  for (const text of [
    '',
    'x',
    '0.1',
    '0.1.a-b-c',
    mine!.replace(/.$/, '!'),
    mine!.replace(/^0/, '1'),
    `0${mine}`,
    mine!.replace('.1.', '.0.'),
  ])
    expect(await ack('g', text)).toBe('INVALID_RECEIPT');
  expect(await ack('g', mine!.replace('.1.', '.99.'))).toBe('INVALID_RECEIPT');
  await broker.removeGroup(NS, 's', 'g');
  await broker.putGroup(NS, 's', 'g', {});
  expect(await ack('g', mine!)).toBe('INVALID_RECEIPT');
  expect((await broker.group(NS, 's', 'g')).unread).toBe(2);
});

test('a receipt is read back as it was written, and tells a partition that is not its own', () => {
  const lease = formatLease({ group: 281_474_976_710_655, epoch: 9, index: 12_345 }, 7, 0xdeadbeef);
  expect(lease.length).toBeLessThanOrEqual(40);
  const text = formatReceipt(7, 2 ** 53 - 1, lease);
  expect(parseReceipt(text, 0xdeadbeef)).toEqual({
    partition: 7,
    sequence: 2 ** 53 - 1,
    group: 281_474_976_710_655,
    epoch: 9,
    index: 12_345,
  });
  expect(() => parseReceipt(text, 1)).toThrow();
  expect(() => parseReceipt(formatReceipt(8, 1, lease), 0xdeadbeef)).toThrow();
});

test('in a call every receipt stands for itself', async () => {
  const bench = await openBench();
  const [a, b] = await leased(bench, ['a', 'b']);
  const failed = await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: ['nonsense', a!, a!] });
  expect(failed).toMatchObject([{ receipt: 'nonsense', code: 'INVALID_RECEIPT' }]);
  expect((await bench.broker.pending(NS, 's', 'g', {})).items.map(({ receipt }) => receipt)).toEqual([b]);
});

test('bad numbers are refused before anything is settled', async () => {
  const bench = await openBench();
  const given = await leased(bench, ['a']);
  const { broker } = bench;
  expect(await codeOf(broker.settle(NS, 's', 'g', 'nack', { receipts: given, delayMs: -1 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.settle(NS, 's', 'g', 'extend', { receipts: given, leaseMs: 1 }))).toBe('INVALID_REQUEST');
  expect(await codeOf(broker.settle(NS, 's', 'absent', 'ack', { receipts: given }))).toBe('GROUP_NOT_FOUND');
  expect((await broker.group(NS, 's', 'g')).inFlight).toBe(1);
});

test('a receipt whose lease a power cut took still counts', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a', 'b']);
  await broker.putGroup(NS, 's', 'g', {});
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  bench.cut();
  await bench.open();
  expect((await bench.broker.group(NS, 's', 'g')).inFlight).toBe(0);
  const [a, b] = receipts(blocks);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [b!] })).toEqual([]);
  expect(await bench.broker.settle(NS, 's', 'g', 'extend', { receipts: [a!] })).toEqual([]);
  expect((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [a!] })).toEqual([]);
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, inFlight: 0 });
});

test('a receipt of a message that a power cut took settles no other message that has its sequence now', async () => {
  const bench = await openBench({ durability: 'buffered' }, { on: 'disk' });
  await bench.broker.putGroup(NS, 's', 'g', {});
  await bench.pass(2000);
  await produce(bench.broker, ['lost']);
  const lost = receipts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks);
  expect(lost.length).toBe(1);
  bench.cut();
  await bench.open();
  await produce(bench.broker, ['another']);
  await bench.broker.close();
  await bench.open();
  for (const verb of ['ack', 'nack', 'extend', 'reject'] as const)
    expect(await bench.broker.settle(NS, 's', 'g', verb, { receipts: lost })).toMatchObject([{ code: 'INVALID_RECEIPT' }]);
  expect(texts((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks)).toEqual(['0.1 another']);
});
