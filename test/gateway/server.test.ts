/** The server and the process on Node: connections, bad requests, refusals that a client can read, starts and ends. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../src/adapters/node/host.ts';
import { startHost } from '../../src/adapters/node/host.ts';

const folder = mkdtempSync(join(tmpdir(), 'wayside-'));
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
let host: Host;

beforeAll(async () => {
  host = await startHost({ data: join(folder, 'data'), port: 0, journal: quiet });
  await fetch(`${host.url}/v1/stations/s`, { method: 'PUT' });
});
afterAll(async () => {
  await host.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends a request by hand, all of it, without waiting for an answer, and reads to the end. */
async function raw(head: string[], body: Uint8Array | string = ''): Promise<string> {
  const socket = connect(Number(new URL(host.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.write(`${head.join('\r\n')}\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  socket.write(body);
  await once(socket, 'close');
  return text;
}

describe('the server', () => {
  it('a body above the limit: the refusal can be read, though the whole body was sent without a pause', async () => {
    for (let round = 0; round < 3; round++) {
      const answer = await raw(
        [`POST /v1/stations/s/messages HTTP/1.1`, `Content-Length: ${12 * 1024 * 1024}`],
        new Uint8Array(12 * 1024 * 1024),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      expect(answer).toContain('"code":"MESSAGE_TOO_LARGE"');
    }
  });

  it('a refusal before the body is read leaves the connection usable', async () => {
    for (let i = 0; i < 20; i++) {
      const answer = await fetch(`${host.url}/v1/stations/none/groups/g/nothing`, { method: 'POST', body: 'x'.repeat(100_000) });
      expect(answer.status).toBe(404);
      await answer.text();
    }
  });

  it('steps upwards in a path are refused, never taken', async () => {
    for (const path of [
      '/v1/stations/%2e%2e',
      '/v1/namespaces/%2e%2e/stations/x',
      '/v1/stations/.%2E',
      '/v1/namespaces/../stations/y',
      '/v1/stations/a/../b',
      '/v1/stations/x\\..\\y',
    ]) {
      expect(await raw([`PUT ${path} HTTP/1.1`, 'Content-Length: 0']), path).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    const { items } = (await (await fetch(`${host.url}/v1/stations`)).json()) as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(['s']);
  });

  it('what HTTP does not allow is refused in the same form', async () => {
    for (const head of [
      ['NONSENSE'],
      ['GET / HTTP/9.9'],
      ['GET /v1/health HTTP/1.1', 'Bad Header: x'],
      ['POST /v1/stations/s/messages HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['GET /v1/health HTTP/1.1', `X: ${'x'.repeat(70_000)}`],
    ]) {
      const answer = await raw(head);
      expect(answer, head[0]).toMatch(/^HTTP\/1\.1 4(00|31) /);
      expect(answer).toContain('application/problem+json');
      expect(answer).toContain('"code":"INVALID_REQUEST"');
    }
  });

  it('16 KiB of headers of a message, percent-encoded, fit', async () => {
    const headers = { 'message-header-a': encodeURIComponent('ü'.repeat(7 * 1024)) };
    expect((await fetch(`${host.url}/v1/stations/s/messages`, { method: 'POST', body: 'x', headers })).status).toBe(201);
  });
});

describe('npm start', () => {
  const main = fileURLToPath(new URL('../../src/adapters/node/main.ts', import.meta.url));
  const started: ChildProcess[] = [];
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL');
  });

  function start(env: Record<string, string>) {
    const child = spawn(process.execPath, [main], {
      env: { PATH: process.env.PATH, WAYSIDE_DATA: join(folder, 'own'), PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.push(child);
    const said = { out: '', err: '' };
    child.stdout.on('data', (data) => {
      said.out += data;
    });
    child.stderr.on('data', (data) => {
      said.err += data;
    });
    return { child, said, ended: once(child, 'close').then(([code]) => code as number | null) };
  }

  async function ready({ said }: ReturnType<typeof start>): Promise<string> {
    await expect.poll(() => said.out, { timeout: 8000 }).toContain('Stop');
    return /http:\/\/[\w.:[\]]+/.exec(said.out)?.[0] ?? '';
  }

  it('says where it is, where the data is and how durable, and ends with 0 on SIGTERM, answering those who wait', async () => {
    const run = start({});
    const url = await ready(run);
    expect(run.said.out).toMatch(/Data .*own.*synced/);
    expect(run.said.out).toContain(`curl -X PUT ${url}/v1/stations/orders`);
    await fetch(`${url}/v1/stations/s`, { method: 'PUT' });
    const body = JSON.stringify({ consumer: 'c', waitMs: 20_000 });
    const waiting = fetch(`${url}/v1/stations/s/groups/g/fetch`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    const following = await fetch(`${url}/v1/stations/s/messages`, { headers: { accept: 'text/event-stream' } });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = performance.now();
    run.child.kill('SIGTERM');
    expect((await waiting).status).toBe(503);
    expect(await following.text()).toContain('SHUTTING_DOWN');
    expect(await run.ended).toBe(0);
    expect(performance.now() - before).toBeLessThan(3000);
    expect(run.said.err).toBe('');

    const again = start({});
    const messages = await fetch(`${await ready(again)}/v1/stations/s`);
    expect(messages.status).toBe(200);
    await messages.text();
    again.child.kill('SIGINT');
    expect(await again.ended).toBe(0);
  });

  it('what cannot be is one line and exit code 1', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const taken = new URL(host.url).port;
    const cases: [Record<string, string>, string][] = [
      [{ HOST: '0.0.0.0' }, 'WAYSIDE_TOKEN'],
      [{ HOST: 'example.org' }, 'WAYSIDE_TOKEN'],
      [{ PORT: 'x' }, 'PORT is "x"'],
      [{ PORT: taken, WAYSIDE_DATA: join(folder, 'third') }, 'in use'],
      [{ WAYSIDE_DATA: join(folder, 'data') }, 'in use by another process'],
      [{ WAYSIDE_DATA: file }, 'is a file'],
      [{ WAYSIDE_TOKEN: 'a b' }, 'visible ASCII'],
    ];
    await Promise.all(
      cases.map(async ([env, text]) => {
        const { said, ended } = start(env);
        expect(await ended, text).toBe(1);
        expect(said.err).toContain(text);
        expect(said.err.trim().split('\n'), said.err).toHaveLength(1);
        expect(said.out).toBe('');
      }),
    );
  }, 20_000);

  it('with a token it asks for it', async () => {
    const run = start({ WAYSIDE_TOKEN: 'secret', WAYSIDE_DATA: join(folder, 'fourth') });
    const url = await ready(run);
    expect(run.said.out).not.toContain('secret');
    expect((await fetch(`${url}/v1/stations`)).status).toBe(401);
    expect((await fetch(`${url}/v1/stations`, { headers: { authorization: 'Bearer secret' } })).status).toBe(200);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
  });
});
