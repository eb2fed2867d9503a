/** What holds for every command: exit codes, one line of error, the address, the token, help, and nobody reading. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import about from '../../package.json' with { type: 'json' };
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';
import type { Ran } from './_cli.ts';
import { ending, run, start, until } from './_cli.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'wayside-run-'));
let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBroker({ data: join(folder, 'data'), env: { WAYSIDE_TOKEN: 'secret-1' } });
});
afterAll(async () => {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** One line, of ours, without a stack. */
function expectLine({ out, errors, code }: Ran, what: RegExp, expected: number): void {
  expect(errors).toMatch(what);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
  expect(errors).toMatch(/^wayside: /);
  expect([out, code]).toEqual(['', expected]);
}

test('wayside alone, help, --help and --version', async () => {
  const alone = await run([]);
  expect([alone.code, alone.errors]).toEqual([0, '']);
  expect(alone.out).toContain('dead-letters');
  expect((await run(['help'])).out).toBe(alone.out);
  expect((await run(['--help'])).out).toBe(alone.out);
  expect((await run(['--version'])).out).toBe(`${about.version}\n`);
  const create = await run(['station', 'create', '--help']);
  expect(create).toMatchObject({ code: 0, errors: '' });
  expect(create.out).toContain('--partitions');
  expect((await run(['help', 'station', 'create'])).out).toBe(create.out);
  expect((await run(['station'])).out).toBe((await run(['help', 'station'])).out);
});

test('what cannot be is said in one line, with exit code 2', async () => {
  expectLine(await run(['stattion']), /There is no command "stattion"\. Did you mean station\? See: wayside --help/, 2);
  expectLine(await run(['station', 'craete']), /Did you mean create\? See: wayside station --help/, 2);
  expectLine(await run(['station', 'create']), /STATION is missing: .* See: wayside station create --help/, 2);
  expectLine(await run(['help', 'nonsense']), /There is no command "nonsense"/, 2);
  expectLine(await run(['--nonsense']), /There is no option --nonsense/, 2);
  expectLine(await run(['station', 'list', '--url', 'ftp://x']), /--url is "ftp:\/\/x"/, 2);
  expectLine(await run(['station', 'list'], { env: { WAYSIDE_URL: 'http://u:p@x' } }), /WAYSIDE_URL has more than an address/, 2);
});

test('no broker: what to do, at once, with exit code 1', async () => {
  const none = ['--url', '127.0.0.1:9'];
  const what = /No broker answers at http:\/\/127\.0\.0\.1:9.*npx wayside serve/;
  for (const args of [
    ['station', 'list'],
    ['produce', 'orders', 'x'],
    ['consume', 'orders', '--group', 'g', '--follow'],
    ['peek', 'orders', '--follow'],
  ])
    expectLine(await run([...args, ...none]), what, 1);
});

test('the token comes from the environment or an option; without it, and with a wrong one, the way is said', async () => {
  const url = ['--url', broker.base];
  expectLine(await run(['station', 'list', ...url]), /UNAUTHENTICATED/, 1);
  expectLine(await run(['station', 'list', ...url], { env: { WAYSIDE_TOKEN: 'wrong' } }), /WAYSIDE_TOKEN.*UNAUTHENTICATED/, 1);
  expect((await run(['station', 'list', ...url], { env: { WAYSIDE_TOKEN: 'secret-1' } })).code).toBe(0);
  expect((await run(['station', 'list', ...url, '--token', 'secret-1'])).code).toBe(0);
});

test('namespaces are apart', async () => {
  const env = { WAYSIDE_TOKEN: 'secret-1', WAYSIDE_URL: broker.base };
  expect((await run(['station', 'create', 'orders', '--namespace', 'team'], { env })).code).toBe(0);
  const list = async (...more: string[]) => (await run(['station', 'list', '--json', ...more], { env })).json.map(({ name }) => name);
  expect(await list('--namespace', 'team')).toEqual(['orders']);
  expect(await list()).toEqual([]);
});

test('--json has nothing but JSON on standard output, --quiet nothing beside results', async () => {
  const env = { WAYSIDE_TOKEN: 'secret-1', WAYSIDE_URL: broker.base };
  expect(await run(['station', 'list', '--json', '--namespace', 'empty'], { env })).toMatchObject({ code: 0, out: '', errors: '' });
  expect(await run(['station', 'list', '--quiet', '--namespace', 'empty'], { env })).toMatchObject({ code: 0, out: '', errors: '' });
  expect((await run(['station', 'list', '--namespace', 'empty'], { env })).errors).toContain('There are no stations');
  expect((await run(['--version', '--json'])).json).toEqual([{ version: about.version }]);
});

test('in a file or a pipe there are no colours', async () => {
  const ran = await run(['station', 'create', 'plain'], { env: { WAYSIDE_TOKEN: 'secret-1', WAYSIDE_URL: broker.base, FORCE_COLOR: '' } });
  expect(ran.out).not.toContain('\u001b');
});

test('serve: by options, which win over the environment, and ends in order', async () => {
  const child = start(['serve', '--port', '0', '--data', join(folder, 'served'), '--json'], { env: { PORT: 'nonsense' } });
  const said = await until(child, 'stdout', /\n/);
  const { url, durability } = JSON.parse(said) as { url: string; durability: string };
  expect(durability).toBe('synced');
  expect((await fetch(`${url}/v1/health`)).status).toBe(200);
  const ended = ending(child);
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0, errors: '' });
});

test('serve: what cannot be is named by the option, or by the variable', async () => {
  const data = ['--data', join(folder, 'refused')];
  expectLine(await run(['serve', '--port', '99999', ...data]), /--port is "99999"/, 1);
  expectLine(await run(['serve', ...data], { env: { PORT: 'x' } }), /PORT is "x"/, 1);
  expectLine(await run(['serve', '--host', '0.0.0.0', ...data]), /--host is "0\.0\.0\.0".*WAYSIDE_TOKEN/, 1);
  expectLine(await run(['serve', '--port', '0', '--origin', 'nonsense', ...data]), /--origin names "nonsense"/, 1);
});
