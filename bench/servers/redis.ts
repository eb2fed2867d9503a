/** Redis with its append-only file, nothing else that writes: no snapshots, no rewrite of the file midway. */
import { spawn } from 'node:child_process';
import { program } from '../../scripts/setup.ts';
import type { Server } from './server.ts';
import { freePort, listening, stopProcess } from './server.ts';

/** @param fsync `always`: on the disk before the answer; `everysec`: Redis' own default for the append-only file */
export async function startRedis(folder: string, fsync: 'always' | 'everysec'): Promise<Server> {
  const { path, version } = program('redis');
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: fsync,
    save: '',
    'auto-aof-rewrite-percentage': '0',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await listening(child, port);
  return {
    name: `Redis Streams, ${fsync}`,
    version,
    promise: fsync === 'always' ? 'on the disk before the answer (appendfsync always)' : 'synced once a second (appendfsync everysec)',
    port,
    pid: child.pid!,
    stop: () => stopProcess(child),
  };
}
