/**
 * `npm run bench`: everything that the README claims, measured here and now, each beside what it is compared with.
 *
 *     npm run bench -- [--only synced,consume] [--rounds 5] [--seconds 1] [--without redis,nats] [--json FILE]
 *
 * `--seconds` is how long a side publishes in a round. The table goes to stdout, progress to stderr.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Missing } from '../scripts/setup.ts';
import { showProgress } from './progress.ts';
import type { Row, Side } from './report.ts';
import { json, report, sidesList, table } from './report.ts';
import type { Run } from './rounds.ts';

interface Bench {
  /** About how long it takes. */
  seconds(rounds: number, seconds: number): number;
  load(): Promise<(run: Run) => Promise<Row[]>>;
}

/** Rounds, one more for warming up, of sides that publish so long and tidy up about as long again. */
const turns = (contests: number, sides: number) => (rounds: number, seconds: number) => contests * sides * (rounds + 1) * (seconds + 0.7);

const BENCHES: Record<string, Bench> = {
  synced: { seconds: turns(4, 4), load: async () => (await import('./publish.ts')).synced },
  buffered: { seconds: turns(2, 3), load: async () => (await import('./publish.ts')).buffered },
  single: { seconds: turns(2, 4), load: async () => (await import('./publish.ts')).single },
  consume: { seconds: turns(3, 3), load: async () => (await import('./consume.ts')).run },
  latency: { seconds: turns(1.3, 3), load: async () => (await import('./latency.ts')).run },
  rest: { seconds: (rounds) => 10 * (rounds + 1), load: async () => (await import('./rest.ts')).run },
  core: { seconds: (rounds) => 2 * (rounds + 1), load: async () => (await import('./core.ts')).run },
  stations: { seconds: (rounds) => 3 * (rounds + 1), load: async () => (await import('./stations.ts')).run },
  opening: { seconds: (rounds) => 12 + 2 * rounds, load: async () => (await import('./opening.ts')).run },
  flat: { seconds: (rounds) => 20 + 3 * Math.max(rounds, 9), load: async () => (await import('./flat.ts')).run },
  features: { seconds: (rounds) => 4 * (Math.max(rounds, 15) + 1), load: async () => (await import('./features.ts')).run },
  kept: { seconds: () => 60, load: async () => (await import('./kept.ts')).run },
  everywhere: {
    seconds: (rounds, seconds) => (rounds + 1) * (12 + 6 * seconds),
    load: async () => (await import('./everywhere/main.ts')).run,
  },
  idle: { seconds: () => 30, load: async () => (await import('./idle.ts')).run },
};

const options = {
  only: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '1' },
  without: { type: 'string', default: '' },
  json: { type: 'string' },
} as const;

try {
  const { values } = parseArgs({ options });
  const rounds = above(0, 'rounds', values.rounds);
  const seconds = above(0, 'seconds', values.seconds);
  const wanted = listed(Object.keys(BENCHES), 'only', values.only ?? Object.keys(BENCHES).join());
  const without = listed(['redis', 'nats', 'bare'], 'without', values.without);
  const progress = showProgress(wanted.map((name) => ({ name, seconds: BENCHES[name]!.seconds(rounds, seconds) })));
  const rows: Row[] = [];
  const sides: Side[] = [];
  for (const name of wanted) {
    progress.begin(name);
    const run = await BENCHES[name]!.load();
    rows.push(...(await run({ rounds, seconds, without, progress, sides })));
  }
  progress.end();
  const said = report(rows, sides, { rounds, seconds });
  console.log(`\n${table(rows)}\n`);
  for (const { name, note } of rows) if (note !== undefined) console.log(`${name}: ${note}`);
  if (sides.length > 0) console.log(`\n${sidesList(sides)}`);
  if (values.json !== undefined) writeFileSync(values.json, json(said));
  process.exit(0);
} catch (error) {
  process.stderr.write(`\nbench: ${error instanceof TypeError || error instanceof Missing ? error.message : (error as Error).stack}\n`);
  process.exit(1);
}

function above(least: number, name: string, text: string): number {
  const value = Number(text);
  if (!(value > least)) throw new TypeError(`--${name} is ${text}; it is a number above ${least}.`);
  return value;
}

function listed(known: readonly string[], name: string, text: string): string[] {
  const list = text.split(',').filter((part) => part !== '');
  for (const part of list) if (!known.includes(part)) throw new TypeError(`--${name} names ${part}. There are ${known.join(', ')}.`);
  return list;
}
