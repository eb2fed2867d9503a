/**
 * Finding a Node that runs our TypeScript as it is, and handing over to it. Plain JavaScript, so that Node 20 can start it.
 *
 * Holds: standard streams are inherited, signals passed on, the exit code passed back.
 * Elsewhere: installing (run.mjs), the command line's own start (wayside.mjs).
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
export const WINDOWS = process.platform === 'win32';

/** Node 24 or newer: this one, or the one npm brought. As a last resort this one, if it strips types without being asked (22.18). */
export function findNode() {
  if (isAtLeast(24, 0) && existsSync(process.execPath)) return process.execPath;
  const platform = `${WINDOWS ? 'win' : process.platform}-${process.arch}`;
  const name = WINDOWS ? 'node.exe' : 'node';
  // As a dependency of another package it lies beside this one.
  for (const folder of [join(ROOT, 'node_modules'), join(ROOT, '..')]) {
    const brought = join(folder, `node-${platform}`, 'bin', name);
    if (answers(brought)) return brought;
  }
  if (isAtLeast(22, 18)) return process.execPath;
  return stop(
    `Node 24 is needed: this is ${process.version}, and npm has brought none that runs on ${platform}. Install Node 24 (https://nodejs.org) and run this again.`,
    1,
  );
}

export function isAtLeast(major, minor) {
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

export function answers(node) {
  return existsSync(node) && spawnSync(node, ['--version'], { stdio: 'ignore' }).status === 0;
}

export function run(node, args, cwd) {
  const path = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  const env = { ...process.env, [path]: `${dirname(node)}${delimiter}${process.env[path] ?? ''}` };
  const child = spawn(node, args, { cwd, env, stdio: 'inherit' });
  // At a terminal Ctrl-C reaches the child by itself; passed on as well, it would count twice.
  const pass = (signal) => (signal === 'SIGINT' && process.stdin.isTTY) || child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
  endWithNpm(() => child.kill('SIGTERM'));
  child.on('error', (error) => stop(`${node} could not be started: ${error.message}`, 1));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

/** A signal sent to `npm start` ends npm and its shell, but the shell tells nobody: being left alone is the sign. */
function endWithNpm(end) {
  if (!process.env.npm_lifecycle_event || WINDOWS) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    end();
  }, 250);
  watch.unref();
}

export function say(message) {
  console.error(`wayside: ${message}`);
}

export function stop(message, code = 2) {
  say(message);
  process.exit(code);
}
