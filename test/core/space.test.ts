/**
 * Space comes back: a long run in which as much comes as goes keeps the disk within 1.5 × what lives, and two segments.
 * Elsewhere: a volume alone (test/contract/volume/space.ts), random lives with crashes (test/simulation).
 */
import { expect, test } from 'vitest';
import type { Bench } from './_broker.ts';
import { batch, NS, openBench, receipts } from './_broker.ts';

const SEGMENT_BYTES = 256 * 1024;
const ROUNDS = 240;

/** At rest: what is due has been done. */
async function expectBounded(bench: Bench, when: string): Promise<void> {
  const bound = () => {
    const { diskBytes, liveBytes } = bench.volume.stats();
    return { diskBytes, most: 1.5 * liveBytes + 2 * SEGMENT_BYTES };
  };
  for (let tries = 0; tries < 60 && bound().diskBytes > bound().most; tries++) await bench.pass(500);
  const { diskBytes, most } = bound();
  expect(diskBytes, when).toBeLessThanOrEqual(most);
}

test('a station bounded by number, one by acks with a group that lags, and one with dead letters: constant live data, constant disk', async () => {
  const bench = await openBench({ retention: { maxMessages: 200 } }, { on: 'disk', settings: { segmentBytes: SEGMENT_BYTES } });
  const { broker } = bench;
  await broker.putStation(NS, 'acked', { retention: { untilAcked: true } });
  await broker.putStation(NS, 'dead', { retention: { maxMessages: 50 }, deadLetter: { maxAgeMs: 60_000 } });
  for (const station of ['acked', 'dead']) await broker.putGroup(NS, station, 'g', {});
  const payload = new Uint8Array(1000).fill(7);
  let written = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const station of ['s', 'acked', 'dead']) {
      await broker.produce(NS, station, batch(...Array.from({ length: 10 }, () => ({ payload }))));
      written += 10_000;
    }
    // The group lags: it takes what came twenty rounds ago.
    if (round >= 20) {
      const { blocks } = await broker.fetch(NS, 'acked', 'g', { consumer: 'c', max: 10 });
      await broker.settle(NS, 'acked', 'g', 'ack', { receipts: receipts(blocks) });
    }
    const { blocks } = await broker.fetch(NS, 'dead', 'g', { consumer: 'c', max: 10 });
    const [dead, ...others] = receipts(blocks);
    await broker.settle(NS, 'dead', 'g', 'reject', { receipts: [dead!] });
    await broker.settle(NS, 'dead', 'g', 'ack', { receipts: others });
    await bench.pass(1_000);
    if (round % 40 === 39) await expectBounded(bench, `after ${round + 1} rounds`);
  }
  expect(written).toBeGreaterThan(25 * SEGMENT_BYTES);
  expect((await broker.deadLetters(NS, 'dead', { limit: 100 })).items.length).toBeGreaterThanOrEqual(50);
  expect(bench.errors).toEqual([]);
}, 60_000);
