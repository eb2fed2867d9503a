/** Puts the table of a bench run (`npm run bench -- --json FILE`) into the README: `node scripts/run.mjs node scripts/readme-bench.ts FILE`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../bench/report.ts';
import { table } from '../bench/report.ts';
import { ROOT } from './steps.ts';

const [file = ''] = process.argv.slice(2);
const { measuredAt, machine, rows } = JSON.parse(readFileSync(file, 'utf8')) as {
  measuredAt: string;
  machine: { node: string; cpus: number; cpu: string };
  rows: Row[];
};
const readme = join(ROOT, 'README.md');
const caption = `Measured ${measuredAt.slice(0, 10)} on Node ${machine.node}, ${machine.cpus} × ${machine.cpu}; median [range] of the rounds.`;
const text = readFileSync(readme, 'utf8').replace(
  /<!-- bench -->[\s\S]*<!-- \/bench -->/,
  () => `<!-- bench -->\n\n${table(rows)}\n\n${caption}\n\n<!-- /bench -->`,
);
writeFileSync(readme, text);
