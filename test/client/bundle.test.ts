/**
 * The SDK as a page would load it: bundled, without what is not used, minified, with msgpack in it.
 *
 * Holds: it fits into 20 KiB gzip; it needs nothing of Node and no package; HTTP is loaded only by who chooses it.
 */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

const ENTRY = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url));
const GZIP_BYTES_MAX = 20 * 1024;

test('the SDK, bundled for a browser, is at most 20 KiB gzip', async () => {
  // As in a page's own bundle, where nobody else imports the entry: what both chunks need stays in the first one.
  const bundle = await rolldown({ input: ENTRY, platform: 'browser', logLevel: 'silent', preserveEntrySignatures: 'allow-extension' });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  const chunks = output.filter((chunk) => chunk.type === 'chunk');
  const [entry] = chunks;
  const names = new Set(chunks.map(({ fileName }) => fileName));
  expect(entry?.exports).toEqual(expect.arrayContaining(['WaysideError', 'connect', 'connectLink', 'systemClock']));
  expect(chunks.flatMap(({ imports }) => imports).filter((name) => !names.has(name))).toEqual([]);

  const sizes = chunks.map((chunk) => ({ chunk, bytes: gzipSync(chunk.code, { level: 9 }).length }));
  const first = sizes.filter(({ chunk }) => chunk === entry || entry?.imports.includes(chunk.fileName));
  const later = sizes.filter((size) => !first.includes(size));
  const sum = (list: typeof sizes) => list.reduce((total, { bytes }) => total + bytes, 0);
  console.log(`The SDK: ${sum(first)} bytes gzip; with HTTP ${sum(later)} more.`);
  expect(later.map(({ chunk }) => Object.keys(chunk.modules).filter((name) => !name.includes('/client/http/')))).toEqual([[]]);
  expect(sum(first)).toBeLessThanOrEqual(GZIP_BYTES_MAX);
});
