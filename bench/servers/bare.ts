/** The bare baseline as a server to measure: see bare-child.ts. */
import { createRequire } from 'node:module';
import type { Server } from './server.ts';
import { forkServer, stopProcess } from './server.ts';

const { version } = createRequire(import.meta.url)('ws/package.json') as { version: string };

export async function startBare(folder: string): Promise<Server> {
  const { child, port } = await forkServer(`${import.meta.dirname}/bare-child.ts`, [folder]);
  return {
    name: 'bare WebSocket + file',
    version: `ws ${version}`,
    promise: 'checks the CRC, appends to one file, one fdatasync for all that waits, then answers',
    port,
    pid: child.pid!,
    stop: () => stopProcess(child),
  };
}
