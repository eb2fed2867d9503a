/** `wayside doctor`: what is whole is called whole, what is not is named with its place, and nothing in the folder changes. */
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';
import type { Ran } from './_cli.ts';
import { run } from './_cli.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MIB = 1024 * 1024;
const root = mkdtempSync(join(tmpdir(), 'wayside-doctor-'));
const original = join(root, 'original');
let folder = '';
let broker: BrokerProcess | undefined;

/** Two stations in two segments: `small` in the first alone, `large` in both. */
beforeAll(async () => {
  const begun = await startBroker({ data: original });
  const client = new Client(begun.base, undefined);
  await client.call('PUT', '/v1/stations/small', { json: { partitions: 2 } });
  await client.call('PUT', '/v1/stations/large');
  await client.call('PUT', '/v1/stations/fleeting', { json: { durability: 'memory' } });
  for (let n = 1; n <= 5; n++) await client.call('POST', '/v1/stations/small/messages?partition=1', { body: `<<small ${n}>>` });
  await client.call('POST', '/v1/stations/small/groups/g/fetch', { json: { consumer: 'c', max: 2 } });
  for (let n = 0; n < 11; n++) await client.call('POST', '/v1/stations/large/messages/batch', { records: bulk(n * 7 + 1) });
  expect((await begun.stop()).code).toBe(0);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

beforeEach(() => {
  folder = mkdtempSync(join(root, 'copy-'));
  cpSync(original, folder, { recursive: true });
});
afterEach(async () => {
  await broker?.kill();
  broker = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Seven messages of a MiB less a little, the first of them with the sequence `first`. */
function bulk(first: number): Uint8Array<ArrayBuffer> {
  const batch = new BatchBuilder();
  for (let n = first; n < first + 7; n++) {
    const payload = new Uint8Array(MIB - 100).fill(n % 251);
    new TextEncoder().encodeInto(`<<large ${n}>>`, payload);
    batch.append({ payload });
  }
  return batch.finish();
}

/** The file and offset of a text that is stored once. */
function find(text: string): { file: string; at: number } {
  for (const file of readdirSync(folder)) {
    const at = readFileSync(join(folder, file)).indexOf(text);
    if (at >= 0) return { file, at };
  }
  throw new Error(`${text} is in no file`);
}

function flip({ file, at }: { file: string; at: number }): void {
  const bytes = readFileSync(join(folder, file));
  for (let n = at; n < at + 4; n++) bytes[n] = (bytes[n] ?? 0) ^ 0xff;
  writeFileSync(join(folder, file), bytes);
}

/** Runs the doctor, and sees that it has changed nothing. */
async function doctor(...args: string[]): Promise<Ran> {
  const before = fingerprint();
  const ran = await run(['doctor', folder, ...args]);
  expect(fingerprint(), 'the folder is as it was').toEqual(before);
  return ran;
}

function fingerprint(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

interface Partition {
  readonly messages: number;
  readonly lost: [number, number][];
  readonly first: number;
  readonly last: number;
}
type Report = {
  ok: boolean;
  inUse: boolean;
  refused?: string;
  damages: { file: string; from: number; to: number; what: string }[];
  segments: { state: string; tornBytes: number }[];
  stations: { station: string; durability: string; partitions: Partition[] }[];
  notes: string[];
};

async function report(): Promise<Report & { code: number | null; errors: string }> {
  const { code, errors, json } = await doctor('--json');
  expect(json).toHaveLength(1);
  return { ...(json[0] as Report), code, errors };
}

const partitionOf = ({ stations }: Report, name: string, partition: number) =>
  stations.find(({ station }) => station === name)?.partitions[partition];

test('a folder that a broker has closed is whole, and what is in it is listed', async () => {
  const { code, out, errors } = await doctor();
  expect([code, errors]).toEqual([0, '']);
  expect(out).toMatch(/small +1 +5 .* 1–5 .* whole/);
  expect(out).toMatch(/large +0 +77 /);
  expect(out).toMatch(/fleeting .*memory/);
  expect(out).toContain('Whole.');
  const found = await report();
  expect(found).toMatchObject({ ok: true, inUse: false, damages: [], notes: [], code: 0 });
  expect(found.segments.map(({ state }) => state)).toEqual(['sealed', 'open']);
});

test('an entry damaged in a sealed segment: its bytes, and which messages cannot be delivered', async () => {
  const place = find('<<large 3>>');
  flip({ ...place, at: place.at + 700 });
  const found = await report();
  expect(found).toMatchObject({ ok: false, code: 1, damages: [{ file: place.file, what: 'an entry is damaged' }] });
  expect(found.refused).toBeUndefined();
  const [damage] = found.damages;
  expect(damage?.from).toBeLessThan(place.at);
  expect(damage?.to).toBeGreaterThan(place.at);
  expect(partitionOf(found, 'large', 0)).toMatchObject({ messages: 77, lost: [[1, 7]] });
  expect(partitionOf(found, 'small', 1)).toMatchObject({ messages: 5, lost: [] });
  expect(found.errors).toMatch(/^wayside: .*7 messages cannot be delivered.*\n$/);
  expect((await doctor()).out).toMatch(/large .* damaged: 1–7/);
});

test('a damaged message among others costs only itself', async () => {
  flip(find('<<small 4>>'));
  const found = await report();
  expect(partitionOf(found, 'small', 1)?.lost).toEqual([[4, 4]]);
  expect(partitionOf(found, 'large', 0)?.lost).toEqual([]);
  expect(found.damages).toHaveLength(1);
});

test('damage in the last segment, where a broker would not start', async () => {
  flip(find('<<large 70>>'));
  const found = await report();
  expect(found).toMatchObject({ ok: false, code: 1 });
  expect(found.refused).toContain('a block that was synced is damaged');
  expect(found.damages[0]).toMatchObject({ what: 'an entry is damaged' });
  expect(found.errors).toContain('refuses to start');
});

test('what is behind the end of the log is a torn tail, and no damage', async () => {
  broker = await startBroker({ data: folder });
  await new Client(broker.base, undefined).call('POST', '/v1/stations/small/messages?partition=0', { body: '<<last>>' });
  await broker.kill();
  const { file } = find('<<last>>');
  appendFileSync(join(folder, file), new Uint8Array(700).fill(0xa5));
  const found = await report();
  expect(found).toMatchObject({ ok: true, code: 0, damages: [] });
  expect(found.segments.at(-1)?.tornBytes).toBeGreaterThanOrEqual(700);
  expect(partitionOf(found, 'small', 0)).toMatchObject({ messages: 1, lost: [] });
  expect((await doctor()).out).toContain('Torn tail');
});

test('a damaged footer costs nothing but is said', async () => {
  const [first = ''] = readdirSync(folder)
    .filter((name) => name.startsWith('segment'))
    .sort();
  flip({ file: first, at: readFileSync(join(folder, first)).length - 100 });
  const found = await report();
  expect(found).toMatchObject({ ok: false, code: 1 });
  expect(found.damages[0]?.what).toContain('built again');
  expect(found.stations.flatMap(({ partitions }) => partitions.flatMap(({ lost }) => lost))).toEqual([]);
  expect(found.errors).toContain('no message is lost');
});

test('headers that are damaged, files that are cut or missing', async () => {
  const [first = '', second = ''] = readdirSync(folder)
    .filter((name) => name.startsWith('segment'))
    .sort();
  flip({ file: first, at: 100 });
  expect(await report()).toMatchObject({ ok: false, code: 1, damages: [{ file: first, from: 0, to: 512 }] });
  flip({ file: first, at: 100 });
  truncateSync(join(folder, first), 1_000_000);
  expect(await report()).toMatchObject({ ok: false, code: 1, damages: [{ file: first }] });
  rmSync(join(folder, first));
  expect((await report()).refused).toContain(first);
  rmSync(join(folder, second));
  expect(await doctor()).toMatchObject({ code: 1, out: '', errors: expect.stringContaining('holds no data of Wayside') });
});

test('a folder that a broker has open is checked as far as it can be, and said to be open', async () => {
  broker = await startBroker({ data: folder });
  const client = new Client(broker.base, undefined);
  let goesOn = true;
  const writing = (async () => {
    while (goesOn) await client.call('POST', '/v1/stations/small/messages?partition=0', { body: 'x'.repeat(10_000) });
  })();
  const { code, json, errors } = await run(['doctor', folder, '--json']);
  goesOn = false;
  await writing;
  expect([code, errors]).toEqual([0, '']);
  expect(json[0]).toMatchObject({ ok: true, inUse: true });
  expect((await client.call('GET', '/v1/health')).status).toBe(200);
});

test('what is no folder of ours is refused', async () => {
  const ran = await run(['doctor', join(folder, 'lock')]);
  expect(ran).toMatchObject({ code: 1, errors: expect.stringContaining('There is no folder') });
  expect((await run(['doctor'])).code).toBe(2);
});
