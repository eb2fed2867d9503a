/** The archives that run in Node, through the contract. */
import { expect, test } from 'vitest';
import { folderArchives, memoryArchives, NEED_A_LASTING_ARCHIVE } from './_archives.ts';
import { ARCHIVE_CHECKS, archiveChecks } from './archive.ts';
import { runChecks } from './checks.ts';

test('the contract of an archive has all its checks, each with a name of its own', () => {
  expect(archiveChecks.length).toBe(ARCHIVE_CHECKS);
  expect(new Set(archiveChecks.map((check) => check.name)).size).toBe(ARCHIVE_CHECKS);
});

for (const { subject, skips } of [
  { subject: memoryArchives, skips: NEED_A_LASTING_ARCHIVE },
  { subject: folderArchives, skips: 0 },
]) {
  const factory = subject();
  test(`${factory.name} keeps the contract`, { timeout: 60_000 }, async () => {
    const { passed, skipped, failed } = await runChecks(archiveChecks, factory);
    expect(failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`)).toEqual([]);
    expect({ passed, skipped: skipped.length }).toEqual({ passed: ARCHIVE_CHECKS - skips, skipped: skips });
  });
}
