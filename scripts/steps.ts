/**
 * What `npm run check` and `npm test` do: two ordered lists, and how a list is run.
 *
 * Holds: every step runs, also after one that failed; a step that can't tell its counts is one that passed or failed.
 * To add a step, add a line to a list. A step may write `{"passed": n, "failed": n}` to the file named in WAYSIDE_COUNTS.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

export type Counts = { passed: number; failed: number };
export type Step = { name: string; command: string[]; counts?: (file: string) => Counts };
export type Outcome = Counts & { name: string; ms: number };

export const CHECKS: Step[] = [
  { name: 'format and lint', command: ['node_modules/@biomejs/biome/bin/biome', 'check'] },
  { name: 'types', command: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'] },
  { name: 'types of the browser', command: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.browser.json'] },
  { name: 'types of the core, alone', command: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.core.json'] },
  { name: 'directions of imports, purity of the core', command: ['scripts/check-imports.ts'] },
  { name: 'the reference is what the source says', command: ['scripts/reference.ts', '--check'] },
];

/** @param report where the report of the tests goes */
export const testsTo = (report: string): Step[] => [
  ...CHECKS,
  {
    name: 'tests',
    command: ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    counts: () => readVitest(report),
  },
];

/** Runs the steps in order with this Node; prints a heading for each and a table at the end. */
export async function runSteps(steps: Step[]): Promise<Outcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'wayside-steps-'));
  const outcomes: Outcome[] = [];
  for (const [index, step] of steps.entries()) {
    console.log(`\n== ${step.name}`);
    outcomes.push(await runStep(step, join(folder, `${index}.json`)));
  }
  rmSync(folder, { recursive: true, force: true });
  printTable(outcomes);
  return outcomes;
}

export function total(outcomes: Counts[]): Counts {
  const sum = (name: keyof Counts) => outcomes.reduce((all, outcome) => all + outcome[name], 0);
  return { passed: sum('passed'), failed: sum('failed') };
}

async function runStep({ name, command, counts = readCounts }: Step, file: string): Promise<Outcome> {
  const startedAt = performance.now();
  const args = command.map((word) => word.replace('{counts}', file));
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, WAYSIDE_COUNTS: file },
  });
  const isFine = await new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
  return { name, ms: Math.round(performance.now() - startedAt), ...settle(isFine, tryRead(counts, file)) };
}

/** The exit code has the last word: a step that ends badly has failed at least once, whatever it counted. */
function settle(isFine: boolean, counted: Counts | undefined): Counts {
  if (counted === undefined) return isFine ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  return isFine || counted.failed > 0 ? counted : { ...counted, failed: 1 };
}

function tryRead(counts: (file: string) => Counts, file: string): Counts | undefined {
  try {
    return counts(file);
  } catch {
    return undefined; // it wrote none
  }
}

function readCounts(file: string): Counts {
  const { passed, failed } = JSON.parse(readFileSync(file, 'utf8')) as Counts;
  return { passed, failed };
}

function readVitest(file: string): Counts {
  const report = JSON.parse(readFileSync(file, 'utf8')) as { numPassedTests: number; numFailedTests: number };
  return { passed: report.numPassedTests, failed: report.numFailedTests };
}

function printTable(outcomes: Outcome[]): void {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  console.log(`\n${'step'.padEnd(width)}  passed  failed  seconds`);
  for (const { name, passed, failed, ms } of outcomes) {
    const seconds = (ms / 1000).toFixed(1);
    console.log(`${name.padEnd(width)}  ${String(passed).padStart(6)}  ${String(failed).padStart(6)}  ${seconds.padStart(7)}`);
  }
}
