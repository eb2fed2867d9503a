/** The contract over a folder, in whatever runtime this file is run: one line of JSON tells what came out. */
import { folderFactory } from './_folder.ts';
import { runChecks, volumeChecks } from './volume.ts';

const { passed, skipped, failed } = await runChecks(volumeChecks, folderFactory());
const told = failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`);
console.log(JSON.stringify({ passed, skipped: skipped.length, failed: told }));
