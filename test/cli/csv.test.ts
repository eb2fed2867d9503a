/** CSV as RFC 4180 has it, however it is cut into pieces. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CsvError } from '../../src/cli/csv.ts';
import { CsvReader } from '../../src/cli/csv.ts';

function rows(text: string, pieces: readonly number[] = [], separator = ','): string[][] {
  const reader = new CsvReader(separator);
  const found: string[][] = [];
  const cuts = [...new Set(pieces.map((at) => at % (text.length + 1)))].sort((one, other) => one - other);
  for (const [nth, from] of [0, ...cuts].entries())
    for (const { fields } of reader.read(text.slice(from, cuts[nth] ?? text.length))) found.push(fields);
  const last = reader.end();
  if (last) found.push(last.fields);
  return found;
}

test('fields, quotes, separators and line ends', () => {
  expect(rows('a,b\r\n1,2\r\n')).toEqual([
    ['a', 'b'],
    ['1', '2'],
  ]);
  expect(rows('a,b\n1,2')).toEqual([
    ['a', 'b'],
    ['1', '2'],
  ]);
  expect(rows('a\rb\r')).toEqual([['a'], ['b']]);
  expect(rows('"a, b","say ""hi""","two\nlines"\n')).toEqual([['a, b', 'say "hi"', 'two\nlines']]);
  expect(rows('a,,c\n,\n')).toEqual([
    ['a', '', 'c'],
    ['', ''],
  ]);
  expect(rows('""\n')).toEqual([['']]);
  expect(rows('\n\na\n\n')).toEqual([['a']]);
  expect(rows('5" pipe,b\n')).toEqual([['5" pipe', 'b']]);
  expect(rows('a;b\n', [], ';')).toEqual([['a', 'b']]);
  expect(rows('ä,日本,😀\n')).toEqual([['ä', '日本', '😀']]);
  expect(rows('')).toEqual([]);
});

test('lines are counted through quoted line breaks', () => {
  const reader = new CsvReader();
  expect([...reader.read('a\n"x\ny\nz"\nlast\n')].map(({ line }) => line)).toEqual([1, 2, 5]);
});

test('text behind a closing quote, and a quote that stays open, are refused with their line', () => {
  const error = (run: () => unknown): CsvError => {
    try {
      run();
    } catch (thrown) {
      return thrown as CsvError;
    }
    throw new Error('taken');
  };
  expect(error(() => rows('a\n"b"c\n'))).toMatchObject({ line: 2, message: expect.stringContaining('closing quote') });
  expect(error(() => rows('a\nb\n"c\n\n'))).toMatchObject({ line: 3, message: expect.stringContaining('not closed') });
});

test('whatever is written is read back, cut anywhere', () => {
  const field = fc.string({ unit: fc.constantFrom('a', ' ', '"', ',', '\n', '\r', 'ä', '7') });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(
      table,
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      fc.array(fc.nat(200), { maxLength: 6 }),
      (written, end, isEnded, pieces) => {
        const text = written.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(',')).join(end) + (isEnded ? end : '');
        expect(rows(text, pieces)).toEqual(written);
      },
    ),
  );
});
