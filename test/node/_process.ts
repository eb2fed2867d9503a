/**
 * A broker as a process of its own: started as `npm start` starts it, stopped, killed, or refused.
 *
 * Holds: a broker is there when its URL is on its standard output; whatever is started here can be ended here, and what
 * it said on standard error is kept. Elsewhere: what is asked of it (the tests).
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runner } from './_runners.ts';

const MAIN = join(import.meta.dirname, '../../src/adapters/node/main.ts');
const START_MS_MAX = 20_000;

export interface StartOptions {
  readonly data: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Words before the command, such as a shell that limits it. */
  readonly wrap?: readonly string[] | undefined;
  /** What runs the file: this Node unless said. */
  readonly run?: readonly string[] | undefined;
  /** Another file than `npm start` runs; it gets the same environment. */
  readonly main?: string | undefined;
  /** Words after the file. */
  readonly args?: readonly string[] | undefined;
  /** It has processes of its own, which end with it. */
  readonly hasChildren?: boolean | undefined;
  /** Called with the process as soon as there is one: for those who end it while it starts. */
  readonly spawned?: ((child: ChildProcess) => void) | undefined;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly errors: string;
}

export interface BrokerProcess {
  readonly base: string;
  readonly ended: Promise<Ended>;
  /** SIGTERM, and nothing more. */
  end(): void;
  /** SIGTERM until it is gone. */
  stop(): Promise<Ended>;
  /** SIGKILL until it is gone. */
  kill(): Promise<Ended>;
}

/** The process ended before it had a URL. */
export class NotStarted extends Error {
  readonly end: Ended;

  constructor(end: Ended) {
    super(`The broker has not started (${end.signal ?? end.code}): ${end.errors}`);
    this.end = end;
  }
}

/** @throws NotStarted */
export async function startBroker(options: StartOptions): Promise<BrokerProcess> {
  const { data, env = {}, wrap = [], run = runner('node'), main = MAIN, args: words = [], hasChildren = false, spawned } = options;
  const [command = '', ...args] = [...wrap, ...run, main, ...words];
  const child = spawn(command, args, {
    detached: hasChildren,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', WAYSIDE_DATA: data, ...env },
  });
  spawned?.(child);
  let said = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal, errors }));
  const base = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`The broker has not started within ${START_MS_MAX} ms: ${errors}`));
    }, START_MS_MAX);
    child.on('error', reject);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const [, url] = /Address\s+(http:\S+)\s/.exec(said) ?? [];
      if (url === undefined) return;
      clearTimeout(late);
      resolve(url);
    });
    ended.then((end) => {
      clearTimeout(late);
      reject(new NotStarted(end));
    }, reject);
  });
  const endWith = (signal: NodeJS.Signals): Promise<Ended> => {
    if (hasChildren && signal === 'SIGKILL') killGroup(child.pid);
    else child.kill(signal);
    return ended;
  };
  return { base, ended, end: () => void child.kill('SIGTERM'), stop: () => endWith('SIGTERM'), kill: () => endWith('SIGKILL') };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // none of it is left
  }
}

/** Starts one that is expected to refuse. @returns how it ended; an Error where it has started all the same */
export async function refusedStart(options: StartOptions): Promise<Ended> {
  let broker: BrokerProcess;
  try {
    broker = await startBroker(options);
  } catch (error) {
    if (error instanceof NotStarted) return error.end;
    throw error;
  }
  await broker.kill();
  throw new Error('The broker has started, although it had to refuse.');
}

/** A folder of the test's own, and how to be rid of it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'wayside-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
