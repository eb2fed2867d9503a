/**
 * The programs that tests and the bench need beside what npm brings: where they are, and how they get here.
 *
 *     node scripts/run.mjs node scripts/setup.ts       finds them, installs what is missing, says what there is
 *
 * Holds: what is missing is installed from Debian's packages where that is possible (apt-get, root), and no service of
 * theirs is started; else it is an error that says what to install. Nothing is left out silently.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Program {
  readonly path: string;
  readonly version: string;
}

const PROGRAMS = {
  redis: { binary: 'redis-server', package: 'redis-server', version: /v=(\S+)/ },
  nats: { binary: 'nats-server', package: 'nats-server', version: /v(\d\S*)/ },
  chromium: { binary: 'chromium', package: 'chromium', version: /Chromium (\S+)/ },
} as const;
type Name = keyof typeof PROGRAMS;

/** Where Debian puts servers; the PATH of a user need not have it. */
const ALSO = ['/usr/local/sbin', '/usr/sbin'];
/** Debian asks this before it starts a service; 101 is no. */
const POLICY = '/usr/sbin/policy-rc.d';

/** A program is not here and cannot be brought here; the message says what to do. */
export class Missing extends Error {}

const found: Partial<Record<Name, Program>> = {};

/** @throws Missing when it is not here and cannot be installed here */
export function program(name: Name): Program {
  found[name] ??= provide(name);
  return found[name];
}

/** @returns the program where it is installed; nothing is done about it where it is not */
export function find(name: Name): Program | undefined {
  const { binary, version } = PROGRAMS[name];
  const path = [...(process.env.PATH ?? '').split(delimiter), ...ALSO].map((folder) => join(folder, binary)).find(isExecutable);
  if (path === undefined) return undefined;
  const said = execFileSync(path, ['--version'], { encoding: 'utf8' });
  return { path, version: version.exec(said)?.[1] ?? said.trim() };
}

function provide(name: Name): Program {
  const there = find(name);
  if (there !== undefined) return there;
  install(name);
  const now = find(name);
  if (now === undefined)
    throw new Error(`${PROGRAMS[name].package} was installed, and there is still no ${PROGRAMS[name].binary} in the PATH.`);
  return now;
}

function install(name: Name): void {
  const { binary, package: from } = PROGRAMS[name];
  if (!isExecutable('/usr/bin/apt-get') || process.getuid?.() !== 0) {
    const how = isExecutable('/usr/bin/apt-get') ? `sudo apt-get install ${from}` : 'the packages of your system';
    throw new Missing(`${binary} is needed, and not in the PATH. Install it: ${how}. (The bench can leave it out: --without ${name}.)`);
  }
  process.stderr.write(`${binary} is not here: installing Debian's ${from} (apt-get) …\n`);
  const holdsBack = !existsSync(POLICY);
  if (holdsBack) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const isDone = aptInstall(from) || (apt('update') && aptInstall(from));
    if (!isDone) throw new Missing(`apt-get could not install ${from}; its messages are above. Mend that and run this again.`);
  } finally {
    if (holdsBack) rmSync(POLICY);
  }
}

function aptInstall(name: string): boolean {
  return apt('install', '--yes', '--no-install-recommends', name);
}

function apt(...args: string[]): boolean {
  const { status } = spawnSync('apt-get', ['--quiet', ...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // it is not there, or not for this user
  }
}

if (import.meta.main) {
  try {
    for (const name of ['redis', 'nats', 'chromium'] as const) {
      const { path, version } = program(name);
      console.log(`${name.padEnd(6)} ${version.padEnd(10)} ${path}`);
    }
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
