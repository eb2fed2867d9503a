/**
 * Tables and lists of facts, as lines.
 *
 * Holds: columns are aligned, numbers at their right; no line is wider than it may be: columns that may go do, the last one
 * first, then those that may shrink, the widest first, down to eight columns each; what is cut ends with ….
 */
import type { Paint } from './text.ts';
import { fitted, safe, width } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** It may be cut where the terminal is narrow. */
  readonly shrinks?: true;
  /** It may go where the terminal is narrow. */
  readonly goes?: true;
  readonly ink?: 'bold' | 'dim';
}

/** A cell, or one with a colour of its own. */
export type Cell = string | { readonly text: string; readonly ink: 'red' | 'green' | 'yellow' | 'dim' };

const GAP = '  ';
const SHRUNK_MIN = 8;

export function tableLines(columns: readonly Column[], rows: readonly (readonly Cell[])[], columnsMax: number, paint: Paint): string[] {
  const texts = rows.map((row) => row.map((cell) => safe(typeof cell === 'string' ? cell : cell.text)));
  const widths = columns.map(({ title }, at) => texts.reduce((most, row) => Math.max(most, width(row[at] ?? '')), width(title)));
  const going = columns.findLastIndex(({ goes }) => goes);
  if (going >= 0 && least(columns, widths) > columnsMax) {
    const without = <T>(list: readonly T[]): T[] => list.filter((_, at) => at !== going);
    return tableLines(without(columns), rows.map(without), columnsMax, paint);
  }
  shrink(columns, widths, columnsMax);
  const put = (text: string, at: number, ink: Parameters<Paint>[0] | undefined) => {
    const shown = fitted(text, widths[at] ?? 0);
    const pad = ' '.repeat(Math.max(0, (widths[at] ?? 0) - width(shown)));
    const inked = ink ? paint(ink, shown) : shown;
    return columns[at]?.align === 'right' ? pad + inked : inked + pad;
  };
  const join = (cells: string[]) => cells.join(GAP).trimEnd();
  return [
    join(columns.map(({ title }, at) => put(title, at, 'dim'))),
    ...texts.map((row, y) =>
      join(
        columns.map(({ ink }, at) => {
          const cell = rows[y]?.[at];
          return put(row[at] ?? '', at, typeof cell === 'object' ? cell.ink : ink);
        }),
      ),
    ),
  ];
}

/** As narrow as it can be. */
function least(columns: readonly Column[], widths: readonly number[]): number {
  const gaps = GAP.length * (columns.length - 1);
  return columns.reduce((sum, { shrinks }, at) => sum + (shrinks ? Math.min(SHRUNK_MIN, widths[at] ?? 0) : (widths[at] ?? 0)), gaps);
}

function shrink(columns: readonly Column[], widths: number[], columnsMax: number): void {
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1) - columnsMax;
  while (excess > 0) {
    let widest = -1;
    for (const [at, { shrinks }] of columns.entries())
      if (shrinks && (widths[at] ?? 0) > SHRUNK_MIN && (widest < 0 || (widths[at] ?? 0) > (widths[widest] ?? 0))) widest = at;
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
}

/** Labels and what they say, the labels faint and aligned. */
export function factLines(facts: readonly (readonly [label: string, text: string])[], paint: Paint): string[] {
  const wide = Math.max(...facts.map(([label]) => width(label)));
  return facts.map(([label, text]) => `${paint('dim', label + ' '.repeat(wide - width(label)))}${GAP}${text}`.trimEnd());
}
