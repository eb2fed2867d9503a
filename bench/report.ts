/**
 * What was measured: rounds of ours and of what stands beside it in turn, told as medians with their ranges and as ratios.
 *
 * Holds: a ratio is taken round by round, so that a machine that slows down slows all sides; nothing is left out.
 */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { Server } from './servers/server.ts';

/** A figure of each round, and what it took of the server. */
export interface Figures {
  readonly values: readonly number[];
  /** Microseconds of the server's CPU a message, of each round; absent where that is not what is measured. */
  readonly serverMicros?: readonly number[] | undefined;
}

export interface Beside extends Figures {
  readonly name: string;
  /** What the ratio of ours to it should be at least. */
  readonly goal?: number | undefined;
}

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: Figures;
  /** What it is compared with; none where a figure stands for itself. */
  readonly beside?: readonly Beside[] | undefined;
  /** What our figure should be at most. */
  readonly atMost?: number | undefined;
  readonly note?: string | undefined;
}

/** Who took part, with what its answers promise. */
export type Side = Pick<Server, 'name' | 'version' | 'promise'>;

export interface Report {
  readonly measuredAt: string;
  readonly commit: string;
  readonly machine: { readonly node: string; readonly platform: string; readonly cpus: number; readonly cpu: string };
  readonly rounds: number;
  readonly seconds: number;
  readonly sides: readonly Side[];
  readonly rows: readonly Row[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function ratios({ ours }: Row, { values }: Figures): number[] {
  return ours.values.map((value, round) => value / values[round]!);
}

/** A Markdown table, as the README shows it: a line for what is measured, one more for each further side of it. */
export function table(rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => {
    const { beside = [], atMost, unit } = row;
    const head = [row.name, `${spread(row.ours.values)} ${unit}${micros(row.ours)}`];
    if (beside.length === 0) return [[...head, '', '', atMost === undefined ? '' : bound(row)]];
    return beside.map((side, place) => [
      ...(place === 0 ? head : ['', '']),
      `${side.name}: ${spread(side.values)}${micros(side)}`,
      spread(ratios(row, side), share),
      place === 0 && atMost !== undefined ? bound(row) : side.goal === undefined ? '' : aim(row, side, side.goal),
    ]);
  });
  return [
    '| what | Wayside | beside it, in the same run | ratio | goal |',
    '| --- | --- | --- | --- | --- |',
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}

/** Who took part, as a list. */
export function sidesList(sides: readonly Side[]): string {
  return sides.map(({ name, version, promise }) => `- ${name} (${version}): ${promise}`).join('\n');
}

export function report(rows: readonly Row[], sides: readonly Side[], { rounds, seconds }: { rounds: number; seconds: number }): Report {
  const machine = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
  };
  return { measuredAt: new Date().toISOString(), commit: commit(), machine, rounds, seconds, sides, rows };
}

/** For machines: every round, the ratios of its pairs, and whether the goals were reached. */
export function json(said: Report): string {
  const rows = said.rows.map((row) => ({
    ...row,
    beside: row.beside?.map((side) => ({
      ...side,
      ratios: ratios(row, side),
      reached: side.goal === undefined ? undefined : isReached(row, side, side.goal),
    })),
    reached: row.atMost === undefined ? undefined : median(row.ours.values) <= row.atMost,
  }));
  return `${JSON.stringify({ ...said, rows }, null, 2)}\n`;
}

/** `abc1234`, with a plus where files differ from it. */
function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no', '--', '../src') === '' ? '' : '+');
  } catch {
    return 'unknown'; // no git, or a copy without its history
  }
}

function isReached(row: Row, side: Figures, goal: number): boolean {
  return median(ratios(row, side)) >= goal;
}

function aim(row: Row, side: Figures, goal: number): string {
  return `≥ ${share(goal)}${isReached(row, side, goal) ? '' : ' (not reached)'}`;
}

function bound({ atMost = 0, unit, ours }: Row): string {
  return `≤ ${amount(atMost)} ${unit}${median(ours.values) <= atMost ? '' : ' (not reached)'}`;
}

function micros({ serverMicros }: Figures): string {
  return serverMicros === undefined ? '' : ` · ${amount(median(serverMicros))} µs`;
}

function spread(values: readonly number[], say: (value: number) => string = amount): string {
  return values.length === 1 ? say(values[0]!) : `${say(median(values))} [${say(Math.min(...values))}–${say(Math.max(...values))}]`;
}

function amount(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A part of something as a percentage, a multiple as what it is. */
function share(ratio: number): string {
  return ratio < 2 ? `${Math.round(ratio * 100)} %` : `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)} ×`;
}
