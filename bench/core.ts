/**
 * The core on the file system volume against a bare loop that appends the same bytes and syncs as often.
 *
 * Several producers at once share syncs, so the loop is told how many batches went with one sync in the same round.
 */
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { batchOf, brokerOn, folder, inFlight, seconds } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

const BATCHES = 400;

export async function run({ rounds }: Run): Promise<Row[]> {
  const rows: Row[] = [];
  for (const atOnce of [1, 8]) rows.push(await compare(atOnce, rounds));
  return rows;
}

async function compare(atOnce: number, rounds: number): Promise<Row> {
  const place = folder();
  const { broker, volume } = await brokerOn(join(place.path, 'data'));
  const batch = batchOf(100, 1024);
  const mib = (BATCHES * batch.length) / 2 ** 20;
  await broker.putStation('default', 's', { retention: { maxBytes: 64 * 2 ** 20 } });
  const ours: number[] = [];
  const base: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const before = volume.stats().syncs;
    const took = await seconds(() => inFlight(BATCHES, atOnce, () => broker.produce('default', 's', batch)));
    const syncs = volume.stats().syncs - before;
    const bare = await seconds(() => bareLoop(join(place.path, `bare-${round}`), batch, syncs));
    if (round < 0) continue;
    ours.push(mib / took);
    base.push(mib / bare);
  }
  await broker.close();
  place.remove();
  return {
    name: `core, synced, batches of 100 × 1 KiB, ${atOnce} at once`,
    unit: 'MiB/s',
    ours: { values: ours },
    beside: [{ name: 'append + sync', values: base, goal: 0.7 }],
  };
}

/** Appends all batches to a new file, in as many groups as there were syncs, each group written and synced. */
async function bareLoop(path: string, batch: Uint8Array, syncs: number): Promise<void> {
  const fd = openSync(path, 'w');
  for (let group = 0, written = 0; group < syncs; group++) {
    for (const upTo = Math.round(((group + 1) * BATCHES) / syncs); written < upTo; written++) writeSync(fd, batch);
    await new Promise<void>((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())));
  }
  closeSync(fd);
}
