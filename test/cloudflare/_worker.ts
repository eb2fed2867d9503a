/** The Worker as one file, as wrangler would bundle it: for workerd under Miniflare. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

export const COMPATIBILITY = { date: '2026-11-01', flags: ['no_nodejs_compat'] } as const;

/** @param entry beside this file's folder. @returns the path of the bundle, in a folder of its own */
export async function bundle(entry = '../../src/adapters/cloudflare/worker.ts'): Promise<string> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'wayside-worker-')), 'worker.js');
  await build({
    entryPoints: [join(import.meta.dirname, entry)],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2024',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    logLevel: 'error',
  });
  return outfile;
}
