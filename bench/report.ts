/**
 * What was measured: rounds of ours and of a baseline in turn, told as medians with their ranges and as ratios.
 *
 * Holds: a ratio is taken round by round, so that a machine that slows down slows both sides; nothing is left out.
 */
import { cpus } from 'node:os';

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: readonly number[];
  /** What it is compared with; undefined where a figure stands for itself. */
  readonly base?: { readonly name: string; readonly values: readonly number[] } | undefined;
  /** What the figure should be: a ratio of at least, or (`atMost`) a figure of at most. */
  readonly goal?: { readonly ratio?: number; readonly atMost?: number } | undefined;
  readonly note?: string | undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function ratios({ ours, base }: Row): number[] {
  return base === undefined ? [] : ours.map((value, round) => value / base.values[round]!);
}

export function isReached(row: Row): boolean | undefined {
  if (row.goal?.ratio !== undefined) return median(ratios(row)) >= row.goal.ratio;
  if (row.goal?.atMost !== undefined) return median(row.ours) <= row.goal.atMost;
  return undefined;
}

/** A Markdown table, as the README shows it. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { base, goal } = row;
    const wanted =
      goal?.ratio !== undefined ? `≥ ${percent(goal.ratio)}` : goal?.atMost !== undefined ? `≤ ${amount(goal.atMost)} ${row.unit}` : '';
    const ratio =
      base === undefined
        ? ''
        : `${percent(median(ratios(row)))} [${percent(Math.min(...ratios(row)))}–${percent(Math.max(...ratios(row)))}]`;
    return `| ${row.name} | ${spread(row.ours)} ${row.unit} | ${base === undefined ? '' : `${base.name}: ${spread(base.values)}`} | ${ratio} | ${wanted}${isReached(row) === false ? ' (not reached)' : ''} |`;
  });
  return ['| what | Wayside | baseline in the same run | ratio | goal |', '| --- | --- | --- | --- | --- |', ...lines].join('\n');
}

/** For machines: all rounds, and what they were measured on. */
export function json(rows: readonly Row[]): string {
  const machine = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
  };
  return `${JSON.stringify({ measuredAt: new Date().toISOString(), machine, rows: rows.map((row) => ({ ...row, ratios: ratios(row), reached: isReached(row) })) }, null, 2)}\n`;
}

function spread(values: readonly number[]): string {
  return values.length === 1
    ? amount(values[0]!)
    : `${amount(median(values))} [${amount(Math.min(...values))}–${amount(Math.max(...values))}]`;
}

function amount(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
