/** What a million ids in the window, and a million delayed messages, take of memory, and how long they stop everything else. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Row } from './report.ts';

interface Kept {
  readonly mib: number;
  /** Of these, what comes free when the ids leave the window. */
  readonly freed: number;
  readonly longestMs: number;
}

export async function run(): Promise<Row[]> {
  const plain = await measure('plain');
  const ids = await measure('ids');
  const delayed = await measure('delayed');
  const map = await measure('map');
  const longest = (of: Kept) =>
    `the longest turn meanwhile took ${of.longestMs.toFixed(1)} ms, ${plain.longestMs.toFixed(1)} ms without them`;
  return [
    {
      name: '1,000,000 ids (UUIDs) in the window: memory',
      unit: 'MiB',
      // Not beside a broker without ids: of the latest messages each keeps a chunk of 4 MiB more or less.
      ours: { values: [ids.freed] },
      beside: [{ name: 'a JS Map of the same', values: [map.mib] }],
      atMost: 8,
      note: longest(ids),
    },
    { name: '1,000,000 delayed messages: memory', unit: 'MiB', ours: { values: [delayed.mib - plain.mib] }, note: longest(delayed) },
  ];
}

async function measure(what: string): Promise<Kept> {
  const child = fork(`${import.meta.dirname}/kept-child.ts`, [what], { execArgv: ['--expose-gc'] });
  const [kept] = (await once(child, 'message')) as [Kept];
  child.disconnect();
  await once(child, 'exit');
  return kept;
}
