/**
 * `npm run soak`: the long campaigns, one after another, and their report in docs/soak.md.
 *
 *   --kills N      how often the real process is killed (60)
 *   --workers N    how often workerd is killed, its object ended again and again in between (24)
 *   --browsers N   how often Chromium is killed (56)
 *   --seeds N      seeds of the simulators of storage and broker (10000)
 *   --spread N     seeds of the simulator of the broker over objects (2000)
 *   --rows N       seeds of the simulator of the volume over rows (10000)
 *   --fuzz N       damaged record batches (5000000)
 *   --seed N       where all of them begin (drawn, and named in the report)
 *
 * Holds: each campaign runs, also after one that failed; the report is written all the same, and says what failed and how
 * to repeat it. The seed repeats what is drawn; when a real process is killed depends on the machine as well.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { browserSite } from '../test/browser/_site.ts';
import { workerSite } from '../test/cloudflare/_site.ts';
import type { KillOptions } from '../test/kill/kills.ts';
import { runKills } from '../test/kill/kills.ts';
import { ROOT } from './steps.ts';

interface Campaign {
  readonly name: string;
  /** What it was asked to do, for the report. */
  readonly size: string;
  readonly repeat: string;
  /** @returns what it counted, a line each. @throws when it failed */
  run(): Promise<readonly string[]>;
}

interface Outcome {
  readonly campaign: Campaign;
  readonly ms: number;
  readonly lines: readonly string[];
  readonly failure: string | undefined;
}

/** A campaign that failed, with what it said until then. */
class Failed extends Error {
  readonly lines: readonly string[];

  constructor(why: string, lines: readonly string[]) {
    super(why);
    this.lines = lines;
  }
}

const SAY_EVERY_MS = 60_000;
const LINES_KEPT = 60;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    workers: { type: 'string', default: '24' },
    browsers: { type: 'string', default: '56' },
    seeds: { type: 'string', default: '10000' },
    spread: { type: 'string', default: '2000' },
    rows: { type: 'string', default: '10000' },
    fuzz: { type: 'string', default: '5000000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
  },
});
const sizes = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, whole(text)]));
const { kills = 0, workers = 0, browsers = 0, seeds = 0, spread = 0, rows = 0, fuzz = 0, seed = 0 } = sizes;
/** Asks for one campaign alone. */
const alone = (one: string) =>
  `npm run soak -- --seed ${seed}${['kills', 'workers', 'browsers', 'seeds', 'spread', 'rows', 'fuzz'].map((name) => ` --${name} ${name === one ? sizes[name] : 0}`).join('')}`;

function simulated(which: string, name: string, count: number, ...more: readonly string[]): Campaign {
  const args = ['--campaign', which, '--seeds', String(count), '--from', String(seed), ...more];
  return {
    name,
    size: `${thousands(count)} seeds from ${seed}`,
    repeat: `npm run simulate -- ${args.join(' ')}`,
    run: () => runProcess(['test/simulation/main.ts', ...args]),
  };
}

const CAMPAIGNS: Campaign[] = [
  {
    name: 'A real process, killed under load',
    size: `${kills} kills, seed ${seed}`,
    repeat: alone('kills'),
    run: () => killed({ kills, seed }),
  },
  {
    name: 'workerd, killed under load, and its object ended in between',
    size: `${workers} kills, seed ${seed}`,
    repeat: alone('workers'),
    async run() {
      const site = await workerSite();
      const lines = await killed({ site, kills: workers, seed, loadMsMax: 4_000 });
      return [...lines, `times that the object was ended: ${thousands(site.aborts)}`];
    },
  },
  {
    name: 'Chromium, killed under load',
    size: `${browsers} kills, seed ${seed}`,
    repeat: alone('browsers'),
    run: () => killed({ site: browserSite(), kills: browsers, seed, loadMsMax: 2_500 }),
  },
  simulated('volume', 'The simulator of storage, over a disk that fails', seeds),
  simulated('broker', 'The simulator of the broker, over a disk that fails', seeds),
  simulated('spread', 'The simulator of the broker over objects that die and sleep', spread, '--once'),
  {
    name: 'The simulator of the volume over rows',
    size: `${thousands(rows)} seeds from ${seed}`,
    repeat: alone('rows'),
    run: () => runProcess(['test/simulation/rows.ts', '--seeds', String(rows), '--seed', String(seed)]),
  },
  {
    name: 'The fuzzer of record batches',
    size: `${thousands(fuzz)} damaged batches, seed ${seed}`,
    repeat: `WAYSIDE_FUZZ=${fuzz} WAYSIDE_FUZZ_SEED=${seed} node scripts/run.mjs node node_modules/vitest/vitest.mjs run test/batch/fuzz.test.ts`,
    run: () =>
      runProcess(['node_modules/vitest/vitest.mjs', 'run', '--reporter=verbose', 'test/batch/fuzz.test.ts'], {
        WAYSIDE_FUZZ: String(fuzz),
        WAYSIDE_FUZZ_SEED: String(seed),
        NO_COLOR: '1',
      }),
  },
];
const SIZES = [kills, workers, browsers, seeds, rows, fuzz];

const startedAt = new Date();
const outcomes: Outcome[] = [];
for (const [index, campaign] of CAMPAIGNS.entries()) {
  if (SIZES[index] === 0) continue;
  console.log(`\n== ${campaign.name}: ${campaign.size}`);
  outcomes.push(await outcomeOf(campaign));
}
const isWhole = outcomes.length === CAMPAIGNS.length;
const failed = outcomes.filter(({ failure }) => failure !== undefined);
// A part of it must not pass for the whole.
// Nor has it any folder of this machine in it.
if (isWhole) writeFileSync(join(ROOT, 'docs', 'soak.md'), report(outcomes).replaceAll(ROOT, '.').replaceAll(tmpdir(), 'TMPDIR'));
console.log(`\n${outcomes.length - failed.length} campaigns passed, ${failed.length} failed${isWhole ? '; written to docs/soak.md' : ''}`);
for (const { campaign, failure } of failed) console.log(`${campaign.name}: ${failure}\n  again: ${campaign.repeat}`);
process.exit(failed.length === 0 ? 0 : 1);

async function outcomeOf(campaign: Campaign): Promise<Outcome> {
  const began = performance.now();
  try {
    const lines = await campaign.run();
    return { campaign, ms: performance.now() - began, lines, failure: undefined };
  } catch (error) {
    return {
      campaign,
      ms: performance.now() - began,
      lines: error instanceof Failed ? error.lines : [],
      failure: (error as Error).message,
    };
  }
}

/** @returns what was counted, a line each. @throws Violation */
async function killed(options: KillOptions): Promise<string[]> {
  const report = await runKills({ ...options, say: (text) => console.log(text) });
  return Object.entries(report).flatMap(([name, count]) => (name === 'ms' ? [] : [`${spaced(name)}: ${thousands(count)}`]));
}

/** Runs a file of ours with this Node, its output passed through. @returns the last lines that it said. @throws Failed */
async function runProcess(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const began = performance.now();
  // What runs in it may be silent for long, since its output is no terminal.
  const beat = setInterval(() => console.log(`… ${Math.round((performance.now() - began) / 60_000)} min`), SAY_EVERY_MS);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    said = (said + text).slice(-20_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => clearInterval(beat));
  const lines = said
    .split('\n')
    .map((line) => line.trimEnd())
    .filter(Boolean)
    .slice(-LINES_KEPT);
  if (code !== 0) throw new Failed(`exit code ${code}: ${lines.at(-1)?.trim() ?? 'it said nothing'}`, lines);
  return lines;
}

function report(list: readonly Outcome[]): string {
  const minutes = (ms: number): string => (ms / 60_000).toFixed(1);
  const rows = list.map(
    ({ campaign, ms, failure }) =>
      `| ${campaign.name} | ${campaign.size} | ${minutes(ms)} | ${failure === undefined ? 'passed' : 'FAILED'} |`,
  );
  const parts = list.map(({ campaign, lines, failure }) => {
    const body = [...(failure === undefined ? [] : [`FAILED: ${failure}`]), ...lines].join('\n');
    return `## ${campaign.name}\n\nAgain: \`${campaign.repeat}\`\n\n\`\`\`\n${body}\n\`\`\`\n`;
  });
  return `# The last full run of \`npm run soak\`

Written by \`scripts/soak.ts\`; not edited by hand.

- begun ${startedAt.toISOString()}, seed ${seed}
- commit ${commit()}
- Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} cores

| campaign | size | minutes | result |
| --- | --- | --- | --- |
${rows.join('\n')}

No failure in n tries says, with 95 % confidence, that fewer than 3 in n such tries fail: for the faults that were tried, and no
others. Not tried: real power loss, disks whose firmware lies about syncing, other file systems than this machine's.

${parts.join('\n')}`;
}

function commit(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim() ?? '';
  return `${git('rev-parse', '--short=12', 'HEAD') || 'unknown'}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', with changes that are not committed'}`;
}

function whole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`${text} is no whole number.`);
  process.exit(2);
}

function thousands(count: number): string {
  return count.toLocaleString('en-US');
}

/** `killedWhileStarting` as words. */
function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
