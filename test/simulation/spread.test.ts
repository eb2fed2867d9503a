/**
 * Seeds of the campaign on the broker that is spread over objects, each run twice, and bugs that it must catch; `WAYSIDE_SEEDS` (a
 * factor) makes it more or fewer. Elsewhere: what is checked (spread.ts), thousands of seeds (main.ts).
 */
import { describe, expect, test } from 'vitest';
import { catchPlanted, PLANTED } from './main.ts';
import { replayCommand, runSeedTwice } from './spread.ts';

const FACTOR = Number(process.env.WAYSIDE_SEEDS ?? 1);
const SEEDS = Math.max(1, Math.round(100 * FACTOR));
const SEEDS_PER_TEST = 10;
/** Several times what each needs. */
const PLANTED_SEEDS_MAX = 400;

/**
 * Each has found a bug that is mended: a hint that was lost with a front in which another had parked since; a partition that was being
 * opened for one who knew an older configuration, and took nothing from whoever knew a newer one, for ever.
 */
const FOUND = [5719, 20116];

test.each(FOUND)('seed %i, which has found something', { timeout: 60_000 }, async (seed) => {
  expect((await runSeedTwice(seed)).failure).toBeUndefined();
});

describe(`the broker over objects that die and sleep, ${SEEDS} seeds`, () => {
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

describe('a planted bug is caught', () => {
  test.each(PLANTED.filter(([, campaign]) => campaign === 'spread'))(
    '%s, by the %s campaign',
    { timeout: 300_000 },
    async (name, campaign) => {
      const caught = await catchPlanted(name, campaign, PLANTED_SEEDS_MAX);
      expect(caught, `${name} was not caught in ${PLANTED_SEEDS_MAX} seeds`).toBeDefined();
    },
  );
});
