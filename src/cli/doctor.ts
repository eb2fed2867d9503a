/**
 * `wayside doctor FOLDER`: whether a data folder is whole, and what is in it.
 *
 * Holds: nothing in the folder is changed, whatever is found; what is damaged is named by file and bytes, and where it can be
 * told by station, partition and sequence; exit code 0 means that every byte that counts is as it was written.
 * Elsewhere: the bytes (doctor/segments.ts), their meaning (doctor/contents.ts).
 */
import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { SPARE_NAME, segmentNumber } from '../core/volume/segment.ts';
import { defineCommand, Failed } from './command.ts';
import type { Contents } from './doctor/contents.ts';
import { readContents } from './doctor/contents.ts';
import { readOnlyFiles } from './doctor/files.ts';
import { takeFolder } from './doctor/owner.ts';
import type { Damage, PartitionReport, Report } from './doctor/report.ts';
import type { Checked } from './doctor/segments.ts';
import { checkSegments } from './doctor/segments.ts';
import type { Output } from './output.ts';
import { progressLine } from './progress.ts';
import type { Cell, Column } from './table.ts';
import { counted, shownBytes, shownDuration, shownNumber } from './units.ts';

export const command = defineCommand({
  name: 'doctor',
  summary: 'Check a data folder without changing it.',
  about:
    'Reads every segment and checks each header, block, entry and footer against its CRC; then opens the log as a broker ' +
    'would, in memory, reads the catalog and replays every partition. While a broker has the folder open, what it writes at ' +
    'that moment is seen half; check a stopped one for certainty. A torn tail is no damage: a broker that was killed, or lost ' +
    'its power, leaves the rest of a write that it had confirmed to nobody, and the next start cuts it off.',
  words: [{ name: 'FOLDER', help: 'The data folder, such as ./data.', complete: 'folder' }],
  local: true,
  examples: [
    { line: 'wayside doctor ./data', says: 'Exit code 0 when it is whole, 1 when it is not.' },
    { line: 'wayside doctor ./data --json | jq .damages', says: 'Which bytes of which file.' },
  ],
  async run({ words: [folder = ''], out }) {
    const begun = performance.now();
    const report = await check(resolve(folder), out);
    if (out.json) out.value(report);
    else show(report, performance.now() - begun, out);
    if (!report.ok) throw new Failed(verdict(report));
  },
});

/** While a broker writes, files come and go, and a block may be seen half: what is really damaged is so each time. */
const ATTEMPTS = 3;

async function check(folder: string, out: Output): Promise<Report> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw new Failed(`There is no folder ${folder}.`);
  const names = readdirSync(folder);
  if (!names.some((name) => segmentNumber(name) !== undefined || SPARE_NAME.test(name)))
    throw new Failed(`${folder} holds no data of Wayside: there is no segment-….log in it.`);
  const owner = takeFolder(folder);
  try {
    let report = await checkOnce(folder, owner.isOpen, out);
    for (let attempt = 1; owner.isOpen && !report.ok && attempt < ATTEMPTS; attempt++) report = await checkOnce(folder, true, out);
    return report;
  } finally {
    owner.release();
  }
}

async function checkOnce(folder: string, inUse: boolean, out: Output): Promise<Report> {
  const checked = await withProgress(out, 'bytes', (told) => checkSegments(readOnlyFiles(folder), told));
  let contents: Contents = { stations: [], notes: [] };
  let refused: string | undefined;
  try {
    const { damages } = checked;
    contents = await withProgress(out, 'stations', (told) => readContents(readOnlyFiles(folder), damages.length > 0, told));
  } catch (error) {
    refused = error instanceof Error ? error.message : String(error);
  }
  const { segments, damages } = checked;
  const isReadable = contents.stations.every(({ partitions }) =>
    partitions.every(({ lost, fault }) => lost.length === 0 && fault === undefined),
  );
  return {
    folder,
    inUse,
    ok: damages.length === 0 && refused === undefined && isReadable,
    segments,
    stations: contents.stations,
    damages,
    ...(refused !== undefined && { refused }),
    // What opening says of damage is said already, with its bytes.
    notes: damages.length > 0 ? checked.notes : [...new Set([...checked.notes, ...contents.notes])],
  };
}

async function withProgress<T extends Checked | Contents>(
  out: Output,
  unit: 'bytes' | 'stations',
  work: (told: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  let now = { done: 0, total: 1 };
  const line = out.progress(() => {
    const ms = performance.now() - begun;
    const share = now.done / Math.max(1, now.total);
    return unit === 'bytes'
      ? `Reading ${shownBytes(now.done)} of ${shownBytes(now.total)} · ${Math.floor(share * 100)} %`
      : `Replaying ${progressLine({ done: now.done, unit, share, ms })}`;
  });
  try {
    return await work((done, total) => {
      now = { done, total };
    });
  } finally {
    line.stop();
  }
}

const COLUMNS: readonly Column[] = [
  { title: 'STATION', ink: 'bold', shrinks: true },
  { title: 'PARTITION', align: 'right' },
  { title: 'MESSAGES', align: 'right' },
  { title: 'SIZE', align: 'right', goes: true },
  { title: 'SEQUENCES', goes: true },
  { title: 'GROUPS', align: 'right', goes: true },
  { title: 'DEAD', align: 'right', goes: true },
  { title: 'STATE', shrinks: true },
];

function show(report: Report, ms: number, out: Output): void {
  const { segments, stations, damages, notes, inUse, refused } = report;
  const { paint } = out;
  const sum = (of: (segment: Report['segments'][number]) => number) => segments.reduce((total, segment) => total + of(segment), 0);
  const torn = sum(({ tornBytes }) => tornBytes);
  out.facts([
    ['Folder', `${report.folder}${inUse ? paint('yellow', '  a broker has it open: what it writes now is not checked') : ''}`],
    ['Read', `${counted(segments.length, 'segment')}, ${shownBytes(sum(({ bytes }) => bytes))}, in ${shownDuration(ms)}`],
    [
      'Whole',
      `${counted(
        sum(({ blocks }) => blocks),
        'block',
      )}, ${counted(
        sum(({ entries }) => entries),
        'entry',
        'entries',
      )}`,
    ],
    ...(torn > 0 && !inUse
      ? [
          [
            'Torn tail',
            `${shownBytes(torn)} behind the end: a write that broke off, and that nothing here says was confirmed; the next start cuts it off`,
          ] as const,
        ]
      : []),
  ]);
  const rows = stations.flatMap(({ namespace, station, durability, partitions }) => {
    const name = namespace === 'default' ? station : `${namespace}/${station}`;
    if (durability === 'memory') return [[name, '', '', '', '', '', '', { text: 'memory', ink: 'dim' }] as Cell[]];
    return partitions.map((partition) => partitionRow(name, partition));
  });
  if (rows.length > 0) {
    out.line();
    out.table(COLUMNS, rows);
  }
  if (notes.length + damages.length > 0 || refused !== undefined) out.line();
  for (const note of notes) out.line(`${paint('yellow', 'note')}     ${note}`);
  for (const damage of damages) out.line(`${paint('red', 'damaged')}  ${place(damage)}: ${damage.what}`);
  if (refused !== undefined) out.line(`${paint('red', 'refused')}  A broker would not start: ${refused}`);
  if (report.ok) out.line(`\n${paint('green', 'Whole.')} Every byte that counts is as it was written.`);
}

function partitionRow(
  name: string,
  { partition, messages, bytes, first, last, groups, deadLetters, lost, fault }: PartitionReport,
): Cell[] {
  const state: Cell =
    fault !== undefined
      ? { text: fault, ink: 'red' }
      : lost.length > 0
        ? { text: `damaged: ${lost.map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(', ')}`, ink: 'red' }
        : { text: 'whole', ink: 'green' };
  const range = messages === 0 ? '–' : `${shownNumber(first)}–${shownNumber(last)}`;
  return [name, String(partition), shownNumber(messages), shownBytes(bytes), range, String(groups), String(deadLetters), state];
}

const place = ({ file, from, to }: Damage): string => `${file}, bytes ${shownNumber(from)} to ${shownNumber(to)}`;

function verdict({ damages, stations, refused, folder }: Report): string {
  const lost = stations
    .flatMap(({ partitions }) => partitions)
    .reduce((sum, each) => sum + each.lost.reduce((all, [from, to]) => all + to - from + 1, 0), 0);
  const what =
    damages.length > 0
      ? `${counted(damages.length, 'range')} of ${folder} ${damages.length === 1 ? 'is' : 'are'} damaged`
      : `${folder} is not whole`;
  const loss = lost > 0 ? `; ${counted(lost, 'message')} cannot be delivered` : '';
  const start = refused === undefined ? '; a broker starts all the same and refuses only those' : '; a broker refuses to start on it';
  return `${what}${loss}${lost === 0 && refused === undefined ? '; no message is lost' : start}. Restore the files from a copy.`;
}
