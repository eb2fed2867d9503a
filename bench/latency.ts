/**
 * From the moment a message is due to be sent until the consumer has it, at half of what the slowest side can do; every
 * side gets the same pace. Messages are published one by one, each synced before it counts as published.
 */
import type { Driven, Latency } from '../src/cli/bench/drive.ts';
import { Load } from './load.ts';
import { among } from './publish.ts';
import type { Row } from './report.ts';
import type { Entrant, Run } from './rounds.ts';
import { rotated, writeOut } from './rounds.ts';

const SIZE = 128;

export async function run(run: Run): Promise<Row[]> {
  return among(['redis', 'nats'], 'synced', run, (entrants) => measure(entrants('sdk'), run));
}

async function measure(entrants: readonly Entrant[], run: Run): Promise<Row[]> {
  const loads: Load[] = [];
  try {
    for (const { server, kind } of entrants) loads.push(await Load.start({ kind, port: server.port, durability: 'synced', size: SIZE }));
    const pace = Math.floor(Math.min(...(await peaks(loads, run))) / 2);
    const seen: Latency[][] = entrants.map(() => []);
    for (let round = -1; round < run.rounds; round++) {
      run.progress.say(`${pace.toLocaleString('en')} a second, ${round < 0 ? 'warming up' : `round ${round + 1} of ${run.rounds}`}`);
      for (const place of rotated(entrants.length, round)) {
        const latency = await fresh(loads[place]!, `bench-${round + 1}`, (stream) =>
          loads[place]!.do<Latency>({ do: 'latency', stream, perSecond: pace, ms: run.seconds * 1000 }),
        );
        if (round >= 0) seen[place]!.push(latency);
      }
    }
    await Promise.all(loads.map((load) => load.stop()));
    return (['p50', 'p99'] as const).map((which) => {
      const [ours, ...others] = seen.map((rounds) => ({ values: rounds.map((latency) => latency[which]) }));
      return {
        name: `publish to delivery, synced, 128 B, ${pace.toLocaleString('en')} a second, ${which}`,
        unit: 'ms',
        ours: ours!,
        beside: others.map((side, i) => ({ name: entrants[i + 1]!.server.name, ...side })),
      };
    });
  } catch (error) {
    for (const load of loads) load.kill();
    throw error;
  }
}

/** What each side can publish one by one, twice, the better one counting. */
async function peaks(loads: readonly Load[], run: Run): Promise<number[]> {
  const best = loads.map(() => 0);
  for (let round = 0; round < 2; round++) {
    run.progress.say('looking for the pace');
    for (const [place, load] of loads.entries()) {
      const { messages, seconds } = await fresh(load, `peak-${round}`, (stream) =>
        load.do<Driven>({ do: 'publish', stream, gather: 'one', ms: run.seconds * 1000 }),
      );
      best[place] = Math.max(best[place]!, messages / seconds);
    }
  }
  return best;
}

async function fresh<T>(load: Load, stream: string, work: (stream: string) => Promise<T>): Promise<T> {
  await load.do({ do: 'prepare', stream });
  const done = await work(stream);
  await load.do({ do: 'clean', stream });
  writeOut();
  return done;
}
