/** The example of the README, as a reader runs it; and the two ideas that its consumers rest on. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { together } from '../../examples/flights/gather.ts';
import { computed, Statistics } from '../../examples/flights/statistics.ts';

test.each([
  { way: 'with the SDK', args: [] },
  // Fewer: what is shown is the same.
  { way: 'over HTTP', args: ['--http', '--flights', '60000'] },
])('$way, a broker that is killed midway: each flight is stored once and counted once', { timeout: 120_000 }, async ({ way, args }) => {
  const file = join(import.meta.dirname, '../../examples/flights/run.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args]);
  expect(stdout).toContain(`two consumers of one group, ${way}\n`);
  expect(stdout).toContain('killed (SIGKILL)');
  expect(stdout).toContain('stored: each flight once, those of an origin in the order of the file\n');
  expect(stdout).toContain(`the sums are equal to what the file gives, for 223 origins\n`);
});

test('a message that comes again is not counted twice, whoever gets it', () => {
  const flight = { row: 0, origin: 'SFO', destination: 'LAX', delay: 5, distance: 337 };
  const [first, second] = [1, 2].map((sequence) => ({ partition: 0, sequence, payload: { ...flight, row: sequence } }));
  const statistics = new Statistics(':memory:');
  expect(statistics.count([first!, second!])).toBe(0);
  expect(statistics.count([second!, { partition: 1, sequence: 2, payload: flight }])).toBe(1);
  expect(statistics.counted()).toEqual({ messages: 3, rows: 3 });
  expect(statistics.origins()).toEqual(computed([flight, flight, flight]));
  statistics.close();
});

test('what is asked for in one turn is done at once, and whoever asked is told, also of a failure', async () => {
  const done: number[][] = [];
  const work = together((items: readonly number[]) => {
    if (items.includes(13)) throw new Error('not that one');
    done.push([...items]);
  });
  await Promise.all([work(1), work(2)]);
  expect(done).toEqual([[1, 2]]);
  await expect(Promise.allSettled([work(12), work(13)])).resolves.toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  await work(3);
  expect(done).toEqual([[1, 2], [3]]);
});
