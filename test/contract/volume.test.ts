/** The volumes that run in Node, through the contract: memory, the log over a simulated disk, the log over a folder. */

import { expect, test } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeTimers } from '../../src/adapters/node/timers.ts';
import type { LogSettings } from '../../src/core/volume/settings.ts';
import { SimFiles } from '../simulation/faults/files.ts';
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
