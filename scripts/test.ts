/**
 * `npm test`: every step of steps.ts, then `N passed, N failed` as the last line.
 * `--counts FILE` writes the same two numbers as JSON, for whoever adds them up (ci.ts). `--readme` writes the README's table of
 * runtimes; without it, one that says otherwise is a failure.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkReadme } from './runtimes.ts';
import { runSteps, testsTo, total } from './steps.ts';

const { values } = parseArgs({ options: { counts: { type: 'string' }, readme: { type: 'boolean', default: false } } });
const folder = mkdtempSync(join(tmpdir(), 'wayside-tests-'));
const report = join(folder, 'report.json');
const outcomes = await runSteps(testsTo(report));
const wrong = checkReadme(report, values.readme);
if (wrong !== undefined) console.log(`\nFAIL  ${wrong}`);
rmSync(folder, { recursive: true });
const counts = total([...outcomes, wrong === undefined ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }]);
if (values.counts) writeFileSync(values.counts, JSON.stringify(counts));
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
