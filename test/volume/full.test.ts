/** A full disk: decided before the append, nothing is thrown away, and deleting makes room again. */
import { expect, test } from 'vitest';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { VolumeListener } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { A, append, B, bytesOf, state } from '../contract/volume/subject.ts';
import { SimFiles } from '../simulation/faults/files.ts';
import { Chance } from '../simulation/world.ts';
import { quiet } from './_log.ts';

test('a full disk refuses data, takes state and trims, and has room again after a trim', async () => {
  const files = new SimFiles({ chance: new Chance(1, 'full'), capacityBytes: 1024 * 1024 });
  const failures: Error[] = [];
  const listener: VolumeListener = { progressed() {}, failed: (error) => failures.push(error), settle() {} };
  const settings = { segmentBytes: 128 * 1024, retryMs: 20 };
  const volume = new LogVolume({ files, clock: nodeClock, timers: nodeTimers(), random: nodeRandom(), journal: quiet, settings });
  await volume.open(listener);
  const synced = async (position: number): Promise<void> => {
    volume.sync(position);
    while (volume.synced < position) await new Promise((resolve) => setImmediate(resolve));
  };
  let index = 0;
  const refused = await (async () => {
    for (;;) {
      try {
        await volume.makeRoom(10_000);
      } catch (error) {
        return error;
      }
      index += 1;
      await synced(volume.commit([append(A, index, { body: [bytesOf(10_000, index)] })]));
    }
  })();
  expect(refused).toMatchObject({ code: 'STORAGE_FULL' });
  expect(volume.hasRoom(10_000)).toBe(false);
  expect(index).toBeGreaterThan(60);
  for (let at = 1; at <= 20; at++)
    await synced(volume.commit([state(B, at), { do: 'section', actor: B, name: 'core', asOf: at, body: bytesOf(100, at) }]));
  expect((await volume.read(A, 1, 2 ** 30, 'all')).length).toBe(index);
  await synced(volume.commit([{ do: 'trim', actor: A, data: index - 10, state: 1 }]));
  while (!volume.hasRoom(10_000)) await new Promise((resolve) => setTimeout(resolve, 5));
  await synced(volume.commit([append(A, index + 1, { body: [bytesOf(10_000, 1)] })]));
  expect((await volume.read(A, 1, 2 ** 30, 'all')).map((entry) => entry.index)).toEqual(
    Array.from({ length: 12 }, (_, at) => index - 10 + at),
  );
  expect(failures).toEqual([]);
  await volume.close();
});
