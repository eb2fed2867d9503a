/** In a page: the broker, and bare loops of the same transactions beside it. Each gives batches a second. */
import { browserBroker } from '../../src/adapters/browser/index.ts';
import { IndexedDbRows } from '../../src/adapters/browser/rows.ts';
import { systemRandom } from '../../src/adapters/memory/random.ts';
import { systemClock, systemTimers } from '../../src/adapters/memory/timers.ts';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';
import { clear, openBare, store } from './bare-loop.ts';

const COUNT = 100;
const BYTES = 1024;
const blob = new Uint8Array(COUNT * (BYTES + 4)).fill(7);

async function ours(batches: number): Promise<number> {
  const station = broker.station('bench');
  const payloads = Array.from({ length: COUNT }, (_, i) => ({ payload: new Uint8Array(BYTES).fill(i) }));
  const started = performance.now();
  for (let n = 0; n < batches; n++) await station.produceMany(payloads, { atomic: true });
  return (batches * 1000) / (performance.now() - started);
}

/** One strict transaction a batch, which puts one blob of its size. */
async function bare(batches: number, explicit = false): Promise<number> {
  const database = await openBare('bare');
  const started = performance.now();
  for (let n = 0; n < batches; n++) await store(database, blob, started + n, explicit);
  const rate = (batches * 1000) / (performance.now() - started);
  await clear(database);
  database.close();
  return rate;
}

/** The same, which commits at once. */
function bareCommit(batches: number): Promise<number> {
  return bare(batches, true);
}

/** The same blob by a message to a SharedWorker, which stores it and answers. */
async function bareShared(batches: number): Promise<number> {
  const { port } = new SharedWorker('/bareshared.js', { type: 'module' });
  const started = performance.now();
  for (let n = 0; n < batches; n++) {
    await new Promise((resolve) => {
      port.onmessage = resolve;
      port.postMessage(blob);
    });
  }
  const rate = (batches * 1000) / (performance.now() - started);
  port.close();
  const database = await openBare('bare-shared');
  await clear(database);
  database.close();
  return rate;
}

/** The broker in this very page: without the way to a worker and back. */
async function inside(batches: number): Promise<number> {
  const started = performance.now();
  for (let n = 0; n < batches; n++) await here.produce('default', 'bench', batch);
  return (batches * 1000) / (performance.now() - started);
}

async function openHere(): Promise<Broker> {
  const ports = { clock: systemClock, timers: systemTimers(), random: systemRandom() };
  const journal = { info: () => undefined, warn: console.warn, error: console.error };
  const volume = new RowVolume({ rows: new IndexedDbRows('inside'), ...ports });
  return openBroker({ volume, memory: new MemoryVolume(ports.timers), ...ports, journal });
}

const builder = new BatchBuilder(COUNT * (BYTES + 8));
for (let i = 0; i < COUNT; i++) builder.append({ payload: new Uint8Array(BYTES).fill(i) });
const batch = builder.finish();
const here = await openHere();
await here.putStation('default', 'bench', {});
const broker = browserBroker();
await broker.station('bench').create();
Object.assign(globalThis, { ours, inside, bare, bareCommit, bareShared });
