/** Completion: what the command line offers, and what bash makes of it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { completions } from '../../src/cli/completion.ts';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';
import { run } from './_cli.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'wayside-complete-'));
let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBroker({ data: join(folder, 'data') });
  const client = new Client(broker.base, undefined);
  for (const station of ['orders', 'orders-retry', 'logs']) await client.call('PUT', `/v1/stations/${station}`);
  await client.call('PUT', '/v1/stations/orders/groups/billing');
  mkdirSync(join(folder, 'work', 'inner folder'), { recursive: true });
  writeFileSync(join(folder, 'work', 'in file.csv'), '');
  // What would be in the PATH once it is installed.
  mkdirSync(join(folder, 'bin'));
  const main = join(import.meta.dirname, '../../src/cli/main.ts');
  writeFileSync(join(folder, 'bin', 'wayside'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  chmodSync(join(folder, 'bin', 'wayside'), 0o755);
});
afterAll(async () => {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

async function offered(...words: string[]): Promise<string[]> {
  const lines = await completions(words, { WAYSIDE_URL: broker.base });
  return lines.map((line) => line.split('\t')[0] ?? '');
}

test('commands, their verbs, options and values', async () => {
  expect(await offered('')).toEqual(expect.arrayContaining(['serve', 'station', 'produce', 'help']));
  expect(await offered('st')).toEqual(['station']);
  expect(await offered('station', '')).toEqual(['create', 'list', 'info', 'update', 'purge', 'remove']);
  expect(await offered('help', 'station', 'cr')).toEqual(['create']);
  expect(await offered('station', 'create', 'x', '--max-m')).toEqual(['--max-messages', '--max-message']);
  expect(await offered('station', 'create', 'x', '--durability', '')).toEqual(['synced', 'buffered', 'memory']);
  expect(await offered('station', 'create', 'x', '--durability=b')).toEqual(['--durability=buffered']);
  expect(await offered('--jso')).toEqual(['--json']);
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  expect(await offered('nonsense', '')).toEqual([]);
  expect(await offered('station', 'create', 'x', '--max-age', '')).toEqual([]);
});

test('names of stations and groups come from the broker', async () => {
  expect(await offered('produce', 'ord')).toEqual(['orders', 'orders-retry']);
  expect(await offered('consume', 'orders', '--group', '')).toEqual(['billing']);
  expect(await offered('group', 'info', 'orders', 'b')).toEqual(['billing']);
  expect(await offered('--json', 'station', 'info', 'l')).toEqual(['logs']);
  expect(await offered('station', 'info', 'orders', '')).toEqual([]);
});

test('a broker that is not there has no names, and that is no error', async () => {
  const ran = await run(['__complete', 'produce', ''], { env: { WAYSIDE_URL: 'http://127.0.0.1:9' } });
  expect(ran).toMatchObject({ code: 0, out: '', errors: '' });
});

test('scripts for the shells, and nothing for others', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out } = await run(['completion', shell]);
    expect([code, out.includes('__complete')], shell).toEqual([0, true]);
  }
  const script = (await run(['completion', 'bash'])).out;
  execFileSync('bash', ['-n'], { input: script });
  expect(await run(['completion', 'tcsh'])).toMatchObject({ code: 2, errors: expect.stringContaining('bash, zsh, fish') });
});

/** What bash would offer for a line, its cursor at the end. */
function inBash(line: string): string[] {
  const script = `
    eval "$(wayside completion bash)"
    cd '${join(folder, 'work')}'
    COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}
    _wayside
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['--norc', '-c', script, 'bash', line], {
    env: { PATH: `${join(folder, 'bin')}${delimiter}${process.env.PATH}`, WAYSIDE_URL: broker.base },
    encoding: 'utf8',
  });
  return out.split('\n').filter((each) => each !== '');
}

test('bash completes commands, names, values behind = and files', () => {
  expect(inBash('wayside sta')).toEqual(['station']);
  expect(inBash('wayside station ')).toContain('create');
  expect(inBash('wayside produce ord')).toEqual(['orders', 'orders-retry']);
  expect(inBash('WAYSIDE_X=1 wayside consume orders --group b')).toEqual(['billing']);
  // Readline has cut the word at =, so only what comes behind it is wanted.
  expect(inBash('wayside station create x --durability=b')).toEqual(['buffered']);
  expect(inBash('wayside produce orders --file in')).toEqual(['in file.csv', 'inner folder']);
  expect(inBash('wayside doctor in')).toEqual(['inner folder']);
});
