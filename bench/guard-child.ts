/**
 * What the core takes for a message, counted: bytes that it allocates, bytes and calls that it writes, syncs. In a process of its own,
 * whose young generation is so large that nothing is collected meanwhile: what the heap has grown by is what was allocated.
 */
import { join } from 'node:path';
import { Meter } from './counted.ts';
import { batchOf, brokerOn, folder, inFlight } from './place.ts';

const NS = 'default';
const TURNS = 400;
const COUNT = 100;
const BYTES = 128;
const BATCH = batchOf(COUNT, BYTES);

export interface Guarded {
  /** Of the JavaScript heap, a message. */
  readonly allocated: number;
  /** Beside the payload, a message. */
  readonly written: number;
  /** A hundred messages. */
  readonly writes: number;
  readonly syncs: number;
}

async function measured(meter: Meter, work: () => Promise<unknown>): Promise<Guarded> {
  await inFlight(TURNS, 8, work);
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  const { bytes, writes, syncs } = await meter.of(() => inFlight(TURNS, 8, work));
  const allocated = process.memoryUsage().heapUsed - heap;
  return {
    allocated: allocated / (TURNS * COUNT),
    written: bytes / (TURNS * COUNT) - BYTES,
    writes: writes / TURNS,
    syncs: syncs / TURNS,
  };
}

const place = folder();
const meter = new Meter();
const { broker } = await brokerOn(join(place.path, 'data'), meter.through);
const said: Record<string, Guarded> = {};
for (const durability of ['buffered', 'synced'] as const) {
  await broker.putStation(NS, durability, { durability });
  said[`produce, ${durability}`] = await measured(meter, () => broker.produce(NS, durability, BATCH));
}
await broker.putGroup(NS, 'buffered', 'g', {});
said['fetch and ack'] = await measured(meter, async () => {
  const { blocks } = await broker.fetch(NS, 'buffered', 'g', { consumer: 'c', max: COUNT, maxBytes: 2 ** 22 });
  const ranges = blocks.map(({ partition, lease, first, count }) => [partition, lease, first, first + count - 1] as const);
  await broker.settle(NS, 'buffered', 'g', 'ack', { receipts: [], ranges });
});
await broker.close();
place.remove();
process.send?.(said);
