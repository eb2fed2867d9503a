/**
 * The packed file, as a new user has it: its types, and every template of examples/ with the commands of its README, each in a folder
 * of its own that knows nothing of this checkout.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startBrowser } from '../browser/_browser.ts';
import { workerd } from '../cloudflare/_worker.ts';
import { binaryOf } from '../node/_runners.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const bin = (name: string, path: string) => join(MODULES, name, path);

let folder: string;
let packed: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wayside-package-'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT });
  packed = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('packing leaves the checkout as it was', async () => {
  expect(existsSync(join(ROOT, 'package.json.kept'))).toBe(false);
  expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).exports['.']).toBe('./src/client/index.ts');
});

test('publint and attw find nothing', { timeout: 120_000 }, async () => {
  const linted = await run(process.execPath, [bin('publint', 'src/cli.js'), packed, '--strict']);
  expect(linted.stdout).toContain('All good!');
  await run(process.execPath, [bin('@arethetypeswrong/cli', 'dist/index.js'), packed, '--profile', 'esm-only']);
});

/** A copy of a template whose dependency is the packed file. */
function template(name: string): string {
  const at = join(folder, name);
  cpSync(join(ROOT, 'examples', name), at, { recursive: true });
  const manifest = join(at, 'package.json');
  if (existsSync(manifest)) {
    const { devDependencies: _, ...kept } = JSON.parse(readFileSync(manifest, 'utf8'));
    writeFileSync(manifest, JSON.stringify({ ...kept, dependencies: { wayside: `file:${packed}` } }));
  }
  return at;
}

/** As `npm install` of the template does; what comes of this checkout (wrangler, vite) is the version that it is tested with. */
async function install(at: string): Promise<void> {
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error'], { cwd: at });
}

const TWO_RUNS = ['stored as message 1\nmessage 1: {"total":12}\n', 'stored as message 2\nmessage 2: {"total":12}\n'];

test('in a Node program, and its command line', { timeout: 120_000 }, async () => {
  const at = template('node');
  await install(at);
  for (const expected of TWO_RUNS) expect((await run('node', ['main.js'], { cwd: at })).stdout).toBe(expected);
  const help = await run(join(at, 'node_modules/.bin/wayside'), ['--help']);
  expect(help.stdout).toContain('wayside');
  const child = spawn(join(at, 'node_modules/.bin/wayside'), ['serve', '--data', 'data', '--port', '0'], {
    cwd: at,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await once(child, 'close');
  });
  let said = '';
  for await (const text of child.stdout) {
    said += text;
    const [, url] = /Address\s+(http:\S+)/.exec(said) ?? [];
    if (url === undefined) continue;
    const info = await fetch(`${url}/v1/stations/orders`);
    expect(await info.json()).toMatchObject({ messages: 2 });
    return;
  }
  throw new Error(`It ended without an address: ${said}`);
});

test('in a Bun program', { timeout: 120_000 }, async () => {
  const at = template('bun');
  await run(binaryOf('bun'), ['install', '--silent'], { cwd: at });
  for (const expected of TWO_RUNS) expect((await run(binaryOf('bun'), ['main.js'], { cwd: at })).stdout).toBe(expected);
});

test('in a Deno program, with the permissions of its task', { timeout: 120_000 }, async () => {
  const at = template('deno');
  // The registry does not have the packed file: its folder stands in for what Deno would fetch.
  writeFileSync(join(at, 'package.json'), JSON.stringify({ type: 'module', dependencies: { wayside: `file:${packed}` } }));
  await install(at);
  const config = JSON.parse(readFileSync(join(at, 'deno.json'), 'utf8'));
  writeFileSync(join(at, 'deno.json'), JSON.stringify({ ...config, imports: undefined, nodeModulesDir: 'manual', lock: false }));
  for (const expected of TWO_RUNS) expect((await run(binaryOf('deno'), ['task', '--quiet', 'start'], { cwd: at })).stdout).toBe(expected);
});

test('as a Worker', { timeout: 120_000 }, async () => {
  const at = template('worker');
  await install(at);
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false' };
  await run(process.execPath, [bin('wrangler', 'bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'], { cwd: at, env });
  const runtime = workerd({ script: join(at, 'out/index.js'), folder: join(at, 'data') });
  onTestFinished(() => runtime.dispose());
  const base = (await runtime.ready).href;
  expect((await fetch(`${base}v1/stations/orders`, { method: 'PUT' })).status).toBe(201);
  expect((await (await fetch(`${base}v1/health`)).json()) as object).toMatchObject({ runtime: 'workerd' });
});

test('in a page that Vite has built', { timeout: 120_000 }, async () => {
  const at = template('vite');
  await install(at);
  const vite = bin('vite', 'bin/vite.js');
  await run(process.execPath, [vite, 'build', '--logLevel', 'error'], { cwd: at });
  const child = spawn(process.execPath, [vite, 'preview', '--port', '0', '--host', 'localhost'], {
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    cwd: at,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const browser = await startBrowser();
  onTestFinished(async () => {
    await browser.close();
    child.kill();
    await once(child, 'close');
  });
  let said = '';
  for await (const text of child.stdout) {
    said += text;
    if (/http:\/\/localhost:\d+/.test(said)) break;
  }
  const page = await (await browser.newContext()).newPage();
  page.on('pageerror', (error) => console.error(`the page: ${error.message}`));
  await page.goto(/http:\/\/localhost:\d+/.exec(said)![0]);
  await page.click('#produce');
  await page.waitForSelector('li');
  expect(await page.textContent('li')).toMatch(/^1: \{"at":/);
});
