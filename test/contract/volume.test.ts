/** The volumes that run in Node, through the contract: memory, the log over a simulated disk, the log over a folder. */

import { expect, test } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeTimers } from '../../src/adapters/node/timers.ts';
import type { RowSettings } from '../../src/core/rows/volume.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';
import type { LogSettings } from '../../src/core/volume/settings.ts';
import { SimFiles } from '../simulation/faults/files.ts';
import { RowPlace, SimRows } from '../simulation/faults/rows.ts';
import { World } from '../simulation/world.ts';
import { folderFactory, logOver, NEED_FAULTS_TO_ORDER } from './_folder.ts';
import type { VolumeFactory } from './volume.ts';
import { CHECKS, runChecks, volumeChecks } from './volume.ts';

const NEED_A_PLACE_THAT_LASTS = 15;

const timers = nodeTimers();
const small: Partial<LogSettings> = { segmentBytes: 64 * 1024, settleMs: 100 };
const everything = { persistent: true, exclusive: true, copiesForward: true, faults: true };

/** On a virtual clock, whose hours pass in milliseconds. */
function simulated(settings: Partial<LogSettings>): VolumeFactory {
  const world = new World(1);
  const process = world.process('contract');
  world.drive((error) => {
    throw error;
  });
  return {
    name: `the log over a simulated disk, segments of ${settings.segmentBytes}`,
    timers: process,
    traits: everything,
    async place() {
      const files = new SimFiles({ chance: world.chance.fork('files'), timers: process });
      return {
        volume: () => logOver(files, process, settings),
        fail: (what) => files.failNext(what),
      };
    },
  };
}

/** Over rows in memory, on a virtual clock. */
function overRows(settings: Partial<RowSettings>, rowBytesMax: number): VolumeFactory {
  const world = new World(1);
  const process = world.process('contract');
  world.drive((error) => {
    throw error;
  });
  return {
    name: `the log over rows of ${rowBytesMax}, ${settings.tailBytes ?? 'many'} bytes of it in memory`,
    timers: process,
    traits: everything,
    async place() {
      const place = new RowPlace();
      return {
        volume: () =>
          new RowVolume({ rows: new SimRows({ place, timers: process, rowBytesMax }), timers: process, clock: process, settings }),
        fail(what) {
          place.fails = what;
        },
      };
    },
  };
}

const subjects: { subject: () => VolumeFactory; skips: number }[] = [
  {
    subject: () => ({
      name: 'memory',
      timers,
      traits: { persistent: false, exclusive: false, copiesForward: false, faults: false },
      place: async () => ({ volume: () => new MemoryVolume(timers) }),
    }),
    skips: NEED_A_PLACE_THAT_LASTS,
  },
  { subject: () => simulated(small), skips: 0 },
  { subject: () => simulated({ segmentBytes: 1024 * 1024 }), skips: 0 },
  { subject: () => overRows({}, 1_900_000), skips: 0 },
  // Nothing stays in memory, and long bodies lie in parts.
  { subject: () => overRows({ tailBytes: 0 }, 600_000), skips: 0 },
  { subject: folderFactory, skips: NEED_FAULTS_TO_ORDER },
];

test('the contract has all its checks, each with a name of its own', () => {
  expect(volumeChecks.length).toBe(CHECKS);
  expect(new Set(volumeChecks.map((check) => check.name)).size).toBe(CHECKS);
});

for (const { subject, skips } of subjects) {
  const factory = subject();
  test(`${factory.name} keeps the contract`, { timeout: 120_000 }, async () => {
    const { passed, skipped, failed } = await runChecks(volumeChecks, factory);
    expect(failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`)).toEqual([]);
    expect({ passed, skipped: skipped.length }).toEqual({ passed: CHECKS - skips, skipped: skips });
  });
}
