/**
 * The input: flights within the United States in 2001, from the package vega-datasets, with where each began and how late
 * it was. The file is Parquet, compressed with Zstandard, which Node unpacks by itself.
 */
import { fileURLToPath } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';

export interface Flight {
  /** Which row of the file it is, from 0. */
  readonly row: number;
  readonly origin: string;
  readonly destination: string;
  /** Minutes; below zero is early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
}

/** How many of the file's three million are sent. */
export const FLIGHTS = 200_000;

export async function readFlights(count = FLIGHTS): Promise<Flight[]> {
  const file = fileURLToPath(import.meta.resolve('../../node_modules/vega-datasets/data/flights-3m.parquet'));
  const rows = await parquetReadObjects({
    file: await asyncBufferFromFile(file),
    columns: ['origin', 'destination', 'delay', 'distance'],
    rowEnd: count,
    compressors: { ZSTD: (bytes) => zstdDecompressSync(bytes) },
  });
  return rows.map(({ origin, destination, delay, distance }, row) => ({
    row,
    origin,
    destination,
    delay: Number(delay),
    distance: Number(distance),
  }));
}
