/** `wayside …`: what is typed goes to run.ts, and its exit code to the shell. */
import { run } from './run.ts';

const code = await run(process.argv.slice(2));
// Whatever is still open (standard input, a connection that is being given up) does not hold the end up.
process.exit(code);
