/**
 * Whether a broker has the folder now, found out without disturbing it.
 *
 * Holds: the lock file is only read; where nobody has it, it is held (shared, so that several checks may run) until the check
 * is over, and a broker that would start meanwhile says that the folder is in use.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Owner {
  /** A broker has the folder: what it writes now is seen half. */
  readonly isOpen: boolean;
  release(): void;
}

export function takeFolder(folder: string): Owner {
  let fd: number;
  try {
    fd = openSync(join(folder, 'lock'), 'r');
  } catch {
    // No broker was ever here, or this is a copy.
    return { isOpen: false, release() {} };
  }
  const done = spawnSync('flock', ['-sn', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  const isOpen = done.error ? runs(Number.parseInt(readFileSync(fd, 'utf8'), 10)) : done.status !== 0;
  return { isOpen, release: () => closeSync(fd) };
}

/** Where there is no `flock`, the lock file holds the number of the process that has it. */
function runs(pid: number): boolean {
  if (!Number.isInteger(pid)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
