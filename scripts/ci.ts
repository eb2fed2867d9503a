/**
 * What `.ci/run` does: `npm test`, then the acceptance suite against a broker that is started twice, open and with a token.
 *
 * Holds: the last line is `N passed, N failed` over everything; nothing is left out without a line saying so.
 * A check named in .ci/later.txt may fail; if it passes, that line has to go, and until then counts as failed.
 * The suite lies beside the checkout (or where WAYSIDE_ACCEPTANCE says); the broker is started by ci-broker.ts.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Broker } from './ci-broker.ts';
import { startBroker } from './ci-broker.ts';
import type { Counts } from './steps.ts';
import { ROOT, total } from './steps.ts';

type Check = { topic: string; title: string; result: 'passed' | 'failed' | 'skipped' };

const SUITE = resolve(ROOT, process.env.WAYSIDE_ACCEPTANCE ?? '../shared/acceptance');
const RUNS = [
  {
    name: 'open',
    topics:
      'health-and-errors,stations,produce,batch,records-format,read,sse,dedup,delay-and-expiry,groups-and-leases,key-order,seek,dead-letters,retention,export-import,bad-input,namespaces-and-tokens,concurrency,websocket-json,websocket-msgpack',
  },
  { name: 'with a token', topics: 'namespaces-and-tokens,health-and-errors', token: 'ci-root-token' },
];

const folder = mkdtempSync(join(tmpdir(), 'wayside-ci-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

const counts = total([await runTests(), ...(await runAcceptance())]);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;

async function runTests(): Promise<Counts> {
  const file = join(folder, 'tests.json');
  const code = await run('npm', ['test', '--', '--counts', file]);
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Counts;
  console.log(`npm test ended with ${code} and told no counts.`);
  return { passed: 0, failed: 1 };
}

async function runAcceptance(): Promise<Counts[]> {
  if (!existsSync(join(SUITE, 'run.mjs'))) {
    console.log(`\nNot part of this run: the acceptance suite, which is not at ${SUITE}.`);
    return [];
  }
  const later = readLater(readFileSync(join(ROOT, '.ci/later.txt'), 'utf8'));
  const results: Check[][] = [];
  const all: Counts[] = [];
  for (const { name, topics, token } of RUNS) {
    console.log(`\n== acceptance, ${name}`);
    const counts = await withBroker(token, async (broker) => {
      const checks = await runSuite(broker, topics, token);
      if (checks === undefined) return { passed: 0, failed: 1 };
      results.push(checks);
      return judge(checks, later);
    });
    all.push(counts);
  }
  // Where a run gave no results, that is the failure to tell, not what it didn't get to.
  const seen = new Set(results.flat().map(keyOf));
  const unknown = results.length === RUNS.length ? [...later.keys()].filter((key) => !seen.has(key)) : [];
  for (const key of unknown) console.log(`FAIL  .ci/later.txt names a check that did not run: ${key}`);
  return [...all, { passed: 0, failed: unknown.length }];
}

/** The broker's own start and stop are checks too. */
async function withBroker(token: string | undefined, work: (broker: Broker) => Promise<Counts>): Promise<Counts> {
  let broker: Broker;
  try {
    broker = await startBroker(folder, token);
  } catch (error) {
    console.log(`FAIL  the broker starts and answers /v1/health: ${(error as Error).message}`);
    return { passed: 0, failed: 1 };
  }
  const counts = await work(broker);
  const fault = await broker.stop();
  console.log(fault === undefined ? 'ok    the broker stops on SIGTERM with exit code 0' : `FAIL  the broker stops on SIGTERM: ${fault}`);
  if (fault !== undefined || counts.failed > 0) console.log(`The end of what the broker said:\n${broker.said()}`);
  return total([counts, { passed: 1, failed: 0 }, fault === undefined ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }]);
}

async function runSuite(broker: Broker, topics: string, token: string | undefined): Promise<Check[] | undefined> {
  const file = join(folder, `${broker.port}.json`);
  const credential = token === undefined ? [] : ['--token', token];
  const code = await run(process.execPath, [
    join(SUITE, 'run.mjs'),
    '--base',
    broker.base,
    '--only',
    topics,
    '--json',
    file,
    ...credential,
  ]);
  if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { checks: Check[] }).checks;
  console.log(`The acceptance suite ended with ${code} and told no results.`);
  return undefined;
}

/** Sorts what came out against what is expected; says every surprise. */
function judge(checks: Check[], later: Map<string, string>): Counts {
  const counts = { passed: 0, failed: 0 };
  for (const check of checks) {
    const key = keyOf(check);
    const issue = later.get(key);
    if (check.result === 'skipped') {
      console.log(`skip  ${key}`);
    } else if (issue === undefined) {
      counts[check.result]++;
      if (check.result === 'failed') console.log(`FAIL  ${key}`);
    } else if (check.result === 'failed') {
      console.log(`later ${key} (${issue})`);
    } else {
      counts.failed++;
      console.log(`FAIL  ${key}: passes, so its line has to be taken out of .ci/later.txt`);
    }
  }
  return counts;
}

function keyOf({ topic, title }: Check): string {
  return `${topic}: ${title}`;
}

/** Lines `topic: title — removed by issue "title"`, as check → issue. A line of another form is a check that never ran. */
function readLater(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, key, issue] = /^(\S+: .+) — removed by issue "(.+)"$/.exec(line.trim()) ?? [];
      return [key ?? line, issue ?? ''] as const;
    }),
  );
}

function run(command: string, args: string[]): Promise<number | null> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  process.once('exit', () => child.kill());
  return new Promise((done) => {
    child.on('error', () => done(null));
    child.on('exit', done);
  });
}
