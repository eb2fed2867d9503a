/**
 * The package `ws`, in Bun too. There its name leads to one of Bun's own, which hands over whole messages alone: what comes
 * before a message is whole could not be counted, nor its pieces.
 *
 * It is looked for when a server starts: a program that is one file has no packages beside it, and may well have no server.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as named from 'ws';

/** @throws Error Bun finds no folder of that package */
export function loadWs(): typeof named {
  if (process.versions.bun === undefined) return named;
  const require = createRequire(import.meta.url);
  // By its file: Bun looks at the name alone.
  return require(join(dirname(require.resolve('ws/package.json')), 'index.js')) as typeof named;
}
