/** Command line of the rules in imports.ts: `check-imports.ts [ROOT]` names what they refuse, a line each. */
import { checkImports } from './imports.ts';
import { ROOT } from './steps.ts';

const violations = checkImports(process.argv[2] ?? ROOT);
for (const { file, line, message } of violations) console.log(`${file}:${line}  ${message}`);
console.log(violations.length === 0 ? 'Every import goes the right way.' : `${violations.length} refused.`);
process.exitCode = violations.length === 0 ? 0 : 1;
