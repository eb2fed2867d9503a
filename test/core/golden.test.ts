/**
 * Exports and data folders that this and earlier versions wrote: every later version must read them, and find what they held.
 *
 * `WAYSIDE_GOLDEN=write` adds those of this version's number, where there are none of it; a file that is there never changes.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/adapters/memory/random.ts';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeFiles } from '../../src/adapters/node/files.ts';
import { nodeTimers } from '../../src/adapters/node/timers.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import type { Clock, Journal } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { batch, NS, receipts, texts } from './_broker.ts';

/** Raise it when a layout gets a new version. */
const VERSION = 1;
const FOLDER = new URL('../golden/', import.meta.url).pathname;
const place = mkdtempSync(join(tmpdir(), 'wayside-golden-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

const quiet = () => undefined;
const journal: Journal = { info: quiet, warn: quiet, error: quiet };

/** Time stands still: what is shown depends on nothing else than what is kept. */
const clock: Clock = { now: () => 1_800_000_000_000, monotonic: () => 0 };

async function open(folder: string): Promise<Broker> {
  const ports = { clock, timers: nodeTimers(), random: seededRandom(1, folder.length.toString()), journal };
  const settings = { segmentBytes: 16 * 1024, chunkBytes: 4 * 1024, tailBytes: 8 * 1024 };
  const volume = new LogVolume({ files: nodeFiles(folder), ...ports, settings });
  return openBroker({ volume, memory: new MemoryVolume(ports.timers), ...ports, limits: { settleBytes: 2_000, idSliceMax: 8 } });
}

/** Something of everything that is kept. */
async function fill(broker: Broker): Promise<void> {
  await broker.putStation(NS, 'invoices', {});
  await broker.putStation(NS, 'dead', {});
  await broker.putStation(NS, 'orders', { partitions: 2, dedupWindowMs: 86_400_000, deadLetter: { station: 'dead' } });
  await broker.putGroup(NS, 'orders', 'keyed', { order: 'key', backoff: [100, 200], filter: 'exists(key)' });
  await broker.putGroup(NS, 'orders', 'late', { startAt: 'end', paused: true });
  const messages = Array.from({ length: 40 }, (_, i) => ({
    payload: `order ${i} ${'x'.repeat(200)}`,
    key: `k${i % 5}`,
    id: `id ${i}`,
    headers: [['n', String(i)] as [string, string]],
  }));
  for (let i = 0; i < 40; i += 8) await broker.produce(NS, 'orders', batch(...messages.slice(i, i + 8)));
  const take = async () => (await broker.fetch(NS, 'orders', 'keyed', { consumer: 'c', max: 5, leaseMs: 60_000 })).blocks;
  const [first, ...others] = await take();
  await broker.settle(NS, 'orders', 'keyed', 'ack', { receipts: receipts([first!]) });
  await broker.settle(NS, 'orders', 'keyed', 'reject', { receipts: receipts(others), reason: 'no such customer' });
  await arrived(broker);
  await broker.redrive(NS, 'orders', { all: true });
  const again = await take();
  await broker.settle(NS, 'orders', 'keyed', 'reject', { receipts: receipts(again).slice(0, 1), reason: 'again' });
  await broker.settle(NS, 'orders', 'keyed', 'nack', { receipts: receipts(again).slice(1, 2), delayMs: 60_000 });
  const [block] = await take();
  if (block)
    await broker.step(NS, 'orders', 'keyed', { receipts: receipts([block]), outputs: [{ station: 'invoices', batch: batch('invoice') }] });
  await broker.produce(
    NS,
    'orders',
    batch({ payload: 'later', key: 'k1', delayMs: 86_400_000 }, { payload: 'gone', key: 'k1', expiresMs: 1_000 }),
  );
  await broker.produce(NS, 'orders', batch('counted'), { partition: 1, producer: { id: 'p', epoch: 2, sequence: 1 } });
  await broker.purge(NS, 'orders', { upTo: 6 });
  await arrived(broker);
}

/** Nothing is on its way any more. */
async function arrived(broker: Broker): Promise<void> {
  do await new Promise((resolve) => setTimeout(resolve, 20));
  while ((await broker.station(NS, 'orders')).outbox > 0);
}

async function shown(broker: Broker): Promise<unknown> {
  const stations = (await broker.stations(NS, {})).items.map(({ name }) => name);
  const all = await Promise.all(
    stations.map(async (name) => {
      const { createdAt: _, ...info } = await broker.station(NS, name);
      const groups = await Promise.all(
        (await broker.groups(NS, name, {})).items.map(async (head) => {
          const { createdAt: __, members: ___, ...group } = await broker.group(NS, name, head.name);
          return { group, audit: await broker.audit(NS, name, head.name) };
        }),
      );
      const letters = (await broker.deadLetters(NS, name, {})).items.map(({ message, id: _, ...letter }) => ({
        ...letter,
        message: texts([message]),
      }));
      const delayed = (await broker.schedules(NS, name, {})).items.map(({ scheduleId: _id, ...rest }) => rest);
      return { info, groups, messages: texts((await broker.read(NS, name, { limit: 1_000 })).blocks).sort(), letters, delayed };
    }),
  );
  return JSON.parse(JSON.stringify(all));
}

async function exported(broker: Broker): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await broker.exportStream(NS, {})).bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* given(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const file = (name: string, version: number | string) => join(FOLDER, `${name}-${version}`);

if (process.env.WAYSIDE_GOLDEN === 'write' && !existsSync(file('shown', `${VERSION}.json`))) {
  const data = join(place, 'written');
  const broker = await open(data);
  await fill(broker);
  writeFileSync(file('shown', `${VERSION}.json`), `${JSON.stringify(await shown(broker), null, 1)}\n`);
  writeFileSync(file('export', `${VERSION}.wsx`), await exported(broker));
  // Not closed: what is behind the sections is replayed as well.
  const files = readdirSync(data).filter((name) => name !== 'lock');
  const folder = Object.fromEntries(files.map((name) => [name, readFileSync(join(data, name)).toString('base64')]));
  writeFileSync(file('volume', `${VERSION}.json.gz`), gzipSync(JSON.stringify(folder), { level: 9 }));
}

const versions = readdirSync(FOLDER).flatMap((name) => /^shown-(\d+)\.json$/.exec(name)?.[1] ?? []);

test('there are those of this version', () => {
  expect(versions).toContain(String(VERSION));
});

describe.each(versions)('version %s', (version) => {
  const wanted = JSON.parse(readFileSync(file('shown', `${version}.json`), 'utf8')) as unknown;

  test('its data folder is read, and goes on', async () => {
    const data = join(place, `volume-${version}`);
    mkdirSync(data);
    const folder = JSON.parse(gunzipSync(readFileSync(file('volume', `${version}.json.gz`))).toString()) as Record<string, string>;
    for (const [name, bytes] of Object.entries(folder)) writeFileSync(join(data, name), Buffer.from(bytes, 'base64'));
    const broker = await open(data);
    expect(await shown(broker)).toEqual(wanted);
    await goesOn(broker);
    await broker.close();
  });

  test('its export is imported, and goes on', async () => {
    const broker = await open(join(place, `import-${version}`));
    await broker.importStream(NS, {}, given(readFileSync(file('export', `${version}.wsx`))));
    expect(await shown(broker)).toEqual(wanted);
    await goesOn(broker);
    await broker.close();
  });
});

async function goesOn(broker: Broker): Promise<void> {
  expect((await broker.produce(NS, 'orders', batch({ id: 'id 39', key: 'k4' }))).duplicates).toHaveLength(1);
  expect((await broker.produce(NS, 'orders', batch({ id: 'id 0', key: 'k0' }))).duplicates).toHaveLength(1);
  const before = (await broker.station(NS, 'orders')).messages;
  await broker.produce(NS, 'orders', batch({ payload: 'new', key: 'k0' }));
  expect((await broker.station(NS, 'orders')).messages).toBe(before + 1);
  expect(await broker.audit(NS, 'orders', 'keyed')).toMatchObject({ balanced: true });
}
