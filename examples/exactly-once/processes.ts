/**
 * The processes of the example: started, killed, told to end.
 *
 * Holds: none outlives this one; one that ends badly without having been told to is the end of the example.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Process {
  /** The first line that has `text` in it, when it comes. */
  says(text: string): Promise<string>;
  isRunning(): boolean;
  /** Resolves when it has ended by itself. @throws Error it has failed */
  readonly ended: Promise<void>;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** Asks it to end. @returns what it said */
  end(): Promise<string>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** @param file below this folder */
export function start(file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Process {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  running.add(child);
  const closed = once(child, 'close').then(([code, signal]) => {
    running.delete(child);
    if (code) throw new Error(`${file} has ended with ${code}`);
    return signal as NodeJS.Signals | null;
  });
  return {
    async says(text) {
      for (;;) {
        const line = said
          .split('\n')
          .slice(0, -1)
          .find((each) => each.includes(text));
        if (line !== undefined) return line;
        const isOver = await Promise.race([once(child.stdout, 'data').then(() => false), closed.then(() => true)]);
        if (isOver) throw new Error(`${file} has ended and did not say: ${text}`);
      }
    },
    isRunning: () => running.has(child),
    ended: closed.then(() => undefined),
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
    async end() {
      child.kill('SIGTERM');
      await closed;
      return said;
    },
  };
}
