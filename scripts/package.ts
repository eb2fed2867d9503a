/**
 * What is published: the source as JavaScript with its types in dist/, and a package.json that leads there.
 *
 *     node scripts/run.mjs node scripts/package.ts build     before `npm pack` (its prepack)
 *     node scripts/run.mjs node scripts/package.ts restore   after it (its postpack)
 *
 * Holds: here, in the checkout, exports lead to the source, which needs no build; only in the packed file do they lead to dist/. What a
 * browser loads by its address (the module, the worker, the Service Worker) is whole files, without an import of a package.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildOptions } from 'esbuild';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const MANIFEST = join(ROOT, 'package.json');
/** The checkout's own, while another is in its place. */
const KEPT = join(ROOT, 'package.json.kept');

/** Entry of the package → its source. */
const LIBRARY = {
  index: 'src/client/index.ts',
  steps: 'src/client/steps.ts',
  transfer: 'src/client/transfer.ts',
  node: 'src/adapters/node/index.ts',
  testing: 'src/adapters/memory/testing.ts',
  cloudflare: 'src/adapters/cloudflare/worker.ts',
  cli: 'src/cli/main.ts',
};
const BROWSER = {
  'browser/index': 'src/adapters/browser/index.ts',
  'browser/worker': 'src/adapters/browser/worker.ts',
  'browser/service-worker': 'src/adapters/browser/service-worker.ts',
};
/** Export → entry, and the source of its types. */
const EXPORTS: Readonly<Record<string, keyof typeof LIBRARY | keyof typeof BROWSER>> = {
  '.': 'index',
  './steps': 'steps',
  './transfer': 'transfer',
  './node': 'node',
  './testing': 'testing',
  './cloudflare': 'cloudflare',
  './browser': 'browser/index',
  './browser/worker': 'browser/worker',
  './browser/service-worker': 'browser/service-worker',
};

const COMMON: BuildOptions = { bundle: true, format: 'esm', outdir: DIST, absWorkingDir: ROOT, logLevel: 'warning', legalComments: 'none' };

async function buildAll(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true });
  await build({
    ...COMMON,
    entryPoints: LIBRARY,
    splitting: true,
    packages: 'external',
    platform: 'neutral',
    target: 'es2023',
    chunkNames: 'chunks/[hash]',
    external: ['node:*'],
  });
  await build({ ...COMMON, entryPoints: BROWSER, platform: 'browser', target: 'es2023', minify: true });
  const cli = join(DIST, 'cli.js');
  writeFileSync(cli, `#!/usr/bin/env node\n${readFileSync(cli, 'utf8').replace(/^#!.*\n/, '')}`, { mode: 0o755 });
  types();
}

/** Declarations name the files that they come from (`./x.ts`): in a package those are `./x.js`, with `./x.d.ts` beside them. */
function types(): void {
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const from = join(DIST, 'types/src');
  for (const file of globSync('**/*.d.ts', { cwd: from })) {
    const to = join(DIST, 'types', file);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, readFileSync(join(from, file), 'utf8').replaceAll(/(from |import\()'(\.[^']*)\.ts'/g, "$1'$2.js'"));
  }
  rmSync(from, { recursive: true });
}

function published(): object {
  const { name, version, description, license, type, keywords, dependencies } = JSON.parse(readFileSync(KEPT, 'utf8')) as Record<
    string,
    unknown
  >;
  const sources: Readonly<Record<string, string>> = { ...LIBRARY, ...BROWSER };
  const exports = Object.fromEntries(
    Object.entries(EXPORTS).map(([path, entry]) => {
      const types = `./dist/types/${sources[entry]!.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')}`;
      return [path, { types, default: `./dist/${entry}.js` }];
    }),
  );
  return {
    name,
    version,
    description,
    license,
    type,
    keywords,
    exports: { ...exports, './package.json': './package.json' },
    bin: { wayside: './dist/cli.js' },
    files: ['dist'],
    // The worker and the Service Worker are loaded for what they do.
    sideEffects: ['./dist/cli.js', './dist/browser/worker.js'],
    engines: { node: '>=20' },
    dependencies,
  };
}

/** Puts the published manifest in the place of the checkout's. */
function swap(): void {
  if (existsSync(KEPT)) restore();
  copyFileSync(MANIFEST, KEPT);
  writeFileSync(MANIFEST, `${JSON.stringify(published(), undefined, 2)}\n`);
}

function restore(): void {
  if (existsSync(KEPT)) renameSync(KEPT, MANIFEST);
}

const [command] = process.argv.slice(2);
if (command === 'build') {
  await buildAll();
  swap();
} else if (command === 'dist') await buildAll();
else if (command === 'restore') restore();
else {
  console.error('usage: package.ts build | dist | restore');
  process.exitCode = 2;
}
