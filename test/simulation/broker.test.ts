/**
 * A few hundred seeds of the broker campaign, each run twice; `WAYSIDE_SEEDS` (a factor) makes it more or fewer.
 * Elsewhere: what is checked (broker.ts), thousands of seeds (main.ts), that the checks can fail (planted.test.ts).
 */
import { describe, expect, test } from 'vitest';
import { replayCommand, runSeedTwice } from './broker.ts';

const FACTOR = Number(process.env.WAYSIDE_SEEDS ?? 1);
const SEEDS = Math.max(1, Math.round(300 * FACTOR));
const SEEDS_PER_TEST = 25;

/** Each has found a bug that is mended: a produce that had to look its station up again, as the storage failed. */
const FOUND = [422252];

test.each(FOUND)('seed %i, which has found something', { timeout: 60_000 }, async (seed) => {
  expect((await runSeedTwice(seed)).failure).toBeUndefined();
});

describe(`the broker over a faulty disk, ${SEEDS} seeds`, () => {
  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    const to = Math.min(SEEDS, from + SEEDS_PER_TEST - 1);
    test(`seeds ${from} to ${to}`, { timeout: 120_000 }, async () => {
      for (let seed = from; seed <= to; seed++) {
        const { failure } = await runSeedTwice(seed);
        expect(failure, `${replayCommand(seed)}`).toBeUndefined();
      }
    });
  }
});
