/** The archive in a folder, ended between any two of its steps, on a full disk, and what its answers wait for. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { bytesOf } from '../contract/volume/subject.ts';
import { dyingFs } from './_dying-fs.ts';
import { temporaryFolder } from './_process.ts';

const dying = dyingFs();
const { FolderArchive } = await import('../../src/adapters/node/archive.ts');

const BYTES = bytesOf(100_000, 1);
const PUT = ['open', 'write', 'fdatasync', 'linkSync', 'unlink', 'open', 'sync'];
const REMOVE = ['unlinkSync', 'open', 'sync'];

/** An archive with one object, `old`. */
async function opened() {
  const { path, remove } = temporaryFolder();
  onTestFinished(() => {
    dying.reset();
    dying.hold = undefined;
    remove();
  });
  dying.reset();
  const archive = await FolderArchive.open(path);
  await archive.put('old', BYTES);
  dying.reset();
  return { archive, path };
}

test('an object is synced before its name is there, and its name before the answer', async () => {
  const { archive } = await opened();
  expect(await archive.put('a/b', BYTES)).toBe(true);
  expect(dying.calls).toEqual(PUT);
  dying.reset();
  expect(await archive.put('a/b', BYTES)).toBe(false);
  expect(dying.calls).toEqual(PUT);
  dying.reset();
  await archive.remove('a/b');
  expect(dying.calls).toEqual(REMOVE);
});

test.each(PUT.map((name, at) => [at, name] as const))('a put that ends at step %i (%s) leaves the whole object or nothing', async (at) => {
  const { archive, path } = await opened();
  dying.reset(at);
  await expect(archive.put('a/b', BYTES)).rejects.toThrow();
  expect(dying.calls.length).toBeGreaterThan(at);
  dying.reset();
  const next = await FolderArchive.open(path);
  const isThere = at > PUT.indexOf('linkSync');
  expect(readdirSync(path).sort()).toEqual(isThere ? ['a+b', 'old'] : ['old']);
  expect(await next.get('a/b')).toEqual(isThere ? BYTES : undefined);
  expect(await next.put('a/b', BYTES)).toBe(!isThere);
  expect(await next.get('old')).toEqual(BYTES);
});

test.each(REMOVE.map((name, at) => [at, name] as const))(
  'a removal that ends at step %i (%s) leaves the whole object or nothing',
  async (at) => {
    const { archive, path } = await opened();
    dying.reset(at);
    await expect(archive.remove('old')).rejects.toThrow();
    dying.reset();
    const next = await FolderArchive.open(path);
    expect(await next.get('old')).toEqual(at === 0 ? BYTES : undefined);
  },
);

test('a full disk is told as one, and nothing is left of what was put', async () => {
  for (const at of [PUT.indexOf('write'), PUT.indexOf('linkSync')]) {
    const { archive, path } = await opened();
    dying.reset(at, 'ENOSPC');
    await expect(archive.put('a/b', BYTES)).rejects.toMatchObject({ name: 'DiskFullError' });
    dying.reset();
    expect(await (await FolderArchive.open(path)).list('')).toEqual(['old']);
    expect(await archive.put('a/b', BYTES)).toBe(true);
  }
});

test('nobody is told of a name that a crash could take back', async () => {
  const { archive } = await opened();
  const { promise, resolve } = Promise.withResolvers<void>();
  dying.hold = promise;
  const told: string[] = [];
  const tell = async (name: string, answer: Promise<unknown>) => {
    await answer;
    told.push(name);
  };
  const first = tell('put', archive.put('a', BYTES));
  await expect.poll(() => dying.calls).toContain('linkSync');
  const others = [tell('put again', archive.put('a', BYTES)), tell('get', archive.get('a')), tell('list', archive.list(''))];
  await sleep(100);
  expect(told).toEqual([]);
  resolve();
  await Promise.all([first, ...others]);
  expect(told.sort()).toEqual(['get', 'list', 'put', 'put again']);
});
