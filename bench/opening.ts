/** Opening a folder of 4 GiB: how long it takes until the first answer, and what it takes in memory beside an empty one. */
import { join } from 'node:path';
import { inChild } from './child.ts';
import { batchOf, brokerOn, folder, inFlight } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

const BYTES = 4 * 2 ** 30;

export async function run({ rounds }: Run): Promise<Row[]> {
  const place = folder();
  const full = join(place.path, 'full');
  await fill(full);
  await fillNothing(join(place.path, 'empty'));
  const took: number[] = [];
  const memory: number[] = [];
  const empty: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const opened = await inChild<{ ms: number; mib: number; messages: number }>('opening-child.ts', [full]);
    if (opened.messages * 1024 < BYTES * 0.95) throw new Error(`Only ${opened.messages} messages are there.`);
    took.push(opened.ms / 1000);
    memory.push(opened.mib);
    empty.push((await inChild<{ mib: number }>('opening-child.ts', [join(place.path, 'empty')])).mib);
  }
  place.remove();
  return [
    { name: 'opening a folder of 4 GiB, to its first answer', unit: 's', ours: { values: took }, atMost: 1 },
    {
      name: 'memory (RSS) after opening 4 GiB',
      unit: 'MiB',
      ours: { values: memory },
      beside: [{ name: 'an empty folder', values: empty }],
    },
  ];
}

async function fill(path: string): Promise<void> {
  const { broker } = await brokerOn(path);
  for (let station = 0; station < 10; station++) await broker.putStation('default', `s${station}`, {});
  const batch = batchOf(1_000, 1024);
  await inFlight(Math.ceil(BYTES / 1_024_000), 8, (i) => broker.produce('default', `s${i % 10}`, batch));
  await broker.close();
}

async function fillNothing(path: string): Promise<void> {
  const { broker } = await brokerOn(path);
  await broker.putStation('default', 's0', {});
  await broker.close();
}
