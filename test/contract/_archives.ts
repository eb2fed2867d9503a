/** The archives of Node, Deno and Bun, as subjects of the contract. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryArchive } from '../../src/adapters/memory/archive.ts';
import { FolderArchive } from '../../src/adapters/node/archive.ts';
import { nodeTimers } from '../../src/adapters/node/timers.ts';
import type { ArchiveFactory } from './archive.ts';

/** Checks that need a place which lasts. */
export const NEED_A_LASTING_ARCHIVE = 2;

export function memoryArchives(): ArchiveFactory {
  return {
    name: 'an archive in memory',
    timers: nodeTimers(),
    traits: { persistent: false },
    place: async () => ({ open: async () => new MemoryArchive() }),
  };
}

export function folderArchives(): ArchiveFactory {
  return {
    name: 'an archive in a folder',
    timers: nodeTimers(),
    traits: { persistent: true },
    async place() {
      const folder = await mkdtemp(join(tmpdir(), 'wayside-'));
      return { open: () => FolderArchive.open(join(folder, 'to/archive')), cleanUp: () => rm(folder, { recursive: true }) };
    },
  };
}
