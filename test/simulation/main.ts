/**
 * The simulator's command line: the campaigns over many seeds, on all cores, and a report.
 *
 *   npm run simulate -- --seeds 10000                     all campaigns, then the planted bugs
 *   npm run simulate -- --seeds 500 --campaign broker     one of them; --from 1000 begins elsewhere, --once runs no seed twice
 *   npm run simulate -- --seed 7 --campaign broker        replays one seed and prints what happened
 *   npm run simulate -- --seed 7 --campaign broker --plant forget-an-ack
 *
 * Holds: a seed that fails is printed with the command that replays it, and the exit code is 1; progress is shown on a
 * terminal only. Elsewhere: what a seed does (broker.ts, spread.ts, volume.ts).
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { planted } from '../../src/core/faults.ts';
import * as broker from './broker.ts';
import * as spread from './spread.ts';
import * as volume from './volume.ts';

export type Campaign = 'broker' | 'spread' | 'volume';

interface Result {
  readonly seed: number;
  readonly hash: string;
  readonly failure: string | undefined;
  readonly lines: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** Virtual milliseconds, where the campaign tells them. */
  readonly time?: number;
}

const CAMPAIGNS: Record<Campaign, { once(seed: number): Promise<Result>; twice(seed: number, full?: boolean): Promise<Result> }> = {
  broker: { once: broker.runSeed, twice: broker.runSeedTwice },
  spread: { once: spread.runSeed, twice: spread.runSeedTwice },
  volume: { once: (seed) => volume.runSeed(seed), twice: (seed) => volume.runSeedTwice(seed) },
};

/** Bugs that can be planted in the core, and the campaign that has to catch each. */
export const PLANTED: readonly (readonly [name: string, campaign: Campaign])[] = [
  ['answer-before-the-gate', 'broker'],
  ['refuse-before-the-gate', 'broker'],
  ['deliver-before-the-gate', 'broker'],
  ['catalog-answers-early', 'broker'],
  ['forget-a-crc', 'broker'],
  ['sequence-not-compared', 'broker'],
  ['sequence-off-by-one', 'broker'],
  ['forget-an-id', 'broker'],
  ['ids-not-replayed', 'broker'],
  ['closed-ids-not-asked', 'broker'],
  ['trim-before-sections', 'broker'],
  ['trim-a-pinned-message', 'broker'],
  ['group-section-forgotten', 'broker'],
  ['forget-a-lease', 'broker'],
  ['forget-an-ack', 'broker'],
  ['stale-receipt-counts', 'broker'],
  ['seek-keeps-leases', 'broker'],
  ['drop-at-the-limit', 'broker'],
  ['deliveries-not-counted', 'broker'],
  ['leases-never-expire', 'broker'],
  ['forget-to-wake', 'broker'],
  ['visit-forgets-a-partition', 'broker'],
  ['range-judged-by-its-first', 'broker'],
  ['give-back-all-but-one', 'broker'],
  ['give-back-counted', 'broker'],
  ['forget-what-a-producer-sent', 'broker'],
  ['producers-not-replayed', 'broker'],
  ['producer-section-forgotten', 'broker'],
  ['producer-not-fenced', 'broker'],
  ['producer-gap-accepted', 'broker'],
  ['repeat-of-a-refused-one-stored', 'broker'],
  ['key-given-out-twice', 'broker'],
  ['keys-not-known-after-opening', 'broker'],
  ['filter-not-asked', 'broker'],
  ['expired-given-out', 'broker'],
  ['pause-forgotten', 'broker'],
  ['consumer-bound-forgotten', 'broker'],
  ['backoff-forgotten', 'broker'],
  ['trimmed-not-counted', 'broker'],
  ['due-too-early', 'broker'],
  ['due-twice', 'broker'],
  ['trim-what-waits', 'broker'],
  ['delayed-sections-forgotten', 'broker'],
  ['sent-anew', 'broker'],
  ['outbox-section-forgotten', 'broker'],
  ['step-not-remembered', 'broker'],
  ['trim-an-output', 'broker'],
  ['cut-forgets-what-arrived', 'broker'],
  ['parked-forgotten-in-sleep', 'spread'],
  ['hint-lost-with-its-channel', 'spread'],
  ['hint-kept-for-nobody', 'spread'],
  ['park-not-awaited', 'spread'],
  ['begin-without-asking', 'spread'],
  ['kept-is-the-last-word', 'spread'],
  ['outbox-without-alarm', 'spread'],
  ['skip-sync', 'volume'],
  ['wrong-watermark', 'volume'],
  ['later-writes-count-as-synced', 'volume'],
  ['forget-body-crc-check', 'volume'],
  ['cut-tail-that-was-not-torn', 'volume'],
  ['epoch-stays', 'volume'],
  ['trust-the-page-cache', 'volume'],
  ['half-commit', 'volume'],
  ['copy-forward-forgets-one', 'volume'],
  ['copy-forward-wrong-entry', 'volume'],
  ['drop-segment-before-copy-synced', 'volume'],
  ['trim-too-much', 'volume'],
  ['section-asof-off-by-one', 'volume'],
  ['folder-not-synced', 'volume'],
  ['removed-actor-comes-back', 'volume'],
];

/** @returns the first seed that notices the bug; undefined when none up to `most` does */
export async function catchPlanted(
  name: string,
  campaign: Campaign,
  most: number,
  from = 1,
): Promise<{ seed: number; failure: string } | undefined> {
  planted.add(name);
  try {
    for (let seed = from; seed < from + most; seed++) {
      const { failure } = await CAMPAIGNS[campaign].once(seed);
      if (failure !== undefined) return { seed, failure };
    }
    return undefined;
  } finally {
    planted.delete(name);
  }
}

// ── Many seeds ───────────────────────────────────────────────────────────────────────────────────────────────────

interface Task {
  readonly campaign: Campaign;
  readonly seeds: readonly number[];
  readonly once: boolean;
}

interface Report {
  seeds: number;
  time: number;
  readonly failures: { campaign: Campaign; seed: number; failure: string }[];
  readonly counts: Record<Campaign, Record<string, number>>;
}

const SEEDS_PER_TASK = 10;

async function runMany(campaigns: readonly Campaign[], from: number, seeds: number, once: boolean): Promise<Report> {
  const tasks: Task[] = [];
  for (let seed = from; seed < from + seeds; seed += SEEDS_PER_TASK) {
    const some = Array.from({ length: Math.min(SEEDS_PER_TASK, from + seeds - seed) }, (_, i) => seed + i);
    for (const campaign of campaigns) tasks.push({ campaign, seeds: some, once });
  }
  const report: Report = { seeds: 0, time: 0, failures: [], counts: { broker: {}, spread: {}, volume: {} } };
  const total = seeds * campaigns.length;
  const beganAt = performance.now();
  const workers = Array.from({ length: Math.min(availableParallelism(), tasks.length) }, () => fork(import.meta.filename, ['--worker']));
  try {
    await Promise.all(workers.map((worker) => work(worker, tasks, report, () => progress(report, total, beganAt))));
  } finally {
    for (const worker of workers) worker.kill();
  }
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  return report;
}

/** Gives a worker one task after another. */
async function work(worker: ChildProcess, tasks: Task[], report: Report, told: () => void): Promise<void> {
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
    const { campaign } = task;
    const results = await ask(worker, task);
    for (const { seed, failure, counts, time } of results) {
      report.seeds++;
      report.time += time ?? 0;
      for (const [what, count] of Object.entries(counts)) report.counts[campaign][what] = (report.counts[campaign][what] ?? 0) + count;
      if (failure !== undefined) report.failures.push({ campaign, seed, failure });
    }
    told();
  }
}

function ask(worker: ChildProcess, task: Task): Promise<Result[]> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`A worker ended with ${code} in ${task.campaign} seeds ${task.seeds.join(' ')}.`));
    worker.once('exit', ended);
    worker.once('message', (results) => {
      worker.off('exit', ended);
      resolve(results as Result[]);
    });
    worker.send(task);
  });
}

function serve(): void {
  process.on('message', (task: Task) => {
    void runTask(task).then((results) => process.send?.(results));
  });
}

async function runTask({ campaign, seeds, once }: Task): Promise<Result[]> {
  const results: Result[] = [];
  for (const seed of seeds) {
    const result = await CAMPAIGNS[campaign][once ? 'once' : 'twice'](seed);
    results.push({ ...result, lines: [] });
  }
  return results;
}

function progress(report: Report, total: number, beganAt: number): void {
  if (!process.stdout.isTTY) return;
  const seconds = (performance.now() - beganAt) / 1000;
  const rate = report.seeds / seconds;
  const left = Math.ceil((total - report.seeds) / Math.max(rate, 0.01));
  process.stdout.write(
    `\r\x1b[K${report.seeds} of ${total} seeds, ${rate.toFixed(1)}/s, ${Math.floor(left / 60)} min ${left % 60} s left, ${report.failures.length} failures`,
  );
}

function print(report: Report, once: boolean, seconds: number): void {
  const { failures, counts } = report;
  for (const { campaign, seed, failure } of failures)
    console.log(`FAILED: ${campaign} seed ${seed}: ${failure}\n  npm run simulate -- --seed ${seed} --campaign ${campaign}`);
  console.log(`${report.seeds} seeds${once ? '' : ', each twice'}, in ${seconds.toFixed(0)} s: ${failures.length} failures`);
  for (const campaign of ['broker', 'spread', 'volume'] as const) {
    const all = counts[campaign];
    if (Object.keys(all).length === 0) continue;
    const of = (test: (what: string) => boolean): string =>
      Object.entries(all)
        .filter(([what]) => test(what))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([what, count]) => `${what.replace(/^(fault|refused|ended by) /, '')} ${count}`)
        .join(', ');
    const isFault = (what: string): boolean => what.startsWith('fault ');
    const isEnd = (what: string): boolean => /^ended by |^(cut|kill|close)/.test(what);
    const isRefusal = (what: string): boolean => what.startsWith('refused ');
    console.log(`\n${campaign}`);
    console.log(`  faults      ${of(isFault)}`);
    console.log(`  ends        ${of(isEnd)}`);
    if (of(isRefusal) !== '') console.log(`  refusals    ${of(isRefusal)}`);
    console.log(`  operations  ${of((what) => !isFault(what) && !isEnd(what) && !isRefusal(what))}`);
  }
  if (report.time > 0) console.log(`\nvirtual time of the broker: ${(report.time / 3_600_000).toFixed(1)} h`);
}

// ── The command line ─────────────────────────────────────────────────────────────────────────────────────────────

async function main(args: readonly string[]): Promise<number> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const campaign = option('--campaign');
  if (campaign !== undefined && campaign !== 'broker' && campaign !== 'spread' && campaign !== 'volume')
    throw new TypeError(`There is no campaign ${campaign}: it is broker, spread or volume.`);
  const plant = option('--plant');
  if (plant !== undefined) planted.add(plant);
  const seed = option('--seed');
  if (seed !== undefined) return replay(campaign ?? 'broker', Number(seed));
  const once = args.includes('--once');
  const beganAt = performance.now();
  const report = await runMany(
    campaign === undefined ? ['volume', 'broker', 'spread'] : [campaign],
    Number(option('--from') ?? 1),
    Number(option('--seeds') ?? 1000),
    once,
  );
  print(report, once, (performance.now() - beganAt) / 1000);
  const missed = args.includes('--no-planted') ? 0 : await printPlanted(campaign);
  return report.failures.length > 0 || missed > 0 ? 1 : 0;
}

async function replay(campaign: Campaign, seed: number): Promise<number> {
  const result = await CAMPAIGNS[campaign].twice(seed, true);
  console.log(result.lines.join('\n'));
  console.log(`${campaign} seed ${seed}, trace ${result.hash}${result.failure === undefined ? ': no failure' : ''}`);
  if (result.failure === undefined) return 0;
  console.log(`FAILED: ${result.failure}`);
  return 1;
}

const PLANTED_SEEDS_MAX = 400;

/** @returns how many were not caught */
async function printPlanted(only: Campaign | undefined): Promise<number> {
  const bugs = PLANTED.filter(([, campaign]) => only === undefined || campaign === only);
  let missed = 0;
  console.log('');
  for (const [name, campaign] of bugs) {
    const caught = await catchPlanted(name, campaign, PLANTED_SEEDS_MAX);
    if (caught === undefined) missed++;
    console.log(
      `  planted ${name.padEnd(28)} ${caught === undefined ? `NOT caught in ${PLANTED_SEEDS_MAX} seeds` : `caught by seed ${caught.seed}: ${caught.failure.split('\n')[0]?.slice(0, 90)}`}`,
    );
  }
  console.log(`planted bugs: ${bugs.length - missed} of ${bugs.length} caught`);
  return missed;
}

if (import.meta.main) {
  if (process.argv.includes('--worker')) serve();
  else process.exitCode = await main(process.argv.slice(2));
}
