/** A contract over a folder, in whatever runtime this file is run: `volume` or `archive`. One line of JSON tells what came out. */
import { folderArchives } from './_archives.ts';
import { folderFactory } from './_folder.ts';
import { archiveChecks } from './archive.ts';
import { runChecks, volumeChecks } from './volume.ts';

const isArchive = process.argv[2] === 'archive';
const { passed, skipped, failed } = await (isArchive
  ? runChecks(archiveChecks, folderArchives())
  : runChecks(volumeChecks, folderFactory()));
const told = failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`);
console.log(JSON.stringify({ passed, skipped: skipped.length, failed: told }));
