/**
 * What the core takes for a message, counted: a change that makes it take more is seen here, however busy the machine is. A bound that
 * a change lowers is lowered with it.
 */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Guarded } from '../../bench/guard-child.ts';

/** No collection while it is counted. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512'];

const BOUNDS: Readonly<Record<string, Guarded>> = {
  'produce, buffered': { allocated: 100, written: 8, writes: 0.2, syncs: 0.05 },
  'produce, synced': { allocated: 112, written: 8, writes: 0.2, syncs: 0.2 },
  // Less than the payload: it is not written again.
  'fetch and ack': { allocated: 460, written: -125, writes: 0.2, syncs: 0.05 },
};

test('batches of 100 × 128 B, eight under way: allocated, written, synced', { timeout: 60_000 }, async () => {
  const child = fork(join(import.meta.dirname, '../../bench/guard-child.ts'), [], { execArgv: FLAGS });
  const said = await new Promise<Record<string, Guarded>>((resolve, reject) => {
    child.on('message', resolve);
    child.on('exit', (code) => reject(new Error(`It ended with ${code}.`)));
  });
  expect(Object.keys(said)).toEqual(Object.keys(BOUNDS));
  for (const [what, bounds] of Object.entries(BOUNDS))
    for (const name of Object.keys(bounds) as (keyof Guarded)[])
      expect(said[what]![name], `${what}: ${name}`).toBeLessThanOrEqual(bounds[name]);
});
