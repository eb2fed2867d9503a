/** Puts the table of a bench run (`npm run bench -- --json FILE`) into the README: `node scripts/run.mjs node scripts/readme-bench.ts FILE`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../bench/report.ts';
import { sidesList, table } from '../bench/report.ts';
import { ROOT } from './steps.ts';

const [file = ''] = process.argv.slice(2);
const { measuredAt, commit, machine, rounds, sides, rows } = JSON.parse(readFileSync(file, 'utf8')) as Report;
const readme = join(ROOT, 'README.md');
const caption = [
  `Measured ${measuredAt.slice(0, 10)} at commit ${commit}, Node ${machine.node}, ${machine.cpus} × ${machine.cpu}, clients and servers on the same machine;`,
  `median [range] of ${rounds} rounds in which all sides take turns; ratios of the same round; µs: the server's CPU a message.`,
  'For memory and time, less is better. Who took part:',
].join(' ');
const text = readFileSync(readme, 'utf8').replace(
  /<!-- bench -->[\s\S]*<!-- \/bench -->/,
  () => `<!-- bench -->\n\n${table(rows)}\n\n${caption}\n\n${sidesList(sides)}\n\n<!-- /bench -->`,
);
writeFileSync(readme, text);
