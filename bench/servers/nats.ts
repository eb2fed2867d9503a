/** NATS with JetStream, streams in files. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from '../../scripts/setup.ts';
import type { Server } from './server.ts';
import { freePort, listening, stopProcess } from './server.ts';

/**
 * @param sync `always`: on the disk before the answer, where the server has that (2.10 and later); an older one gets its
 * default, and says so
 */
export async function startNats(folder: string, sync: 'always' | 'default'): Promise<Server> {
  const { path, version } = program('nats');
  const knowsAlways = isAtLeast(version, 2, 10);
  const always = sync === 'always' && knowsAlways;
  const port = await freePort();
  const config = join(folder, 'nats.conf');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(folder)}${always ? ', sync_interval: always' : ''} }\n`,
  );
  const child = spawn(path, ['-c', config], { stdio: 'ignore' });
  await listening(child, port);
  return {
    name: always ? 'JetStream, sync always' : sync === 'always' ? 'JetStream, not synced' : 'JetStream',
    version,
    promise: always
      ? 'on the disk before the answer (sync_interval: always)'
      : `written before the answer, synced every 2 minutes: its default${sync === 'always' ? '; this version has no sync before the answer (2.10 has)' : ''}`,
    port,
    pid: child.pid!,
    stop: () => stopProcess(child),
  };
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}
