/** The log over a folder, as a subject of the contract: in Node, Deno and Bun. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFiles } from '../../src/adapters/node/files.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { Clock, Files, Journal, Random, Timers } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import type { LogSettings } from '../../src/core/volume/settings.ts';
import type { VolumeFactory } from './volume.ts';

/** Checks that need a write or a sync to fail when it is told to. */
export const NEED_FAULTS_TO_ORDER = 6;

const quiet: Journal = { info() {}, warn() {}, error() {} };

export function logOver(files: Files, ports: Clock & Timers & Random, settings: Partial<LogSettings>): LogVolume {
  return new LogVolume({ files, clock: ports, timers: ports, random: ports, journal: quiet, settings });
}

export function folderFactory(): VolumeFactory {
  const timers = nodeTimers();
  return {
    name: 'the log over a folder',
    timers,
    traits: { persistent: true, exclusive: true, copiesForward: true, faults: false },
    async place() {
      const folder = await mkdtemp(join(tmpdir(), 'wayside-'));
      return {
        volume: () =>
          logOver(nodeFiles(folder), { ...nodeClock, ...timers, ...nodeRandom() }, { segmentBytes: 1024 * 1024, settleMs: 100 }),
        cleanUp: () => rm(folder, { recursive: true }),
      };
    },
  };
}
