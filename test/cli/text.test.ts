/** Tables, widths, what may reach a terminal, and help that fits. */
import { expect, test } from 'vitest';
import { ROWS } from '../../src/cli/commands.ts';
import { commandHelp, overview } from '../../src/cli/help.ts';
import { progressLine } from '../../src/cli/progress.ts';
import { factLines, tableLines } from '../../src/cli/table.ts';
import { coloured, fitted, plain, safe, width, wrapped } from '../../src/cli/text.ts';

const COLUMNS = [
  { title: 'NAME', shrinks: true, ink: 'bold' },
  { title: 'MESSAGES', align: 'right' },
  { title: 'NOTE', shrinks: true },
] as const;

test('columns are aligned, numbers at their right', () => {
  const rows = [
    ['orders', '1,200', 'all'],
    ['a', '7', ''],
  ];
  expect(tableLines(COLUMNS, rows, 80, plain)).toEqual(['NAME    MESSAGES  NOTE', 'orders     1,200  all', 'a              7']);
});

test('a table is never wider than it may be while its columns can shrink', () => {
  const rows = [['a-very-long-station-name-that-goes-on-and-on', '1,200', 'x'.repeat(60)]];
  for (const columns of [40, 60, 80, 200]) {
    for (const line of tableLines(COLUMNS, rows, columns, plain)) expect(width(line), line).toBeLessThanOrEqual(columns);
  }
  expect(tableLines(COLUMNS, rows, 40, plain)[1]).toContain('…');
  expect(tableLines(COLUMNS, rows, 200, plain)[1]).toContain('x'.repeat(60));
});

test('where that is not enough, columns that may go do, the last one first', () => {
  const columns = [
    { title: 'NAME', shrinks: true },
    { title: 'SIZE', goes: true },
    { title: 'STATE' },
    { title: 'MADE', goes: true },
  ] as const;
  const rows = [['a-long-name', '100 MiB', 'whole', '3 min ago']];
  expect(tableLines(columns, rows, 80, plain)[0]).toBe('NAME         SIZE     STATE  MADE');
  expect(tableLines(columns, rows, 30, plain)).toEqual(['NAME         SIZE     STATE', 'a-long-name  100 MiB  whole']);
  expect(tableLines(columns, rows, 20, plain)).toEqual(['NAME         STATE', 'a-long-name  whole']);
  expect(tableLines(columns, rows, 15, plain)).toEqual(['NAME      STATE', 'a-long-…  whole']);
});

test('wide characters and colours do not move columns', () => {
  const rows = [
    ['日本', '1', 'a'],
    ['ab', { text: '2', ink: 'red' as const }, 'b'],
  ];
  const bare = tableLines(COLUMNS, rows, 80, plain);
  expect(bare[1]).toBe('日本         1  a');
  const inked = tableLines(COLUMNS, rows, 80, coloured);
  expect(inked[2]).toContain('\u001b[31m2\u001b[39m');
  for (const [at, line] of inked.entries()) expect(width(line)).toBe(width(bare[at] ?? ''));
});

test('widths, cutting, breaking into lines', () => {
  expect([width('abc'), width('ä'), width('日本'), width('😀'), width('\u001b[1mab\u001b[22m'), width('e\u0301')]).toEqual([
    3, 1, 4, 2, 2, 1,
  ]);
  expect(fitted('abcdef', 4)).toBe('abc…');
  expect(fitted('abc', 3)).toBe('abc');
  expect(fitted('日本語', 4)).toBe('日…');
  expect(fitted('abc', 0)).toBe('');
  expect(wrapped('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrapped('incomprehensibilities a', 5)).toEqual(['incomprehensibilities', 'a']);
  expect(wrapped('a\nb', 5)).toEqual(['a', 'b']);
});

test('nothing that moves a cursor or forges a line gets through', () => {
  expect(safe('a\u001b[2Jb')).toBe('a\\x1b[2Jb');
  expect(safe('a\nb\tc\r')).toBe('a\\nb\\tc\\r');
  expect(safe('a\nb\u0007', 'many')).toBe('a\nb\\x07');
  expect(safe('right\u202eto left')).toBe('right\\u202eto left');
  expect(safe('日本 ä 😀')).toBe('日本 ä 😀');
  expect(tableLines([{ title: 'T' }], [['\u001b]0;x\u0007']], 80, plain)[1]).toBe('\\x1b]0;x\\x07');
});

test('facts have their labels in a column', () => {
  expect(
    factLines(
      [
        ['a', '1'],
        ['longer', '2'],
      ],
      plain,
    ),
  ).toEqual(['a       1', 'longer  2']);
});

test('a progress line says how much, how fast, and how long still', () => {
  expect(progressLine({ done: 10, unit: 'messages', ms: 50 })).toBe('10 messages');
  expect(progressLine({ done: 250_000, unit: 'messages', bytes: 1_048_576, share: 0.25, ms: 5000 })).toBe(
    '250,000 messages · 1.0 MiB · 50,000/s · 25 % · 15 s left',
  );
  expect(progressLine({ done: 10, unit: 'messages', share: 1.2, ms: 1000 })).toBe('10 messages · 10/s · 100 %');
  expect(progressLine({ done: 10 * 1_048_576, unit: 'bytes', share: 0.5, ms: 1000 })).toBe('10.0 MiB · 10.0 MiB/s · 50 % · 1 s left');
});

test('help fits its terminal, and names every option', async () => {
  for (const columns of [40, 80, 120]) {
    for (const row of ROWS) {
      const { command } = await row.load();
      for (const each of [command, ...(command.commands ?? [])]) {
        const lines = commandHelp(each, each.name, columns, plain);
        // What is typed is not broken: an example that is, could not be pasted.
        const prose = lines.filter((line) => !/^\s+(#|\S*wayside|[A-Z_]+=|eval|tail|--|-.,)/.test(line));
        for (const line of prose) expect(width(line), line).toBeLessThanOrEqual(Math.min(100, columns));
        for (const { line } of each.examples) expect(lines.join('\n')).toContain(line);
      }
    }
    for (const line of overview('1.2.3', columns, plain).filter((each) => !/npx|--/.test(each)))
      expect(width(line), line).toBeLessThanOrEqual(Math.min(100, columns));
  }
  expect(overview('1.2.3', 80, plain).join('\n')).toContain('dead-letters');
});
