/**
 * `deno task start` and `bun run start`: the server in the runtime that was asked, on a machine that need not have Node.
 *
 * Holds: what is not installed is installed by the runtime itself, without what only tests need; a node_modules that is
 * there already (npm's, say) is used as it is. Deno is given what the server needs, and nothing more.
 * Elsewhere: Node (node.mjs, run.mjs).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT, say, stop } from './node.mjs';

/** @returns undefined under Node */
export function otherRuntime() {
  if (process.versions.deno) return { path: process.execPath, flags: denoFlags(), install: () => install(process.execPath, DENO_INSTALL) };
  const bun = bunPath();
  return bun && { path: bun, flags: [], install: () => install(bun, BUN_INSTALL) };
}

const DENO_INSTALL = ['install', '--no-lock', '--quiet'];
const BUN_INSTALL = ['install', '--production', '--ignore-scripts', '--no-save', '--silent'];

/** `bun run` runs a script's `node` by Node, where there is one: who asked stands in the environment. */
function bunPath() {
  if (process.versions.bun) return process.execPath;
  const { npm_config_user_agent: agent = '', npm_execpath: path = '' } = process.env;
  return agent.startsWith('bun/') && /[/\\]bun(\.exe)?$/.test(path) ? path : undefined;
}

function denoFlags() {
  const data = resolve(process.env.WAYSIDE_DATA || 'data');
  return [
    'run',
    '--no-prompt',
    `--config=${join(ROOT, 'deno.json')}`,
    '--allow-net',
    '--allow-env',
    `--allow-read=${ROOT},${data}`,
    `--allow-write=${data}`,
    '--allow-sys=homedir',
    '--allow-run=flock',
  ];
}

function install(path, args) {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const isThere = (name) => existsSync(join(ROOT, 'node_modules', name, 'package.json'));
  if (Object.keys(dependencies).every(isThere)) return;
  say(`installing what package.json names (${args.slice(0, 2).join(' ')}) …`);
  const { status, error } = spawnSync(path, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) stop(`The installation failed (${error?.message ?? `exit code ${status}`}). Its messages are above.`, 1);
}
