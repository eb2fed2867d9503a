/** The example of the README, as a reader runs it; and the one idea that its consumers rest on. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { computed, Statistics } from '../../examples/flights/statistics.ts';

const WHOLE = join(import.meta.dirname, '../../examples/flights/run.ts');

test.each(['sdk', 'http'])(
  '200,000 flights over %s, a broker killed midway: the sums are those of the file',
  { timeout: 120_000 },
  async (over) => {
    const { stdout } = await promisify(execFile)(process.execPath, [WHOLE, over]);
    expect(stdout).toMatch(/killed \(SIGKILL\)/);
    expect(stdout).toMatch(/ equal to what the file gives, for \d{3} origins/);
  },
);

test('a message that comes again is not counted twice, whoever gets it', () => {
  const flight = { origin: 'SFO', destination: 'LAX', delay: 5, distance: 337 };
  const [first, second] = [1, 2].map((sequence) => ({ partition: 0, sequence, payload: flight }));
  const statistics = new Statistics(':memory:');
  expect(statistics.count([first!, second!])).toBe(0);
  expect(statistics.count([second!, { partition: 1, sequence: 2, payload: flight }])).toBe(1);
  expect(statistics.origins()).toEqual(computed([flight, flight, flight]));
});
