/** In a page: the broker, and a bare loop of the same transactions beside it. Each gives batches a second. */
import { browserBroker } from '../../src/adapters/browser/index.ts';

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

const broker = browserBroker();
await broker.station('bench').create({ retention: { maxBytes: 32 * 2 ** 20 } });
Object.assign(globalThis, { ours, bare });
