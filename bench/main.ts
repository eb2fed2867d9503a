/**
 * `npm run bench`: everything that the README claims, measured here and now, each beside its baseline.
 *
 *     npm run bench -- [--only core,stations,rest,opening,idle] [--rounds 5] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Row } from './report.ts';
import { json, table } from './report.ts';

const BENCHES = ['core', 'stations', 'rest', 'opening', 'idle'] as const;
const { values } = parseArgs({ options: { only: { type: 'string' }, rounds: { type: 'string', default: '5' }, json: { type: 'string' } } });
const wanted = values.only === undefined ? BENCHES : values.only.split(',');
const rows: Row[] = [];
for (const [place, name] of wanted.entries()) {
  if (!BENCHES.some((known) => known === name)) throw new TypeError(`There is no bench named ${name}. There are ${BENCHES.join(', ')}.`);
  process.stderr.write(`${place + 1} of ${wanted.length}: ${name} …\n`);
  const bench = (await import(`./${name}.ts`)) as { run(rounds: number): Promise<Row[]> };
  rows.push(...(await bench.run(Number(values.rounds))));
}
console.log(`\n${table(rows)}\n`);
for (const { name, note } of rows) if (note !== undefined) console.log(`${name}: ${note}`);
if (values.json !== undefined) writeFileSync(values.json, json(rows));
process.exit(0);
