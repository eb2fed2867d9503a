/** The simulated disk itself: what a power cut may take, what it may not, and which faults look like what. */

import { expect, test } from 'vitest';
import { DiskFullError } from '../../../src/core/ports.ts';
import { Chance } from '../world.ts';
import type { CutOdds } from './disk.ts';
import { Disk, drawCutOdds } from './disk.ts';
import { memoryFiles, SimFiles } from './files.ts';

const NOTHING: CutOdds = { kept: 0, torn: 0, garbage: 0, names: 0, sizes: 0, sectorGarbage: false };
const ALL: CutOdds = { kept: 1, torn: 0, garbage: 0, names: 1, sizes: 1, sectorGarbage: false };
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

async function readAfter(files: SimFiles, name: string): Promise<Uint8Array | undefined> {
  const next = new SimFiles({ chance: new Chance(2), disk: files.disk });
  if (!(await next.list()).includes(name)) return undefined;
  const file = await next.open(name, false);
  return file.read(0, file.size);
}

test('what was synced, name and bytes, survives every power cut', async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const chance = new Chance(seed);
    const files = new SimFiles({ chance });
    const file = await files.open('a', true);
    file.write(0, bytes(3000, 1));
    await file.sync();
    await files.syncFolder();
    // Behind it and over it in the same sector, with what the disk need not keep.
    file.write(3000, bytes(2000, 2));
    files.crash(drawCutOdds(chance));
    expect((await readAfter(files, 'a'))?.subarray(0, 3000)).toEqual(bytes(3000, 1));
  }
});

test('what was not synced may be gone: bytes, size, name, removal, truncation', async () => {
  const files = memoryFiles();
  const old = await files.open('old', true);
  old.write(0, bytes(1000, 1));
  await old.sync();
  await files.syncFolder();
  const fresh = await files.open('new', true);
  fresh.write(0, bytes(10, 1));
  await fresh.sync();
  await old.truncate(100);
  await files.remove('old');
  files.crash(NOTHING);
  expect(await readAfter(files, 'new')).toBeUndefined();
  expect(await readAfter(files, 'old')).toEqual(bytes(1000, 1));
});

test('what was not synced may be there all the same', async () => {
  const files = memoryFiles();
  const file = await files.open('a', true);
  file.write(0, bytes(700, 3));
  await files.rename('a', 'b');
  files.crash(ALL);
  expect(await readAfter(files, 'a')).toBeUndefined();
  expect(await readAfter(files, 'b')).toEqual(bytes(700, 3));
});

test('a kill takes nothing that was written, and makes nothing durable', async () => {
  const files = memoryFiles();
  const file = await files.open('a', true);
  await files.syncFolder();
  file.write(0, bytes(700, 3));
  files.kill();
  expect(await readAfter(files, 'a')).toEqual(bytes(700, 3));
  files.crash(NOTHING);
  expect(await readAfter(files, 'a')).toEqual(bytes(0, 0));
});

test('after a failed sync the next one succeeds without what was lost', async () => {
  let lost = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const files = new SimFiles({ chance: new Chance(seed) });
    const file = await files.open('a', true);
    await files.syncFolder();
    file.write(0, bytes(512, 1));
    files.failNext('sync');
    await expect(file.sync()).rejects.toThrow('EIO');
    expect(await file.read(0, 512)).toEqual(bytes(512, 1));
    await file.sync();
    files.crash(NOTHING);
    if ((await readAfter(files, 'a'))?.[0] !== 1) lost += 1;
  }
  expect(lost).toBeGreaterThan(10);
  expect(lost).toBeLessThan(50);
});

test('a full disk takes writes where the file has its place, and no others', async () => {
  const files = new SimFiles({ chance: new Chance(1), disk: new Disk(), capacityBytes: 2048 });
  const file = await files.open('a', true);
  file.write(0, bytes(2048, 1));
  expect(() => file.write(2048, bytes(1, 1))).toThrow(DiskFullError);
  file.write(100, bytes(1948, 2));
  const other = await files.open('b', true);
  expect(() => other.write(0, bytes(1, 1))).toThrow(DiskFullError);
  await file.truncate(512);
  other.write(0, bytes(1536, 1));
  await files.remove('b');
  await other.close();
  file.write(512, bytes(1536, 1));
});

test('a flipped byte is flipped back, unless it was overwritten', async () => {
  const files = memoryFiles();
  const file = await files.open('a', true);
  file.write(0, bytes(100, 1));
  const inode = files.disk.names.get('a');
  const first = inode?.flip(5, 4);
  const second = inode?.flip(50, 4);
  expect((await file.read(5, 1))[0]).toBe(5);
  file.write(50, bytes(1, 7));
  first?.();
  second?.();
  expect([...(await file.read(0, 100))].map((byte, at) => [at, byte]).filter(([, byte]) => byte !== 1)).toEqual([[50, 7]]);
});

test('a life that is over reaches the disk no more', async () => {
  const files = memoryFiles();
  const file = await files.open('a', true);
  await files.syncFolder();
  files.lastCall = files.calls + 2;
  file.write(0, bytes(10, 1));
  void file.sync();
  file.write(10, bytes(10, 1));
  files.kill();
  expect(await readAfter(files, 'a')).toEqual(bytes(10, 1));
});
