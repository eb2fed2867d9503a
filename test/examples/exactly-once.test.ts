/** The example of exactly-once steps, as a reader runs it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('worker and broker are killed, and each order has one invoice', { timeout: 120_000 }, async () => {
  const file = join(import.meta.dirname, '../../examples/exactly-once/run.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  expect(stdout).toContain('2000 orders\n');
  expect(stdout).toContain('2000 invoices: 0 missing, 0 doubled\n');
});
