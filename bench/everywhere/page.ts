/** In a page: the broker, and a bare loop of the same transactions beside it. Each gives batches a second. */
import { browserBroker } from '../../src/adapters/browser/index.ts';
import { IndexedDbRows } from '../../src/adapters/browser/rows.ts';
import { systemRandom } from '../../src/adapters/memory/random.ts';
import { systemClock, systemTimers } from '../../src/adapters/memory/timers.ts';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';

const COUNT = 100;
const BYTES = 1024;

async function ours(batches: number): Promise<number> {
  const station = broker.station('bench');
  const payloads = Array.from({ length: COUNT }, (_, i) => ({ payload: new Uint8Array(BYTES).fill(i) }));
  const started = performance.now();
  for (let n = 0; n < batches; n++) await station.produceMany(payloads, { atomic: true });
  return (batches * 1000) / (performance.now() - started);
}

/** One strict transaction a batch, which puts one blob of its size. */
async function bare(batches: number): Promise<number> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('bare', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('journal');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const blob = new Uint8Array(COUNT * (BYTES + 4)).fill(7);
  const started = performance.now();
  for (let n = 0; n < batches; n++) {
    await new Promise<void>((resolve, reject) => {
      const transaction = database.transaction('journal', 'readwrite', { durability: 'strict' });
      transaction.objectStore('journal').put(blob, started + n);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
  }
  const rate = (batches * 1000) / (performance.now() - started);
  await new Promise<void>((resolve) => {
    const transaction = database.transaction('journal', 'readwrite');
    transaction.objectStore('journal').clear();
    transaction.oncomplete = () => resolve();
  });
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
Object.assign(globalThis, { ours, inside, bare });
