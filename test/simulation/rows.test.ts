/** The campaign on the volume over rows, with other seeds each run, and bugs that it must catch. */
import { afterEach, expect, test } from 'vitest';
import { planted } from '../../src/core/faults.ts';
import { runRows } from './rows.ts';

const SEEDS = 150;

afterEach(() => planted.clear());

test(`${SEEDS} seeds: what a life finds is what was committed`, { timeout: 120_000 }, async () => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + SEEDS; seed++) await runRows(seed);
});

test.each(['rows-forget-a-last', 'rows-forget-mixed-state', 'rows-forget-slot-order', 'rows-evict-unwritten'])(
  'planted: %s is caught',
  { timeout: 120_000 },
  async (bug) => {
    planted.add(bug);
    const caught = async () => {
      for (let seed = 1; seed <= 300; seed++) await runRows(seed);
    };
    await expect(caught()).rejects.toThrow(/seed \d+|no|Cannot|is not/);
  },
);
