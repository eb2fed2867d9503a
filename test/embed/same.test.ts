/** The same seed, the same run: whatever else goes on in the process. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { story } from './_story.ts';

test('told twice it is the same, to the byte', async () => {
  const first = await story(7);
  expect(first.split('\n').length).toBeGreaterThan(150);
  // Real time, and real files, go on beside the second one.
  let over = false;
  const noise = (async () => {
    while (!over) await Promise.all([readFile(import.meta.filename), new Promise((resolve) => setTimeout(resolve, 1))]);
  })();
  const second = await story(7);
  over = true;
  await noise;
  expect(second).toBe(first);
});

test('with another seed it is another', async () => {
  expect(await story(8)).not.toBe(await story(7));
});
