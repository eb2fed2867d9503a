/** `npm run check`: what needs no running. The list of steps is in steps.ts. */
import { CHECKS, runSteps, total } from './steps.ts';

process.exitCode = total(await runSteps(CHECKS)).failed > 0 ? 1 : 0;
