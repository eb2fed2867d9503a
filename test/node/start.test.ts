/** What `npm start` refuses: one clear line on standard error, exit code 1, and nothing served. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { Ended } from './_process.ts';
import { refusedStart, startBroker, temporaryFolder } from './_process.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000 });

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function folder(): string {
  const { path, remove } = temporaryFolder();
  undo.push(remove);
  return path;
}

/** One line, of ours, that names what is wrong and holds no stack. */
function expectLine({ code, errors }: Ended, what: RegExp): void {
  expect(errors).toMatch(what);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
  expect(errors).toMatch(/^wayside: /);
  expect(code).toBe(1);
}

test('a data folder in use by another process is refused, and the first one goes on', async () => {
  const data = folder();
  const first = await startBroker({ data });
  undo.push(() => first.kill());
  expectLine(await refusedStart({ data }), /in use by another process/);
  expect((await fetch(`${first.base}/v1/health`)).status).toBe(200);
});

test('a data folder whose process was killed is free', async () => {
  const data = folder();
  await (await startBroker({ data })).kill();
  const broker = await startBroker({ data });
  await broker.kill();
});

test('a SIGTERM as soon as it says where it is ends it in order', async () => {
  for (let turn = 0; turn < 3; turn++) {
    const broker = await startBroker({ data: folder() });
    expect(await broker.stop()).toEqual({ code: 0, signal: null, errors: '' });
  }
});

test('a HOST that is not loopback is refused without a token', async () => {
  for (const HOST of ['0.0.0.0', '::', 'example.org', '127.0.0.1.example.org']) {
    expectLine(await refusedStart({ data: folder(), env: { HOST } }), /WAYSIDE_TOKEN/);
  }
});

test('a HOST that is not loopback is served with a token', async () => {
  const broker = await startBroker({ data: folder(), env: { HOST: '0.0.0.0', WAYSIDE_TOKEN: 't-1' } });
  undo.push(() => broker.kill());
  const url = `${broker.base.replace('0.0.0.0', '127.0.0.1')}/v1/stations`;
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers: { authorization: 'Bearer t-1' } })).status).toBe(200);
});

test('a port in use is refused by its number, and the folder is free again', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const data = folder();
  expectLine(await refusedStart({ data, env: { PORT: String(port) } }), new RegExp(`127.0.0.1:${port} is in use`));
  const broker = await startBroker({ data });
  await broker.kill();
});

test('settings that make no sense are refused by their name', async () => {
  for (const PORT of ['-1', 'x', '65536', '80.5']) expectLine(await refusedStart({ data: folder(), env: { PORT } }), /PORT is/);
  expectLine(await refusedStart({ data: folder(), env: { WAYSIDE_TOKEN: 'two words' } }), /WAYSIDE_TOKEN/);
});

test('a data folder that is a file is refused', async () => {
  const data = join(folder(), 'file');
  writeFileSync(data, 'not a folder');
  expectLine(await refusedStart({ data }), /./);
});

test('files of others in the data folder are left as they are', async () => {
  const data = folder();
  writeFileSync(join(data, 'notes.txt'), 'mine');
  mkdirSync(join(data, 'segment'));
  const broker = await startBroker({ data });
  expect((await fetch(`${broker.base}/v1/health`)).status).toBe(200);
  await broker.stop();
  expect(readFileSync(join(data, 'notes.txt'), 'utf8')).toBe('mine');
  expect(readdirSync(data)).toContain('segment');
});
