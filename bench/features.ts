/**
 * What each feature costs on the way of a message into the log: all of them, beside all but one, by CPU time, in turn.
 *
 * Holds: batches are built before they are measured; all sides are there at once, in one broker, and take turns.
 */
import { join } from 'node:path';
import { BatchBuilder } from '../src/core/batch/build.ts';
import type { Broker } from '../src/core/broker.ts';
import { Meter } from './counted.ts';
import { ackAll, brokerOn, folder, inFlight, NS, take } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

/** Differences of some per cent have to be told from noise. */
const ROUNDS = 15;
const TURNS = 500;
const COUNT = 100;
const PAYLOAD = new Uint8Array(128);
const KEYS = 10_000;
const RETENTION = { maxBytes: 2 ** 26 };

interface Features {
  /** An id each, which is looked up and remembered. */
  readonly ids: boolean;
  readonly keys: boolean;
  /** Two of them. */
  readonly headers: boolean;
  /** A group for which a consumer waits: each batch is leased, delivered and acked. */
  readonly group: boolean;
}

const ALL: Features = { ids: true, keys: true, headers: true, group: true };
const NONE: Features = { ids: false, keys: false, headers: false, group: false };
const SIDES: readonly (readonly [string, Features])[] = [
  ['everything', ALL],
  ['without ids', { ...ALL, ids: false }],
  ['without keys', { ...ALL, keys: false }],
  ['without headers', { ...ALL, headers: false }],
  ['without a group', { ...ALL, group: false }],
  ['with none of them', NONE],
];

export async function run({ rounds, progress }: Run): Promise<Row[]> {
  const place = folder();
  const meter = new Meter();
  const { broker } = await brokerOn(join(place.path, 'data'), meter.through);
  const works = await Promise.all(SIDES.map(([, features], i) => prepare(broker, `s${i}`, features)));
  const micros = SIDES.map(() => [] as number[]);
  const total = Math.max(rounds, ROUNDS);
  for (let round = -1; round < total; round++) {
    progress.say(round < 0 ? 'features, warming up' : `features, round ${round + 1} of ${total}`);
    for (let i = 0; i < SIDES.length; i++) {
      // Another one begins each time.
      const side = (i + round + SIDES.length) % SIDES.length;
      const work = works[side]!(TURNS);
      const taken = await meter.of(() => inFlight(TURNS, 1, work));
      if (round >= 0) micros[side]!.push(taken.micros / (TURNS * COUNT));
    }
  }
  await broker.close();
  place.remove();
  const [[name], ...others] = SIDES as [(typeof SIDES)[number], ...typeof SIDES];
  return [
    {
      name: `produce, buffered, 100 × 128 B, with ${name}: an id, a key, two headers, a group that consumes it`,
      unit: 'µs of CPU a message',
      ours: { values: micros[0]! },
      beside: others.map(([said], i) => ({ name: said, values: micros[i + 1]! })),
    },
  ];
}

/** @returns what makes so many pieces of work, ready to be measured */
async function prepare(broker: Broker, station: string, features: Features): Promise<(count: number) => () => Promise<void>> {
  await broker.putStation(NS, station, { durability: 'buffered', retention: RETENTION, dedupWindowMs: 30_000 });
  if (features.group) await broker.putGroup(NS, station, 'g', {});
  let made = 0;
  const build = () => {
    const builder = new BatchBuilder(COUNT * 256);
    for (let i = 0; i < COUNT; i++) {
      const number = made++;
      builder.append({
        payload: PAYLOAD,
        ...(features.ids && { id: `message-${station}-${number}` }),
        ...(features.keys && { key: `k${(number * 7919) % KEYS}` }),
        ...(features.headers && {
          headers: [
            ['trace', `t-${number}`],
            ['source', 'bench'],
          ],
        }),
      });
    }
    return builder.finish();
  };
  return (count) => {
    const batches = Array.from({ length: count }, build);
    let next = 0;
    return async () => {
      await broker.produce(NS, station, batches[next++]!);
      if (features.group) await ackAll(broker, station, await take(broker, station, COUNT));
    };
  };
}
