/**
 * `npm run flame`: what the server does under load, as a flame graph and a list of the functions in which its time goes.
 *
 *     npm run flame -- [--only synced] [--rounds 2] [--seconds 2] [--to FOLDER]
 *
 * `--only` names a part of `npm run bench`; it runs without peers, every process of ours under V8's sampling profiler.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { flamePage } from './page.ts';
import type { CpuProfile } from './profile.ts';
import { hottest, tree } from './profile.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'synced' },
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '2' },
    to: { type: 'string', default: 'flame' },
  },
});
const SHOWN = 25;

const profiles = mkdtempSync(join(tmpdir(), 'wayside-flame-'));
const bench = ['--only', values.only, '--rounds', values.rounds, '--seconds', values.seconds, '--without', 'redis,nats,bare'];
const { status } = spawnSync(process.execPath, [join(import.meta.dirname, '../main.ts'), ...bench], {
  stdio: 'inherit',
  env: { ...process.env, WAYSIDE_BENCH_PROFILE: profiles },
});
if (status !== 0) process.exit(status ?? 1);

const to = resolve(values.to);
mkdirSync(to, { recursive: true });
for (const file of readdirSync(profiles).sort()) {
  // Of clients there are many, each shorter than what starting them costs: the server is what is asked about.
  if (!file.startsWith('wayside-child')) continue;
  const root = tree(JSON.parse(readFileSync(join(profiles, file), 'utf8')) as CpuProfile);
  const page = join(to, `${values.only}.html`);
  writeFileSync(page, flamePage(`The server under "${values.only}", ${(root.total / 1e6).toFixed(1)} s of CPU`, root));
  console.log(`\n${page}\n\n  share  function`);
  for (const { name, place, self } of hottest(root, SHOWN))
    console.log(`${((100 * self) / root.total).toFixed(1).padStart(5)} %  ${name}  ${place}`);
}
rmSync(profiles, { recursive: true });
