/**
 * The one way in: `node scripts/run.mjs COMMAND [ARGS]`. Plain JavaScript, so that Node 20 can start it.
 *
 * Makes sure that what package-lock.json names is installed, and hands over to a Node that runs our TypeScript (node.mjs).
 * Leaves everything else to the file that the command names. Under Deno and Bun the server runs in them (others.mjs).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers, findNode, ROOT, run, say, stop, WINDOWS } from './node.mjs';
import { otherRuntime } from './others.mjs';

const COMMANDS = {
  start: ['src/adapters/node/main.ts'],
  test: ['scripts/test.ts'],
  check: ['scripts/check.ts'],
  reference: ['scripts/reference.ts'],
  format: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write'],
  bench: ['bench/main.ts'],
  flame: ['bench/flame/main.ts'],
  simulate: ['test/simulation/main.ts'],
  soak: ['scripts/soak.ts'],
  demo: ['scripts/demo.ts'],
  'dev:cloudflare': ['node_modules/wrangler/bin/wrangler.js', 'dev'],
  'deploy:cloudflare': ['node_modules/wrangler/bin/wrangler.js', 'deploy'],
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

await main(...process.argv.slice(2));

async function main(command, ...args) {
  if (!Object.hasOwn(COMMANDS, command ?? '')) stop(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join('|')} [args]`);
  const [entry, ...fixed] = COMMANDS[command];
  const other = command === 'start' ? otherRuntime() : undefined;
  if (other) {
    other.install();
    return run(other.path, [...other.flags, join(ROOT, entry), ...args], process.cwd());
  }
  await install();
  const node = findNode();
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
