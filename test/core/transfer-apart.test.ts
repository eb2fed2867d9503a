/**
 * Exports and imports of partitions that are reached as if each were in a process of its own: calls take time and pass each
 * other, holds are lost, values are copied.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { planted } from '../../src/core/faults.ts';
import { apart } from '../simulation/faults/apart.ts';
import type { Bench, Setup } from './_broker.ts';
import { batch, NS, openBench, produce, receipts, texts } from './_broker.ts';
import { exported, imported, rich, shown } from './_transfer.ts';

afterEach(() => planted.clear());

async function openApart(station = {}, setup: Setup = {}): Promise<Bench> {
  const bench = await openBench(station, { on: 'disk', ...setup });
  apart.add(bench.process);
  return bench;
}

test('what comes back is what was there', async () => {
  const bench = await rich();
  apart.add(bench.process);
  const before = await shown(bench, 's');
  await imported(bench, await exported(bench), { station: 'copy' });
  expect(await shown(bench, 'copy')).toEqual(before);
  bench.cut();
  await bench.open();
  expect(await shown(bench, 'copy')).toEqual(before);
  expect(bench.errors).toEqual([]);
});

const ORDERS = Array.from({ length: 40 }, (_, i) => `${100 + i}`);

/** Orders go through `s` to `t` while all of it is exported. @returns those that are in the export, each as often as it is there */
async function orders(round: number, callMs: number): Promise<string[]> {
  const bench = await openApart({ partitions: 2 }, { callMs });
  const { broker, process } = bench;
  await broker.putStation(NS, 't', { partitions: 2 });
  await broker.putGroup(NS, 's', 'g', { leaseMs: 5_000 });
  for (const order of ORDERS) await produce(broker, [{ payload: order, key: order }]);
  for (let drawn = 0; drawn < round; drawn++) process.u32();
  let isOver = false;
  const stepping = (async () => {
    for (; !isOver; await bench.pass(2)) await step(bench);
  })();
  await bench.pass((round * 7) % (callMs * 30));
  const bytes = await exported(bench, null);
  isOver = true;
  await stepping;
  expect(bench.errors).toEqual([]);
  const other = await openBench();
  await other.broker.removeStation(NS, 's');
  await imported(other, bytes);
  await other.pass(10_000);
  const found = texts((await other.broker.read(NS, 't', { limit: 1_000 })).blocks);
  for (let taken = ['']; taken.length > 0; found.push(...taken))
    taken = texts((await other.broker.fetch(NS, 's', 'g', { consumer: 'd', max: 1_000 })).blocks);
  return found.map((text) => text.slice(-3)).sort();
}

async function step({ broker }: Bench): Promise<void> {
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
  const outputs = texts(blocks).map((text) => ({ station: 't', batch: batch({ payload: text.slice(-3), key: text.slice(-3) }) }));
  if (blocks.length > 0) await broker.step(NS, 's', 'g', { receipts: receipts(blocks), outputs });
}

describe('what is on its way', { timeout: 60_000 }, () => {
  test.each([4, 50])('is in an export once, on a disk that takes %i ms', async (callMs) => {
    for (let round = 0; round < 50; round++) expect(await orders(round, callMs), `round ${round}`).toEqual(ORDERS);
  });

  test.each([
    ['send-although-held', 4],
    ['learn-although-held', 50],
    ['cut-with-a-lost-hold', 4],
    ['cut-forgets-what-arrived', 4],
  ] as const)('a broker with the bug %s is caught', async (bug, callMs) => {
    planted.add(bug);
    let caught = false;
    for (let round = 0; round < 300 && !caught; round++) caught = (await orders(round, callMs)).join() !== ORDERS.join();
    expect(caught).toBe(true);
  });
});
