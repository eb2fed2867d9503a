/**
 * The command line as its users start it: a process, with what it wrote and how it ended.
 *
 * Holds: nothing of this machine's environment gets in (WAYSIDE_…, NO_COLOR); every process that is started here has ended
 * when `run` resolves. Elsewhere: a broker to speak to (node/_process.ts).
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
  /** Standard output as JSON, a line each. */
  readonly json: Record<string, unknown>[];
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** What runs it: this Node unless said. */
  readonly run?: readonly string[];
}

export function start(
  args: readonly string[],
  { env = {}, cwd, run = [process.execPath] }: RunOptions = {},
): ChildProcessWithoutNullStreams {
  const [command = '', ...words] = run;
  return spawn(command, [...words, MAIN, ...args], { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, cwd });
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(args, options);
  const ended = ending(child);
  // One that does not read to the end closes its side: no error of ours.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return ended;
}

/** What a process writes until it ends. */
export async function ending(child: ChildProcessWithoutNullStreams): Promise<Ran> {
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return {
    code,
    out,
    errors,
    get json() {
      return out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

/** Resolves when the process has written something that fits. */
export async function until(child: ChildProcessWithoutNullStreams, stream: 'stdout' | 'stderr', fits: RegExp): Promise<string> {
  let text = '';
  for await (const chunk of on(child, stream)) {
    text += chunk;
    if (fits.test(text)) return text;
  }
  throw new Error(`The process has ended without writing ${fits}: ${text}`);
}

async function* on(child: ChildProcessWithoutNullStreams, stream: 'stdout' | 'stderr'): AsyncGenerator<string> {
  const waiting: string[] = [];
  let wake = () => {};
  let isOver = false;
  const take = (chunk: string | Buffer) => {
    waiting.push(String(chunk));
    wake();
  };
  const end = () => {
    isOver = true;
    wake();
  };
  child[stream].on('data', take);
  child.once('close', end);
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (isOver) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    child[stream].off('data', take);
    child.off('close', end);
  }
}
