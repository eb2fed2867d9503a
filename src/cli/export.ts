/** `wayside export`: a station or a namespace as one file, while others go on. */
import { open, rename, rm } from 'node:fs/promises';
import { defineCommand, Usage } from './command.ts';
import { progressLine } from './progress.ts';
import { asked, persistently } from './transfer.ts';
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
  async run({ options: { out: given, force }, words: [station], out, request }) {
    const file = given ?? `${station ?? 'namespace'}.wsx`;
    const begun = performance.now();
    let bytes = 0;
    const write = file === '-' ? undefined : await openPart(file, force);
    const progress = out.progress(() => progressLine({ done: bytes, unit: 'bytes', ms: performance.now() - begun }));
    let id: string | undefined;
    try {
      await persistently(
        async () => {
          const query =
            id === undefined ? (station === undefined ? '' : `?station=${encodeURIComponent(station)}`) : `?id=${id}&offset=${bytes}`;
          const response = await asked(request, `/export${query}`).catch(async (error: unknown) => {
            // The broker was started anew, say, or has read on too far: then from the beginning.
            if (id === undefined || write === undefined) throw error;
            await write.handle.truncate(0);
            [id, bytes] = [undefined, 0];
            throw new TypeError('it cannot be gone on with', { cause: error });
          });
          id = response.headers.get('export-id') ?? undefined;
          for await (const piece of response.body ?? []) {
            if (write) await write.handle.write(piece, 0, piece.length, bytes);
            else {
              out.write(piece);
              await out.flush();
            }
            bytes += piece.length;
          }
        },
        () => (id === undefined ? -1 : bytes),
        (error) => out.note(`The connection is lost (${error}); going on at byte ${bytes} …`),
      );
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
