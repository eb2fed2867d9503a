/**
 * Which part of src/ may import what, and what the core may not even name. The table is the rule; below it is how it is held.
 *
 * Biome refuses runtime globals in the core (biome.json) and tsconfig.core.json knows no runtime's types. This file holds what
 * neither can say: paths resolved to the folder they lead to, packages by layer, and the parts of the language that are not
 * the same twice (Date, Math.random, …).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Token } from './tokens.ts';
import { tokens } from './tokens.ts';

type Row = {
  /** Files that this row speaks of. The first row that fits counts. */
  files: RegExp;
  /** Folders (ending with a slash) and files that may be imported. */
  may: string[];
  /** The same, but only with `import type` or `export type`. */
  mayTypes?: string[];
  /** Packages by name; `node:` stands for every module of Node. */
  packages: string[] | 'any';
  /** No runtime: see `IMPURE`. */
  isPure?: true;
};

/** What a batch is made of and read with; the SDK builds batches too. */
const BATCH = ['src/core/batch/', 'src/core/crc32c.ts', 'src/core/xxh32.ts'];
/** What everyone has to know. */
const COMMON = ['src/core/errors.ts', 'src/core/limits.ts'];

export const TABLE: Row[] = [
  { files: /^src\/core\//, may: ['src/core/'], packages: ['@msgpack/msgpack'], isPure: true },
  { files: /^src\/protocol\//, may: ['src/protocol/', ...COMMON], mayTypes: ['src/core/'], packages: ['zod', '@hono/zod-openapi'] },
  {
    files: /^src\/gateway\//,
    may: ['src/gateway/', 'src/protocol/', 'src/core/broker.ts', ...BATCH, ...COMMON],
    mayTypes: ['src/core/'],
    packages: ['hono', 'zod', '@hono/zod-openapi', '@msgpack/msgpack'],
  },
  {
    files: /^src\/client\//,
    may: ['src/client/', ...BATCH, ...COMMON],
    mayTypes: ['src/protocol/', 'src/core/'],
    packages: [],
  },
  // The broker itself, and the files that it keeps: what these two are about.
  { files: /^src\/cli\/(serve\.ts|doctor\.ts|doctor\/.*)$/, may: ['src/'], packages: ['node:'] },
  { files: /^src\/cli\//, may: ['src/cli/', 'src/client/', 'package.json'], mayTypes: ['src/core/'], packages: ['node:'] },
  { files: /^src\/(console|connectors)\//, may: ['src/console/', 'src/connectors/', 'src/client/'], packages: 'any' },
  {
    files: /^src\/adapters\/[^/]+\/(host|main|worker|service-worker|((catalog|partition)-)?object|broker|folder|embed|embedded)\.ts$/,
    may: ['src/', 'package.json'],
    packages: 'any',
  },
  ...['memory', 'node', 'cloudflare', 'browser'].map((name) => ({
    files: new RegExp(`^src/adapters/${name}/`),
    may: [`src/adapters/${name}/`, 'src/core/ports.ts', 'src/core/broker.ts', ...COMMON],
    mayTypes: ['src/core/', 'src/protocol/', 'src/gateway/', 'src/client/'],
    packages: 'any' as const,
  })),
];

/** What the core may not name, beside what biome.json refuses: `globalThis.x` and the like would hide those from it. */
const IMPURE: Record<string, string> = {
  Date: 'time comes in with the command',
  globalThis: 'the core knows no runtime',
  Intl: 'its answers differ between runtimes',
  eval: 'code is not data',
  Function: 'code is not data',
  WeakRef: 'the garbage collector would decide what happens',
  FinalizationRegistry: 'the garbage collector would decide what happens',
  'Math.random': 'randomness comes from a port',
  'import.meta': 'the core knows no runtime',
};
/** Comments that would switch the rules off. */
const EVASIONS = /^\/\/\/\s*<reference|@ts-(ignore|nocheck|expect-error)|biome-ignore.*noRestricted/;

export type Violation = { file: string; line: number; message: string };
type Import = { specifier: string | undefined; isType: boolean; isDynamic: boolean; line: number };

/** Everything under `root`/src that the table refuses. */
export function checkImports(root: string): Violation[] {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const files = names.map((name) => `src/${name.replaceAll('\\', '/')}`).filter((name) => /\.[cm]?[jt]sx?$/.test(name));
  return files.sort().flatMap((file) => checkFile(file, readFileSync(join(root, file), 'utf8')));
}

function checkFile(file: string, source: string): Violation[] {
  const row = TABLE.find((candidate) => candidate.files.test(file));
  if (row === undefined) return [{ file, line: 1, message: 'no row of the table in scripts/imports.ts speaks of this file: add one' }];
  const list = tokens(source);
  const found = importsOf(list.filter(isCode)).map((item) => ({ line: item.line, message: judgeImport(file, row, item) }));
  if (row.isPure) found.push(...impurities(list.filter(isCode)), ...evasions(list));
  return found.flatMap(({ line, message }) => (message === undefined ? [] : [{ file, line, message }]));
}

/** A string after `from` or `import` is a specifier; so is one after `import (`. Anything else in the brackets is unknown. */
function importsOf(list: Token[]): Import[] {
  const found: Import[] = [];
  for (const [index, { kind, text, line }] of list.entries()) {
    const before = list[index - 1];
    const next = list[index + 1];
    if (kind === 'string' && before?.kind === 'word' && (before.text === 'from' || before.text === 'import')) {
      found.push({ specifier: text, isType: isTypeOnly(list, index), isDynamic: false, line });
    } else if (kind === 'word' && text === 'import' && next?.text === '(' && before?.text !== '.') {
      const argument = list[index + 2];
      found.push({ specifier: argument?.kind === 'string' ? argument.text : undefined, isType: false, isDynamic: true, line });
    }
  }
  return found;
}

/** Goes back to the `import` or `export` that the specifier belongs to, and looks whether `type` follows it. */
function isTypeOnly(list: Token[], index: number): boolean {
  const start = list.slice(0, index).findLastIndex(({ kind, text }) => kind === 'word' && (text === 'import' || text === 'export'));
  const after = list[start + 2];
  return list[start + 1]?.text === 'type' && after?.text !== 'from' && after?.text !== ',';
}

function judgeImport(file: string, row: Row, { specifier, isType, isDynamic }: Import): string | undefined {
  if (row.isPure && isDynamic) return 'the core imports nothing while it runs';
  if (specifier === undefined) return 'an import whose target is not a plain text';
  if (!specifier.startsWith('.')) return judgePackage(row, specifier);
  const target = posix.join(posix.dirname(file), specifier);
  const fits = (allowed: string) => (allowed.endsWith('/') ? target.startsWith(allowed) : target === allowed);
  if (row.may.some(fits) || (isType && row.mayTypes?.some(fits))) return undefined;
  return `may not import ${target}${row.mayTypes?.some(fits) ? ' (its types only: import type)' : ''}`;
}

function judgePackage(row: Row, specifier: string): string | undefined {
  const isAllowed = (name: string) =>
    name.endsWith(':') ? specifier.startsWith(name) : specifier === name || specifier.startsWith(`${name}/`);
  return row.packages === 'any' || row.packages.some(isAllowed) ? undefined : `may not import '${specifier}'`;
}

function impurities(code: Token[]): { line: number; message: string }[] {
  return code.flatMap(({ kind, text, line }, index) => {
    if (kind !== 'word' || code[index - 1]?.text === '.') return [];
    const member = code[index + 1]?.text === '.' ? code[index + 2]?.text : undefined;
    const name = [`${text}.${member}`, text].find((candidate) => Object.hasOwn(IMPURE, candidate));
    if (name !== undefined) return [{ line, message: `'${name}' in the core: ${IMPURE[name]}` }];
    return text === 'Math' && member === undefined
      ? [{ line, message: "'Math' in the core other than as Math.name: it has a random in it" }]
      : [];
  });
}

function evasions(list: Token[]): { line: number; message: string }[] {
  const found = list.filter(({ kind, text }) => kind === 'comment' && EVASIONS.test(text));
  return found.map(({ text, line }) => ({ line, message: `a comment that switches a rule off: ${text}` }));
}

function isCode({ kind }: Token): boolean {
  return kind !== 'comment';
}
