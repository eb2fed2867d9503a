/** `wayside import`: makes stations of an exported file; all of them, or none. */
import { createReadStream, statSync } from 'node:fs';
import { importStations } from '../client/transfer.ts';
import { defineCommand, Failed } from './command.ts';
import { progressLine } from './progress.ts';
import { counted, shownBytes } from './units.ts';

const PIECE_BYTES = 256 * 1024;

export const command = defineCommand({
  name: 'import',
  summary: 'Make stations of an exported file: all of them, or none.',
  about:
    'They are there once the whole file has been checked. A station that is there by that name is never touched: the import is refused.',
  words: [{ name: 'FILE', help: 'As `wayside export` made it; - is standard input.', complete: 'file' }],
  options: { as: { type: 'text', value: 'STATION', help: 'What the one station of the file is to be called.', without: 'its own name' } },
  examples: [
    { line: 'wayside import orders.wsx', says: 'As it was.' },
    { line: 'wayside import orders.wsx --as orders-of-may', says: 'Beside the original.' },
    { line: 'wayside import backup.wsx --namespace restored', says: 'A namespace into another.' },
  ],
  async run({ options, words: [file = ''], out, transfer }) {
    const isPipe = file === '-';
    const size = isPipe ? undefined : sizeOf(file);
    const begun = performance.now();
    let sent = 0;
    const source = (offset: number) => {
      if (isPipe && sent > 0) throw new Failed('The connection broke off, and standard input cannot be read again. Nothing was imported.');
      sent = offset;
      const stream = isPipe ? process.stdin : createReadStream(file, { start: offset, highWaterMark: PIECE_BYTES });
      return counting(stream, (bytes) => {
        sent += bytes;
      });
    };
    const progress = out.progress(() =>
      progressLine({ done: sent, unit: 'bytes', share: size === undefined ? undefined : sent / size, ms: performance.now() - begun }),
    );
    const { url, ...rest } = transfer((error) => out.note(`The connection is lost (${error.message}); going on …`));
    const stations = await importStations(url, source, { ...rest, station: options.as }).finally(() => progress.stop());
    for (const station of stations) {
      const { name, messages, durability, loweredFrom } = station;
      if (out.json) out.value(station);
      else out.line(`Imported ${name}: ${counted(messages, 'message')}, ${durability}.`);
      if (loweredFrom !== undefined)
        out.warn(`${name} was ${loweredFrom}; here it is ${durability}, which is the most that this broker gives.`);
    }
    if (stations.length === 0) out.note(`There was no station in ${file}${size === undefined ? '' : `, ${shownBytes(size)}`}.`);
  },
});

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    throw new Failed(`There is no file ${file}.`);
  }
}

async function* counting(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    count(piece.length);
    yield piece;
  }
}
