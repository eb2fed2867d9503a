/**
 * The one way in: `node scripts/run.mjs COMMAND [ARGS]`. Plain JavaScript, so that Node 20 can start it.
 *
 * Makes sure that what package-lock.json names is installed, finds a Node that runs our TypeScript as it is,
 * and hands over: standard streams inherited, signals passed on, the exit code passed back.
 * Leaves everything else to the file that the command names.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const COMMANDS = {
  start: ['src/adapters/node/main.ts'],
  test: ['scripts/test.ts'],
  check: ['scripts/check.ts'],
  reference: ['scripts/reference.ts'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'],
  bench: ['bench/main.ts'],
  simulate: ['test/simulation/main.ts'],
  soak: ['scripts/soak.ts'],
  node: [],
};
/**
 * A server's young generation stays small: with thousands of idle stations the engine would otherwise keep more memory for
 * garbage than for them (`npm run bench` measures it with the same flag).
 */
const FLAGS = { start: ['--max-semi-space-size=8'] };
/** These take paths from the caller, so they stay in the caller's folder; the others run in the project's. */
const STAYS = ['start', 'node'];

const LOCKFILE = join(ROOT, 'package-lock.json');
const STAMP = join(ROOT, 'node_modules', '.wayside-installed');
const INSTALLING = join(ROOT, '.wayside-install.lock');
const INSTALL = [
  'ci',
  '--ignore-scripts',
  '--include=dev',
  '--include=optional',
  '--engine-strict=false',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
];
const WINDOWS = process.platform === 'win32';

await main(...process.argv.slice(2));

async function main(command, ...args) {
  if (!Object.hasOwn(COMMANDS, command ?? '')) stop(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join('|')} [args]`);
  await install();
  const node = findNode();
  const [entry, ...fixed] = COMMANDS[command];
  if (entry && !existsSync(join(ROOT, entry))) stop(`'${command}' runs ${entry}, and this checkout has no such file.`);
  run(
    node,
    [...(FLAGS[command] ?? []), ...(entry ? [join(ROOT, entry)] : []), ...fixed, ...args],
    STAYS.includes(command) ? process.cwd() : ROOT,
  );
}

/** Installs when node_modules isn't what package-lock.json says. Two at once take turns. */
async function install() {
  if (isInstalled()) return;
  for (let said = false; !takeLock(); said = true) {
    if (!said) say(`waiting for another install in this folder (${INSTALLING}) …`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    if (isInstalled()) return;
    say('installing what package-lock.json names (npm ci) …');
    const { status, signal, error } = npm(INSTALL);
    if (status !== 0)
      stop(
        `npm ci failed (${error?.message ?? signal ?? `exit code ${status}`}). Its messages are above; mend that and run this again.`,
        1,
      );
    forgetNodeThatCannotRun();
    writeFileSync(STAMP, lockHash());
  } finally {
    rmSync(INSTALLING, { force: true });
  }
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lockHash();
}

function lockHash() {
  return createHash('sha256').update(readFileSync(LOCKFILE)).digest('hex');
}

/** The lock holds its owner's process id; one whose owner is gone counts as free. */
function takeLock() {
  try {
    writeFileSync(INSTALLING, String(process.pid), { flag: 'wx' });
    process.once('exit', () => rmSync(INSTALLING, { force: true }));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    const owner = Number(readFileSync(INSTALLING, 'utf8'));
    if (owner > 0) process.kill(owner, 0);
  } catch (error) {
    if (error.code === 'ESRCH') rmSync(INSTALLING, { force: true });
  }
  return false;
}

function npm(args) {
  const inside = process.env.npm_execpath ?? '';
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2] }; // standard output belongs to the command
  if (inside.endsWith('npm-cli.js')) return spawnSync(process.execPath, [inside, ...args], options);
  return spawnSync('npm', args, { ...options, shell: WINDOWS });
}

/** npm puts node_modules/.bin first in the PATH of its scripts: a node there that this system can't run (musl) would hide the good one. */
function forgetNodeThatCannotRun() {
  const link = join(ROOT, 'node_modules', '.bin', 'node');
  if (!WINDOWS && !answers(link)) rmSync(link, { force: true });
}

/** Node 24 or newer: this one, or the one npm brought. As a last resort this one, if it strips types without being asked (22.18). */
function findNode() {
  if (isAtLeast(24, 0) && existsSync(process.execPath)) return process.execPath;
  const platform = `${WINDOWS ? 'win' : process.platform}-${process.arch}`;
  const brought = join(ROOT, 'node_modules', `node-${platform}`, 'bin', WINDOWS ? 'node.exe' : 'node');
  if (answers(brought)) return brought;
  if (isAtLeast(22, 18)) return process.execPath;
  return stop(
    `Node 24 is needed: this is ${process.version}, and npm has brought none that runs on ${platform}. Install Node 24 (https://nodejs.org) and run this again.`,
    1,
  );
}

function isAtLeast(major, minor) {
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

function answers(node) {
  return existsSync(node) && spawnSync(node, ['--version'], { stdio: 'ignore' }).status === 0;
}

function run(node, args, cwd) {
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

function say(message) {
  console.error(`wayside: ${message}`);
}

function stop(message, code = 2) {
  say(message);
  process.exit(code);
}
