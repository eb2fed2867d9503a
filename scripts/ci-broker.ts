/**
 * A broker for the acceptance suite: the way a user starts it, on a free port, with a data folder of its own.
 * Leaves what is asked of it to ci.ts. Its process never outlives this one, unless this one is killed hard.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './steps.ts';

const START_MS = 30_000;
const STOP_MS = 15_000;

export type Broker = {
  base: string;
  port: number;
  /** The end of its output. */
  said(): string;
  /** Asks it to stop; undefined when it did so well, else what was wrong. */
  stop(): Promise<string | undefined>;
};

/** @throws Error when it has not answered `/v1/health` in time, with the end of its output */
export async function startBroker(parent: string, token: string | undefined): Promise<Broker> {
  const port = await freePort();
  const folder = mkdtempSync(join(parent, 'broker-'));
  const log = openSync(join(folder, 'log'), 'w');
  const { WAYSIDE_TOKEN: _, ...env } = process.env;
  const child = spawn(process.execPath, ['scripts/run.mjs', 'start'], {
    cwd: ROOT,
    stdio: ['ignore', log, log],
    detached: true, // a group of its own, so that nothing of it is left behind
    env: { ...env, PORT: String(port), HOST: '127.0.0.1', WAYSIDE_DATA: join(folder, 'data'), ...(token && { WAYSIDE_TOKEN: token }) },
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const kill = () => killGroup(child.pid);
  process.once('exit', kill);
  const said = () => readFileSync(join(folder, 'log'), 'utf8').slice(-4000);
  const base = `http://127.0.0.1:${port}`;

  const trouble = await Promise.race([ended, healthy(base)]);
  if (trouble !== undefined) {
    kill();
    throw new Error(`${trouble}\n${said()}`);
  }
  const stop = async () => {
    child.kill('SIGTERM');
    const end = await Promise.race([ended, sleep(STOP_MS, `still running after ${STOP_MS} ms`, { ref: false })]);
    kill();
    process.off('exit', kill);
    return end === 'exit code 0' ? undefined : end;
  };
  return { base, port, said, stop };
}

/** Undefined once it answers, else what was wrong when the time was over. */
async function healthy(base: string): Promise<string | undefined> {
  const end = performance.now() + START_MS;
  let trouble = '';
  while (performance.now() < end) {
    try {
      const answer = await fetch(`${base}/v1/health`, { signal: AbortSignal.timeout(2000) });
      if (answer.ok) return undefined;
      trouble = `${answer.status} ${await answer.text()}`;
    } catch (error) {
      trouble = String((error as Error).cause ?? error);
    }
    await sleep(50);
  }
  return `no answer within ${START_MS} ms; the last was: ${trouble}`;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // none of it is left
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
