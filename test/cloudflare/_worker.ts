/** The Worker as one file, as wrangler would bundle it: for workerd under Miniflare. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';

export const COMPATIBILITY = { date: '2026-11-01', flags: ['no_nodejs_compat', 'enable_request_signal', 'request_signal_passthrough'] } as const;

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

/** The Worker in workerd, with its objects' data in a folder. A kill takes workerd with it. */
export function startWorkerd({ script, data, token }: { script: string; data: string; token?: string | undefined }): Promise<BrokerProcess> {
  const args = [script, data, ...(token === undefined ? [] : [token])];
  return startBroker({ data, main: join(import.meta.dirname, '_serve.ts'), args, hasChildren: true });
}
