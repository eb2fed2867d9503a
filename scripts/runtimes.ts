/**
 * The README's table of runtimes, made of a test run: what each has passed, and what is left out of it and why.
 *
 * Holds: a figure stands there because tests of that name passed in this run; `npm test` fails where the README says another one
 * (`npm test -- --readme` writes it).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './steps.ts';

/** Of vitest's JSON report, as far as it is read. */
interface Report {
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly Assertion[] }[];
}

interface Assertion {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
}

const README = join(ROOT, 'README.md');
const MARKS = /<!-- runtimes -->[\s\S]*<!-- \/runtimes -->/;

interface Runtime {
  readonly name: string;
  readonly said: string;
  readonly storage: string;
  /** Tests that say that the storage keeps its contract, and that nothing is lost when it is killed: file and part of the title. */
  readonly contract: readonly [file: string, title: string];
  readonly kills: readonly [file: string, title: string];
}

const SERVER_KILLS = ['test/kill/kills.test.ts', 'killed again and again'] as const;
const RUNTIMES: readonly Runtime[] = [
  {
    name: 'node',
    said: 'Node',
    storage: 'a folder',
    contract: ['test/contract/volume.test.ts', 'the log over a folder'],
    kills: SERVER_KILLS,
  },
  {
    name: 'deno',
    said: 'Deno',
    storage: 'a folder',
    contract: ['test/node/runtimes.test.ts', 'deno the volume in a folder'],
    kills: ['', ''],
  },
  {
    name: 'bun',
    said: 'Bun',
    storage: 'a folder',
    contract: ['test/node/runtimes.test.ts', 'bun the volume in a folder'],
    kills: ['', ''],
  },
  {
    name: 'workerd',
    said: 'Cloudflare (workerd)',
    storage: 'SQLite of a Durable Object',
    contract: ['test/cloudflare/cloudflare.test.ts', 'the log over the SQLite of an object'],
    kills: ['test/cloudflare/cloudflare.test.ts', 'killed, and its objects ended again and again'],
  },
  {
    name: 'browser',
    said: 'the browser (Chromium)',
    storage: 'IndexedDB',
    contract: ['test/browser/browser.test.ts', 'the log over IndexedDB'],
    kills: ['test/browser/browser.test.ts', 'the whole browser is killed'],
  },
];

export function runtimesTable(reportFile: string): string {
  const tests = testsOf(JSON.parse(readFileSync(reportFile, 'utf8')) as Report);
  const rows = RUNTIMES.map((runtime) => rowOf(runtime, tests));
  const lines = [
    '| runtime | conformance of the broker | contract of its storage | killed under load | exports taken in |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ];
  return `${lines.join('\n')}\n\n${leftOut(tests)}`;
}

interface Test extends Assertion {
  readonly file: string;
}

function testsOf({ testResults }: Report): Test[] {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((test) => ({ ...test, file: name.slice(name.indexOf('/test/') + 1) })),
  );
}

function rowOf({ name, said, storage, contract, kills }: Runtime, tests: readonly Test[]): string {
  const conformance = conformanceOf(name, tests);
  const passed = conformance.filter(({ status }) => status === 'passed').length;
  const pairs = tests.filter(({ file, title }) => file === 'test/conformance/pairs.test.ts' && title === `imported on ${name}`);
  const imported = pairs.filter(({ status }) => status === 'passed').length;
  const killed = kills[0] === '' ? "as Node's: the same files" : saidOf(kills, tests);
  return `| ${said} | ${passed} of ${conformance.length} | ${saidOf(contract, tests)} (${storage}) | ${killed} | of ${imported} of ${RUNTIMES.length} runtimes |`;
}

function conformanceOf(runtime: string, tests: readonly Test[]): Test[] {
  return tests.filter(({ file, ancestorTitles: [first] }) => file === 'test/conformance/conformance.test.ts' && first === runtime);
}

function saidOf([file, part]: readonly [string, string], tests: readonly Test[]): string {
  const found = tests.filter((test) => test.file === file && [...test.ancestorTitles, test.title].join(' ').includes(part));
  if (found.length === 0) return 'not run';
  return found.every(({ status }) => status === 'passed') ? 'passed' : 'FAILED';
}

/** What a runtime lacks stands in its row of test/conformance/runtimes.ts, with the reason, and in the name of what is left out. */
function leftOut(tests: readonly Test[]): string {
  const lines = RUNTIMES.flatMap(({ name, said }) => {
    const reasons = new Map<string, number>();
    for (const { status, title } of conformanceOf(name, tests)) {
      const [, reason] = status === 'passed' ? [] : (/ \(([^()]*(?:\([^()]*\)[^()]*)*)\)$/.exec(title) ?? []);
      if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    return Array.from(reasons, ([reason, count]) => `- ${said}, ${count}: ${reason}.`);
  });
  return lines.length === 0 ? '' : `What a platform makes impossible is left out:\n\n${lines.join('\n')}\n`;
}

/** @returns what is wrong with the README; undefined where it says what was passed */
export function checkReadme(reportFile: string, writes: boolean): string | undefined {
  const table = runtimesTable(reportFile);
  const readme = readFileSync(README, 'utf8');
  const [there] = MARKS.exec(readme) ?? [];
  if (there === undefined) return 'README.md has no place for the table of runtimes.';
  if (writes)
    writeFileSync(
      README,
      readme.replace(MARKS, () => `<!-- runtimes -->\n\n${table}\n<!-- /runtimes -->`),
    );
  else if (plain(there) !== plain(`<!-- runtimes -->\n\n${table}\n<!-- /runtimes -->`))
    return `README.md says otherwise of the runtimes. Write it with: npm test -- --readme\n\n${table}`;
  return undefined;
}

/** Without what a formatter does to a table. */
function plain(text: string): string {
  return text
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/-{3,}/g, '---')
    .replaceAll(/\n+/g, '\n')
    .replaceAll(/(?<=[a-z,.;:]) ?\n ?(?=[a-z])/g, ' ')
    .trim();
}
