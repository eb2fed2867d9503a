/** `wayside export`: a station or a namespace as one file, while others go on. */
import { open, rename, rm } from 'node:fs/promises';
import { exportStations } from '../client/transfer.ts';
import { defineCommand, Usage } from './command.ts';
import { progressLine } from './progress.ts';
import { shownBytes } from './units.ts';

export const command = defineCommand({
  name: 'export',
  summary: 'Save a station, or a whole namespace, as one file.',
  about:
    'Messages, sequences, groups, ids, delayed messages and dead letters, as they are in one moment; others go on meanwhile. A lost connection is gone on with. The file is there only when it is whole.',
  words: [{ name: 'STATION', help: 'One station; all of the namespace without it.', optional: true, complete: 'station' }],
  options: {
    out: { type: 'text', short: 'o', value: 'FILE', help: 'The file; - is standard output.', without: 'STATION.wsx', complete: 'file' },
    force: { type: 'flag', help: 'Replace the file if it is there.' },
  },
  examples: [
    { line: 'wayside export orders', says: 'Into orders.wsx.' },
    { line: 'wayside export --out backup.wsx', says: 'Every station of the namespace.' },
    { line: 'wayside export orders --out - | gzip > orders.wsx.gz', says: 'Through a pipe.' },
  ],
  async run({ options: { out: given, force }, words: [station], out, transfer }) {
    const file = given ?? `${station ?? 'namespace'}.wsx`;
    const begun = performance.now();
    let bytes = 0;
    const write = file === '-' ? undefined : await openPart(file, force);
    const progress = out.progress(() => progressLine({ done: bytes, unit: 'bytes', ms: performance.now() - begun }));
    const { url, ...rest } = transfer((error, offset) =>
      out.note(`The connection is lost (${error.message}); going on at byte ${offset} …`),
    );
    try {
      for await (const piece of exportStations(url, { ...rest, station })) {
        if (write) await write.handle.write(piece);
        else {
          out.write(piece);
          await out.flush();
        }
        bytes += piece.length;
      }
      await write?.finish();
    } finally {
      progress.stop();
      await write?.giveUp();
    }
    if (file === '-') return;
    if (out.json) out.value({ file, bytes });
    else out.line(`Saved ${station ?? 'the namespace'} in ${file}, ${shownBytes(bytes)}.`);
  },
});

/** A file that has its name only when it is whole. */
async function openPart(file: string, force: boolean) {
  if (!force) await refuseExisting(file);
  const part = `${file}.part`;
  const handle = await open(part, 'w');
  let isOpen = true;
  return {
    handle,
    async finish() {
      await handle.sync();
      await handle.close();
      isOpen = false;
      await rename(part, file);
    },
    async giveUp() {
      if (!isOpen) return;
      await handle.close();
      await rm(part, { force: true });
    },
  };
}

async function refuseExisting(file: string): Promise<void> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return;
  await handle.close();
  throw new Usage(`${file} is there already; --force replaces it.`);
}
