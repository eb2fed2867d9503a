/** The folder of Node: its lock, its errors, and what a failed call leaves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeFiles } from '../../src/adapters/node/files.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wayside-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the lock keeps out a second opener, here and in another process, until it is given back', async () => {
  const one = nodeFiles(folder);
  await one.lock();
  await expect(nodeFiles(folder).lock()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await one.unlock();
  const other = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      'const { nodeFiles } = await import(process.argv[1]); await nodeFiles(process.argv[2]).lock(); console.log("has it"); setInterval(() => {}, 1000);',
      new URL('../../src/adapters/node/files.ts', import.meta.url).href,
      folder,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(other.stdout, 'data');
  await expect(one.lock()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  other.kill('SIGKILL');
  await once(other, 'exit');
  await one.lock();
  await one.unlock();
});

test('a file is written in place, read as far as it goes, filled ahead and cut', async () => {
  const files = nodeFiles(folder);
  await files.lock();
  const file = await files.open('a', true);
  file.write(0, new Uint8Array([1, 2, 3]));
  file.write(1, new Uint8Array([9]));
  await file.writeAhead(3, new Uint8Array(5));
  expect(file.size).toBe(8);
  expect([...(await file.read(0, 100))]).toEqual([1, 9, 3, 0, 0, 0, 0, 0]);
  expect(await file.read(50, 10)).toHaveLength(0);
  await file.truncate(2);
  await file.sync();
  await file.close();
  await files.rename('a', 'b');
  await files.syncFolder();
  expect([...(await files.list())].sort()).toEqual(['b', 'lock']);
  await expect(files.open('b', true)).rejects.toThrow('EEXIST');
  await expect(files.open('a', false)).rejects.toThrow('ENOENT');
  const again = await files.open('b', false);
  expect([...(await again.read(0, 10))]).toEqual([1, 9]);
  await again.close();
  await files.remove('b');
  await files.unlock();
});

test('an error names the file, not where it lies', async () => {
  const files = nodeFiles(folder);
  await files.lock();
  const error = await files.open('missing', false).catch((thrown: unknown) => thrown);
  expect(String(error)).not.toContain(folder);
  await files.unlock();
});
