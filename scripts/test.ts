/**
 * `npm test`: every step of steps.ts, then `N passed, N failed` as the last line.
 * `--counts FILE` writes the same two numbers as JSON, for whoever adds them up (ci.ts).
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runSteps, TESTS, total } from './steps.ts';

const { values } = parseArgs({ options: { counts: { type: 'string' } } });
const counts = total(await runSteps(TESTS));
if (values.counts) writeFileSync(values.counts, JSON.stringify(counts));
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
