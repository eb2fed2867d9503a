/** A thousand stations produced to in turn against one station with the same bytes: one log, whatever their number. */
import { join } from 'node:path';
import { batchOf, brokerOn, folder, inFlight, seconds } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

const STATIONS = 1_000;
const BATCHES = 4_000;
const AT_ONCE = 32;

export async function run({ rounds }: Run): Promise<Row[]> {
  const place = folder();
  const { broker } = await brokerOn(join(place.path, 'data'));
  const batch = batchOf(10, 1024);
  const retention = { maxMessages: 1_000 };
  await inFlight(STATIONS, AT_ONCE, (i) => broker.putStation('default', `s${i}`, { retention }));
  await broker.putStation('default', 'one', { retention: { maxBytes: 64 * 2 ** 20 } });
  const ours: number[] = [];
  const base: number[] = [];
  const rate = (took: number) => (BATCHES * batch.length) / 2 ** 20 / took;
  for (let round = -1; round < rounds; round++) {
    const many = await seconds(() => inFlight(BATCHES, AT_ONCE, (i) => broker.produce('default', `s${i % STATIONS}`, batch)));
    const one = await seconds(() => inFlight(BATCHES, AT_ONCE, () => broker.produce('default', 'one', batch)));
    if (round < 0) continue;
    ours.push(rate(many));
    base.push(rate(one));
  }
  await broker.close();
  place.remove();
  return [
    {
      name: '1,000 stations in turn, synced, batches of 10 × 1 KiB, 32 at once',
      unit: 'MiB/s',
      ours: { values: ours },
      beside: [{ name: 'one station', values: base, goal: 0.6 }],
    },
  ];
}
