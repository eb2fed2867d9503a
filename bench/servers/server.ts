/**
 * A server that is measured: a process of its own on a free port of this machine, with its data in a folder of this run.
 *
 * Elsewhere: how each is started (wayside.ts, bare.ts, redis.ts, nats.ts); who calls it (clients/).
 */
import type { ChildProcess } from 'node:child_process';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVER_FLAGS } from '../place.ts';

export interface Server {
  /** As the table calls it. */
  readonly name: string;
  readonly version: string;
  /** What an answer of it promises, and the settings that make it so. */
  readonly promise: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const START_MS_MAX = 15_000;

/** @returns microseconds of CPU that the process has used, in steps of a clock tick (10 ms); undefined where the system does not tell */
export function cpuMicros(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  // The name, which may hold anything, ends with the last bracket; user and system time are the 12th and 13th field after it.
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond()) * 1e6;
}

let ticks: number | undefined;

function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ticks;
}

/** Forks a file of ours that sends its port when it serves, and ends with SIGTERM. */
export async function forkServer(file: string, args: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(file, args, { execArgv: [...SERVER_FLAGS, ...profileFlags(file)] });
  const port = await Promise.race([once(child, 'message').then(([said]) => said as number), ended(child)]);
  return { child, port };
}

/** WAYSIDE_BENCH_PROFILE names a folder for CPU profiles of every process of ours. */
export function profileFlags(file: string): string[] {
  const folder = process.env.WAYSIDE_BENCH_PROFILE;
  return folder
    ? ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${file.split('/').at(-1)}-${process.hrtime.bigint()}.cpuprofile`]
    : [];
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}

/** A port that nobody had a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves once the port takes connections. @throws when the process ends first, or takes too long */
export async function listening(child: ChildProcess, port: number): Promise<void> {
  const ending = ended(child);
  for (const since = performance.now(); ; ) {
    if (await Promise.race([connects(port), ending])) return;
    if (performance.now() - since > START_MS_MAX) {
      await stopProcess(child);
      throw new Error(`${child.spawnfile} did not listen on port ${port} within ${START_MS_MAX / 1000} s.`);
    }
    await Promise.race([sleep(20), ending]);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

async function ended(child: ChildProcess): Promise<never> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  throw new Error(`${child.spawnargs.join(' ')} ended with ${code ?? signal} before it served.`);
}
