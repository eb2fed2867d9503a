/** Wayside as `npm start` serves it. Which durability a station has is said when it is made. */
import about from '../../package.json' with { type: 'json' };
import type { Server } from './server.ts';
import { forkServer, stopProcess } from './server.ts';

export async function startWayside(data: string): Promise<Server> {
  const { child, port } = await forkServer(`${import.meta.dirname}/wayside-child.ts`, [data]);
  return {
    name: 'Wayside',
    version: about.version,
    promise: 'synced: on the disk (fdatasync) before the answer; buffered: written before the answer, synced later',
    port,
    pid: child.pid!,
    stop: () => stopProcess(child),
  };
}
