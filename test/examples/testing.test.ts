/** The examples of how to test with an embedded broker, as a reader runs them. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
// Its tests are tests of this file.
import '../../examples/testing/billing.vitest.ts';

test('with node:test, which ends by itself', { timeout: 30_000 }, async () => {
  const file = join(import.meta.dirname, '../../examples/testing/billing.node-test.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', file]);
  expect(stdout).toMatch(/# tests 2\n/);
  expect(stdout).toMatch(/# fail 0\n/);
});
