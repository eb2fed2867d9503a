/** `wayside` as npm puts it in the PATH: from a checkout, installed in another package, and when something is missing. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import about from '../../package.json' with { type: 'json' };

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000 });

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'wayside-installed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | string | null | undefined;
  readonly out: string;
  readonly errors: string;
}

function start(script: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env: { PATH: process.env.PATH } }, (error, out, errors) =>
      resolve({ code: error === null ? 0 : error.code, out, errors }),
    );
  });
}

/** As npm lays it out: our files in node_modules/wayside, what we depend on beside it. */
function install(name: string, isWhole: boolean): string {
  const modules = join(folder, name, 'node_modules');
  const own = join(modules, 'wayside');
  mkdirSync(own, { recursive: true });
  for (const part of ['src', 'scripts', 'package.json']) cpSync(join(ROOT, part), join(own, part), { recursive: true });
  const shared = readdirSync(join(ROOT, 'node_modules')).filter((each) => !each.startsWith('.'));
  if (isWhole) for (const each of shared) symlinkSync(join(ROOT, 'node_modules', each), join(modules, each));
  return join(own, 'scripts', 'wayside.mjs');
}

test('the command of package.json is there, and begins with the line that a shell needs', () => {
  const script = join(ROOT, about.bin.wayside);
  expect(readFileSync(script, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test('from a checkout', async () => {
  const script = join(ROOT, about.bin.wayside);
  expect(await start(script, '--version')).toEqual({ code: 0, out: `${about.version}\n`, errors: '' });
  expect(await start(script, 'nonsense')).toMatchObject({ code: 2, out: '' });
});

test('installed below node_modules, where Node strips no types by itself', async () => {
  const script = install('whole', true);
  expect(await start(script, '--version')).toEqual({ code: 0, out: `${about.version}\n`, errors: '' });
  // Loads the SDK and what it depends on.
  expect(await start(script, 'station', 'list', '--url', 'http://127.0.0.1:9')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('No broker answers'),
  });
  // Loads the broker, and what that depends on.
  expect(await start(script, 'serve', '--port', 'x')).toMatchObject({ code: 1, errors: expect.stringContaining('--port is "x"') });
});

test('without what it depends on: which package, and what to do', async () => {
  const { code, out, errors } = await start(install('bare', false), '--version');
  expect([code, out]).toEqual([1, '']);
  expect(errors).toMatch(/^wayside: The package \S+ is not installed\. Run `npm install` in .+\n$/);
});
