/** The contract of a volume, for every volume that runs in this process, over a simulated disk and a real folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeFiles } from '../../src/adapters/node/files.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { Files } from '../../src/core/ports.ts';
import type { LogSettings } from '../../src/core/volume/log.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import type { VolumeFactory } from '../contract/volume.ts';
import { runChecks, volumeChecks } from '../contract/volume.ts';
import { failingFiles, quiet } from './_log.ts';

const timers = nodeTimers();

function logOn(files: Files, settings: Partial<LogSettings>): LogVolume {
  return new LogVolume({ files, clock: nodeClock, timers, random: nodeRandom(), journal: quiet, settings });
}

function inFolder(name: string, settings: Partial<LogSettings>): VolumeFactory {
  return {
    name,
    timers,
    traits: { persistent: true, exclusive: true, copiesForward: true, faults: true },
    async place() {
      const folder = mkdtempSync(join(tmpdir(), 'wayside-'));
      const faults = { next: undefined as 'write' | 'sync' | undefined };
      return {
        volume: () => logOn(failingFiles(nodeFiles(folder), faults), settings),
        fail: (what) => {
          faults.next = what;
        },
        cleanUp: async () => rmSync(folder, { recursive: true }),
      };
    },
  };
}

const subjects: VolumeFactory[] = [
  {
    name: 'memory',
    timers,
    traits: { persistent: false, exclusive: false, copiesForward: false, faults: false },
    place: async () => ({ volume: () => new MemoryVolume(timers) }),
  },
  inFolder('a folder', { segmentBytes: 1024 * 1024, settleMs: 100 }),
  inFolder('a folder of small segments without a cache', {
    segmentBytes: 64 * 1024,
    chunkBytes: 16 * 1024,
    tailBytes: 1,
    tableBytes: 1,
    openFiles: 2,
    settleMs: 100,
  }),
];

for (const subject of subjects) {
  test(`${subject.name} keeps the contract`, { timeout: 300_000 }, async () => {
    const { passed, skipped, failed } = await runChecks(volumeChecks, subject);
    expect(failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`)).toEqual([]);
    expect(passed + skipped.length).toBe(volumeChecks.length);
  });
}
