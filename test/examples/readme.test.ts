/**
 * The README cannot lie: its programs and its shell lines are run as they stand, against a broker of their own.
 *
 * Lines that need a value from an answer before (`["…"]`) are left to the reader, and so is `npm`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker, temporaryFolder } from '../node/_process.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const run = promisify(execFile);
const data = temporaryFolder();
// Below the project, so that `wayside` is its own name.
const programs = mkdtempSync(join(import.meta.dirname, '.readme-'));
let broker: BrokerProcess;

beforeAll(async () => {
  broker = await startBroker({ data: data.path });
});
afterAll(async () => {
  await broker.stop();
  data.remove();
  rmSync(programs, { recursive: true });
});

/** What the README has in fences of that language. */
function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

/** Against the broker of the test. */
function here(text: string): string {
  const { host } = new URL(broker.base);
  return text.replaceAll(/(127\.0\.0\.1|localhost):4300/g, host);
}

async function program(text: string, name: string): Promise<string> {
  const file = join(programs, `${name}.ts`);
  writeFileSync(file, here(text));
  return (await run(process.execPath, [file], { cwd: ROOT })).stdout;
}

test('the shell lines, curl and wayside', { timeout: 60_000 }, async () => {
  const lines = blocks('sh')
    .join('')
    .replaceAll('\\\n', '')
    .split('\n')
    .filter((line) => /^(curl|npx wayside) /.test(line) && !line.includes('["…"]'));
  expect(lines.length).toBeGreaterThanOrEqual(9);
  const script = here(lines.join('\n'))
    .replaceAll(/^curl /gm, 'curl --fail-with-body --silent --show-error ')
    .replaceAll(/^npx wayside /gm, `"${process.execPath}" "${join(ROOT, 'scripts/wayside.mjs')}" `);
  const { stdout } = await run('bash', ['-e', '-c', script], { env: { ...process.env, WAYSIDE_URL: broker.base } });
  expect(stdout).toContain('{"partition":0,"sequence":1,"duplicate":false,"durability":"synced"}');
  expect(stdout).toContain('"payload":{"order":17}');
  expect(stdout).toMatch(/^unread +\d/m);
});

test('the program that uses the SDK', async () => {
  const [sdk = ''] = blocks('ts');
  // The shell lines have written to the same station: a group of its own begins behind them.
  const said = await program(
    sdk.replace("wayside.station<{ order: number }>('orders')", "wayside.station<{ order: number }>('readme')"),
    'sdk',
  );
  expect(said).toBe('1 1\n2 2\n3 3\n');
});

test('the test with a virtual clock', async () => {
  expect(await program(blocks('ts')[1] ?? '', 'embed')).toBe('hello 2\n');
});
