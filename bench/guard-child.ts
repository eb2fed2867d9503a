/**
 * What the core takes for a message, counted: bytes that it allocates, bytes and calls that it writes, syncs. In a process of its own,
 * whose young generation is so large that nothing is collected meanwhile: what the heap has grown by is what was allocated.
 */
import { join } from 'node:path';
import { Meter } from './counted.ts';
import { ackAll, batchOf, brokerOn, folder, inFlight, NS, take } from './place.ts';

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
said['fetch and ack'] = await measured(meter, async () => ackAll(broker, 'buffered', await take(broker, 'buffered', COUNT)));
await broker.close();
place.remove();
process.send?.(said);
