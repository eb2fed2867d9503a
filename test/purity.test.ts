/**
 * The core stays pure, and imports go one way. Each fault below is planted in a copy of the project's rules and has to be refused
 * by those of the three that hold them (Biome, tsconfig.core.json, scripts/imports.ts); the real tree passes all three.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkImports } from '../scripts/imports.ts';
import { CHECKS, ROOT } from '../scripts/steps.ts';

const RULES = ['biome.json', 'tsconfig.json', 'tsconfig.core.json', 'package.json', 'src/core/globals.d.ts'];

const BIOME = /noRestrictedGlobals/;
const TSC = /error TS\d+/;
const IMPORTS = /^imports /;

/** What is planted in src/core, each in a file of its own, two folders deep, and who has to refuse it. */
const IMPURE: [name: string, by: RegExp[], source: string][] = [
  ['an import of node:fs', [IMPORTS, TSC], `import { readFileSync } from 'node:fs';\nexport const a = readFileSync;`],
  ['an import of hono', [IMPORTS], `import { Hono } from 'hono';\nexport const a = Hono;`],
  ['an import that leaves the core', [IMPORTS, TSC], `export { clock } from '../../../adapters/node/timers.ts';`],
  ['an import that leaves the core, its type only', [IMPORTS, TSC], `export type { Clock } from '../../../adapters/node/timers.ts';`],
  ['an import of the gateway', [IMPORTS, TSC], `import '../../../gateway/rest.ts';`],
  ['an import behind a comment', [IMPORTS], `import /* from */ 'node:os';`],
  ['a dynamic import', [IMPORTS], `export const a = () => import('../../errors.ts');`],
  ['a dynamic import in a template', [IMPORTS], `export const a = \`\${await import('node:os')}\`;`],
  ['process', [BIOME, TSC], 'export const a = process.pid;'],
  ['Buffer', [BIOME, TSC], `export const a = Buffer.from('a');`],
  ['setTimeout', [BIOME, TSC], 'export const a = setTimeout(() => {}, 1);'],
  ['setInterval', [BIOME, TSC], 'export const a = setInterval(() => {}, 1);'],
  ['queueMicrotask', [BIOME, TSC], 'queueMicrotask(() => {});'],
  ['performance', [BIOME, TSC], 'export const a = performance.now();'],
  ['crypto', [BIOME, TSC], 'export const a = crypto.randomUUID();'],
  ['fetch', [BIOME, TSC], `export const a = fetch('http://localhost');`],
  ['console', [BIOME, TSC], 'console.log(1);'],
  ['Date.now', [BIOME, IMPORTS], 'export const a = Date.now();'],
  ['new Date', [BIOME, IMPORTS], 'export const a = new Date(0).getTime();'],
  ['Math.random', [IMPORTS], 'export const a = Math.random();'],
  ['Math.random by another way', [IMPORTS], 'export const { random } = Math;'],
  ['globalThis', [BIOME, IMPORTS], `export const a = globalThis['Date' as 'Array'];`],
  ['import.meta', [IMPORTS], 'export const a = import.meta.url;'],
  ['a fault that a comment hides from the compiler', [BIOME, IMPORTS], '// @ts-ignore\nexport const a = process.pid;'],
];
const PURE: Record<string, string> = {
  'what looks like faults in comments, texts and members': [
    `/* import 'node:fs'; Date.now() */`,
    `import { crc } from '../crc.ts';`,
    'export const fetch = (reading: { process: number }) => reading.process + crc + Math.max(1, 2);',
    `export const text = \`import('node:fs') \${'Math.random()'} process\`;`,
    `export const pattern = /import 'node:fs'|Date/;`,
    'export const bytes = new TextEncoder().encode(text);',
  ].join('\n'),
};
/** Judged by scripts/imports.ts alone, and planted after the others have run: file, source, and whether it is let through. */
const DIRECTIONS: [file: string, source: string, isFine: boolean][] = [
  ['src/core/planted/node.ts', '/// <reference types="node" />', false],
  ['src/client/a.ts', `import { x } from '../gateway/x.ts';`, false],
  ['src/client/b.ts', `import { call } from '../protocol/calls.ts';`, false],
  ['src/client/c.ts', `import type { Call } from '../protocol/calls.ts';\nimport { build } from '../core/batch/build.ts';`, true],
  ['src/protocol/a.ts', `import { z } from 'zod';\nimport { LIMITS } from '../core/limits.ts';`, true],
  ['src/protocol/b.ts', `import { open } from '../core/broker.ts';`, false],
  ['src/gateway/rest/a.ts', `import { readFile } from 'node:fs/promises';`, false],
  ['src/gateway/rest/b.ts', `import { Hono } from 'hono';\nimport { step } from '../../core/actor/step.ts';`, false],
  ['src/gateway/rest/c.ts', `import { Hono } from 'hono';\nimport { Broker } from '../../core/broker.ts';`, true],
  ['src/adapters/node/files.ts', `import { open } from 'node:fs/promises';\nimport type { Files } from '../../core/ports.ts';`, true],
  ['src/adapters/node/timers.ts', `import { Hono } from '../cloudflare/timers.ts';`, false],
  ['src/adapters/node/host.ts', `import { gateway } from '../../gateway/app.ts';`, true],
  ['src/cli/serve.ts', `import { host } from '../adapters/node/host.ts';`, true],
  ['src/cli/station.ts', `import { host } from '../adapters/node/host.ts';`, false],
  ['src/elsewhere/a.ts', 'export {};', false],
];

let root = '';
/** What each of the three says about the planted tree, as lines. */
let refusals: string[] = [];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'wayside-purity-'));
  for (const file of RULES) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(join(ROOT, file), join(root, file));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'junction');
  plant('src/core/planted/crc.ts', 'export const crc = 1;');
  for (const [index, [, , source]] of IMPURE.entries()) plant(`src/core/planted/deep/impure${index}x.ts`, source);
  for (const [index, source] of Object.values(PURE).entries()) plant(`src/core/planted/deep/pure${index}x.ts`, source);
  const biome = run(
    'node_modules/@biomejs/biome/bin/biome',
    'lint',
    '--only=noRestrictedGlobals',
    '--vcs-enabled=false',
    '--max-diagnostics=none',
    '--reporter=github',
    'src/core',
  );
  const tsc = run('node_modules/typescript/bin/tsc', '--pretty', 'false', '-p', 'tsconfig.core.json');
  const imports = checkImports(root).map(({ file, line, message }) => `imports ${file}:${line} ${message}`);
  for (const [file, source] of DIRECTIONS) plant(file, source);
  refusals = [...biome.split('\n'), ...tsc.split('\n'), ...imports];
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('refused in the core', () => {
  for (const [index, [name, by]] of IMPURE.entries()) {
    test(name, () => {
      const lines = refusals.filter((line) => line.includes(`deep/impure${index}x.ts`));
      for (const tool of by) expect(lines.join('\n')).toMatch(new RegExp(tool, 'm'));
    });
  }
});

describe('let through in the core', () => {
  for (const [index, name] of Object.keys(PURE).entries()) {
    test(name, () => expect(refusals.filter((line) => line.includes(`deep/pure${index}x.ts`))).toEqual([]));
  }
});

describe('directions of imports', () => {
  for (const [file, source, isFine] of DIRECTIONS) {
    test(`${file}: ${source.replaceAll('\n', ' ')} ${isFine ? 'passes' : 'is refused'}`, () => {
      const refused = checkImports(root).filter((violation) => violation.file === file);
      expect(refused.length === 0).toBe(isFine);
    });
  }
});

test('the real tree passes', () => {
  expect(checkImports(ROOT)).toEqual([]);
  // The other two run on it in `npm run check`; here only that they are asked.
  expect(CHECKS.map(({ command }) => command.join(' ')).join('\n')).toMatch(/biome check[\s\S]*tsconfig\.core\.json/);
  expect(readFileSync(join(ROOT, 'tsconfig.core.json'), 'utf8')).toContain('"types": []');
});

function plant(file: string, source: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), `${source}\n`);
}

/** Each of these is a script of Node; a refusal is not an error here. */
function run(script: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, script), ...args], { cwd: root, encoding: 'utf8' });
  return `${stdout}${stderr}`;
}
