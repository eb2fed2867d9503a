/** A broker in this process on a folder of its own, without a gateway; and batches to send. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryVolume } from '../src/adapters/memory/volume.ts';
import { nodeFiles } from '../src/adapters/node/files.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../src/adapters/node/timers.ts';
import { BatchBuilder } from '../src/core/batch/build.ts';
import type { Broker, LeasedBlock, ReceiptRange } from '../src/core/broker.ts';
import { openBroker } from '../src/core/broker.ts';
import type { Files, Journal } from '../src/core/ports.ts';
import { LogVolume } from '../src/core/volume/log.ts';

/** The namespace of whatever is measured without a gateway. */
export const NS = 'default';

/** Where the folders are made: a real disk, not a file system in memory. */
const ROOT = process.env.WAYSIDE_BENCH_FOLDER ?? (tmpdir() === '/dev/shm' ? '.' : tmpdir());

/** As a process that serves has them (scripts/run.mjs, src/cli/serve.ts). */
export const SERVER_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=300'];

export function folder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(ROOT, 'wayside-bench-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

const quiet: Journal = { info: () => undefined, warn: console.warn, error: console.error };

/** @param through what the broker's calls of files go through */
export async function brokerOn(path: string, through = (files: Files): Files => files): Promise<{ broker: Broker; volume: LogVolume }> {
  const [clock, timers, random] = [nodeClock, nodeTimers(), nodeRandom()];
  const volume = new LogVolume({ files: through(nodeFiles(path)), clock, timers, random, journal: quiet });
  const broker = await openBroker({ volume, memory: new MemoryVolume(timers), clock, timers, random, journal: quiet });
  return { broker, volume };
}

/** `count` messages of `bytes` each, as a producer sends them. */
export function batchOf(count: number, bytes: number): Uint8Array {
  const builder = new BatchBuilder(count * (bytes + 8));
  for (let i = 0; i < count; i++) builder.append({ payload: new Uint8Array(bytes).fill(i) });
  return builder.finish();
}

export async function seconds(run: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await run();
  return (performance.now() - started) / 1000;
}

/** Calls `run` `total` times, `atOnce` of them at a time. */
export async function inFlight(total: number, atOnce: number, run: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < total) await run(next++);
    }),
  );
}

/** Exactly so many messages for the group `g`. */
export async function take(broker: Broker, station: string, max: number): Promise<readonly LeasedBlock[]> {
  const { blocks } = await broker.fetch(NS, station, 'g', { consumer: 'c', max, maxBytes: 2 ** 22, leaseMs: 3_600_000 });
  const got = blocks.reduce((sum, block) => sum + block.count, 0);
  if (got !== max) throw new Error(`${got} messages came instead of ${max}.`);
  return blocks;
}

export async function ackAll(broker: Broker, station: string, blocks: readonly LeasedBlock[]): Promise<void> {
  const ranges = blocks.map(({ partition, lease, first, count }): ReceiptRange => [partition, lease, first, first + count - 1]);
  const failed = await broker.settle(NS, station, 'g', 'ack', { receipts: [], ranges });
  if (failed.length > 0) throw new Error(`An ack did not count: ${failed[0]!.detail}`);
}
