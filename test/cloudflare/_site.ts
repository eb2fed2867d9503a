/** The Worker as a site of the kill test: workerd is killed, and its object ended again and again in between. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Site } from '../kill/kills.ts';
import { killedWhileStarting } from '../kill/kills.ts';
import { bundle, startWorkerd } from './_worker.ts';

export interface WorkerSite extends Site {
  /** How often the object was ended. */
  readonly aborts: number;
}

export async function workerSite(): Promise<WorkerSite> {
  const script = await bundle('abort-worker.ts');
  let aborts = 0;
  return {
    get aborts() {
      return aborts;
    },
    start: (data) => startWorkerd({ script, data }),
    killStarting: (data, afterMs) =>
      killedWhileStarting(
        (spawned) => startWorkerd({ script, data, spawned }),
        afterMs,
        ({ pid }) => void process.kill(-pid!, 'SIGKILL'),
      ),
    async trouble(base, signal) {
      while (!signal.aborted) {
        await sleep(20 + Math.random() * 130);
        const answer = await fetch(`${base}/abort`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
        await answer?.arrayBuffer().catch(() => undefined);
        if (answer?.status === 503) aborts++;
      }
    },
    opens: ['UNAVAILABLE'],
  };
}
