/** The Worker as one file, as wrangler would bundle it: for workerd under Miniflare. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';

export const COMPATIBILITY = {
  date: '2026-11-01',
  flags: ['no_nodejs_compat', 'enable_request_signal', 'request_signal_passthrough'],
} as const;

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

export interface WorkerdOptions {
  readonly script: string;
  readonly data: string;
  readonly token?: string | undefined;
  readonly spawned?: ((child: ChildProcess) => void) | undefined;
}

/** The Worker in workerd, with its objects' data in a folder. A kill takes workerd with it. */
export function startWorkerd({ script, data, token, spawned }: WorkerdOptions): Promise<BrokerProcess> {
  const args = [script, data, ...(token === undefined ? [] : [token])];
  return startBroker({ data, main: join(import.meta.dirname, '_serve.ts'), args, hasChildren: true, spawned });
}

export interface RuntimeOptions {
  /** A bundle. */
  readonly script: string;
  readonly folder: string;
  /** Binding → class of an object. */
  readonly objects?: Readonly<Record<string, string>>;
  readonly bindings?: Readonly<Record<string, string>>;
  /** Binding → name of a bucket of R2; what is in it lies in the folder too. */
  readonly buckets?: Readonly<Record<string, string>>;
  readonly port?: number;
}

/** workerd in this process's care. */
export function workerd({
  script,
  folder,
  objects = { WAYSIDE_CATALOG: 'WaysideCatalog', WAYSIDE_PARTITION: 'WaysidePartition' },
  bindings = {},
  buckets = {},
  port = 0,
}: RuntimeOptions): Miniflare {
  return new Miniflare(
    convertV4MiniflareOptions({
      name: 'wayside',
      modules: [{ type: 'ESModule', path: 'worker.js', contents: readFileSync(script, 'utf8') }],
      compatibilityDate: COMPATIBILITY.date,
      compatibilityFlags: [...COMPATIBILITY.flags],
      host: '127.0.0.1',
      port,
      cf: false,
      durableObjects: Object.fromEntries(Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }])),
      r2Buckets: buckets,
      resourcePersistencePath: folder,
      bindings,
    }),
  );
}
