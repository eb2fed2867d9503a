/**
 * Deno and Bun beside Node: the contracts of the folder, the command line, the lock of a folder between them, and the
 * commands that a user starts the server with. The broker's own promises are conformance's.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { run as cli } from '../cli/_cli.ts';
import { NEED_FAULTS_TO_ORDER } from '../contract/_folder.ts';
import { ARCHIVE_CHECKS } from '../contract/archive.ts';
import { CHECKS } from '../contract/volume.ts';
import { closeCode, handshake, masked } from '../gateway/frames/_raw.ts';
import { refusedStart, startBroker, temporaryFolder } from './_process.ts';
import { binaryOf, runner } from './_runners.ts';

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const RUNTIMES = ['node', 'deno', 'bun'] as const;

describe.each(['deno', 'bun'] as const)('%s', (name) => {
  test.each([
    ['volume', CHECKS, NEED_FAULTS_TO_ORDER],
    ['archive', ARCHIVE_CHECKS, 0],
  ] as const)('the %s in a folder keeps the contract', { timeout: 120_000 }, async (subject, checks, skipped) => {
    const [command = '', ...args] = runner(name);
    const { stdout } = await execute(command, [...args, join(ROOT, 'test/contract/main.ts'), subject]);
    expect(JSON.parse(stdout)).toEqual({ passed: checks - skipped, skipped, failed: [] });
  });

  test('the command line produces, consumes and acknowledges', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    const broker = await startBroker({ data: folder.path, run: runner(name) });
    onTestFinished(async () => {
      await broker.kill();
      folder.remove();
    });
    const options = { env: { WAYSIDE_URL: broker.base }, run: runner(name) };
    expect(await cli(['station', 'create', 'orders'], options)).toMatchObject({ code: 0, errors: '' });
    expect(await cli(['produce', 'orders'], { ...options, input: '{"n":1}\n{"n":2}\n' })).toMatchObject({ code: 0 });
    const consumed = await cli(['consume', 'orders', '--group', 'g', '--max', '2', '--json'], options);
    expect(consumed.code, consumed.errors).toBe(0);
    expect(consumed.json.map((message) => message.payload)).toEqual([{ n: 1 }, { n: 2 }]);
    const shown = await cli(['group', 'info', 'orders', 'g', '--json'], options);
    expect(shown.json[0]).toMatchObject({ unread: 0, inFlight: 0 });
    expect(await broker.stop()).toEqual({ code: 0, signal: null, errors: '' });
  });

  test('a peer may send little before its hello, and no message in endless pieces: 4413, before it is whole', {
    timeout: 60_000,
  }, async () => {
    const folder = temporaryFolder();
    const broker = await startBroker({ data: folder.path, run: runner(name) });
    onTestFinished(async () => {
      await broker.kill();
      folder.remove();
    });
    const { socket: large } = await handshake({ url: broker.base }, []);
    large.write(masked(Buffer.alloc(12 * 1024 * 1024)).subarray(0, 1024 * 1024));
    expect(await closeCode(large), 'a large first frame').toBe(4413);
    const { socket: endless } = await handshake({ url: broker.base }, []);
    endless.write(masked(Buffer.from('{"op":"hello"}')));
    endless.write(masked(Buffer.from('{'), { fin: false }));
    for (let i = 0; i < 5_000; i++) endless.write(masked(Buffer.from(' '), { opcode: 0, fin: false }));
    expect(await closeCode(endless), 'endless pieces').toBe(4413);
  });
});

test('a folder that one runtime has is refused to all others', { timeout: 60_000 }, async () => {
  for (const owner of RUNTIMES) {
    const folder = temporaryFolder();
    const broker = await startBroker({ data: folder.path, run: runner(owner) });
    onTestFinished(folder.remove);
    const refused = await Promise.all(RUNTIMES.map((name) => refusedStart({ data: folder.path, run: runner(name) })));
    await broker.kill();
    for (const { code, errors } of refused) {
      expect(code, `beside ${owner}: ${errors}`).toBe(1);
      expect(errors).toContain('another process');
    }
    // Killed, it holds nothing any more.
    const next = await startBroker({ data: folder.path, run: runner(owner) });
    expect((await next.stop()).code).toBe(0);
  }
});

test('data that one runtime has written another one goes on with', { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  for (const [i, name] of [...RUNTIMES, ...RUNTIMES].entries()) {
    const broker = await startBroker({ data: folder.path, run: runner(name) });
    const station = `${broker.base}/v1/stations/s`;
    if (i === 0) await fetch(station, { method: 'PUT' });
    const sent = await fetch(`${station}/messages`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: `${i}` });
    expect(await sent.json()).toMatchObject({ sequence: i + 1 });
    const read = (await (await fetch(`${station}/messages?from=start`)).json()) as { messages: { payload: number }[] };
    expect(read.messages.map(({ payload }) => payload)).toEqual(Array.from({ length: i + 1 }, (_, n) => n));
    await (i % 2 === 0 ? broker.kill() : broker.stop());
  }
});

test.each([
  ['deno task start', () => binaryOf('deno'), ['task', 'start'], 'deno'],
  ['bun run start', () => binaryOf('bun'), ['run', 'start'], 'bun'],
] as const)('%s runs the server in that runtime', { timeout: 60_000 }, async (_, binary, args, runtime) => {
  const folder = temporaryFolder();
  const child = spawn(binary(), args, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', WAYSIDE_DATA: folder.path },
  });
  onTestFinished(async () => {
    process.kill(-child.pid!, 'SIGKILL');
    await once(child, 'close');
    folder.remove();
  });
  let said = '';
  for await (const text of child.stdout) {
    said += text;
    const [, url] = /Address\s+(http:\S+)/.exec(said) ?? [];
    if (url === undefined) continue;
    const health = await fetch(`${url}/v1/health`);
    expect(await health.json()).toMatchObject({ status: 'ok', runtime });
    return;
  }
  throw new Error(`It ended without an address: ${said}`);
});
