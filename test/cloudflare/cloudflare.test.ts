/** What conformance cannot ask of the Worker: its storage's contract, its end at any time, what wakes it, what is missing of a deployment. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { R2Archive } from '../../src/adapters/cloudflare/archive.ts';
import type { Bucket } from '../../src/adapters/cloudflare/platform.ts';
import { connect } from '../../src/client/index.ts';
import { ARCHIVE_CHECKS } from '../contract/archive.ts';
import { CHECKS } from '../contract/volume.ts';
import { runKills } from '../kill/kills.ts';
import { temporaryFolder } from '../node/_process.ts';
import { workerSite } from './_site.ts';
import type { RuntimeOptions } from './_worker.ts';
import { bundle, workerd } from './_worker.ts';

/** A second opener: the runtime has one instance of an object at a time. */
const NEED_A_SECOND_OPENER = 2;
const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
const JSON_TYPE = { 'Content-Type': 'application/json' };

/** Under a name that leads elsewhere. */
async function calledAs(host: string, url: string): Promise<{ status: number | undefined; json: unknown }> {
  const request = get(url, { headers: { Host: host } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const pieces = await response.toArray();
  return { status: response.statusCode, json: JSON.parse(Buffer.concat(pieces).toString()) };
}

async function running(options: Omit<RuntimeOptions, 'folder'> & { folder?: string }) {
  const folder = temporaryFolder();
  const runtime = workerd({ folder: folder.path, ...options });
  onTestFinished(async () => {
    await runtime.dispose();
    folder.remove();
  });
  return { base: (await runtime.ready).href.replace(/\/$/, ''), folder: folder.path, runtime };
}

/** The name of the object that has the station's first partition: a cursor tells the station's id. */
async function objectOf(station: string): Promise<string> {
  const { cursor } = (await (await fetch(`${station}/messages?from=end`)).json()) as { cursor: string };
  return `1.${parseInt(cursor.split('.')[1] ?? '', 36)}.0`;
}

test('the log over the SQLite of an object keeps the contract, in workerd', { timeout: 120_000 }, async () => {
  const { base } = await running({ script: await bundle('contract-worker.ts'), objects: { CONTRACT: 'ContractObject' } });
  const answer = await fetch(base);
  expect(await answer.json()).toEqual({ passed: CHECKS - NEED_A_SECOND_OPENER, skipped: NEED_A_SECOND_OPENER, failed: [] });
});

test('an archive in a bucket of R2 keeps the contract, in workerd', { timeout: 120_000 }, async () => {
  const { base } = await running({ script: await bundle('archive-worker.ts'), objects: {}, buckets: { ARCHIVE: 'archive' } });
  const answer = await fetch(base);
  expect(await answer.json()).toEqual({ passed: ARCHIVE_CHECKS, skipped: 0, failed: [] });
});

test('an archive tells a failure of R2 from a range that is beyond the end', async () => {
  const failing = (size: number): Bucket => ({
    put: () => Promise.reject(new Error('put: busy')),
    get: () => Promise.reject(new Error('get: busy')),
    head: async () => ({ size }),
    list: () => Promise.reject(new Error('list: busy')),
    delete: () => Promise.reject(new Error('delete: busy')),
  });
  const archive = new R2Archive(failing(10));
  await expect(archive.get('a', 9, 5)).rejects.toThrow('get: busy');
  await expect(archive.get('a')).rejects.toThrow('get: busy');
  expect(await archive.get('a', 10, 5)).toEqual(new Uint8Array(0));
  await expect(archive.put('a', new Uint8Array(1))).rejects.toThrow('put: busy');
});

test('killed, and its objects ended again and again, under load: nothing answered is lost', { timeout: 180_000 }, async () => {
  const site = await workerSite();
  const report = await runKills({
    site,
    kills: 3,
    seed: Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)),
    loadMsMax: 2_500,
  });
  expect(report.messages).toBe(report.produced);
  expect(report.produced).toBeGreaterThan(50);
  expect(site.aborts).toBeGreaterThan(5);
});

test('what is due wakes an object that nobody calls, also after a restart', { timeout: 60_000 }, async () => {
  const script = await bundle();
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const first = workerd({ script, folder: folder.path });
  const station = `${(await first.ready).href}v1/stations/s`;
  await fetch(station, { method: 'PUT' });
  const delayed = (ms: number) => fetch(`${station}/messages`, { method: 'POST', headers: { 'Message-Delay-Ms': String(ms) }, body: 'x' });
  const dues: number[] = [];
  for (const ms of [1_000, 4_000]) dues.push(((await (await delayed(ms)).json()) as { dueAt: number }).dueAt);
  await first.unsafeEvictDurableObject('wayside', 'WaysidePartition', { name: await objectOf(station) });
  await sleep(Math.max(0, dues[0]! + 300 - Date.now()));
  await first.dispose();
  const second = workerd({ script, folder: folder.path });
  onTestFinished(() => second.dispose());
  const base = (await second.ready).href;
  await sleep(Math.max(0, dues[1]! + 1_500 - Date.now()));
  const { messages } = (await (await fetch(`${base}v1/stations/s/messages?from=start`)).json()) as { messages: { producedAt: number }[] };
  expect(messages).toHaveLength(2);
  for (const [i, { producedAt }] of messages.entries()) {
    expect(producedAt).toBeGreaterThanOrEqual(dues[i]!);
    // Had it been this call that woke the object, it would be later by a second and more.
    expect(producedAt - dues[i]!, 'late').toBeLessThan(1_000);
  }
});

test('what is missing of a deployment is said at the first request', { timeout: 30_000 }, async () => {
  const script = await bundle();
  const without = await running({ script, objects: {} });
  const answer = await fetch(`${without.base}/v1/health`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 'UNAVAILABLE', detail: expect.stringContaining('no binding WAYSIDE_CATALOG') });
  const open = await running({ script });
  const refused = await calledAs('wayside.example.com', `${open.base}/v1/stations`);
  expect(refused.status).toBe(403);
  expect(refused.json).toMatchObject({ code: 'FORBIDDEN', detail: expect.stringContaining('wrangler secret put WAYSIDE_TOKEN') });
});

test('an object at its limit refuses what is produced, serves the rest, and goes on when there is room', { timeout: 60_000 }, async () => {
  const { base } = await running({ script: await bundle(), bindings: { WAYSIDE_BYTES_MAX: '8000000' } });
  const station = `${base}/v1/stations/s`;
  await fetch(station, { method: 'PUT' });
  const produce = () => fetch(`${station}/messages`, { method: 'POST', body: new Uint8Array(500_000) });
  let stored = 0;
  let answer = await produce();
  for (; answer.status === 201; answer = await produce()) stored++;
  expect(answer.status).toBe(507);
  expect(await answer.json()).toMatchObject({ code: 'STORAGE_FULL' });
  expect(stored).toBeGreaterThan(8);
  const fetched = await fetch(`${station}/groups/g/next?consumer=c`, { method: 'POST' });
  expect((await fetched.arrayBuffer()).byteLength).toBe(500_000);
  const receipt = fetched.headers.get('message-receipt');
  const acked = await fetch(`${station}/groups/g/ack`, {
    method: 'POST',
    headers: JSON_TYPE,
    body: JSON.stringify({ receipts: [receipt] }),
  });
  expect([acked.status, await acked.json()]).toEqual([200, { failed: [] }]);
  await fetch(`${station}/purge`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ upTo: 5 }) });
  await expect.poll(async () => (await produce()).status, { timeout: 10_000 }).toBe(201);
});

test('who waits is served when the object has slept meanwhile, and when it has ended', { timeout: 60_000 }, async () => {
  const { base, runtime } = await running({ script: await bundle('abort-worker.ts') });
  const station = `${base}/v1/stations/s`;
  await fetch(station, { method: 'PUT' });
  const broker = connect(base);
  onTestFinished(() => broker.close());
  const got: string[] = [];
  const consumer = broker
    .station('s')
    .group('g')
    .handle((message) => {
      got.push(message.text());
    });
  onTestFinished(() => consumer.stop());
  const produced = async (text: string) => {
    const answer = await fetch(`${station}/messages`, { method: 'POST', body: text, headers: { 'Idempotency-Key': text } });
    if (answer.status !== 201) return produced(text);
    await expect.poll(() => got, { timeout: 15_000 }).toContain(text);
  };
  await produced('at once');
  const name = await objectOf(station);
  for (let i = 0; i < 3; i++) {
    await sleep(1_000);
    await runtime.unsafeEvictDurableObject('wayside', 'WaysidePartition', { name });
    await produced(`after sleep ${i}`);
  }
  for (let i = 0; i < 6; i++) {
    await sleep(200);
    await (await fetch(`${base}/abort`)).arrayBuffer();
    await produced(`after an end ${i}`);
  }
  expect([...new Set(got)]).toHaveLength(10);
});

test('the Worker as it is deployed has at most 250 KiB', { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [WRANGLER, 'deploy', '--dry-run'], {
    cwd: ROOT,
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1' },
  });
  const [, kib] = /gzip: ([\d.]+) KiB/.exec(stdout) ?? [];
  expect(Number(kib)).toBeGreaterThan(20);
  expect(Number(kib)).toBeLessThanOrEqual(250);
});

test('rows: one written for a batch, few read when a sleeping object wakes', { timeout: 60_000 }, async () => {
  const { base, runtime } = await running({ script: await bundle('counting-worker.ts') });
  const rows = async () => (await (await fetch(`${base}/rows`)).json()) as { read: number; written: number };
  const station = `${base}/v1/stations/s`;
  await fetch(station, { method: 'PUT' });
  const produce = async () => {
    const messages = Array.from({ length: 100 }, (_, i) => ({ text: `${i}`, id: crypto.randomUUID() }));
    const answer = await fetch(`${station}/messages/batch`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ messages }) });
    expect(answer.status).toBe(201);
    await answer.arrayBuffer();
  };
  await produce();
  const before = await rows();
  for (let i = 0; i < 20; i++) await produce();
  const after = await rows();
  expect(after.written - before.written, 'rows written for 20 batches').toBeLessThanOrEqual(21);
  const fetched = await fetch(`${station}/groups/g/fetch`, { method: 'POST', headers: JSON_TYPE, body: '{"consumer":"c","max":1000}' });
  const { messages } = (await fetched.json()) as { messages: { receipt: string }[] };
  const receipts = messages.map(({ receipt }) => receipt);
  await fetch(`${station}/groups/g/ack`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ receipts }) });
  // Fallen silent, it writes its sections; what it would have done for a sleep.
  await sleep(1_500);
  await runtime.unsafeEvictDurableObject('wayside', 'WaysidePartition', { name: await objectOf(station) });
  const asleep = await rows();
  const woken = await fetch(`${station}/messages`, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': 'fresh' } });
  expect(woken.status).toBe(201);
  await woken.arrayBuffer();
  const { read } = await rows();
  expect(read - asleep.read, 'rows read on a cold wake, with a produce').toBeLessThanOrEqual(20);
});
