/**
 * The runtimes that can run the server as a process: what starts a file in each.
 *
 * Holds: the binaries are those that npm has brought (`deno` and `bun` are packages), so that every machine tests the same
 * versions; one that is not there is an error that says so, never a test left out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type RunnerName = 'node' | 'deno' | 'bun';

/** What the server needs under Deno, and nothing more: as in deno.json, but for the paths of a test. */
const DENO_PERMISSIONS = ['--allow-net', '--allow-env', '--allow-read', '--allow-write', '--allow-sys=homedir', '--allow-run=flock'];

/** The words before the file. @throws Error the runtime is not installed */
export function runner(name: RunnerName): readonly string[] {
  if (name === 'node') return [process.execPath];
  const binary = binaryOf(name);
  return name === 'deno' ? [binary, 'run', '--no-lock', '--no-prompt', ...DENO_PERMISSIONS] : [binary];
}

export function versionOf(name: RunnerName): string {
  const [command = '', ...args] = name === 'node' ? [process.execPath] : [binaryOf(name)];
  return /\d+\.\d+\.\d+/.exec(execFileSync(command, [...args, '--version'], { encoding: 'utf8' }))?.[0] ?? '?';
}

export function binaryOf(name: 'deno' | 'bun'): string {
  const { platform, arch } = process;
  // On Linux there is one package for each C library.
  const places =
    name === 'deno'
      ? [`@deno/${platform}-${arch}-glibc`, `@deno/${platform}-${arch}`].map((from) => [from, 'deno'] as const)
      : [`@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}`].map((from) => [from, join('bin', 'bun')] as const);
  for (const [from, path] of places) {
    const binary = join(packageFolder(from) ?? '', path);
    if (existsSync(binary)) return binary;
  }
  throw new Error(`${name} is not installed: npm has brought none of ${places.map(([from]) => from).join(', ')}. Run npm ci.`);
}

function packageFolder(name: string): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return undefined; // it is not there
  }
}
