/** How figures are told: medians, ratios of pairs, goals. */
import { describe, expect, test } from 'vitest';
import type { Row } from '../../bench/report.ts';
import { json, median, ratios, report, table } from '../../bench/report.ts';
import { rotated } from '../../bench/rounds.ts';

const row: Row = {
  name: 'publish',
  unit: 'messages/s',
  ours: { values: [300_000, 200_000, 400_000], serverMicros: [1, 2, 3] },
  beside: [
    { name: 'bare', values: [400_000, 400_000, 400_000], goal: 0.6 },
    { name: 'Redis', values: [100_000, 100_000, 100_000], serverMicros: [4, 4, 4], goal: 3.5 },
    { name: 'other', values: [10_000, 20_000, 40_000] },
  ],
};

describe('a report', () => {
  test('takes the middle of the rounds, and the mean of two middles', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('takes ratios of the same round, not of medians', () => {
    expect(ratios(row, row.beside![2]!)).toEqual([30, 10, 10]);
  });

  test('is a table with a line for each side, its goal and whether that was reached', () => {
    expect(table([row, { name: 'memory', unit: 'MiB', ours: { values: [210] }, atMost: 200 }]).split('\n')).toEqual([
      '| what | Wayside | beside it, in the same run | ratio | goal |',
      '| --- | --- | --- | --- | --- |',
      '| publish | 300,000 [200,000–400,000] messages/s · 2.00 µs | bare: 400,000 [400,000–400,000] | 75 % [50 %–100 %] | ≥ 60 % |',
      '|  |  | Redis: 100,000 [100,000–100,000] · 4.00 µs | 3.0 × [2.0 ×–4.0 ×] | ≥ 3.5 × (not reached) |',
      '|  |  | other: 20,000 [10,000–40,000] | 10 × [10 ×–30 ×] |  |',
      '| memory | 210.0 MiB |  |  | ≤ 200.0 MiB (not reached) |',
    ]);
  });

  test('is told to machines with every round, ratio and goal', () => {
    const side = { name: 'Redis', version: '7', promise: 'on the disk' };
    const said = JSON.parse(json(report([row], [side], { rounds: 3, seconds: 1 })));
    expect(said).toMatchObject({ rounds: 3, seconds: 1, sides: [side], machine: { node: process.version } });
    expect(said.rows[0].beside.map(({ reached }: { reached?: boolean }) => reached)).toEqual([true, false, undefined]);
    expect(said.rows[0].beside[0].ratios).toEqual([0.75, 0.5, 1]);
  });
});

test('every side is first as often as the others', () => {
  expect([0, 1, 2, 3].map((round) => rotated(3, round))).toEqual([
    [0, 1, 2],
    [1, 2, 0],
    [2, 0, 1],
    [0, 1, 2],
  ]);
  expect(rotated(3, -1)).toEqual([2, 0, 1]);
});
