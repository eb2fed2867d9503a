/**
 * A folder whose beginning cannot be read: new where the power went in its first opening, damaged where anything can have
 * been acknowledged in it. Elsewhere: damage further on (damage.test.ts), every call of a life cut (test/simulation).
 */
import { expect, test } from 'vitest';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { VolumeListener } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { FIRST_WRITE_BYTES } from '../../src/core/volume/tail.ts';
import { A, append, bytesOf } from '../contract/volume/subject.ts';
import { Disk } from '../simulation/faults/disk.ts';
import type { Call } from '../simulation/faults/files.ts';
import { SimFiles } from '../simulation/faults/files.ts';
import { Chance } from '../simulation/world.ts';
import { quiet } from './_log.ts';

const FIRST = 'segment-0000000001.log';
const SECOND = 'segment-0000000002.log';
const HEADER_BYTES = 512;
const chance = new Chance(1, 'first');
const listener: VolumeListener = { progressed() {}, failed() {}, settle() {} };

async function open(files: SimFiles): Promise<LogVolume> {
  const settings = { segmentBytes: 64 * 1024 };
  const volume = new LogVolume({ files, clock: nodeClock, timers: nodeTimers(), random: nodeRandom(), journal: quiet, settings });
  await volume.open(listener);
  return volume;
}

/** A folder with these files. */
function folder(contents: Record<string, Uint8Array>): Disk {
  const disk = new Disk();
  for (const [name, bytes] of Object.entries(contents)) disk.create(name).write(0, bytes);
  return disk;
}

/** The files of a process that was killed once it had acknowledged `entries`, each with a sync of its own. */
async function killed(entries: number): Promise<Uint8Array> {
  const files = new SimFiles({ chance });
  const volume = await open(files);
  for (let index = 1; index <= entries; index++) {
    const position = volume.commit([append(A, index, { body: [bytesOf(100, index)] })]);
    volume.sync(position);
    while (volume.synced < position) await new Promise((resolve) => setImmediate(resolve));
  }
  const { names } = files.kill();
  expect([...names.keys()].filter((name) => name.startsWith('segment'))).toEqual([FIRST]);
  return names.get(FIRST)!.live.slice(0, names.get(FIRST)!.size);
}

/** `bytes`, and something else from `from` to `to`. */
function damaged(bytes: Uint8Array, from: number, to: number, by: 'garbage' | 'zeros'): Uint8Array {
  const changed = bytes.slice();
  changed.set(by === 'zeros' ? new Uint8Array(to - from) : chance.bytes(to - from), from);
  return changed;
}

const BY = ['garbage', 'zeros'] as const;

test.each([
  ['an empty folder', {}],
  ['what an interrupted first opening left', { [FIRST]: chance.bytes(FIRST_WRITE_BYTES) }],
])('in %s nothing is written behind the first block until it is synced', async (_, contents) => {
  const before: Call[] = [];
  let syncs = 0;
  const onCall = (call: Call): void => {
    if (files.syncedCall === 0) before.push(call);
    if (call.op === 'sync') syncs++;
  };
  const files: SimFiles = new SimFiles({ chance, disk: folder(contents), onCall });
  const volume = await open(files);
  const writes = before.filter(({ op }) => op === 'write' || op === 'writeAhead');
  expect(Math.max(...writes.map(({ at, bytes }) => at + bytes))).toBe(FIRST_WRITE_BYTES);
  expect(new Set(writes.map(({ name }) => name)).size).toBe(1);
  expect(syncs).toBeGreaterThan(0);
  await volume.close();
});

test('whatever a power cut has left of the first write, the folder is new, and what comes then is kept', async () => {
  const whole = (await killed(0)).slice(0, FIRST_WRITE_BYTES);
  const left: Uint8Array[] = [whole];
  for (const by of BY) {
    left.push(damaged(whole, 0, HEADER_BYTES, by), damaged(whole, HEADER_BYTES, whole.length, by), damaged(whole, 0, whole.length, by));
    left.push(damaged(whole, 200, 300, by), damaged(whole, 600, 610, by));
  }
  for (let length = 0; length < whole.length; length += 26) left.push(whole.slice(0, length), chance.bytes(length));
  for (const bytes of left) {
    for (const contents of [{ [FIRST]: bytes }, { [FIRST]: chance.bytes(FIRST_WRITE_BYTES), [SECOND]: bytes }]) {
      const files = new SimFiles({ chance, disk: folder(contents) });
      const volume = await open(files);
      const position = volume.commit([append(A, 1, { body: [bytesOf(100, 1)] })]);
      volume.sync(position);
      while (volume.synced < position) await new Promise((resolve) => setImmediate(resolve));
      const again = await open(new SimFiles({ chance, disk: files.kill() }));
      expect((await again.read(A, 1, 1000, 'all')).map(({ index }) => index)).toEqual([1]);
      await again.close();
    }
  }
});

test.each([0, 1, 2])('a folder with %i acknowledged entries that has lost its beginning is damaged, and left alone', async (entries) => {
  const whole = await killed(entries);
  expect(whole.length).toBeGreaterThan(FIRST_WRITE_BYTES);
  const cases: Uint8Array[] = [];
  for (const by of BY) cases.push(damaged(whole, 0, HEADER_BYTES, by), damaged(whole, HEADER_BYTES, FIRST_WRITE_BYTES, by));
  // Without an entry, nothing but zeros is left then.
  cases.push(damaged(whole, 0, FIRST_WRITE_BYTES, 'zeros'));
  if (entries > 0) cases.push(damaged(whole, 0, FIRST_WRITE_BYTES, 'garbage'));
  for (const bytes of cases) {
    const disk = folder({ [FIRST]: bytes });
    await expect(open(new SimFiles({ chance, disk }))).rejects.toMatchObject({ code: 'CORRUPTION', extra: { file: FIRST } });
    expect([...disk.names.keys()]).toEqual([FIRST]);
    expect(disk.names.get(FIRST)!.read(0, bytes.length + 1)).toEqual(bytes);
  }
});

test('a small file of something else behind a log, or a long one alone, is no reason to begin anew', async () => {
  const long = folder({ [FIRST]: chance.bytes(FIRST_WRITE_BYTES + 1) });
  await expect(open(new SimFiles({ chance, disk: long }))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const log = folder({ [FIRST]: await killed(2), [SECOND]: chance.bytes(FIRST_WRITE_BYTES) });
  const volume = await open(new SimFiles({ chance, disk: log }));
  expect((await volume.read(A, 1, 1000, 'all')).map(({ index }) => index)).toEqual([1, 2]);
  await volume.close();
});
