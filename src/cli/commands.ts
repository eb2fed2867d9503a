/**
 * The table of all commands. A row is enough for the overview; the file behind it is loaded when the command is asked for.
 *
 * To add one: a file here that exports `command` (command.ts), and a row.
 */
import type { Command } from './command.ts';

export interface Row {
  readonly name: string;
  /** The command's own, word for word (a test compares them). */
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

export const ROWS: readonly Row[] = [
  { name: 'serve', summary: 'Run a broker on a folder.', load: () => import('./serve.ts') },
  { name: 'station', summary: 'Make, list, change, empty and remove stations.', load: () => import('./station.ts') },
  { name: 'produce', summary: 'Send messages to a station, from words, files or a pipe.', load: () => import('./produce.ts') },
  { name: 'consume', summary: 'Take messages from a group and ack them as they are printed.', load: () => import('./consume.ts') },
  { name: 'peek', summary: 'Look at messages without a group: nothing is taken.', load: () => import('./peek.ts') },
  { name: 'group', summary: 'Make, list, change, move and remove consumer groups.', load: () => import('./group.ts') },
  { name: 'dead-letters', summary: 'See what groups gave up, and send it again.', load: () => import('./dead-letters.ts') },
  { name: 'schedules', summary: 'See delayed messages, and cancel them.', load: () => import('./schedules.ts') },
  { name: 'export', summary: 'Save a station, or a whole namespace, as one file.', load: () => import('./export.ts') },
  { name: 'import', summary: 'Make stations of an exported file: all of them, or none.', load: () => import('./import.ts') },
  { name: 'bench', summary: 'Measure a broker.', load: () => import('./bench.ts') },
  { name: 'doctor', summary: 'Check a data folder without changing it.', load: () => import('./doctor.ts') },
  { name: 'completion', summary: 'Print what makes your shell complete wayside commands.', load: () => import('./completion.ts') },
];
