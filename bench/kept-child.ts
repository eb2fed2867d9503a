/**
 * What a broker keeps in memory of a million messages: `kept-child.ts plain|ids|delayed|map`. Sends MiB that are held once
 * they are there (heap and arrays, after a collection), how much of that comes free when the window of their ids ends, and the
 * longest turn of the event loop meanwhile, in ms.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatchBuilder } from '../src/core/batch/build.ts';
import { brokerOn, folder } from './place.ts';

const TOTAL = 1_000_000;
const BATCH = 100;
const AT_ONCE = 8;
const NS = 'default';
const PAYLOAD = new Uint8Array(100);

const [what = ''] = process.argv.slice(2);
if (what === 'map') fillMap();
else await fillBroker();

function fillMap(): void {
  const before = held();
  const map = new Map<string, number>();
  for (let i = 0; i < TOTAL; i++) map.set(Buffer.from(randomUUID()).toString(), i);
  process.send?.({ mib: held() - before, freed: 0, longestMs: 0, kept: map.size });
}

async function fillBroker(): Promise<void> {
  const place = folder();
  const { broker } = await brokerOn(join(place.path, 'data'));
  await broker.putStation(NS, 's', { durability: 'buffered', dedupWindowMs: 3_600_000, retention: { maxMessages: 100_000 } });
  // What the volume holds of the latest messages is there in any case.
  await produce(broker, 100_000, () => ({ payload: PAYLOAD }));
  await sleep(500);
  const before = held();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await produce(broker, TOTAL, (i) => {
    if (what === 'ids') return { payload: PAYLOAD, id: randomUUID() };
    return what === 'delayed' ? { payload: PAYLOAD, delayMs: 3_600_000 + ((i * 7_919) % 3_600_000) } : { payload: PAYLOAD };
  });
  delay.disable();
  await sleep(500);
  const after = held();
  await broker.patchStation(NS, 's', { dedupWindowMs: 1 });
  await sleep(10);
  await broker.produce(NS, 's', one({ payload: PAYLOAD, id: 'the next' }));
  await sleep(500);
  const freed = after - held();
  await broker.close();
  place.remove();
  process.send?.({ mib: after - before, freed, longestMs: delay.max / 1e6, kept: TOTAL });
}

async function produce(
  broker: Awaited<ReturnType<typeof brokerOn>>['broker'],
  total: number,
  message: (i: number) => object,
): Promise<void> {
  let made = 0;
  const loop = async () => {
    while (made < total) {
      const builder = new BatchBuilder();
      for (let i = 0; i < BATCH; i++) builder.append(message(made++) as { payload: Uint8Array });
      await broker.produce(NS, 's', builder.finish());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, loop));
}

function one(message: { payload: Uint8Array; id: string }): Uint8Array {
  const builder = new BatchBuilder();
  builder.append(message);
  return builder.finish();
}

function held(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
