/** What is typed: commands found, options and words read, and what is said of those that cannot be. */
import { expect, test } from 'vitest';
import { parse, splitCommand } from '../../src/cli/args.ts';
import { defineCommand, Usage } from '../../src/cli/command.ts';
import { ROWS } from '../../src/cli/commands.ts';
import { nearest } from '../../src/cli/suggest.ts';

const NOW = 1_760_000_000_000;

const command = defineCommand({
  name: 'try',
  summary: '',
  words: [
    { name: 'STATION', help: 'The name.' },
    { name: 'TEXT', help: 'A message.', optional: true, many: true },
  ],
  options: {
    max: { type: 'count', short: 'n', min: 1, max: 100, help: '' },
    maxAge: { type: 'duration', none: true, help: '' },
    size: { type: 'size', default: '64KiB', help: '' },
    header: { type: 'text', many: true, help: '' },
    order: { type: 'text', choices: ['none', 'key'], help: '' },
    from: { type: 'place', help: '' },
    follow: { type: 'flag', short: 'f', help: '' },
  },
  examples: [],
  run: () => Promise.resolve(),
});

const read = (...args: string[]) => parse(args, command, NOW);

function complaint(...args: string[]): string {
  try {
    read(...args);
  } catch (error) {
    if (error instanceof Usage) return error.message;
    throw error;
  }
  throw new Error(`${args.join(' ')} is taken`);
}

test('options may stand anywhere, joined or apart, and words keep their order', () => {
  const { options, words, globals } = read('orders', '--max', '7', 'one', '--header=a=1', '--header', 'b=2', '-f', '--', '--two', '--json');
  expect(words).toEqual(['orders', 'one', '--two', '--json']);
  expect(options).toMatchObject({ max: 7, header: ['a=1', 'b=2'], follow: true, size: 65_536, maxAge: undefined, order: undefined });
  expect(globals).toMatchObject({ json: false, url: 'http://127.0.0.1:4300' });
});

test('values have their type, and none is null where it is taken', () => {
  expect(read('s', '--max-age', '5m').options.maxAge).toBe(300_000);
  expect(read('s', '--max-age', 'none').options.maxAge).toBeNull();
  expect(read('s', '--from', '10m').options.from).toEqual({ time: NOW - 600_000 });
  expect(read('s', '--from', '17').options.from).toBe(17);
  expect(read('s', '-n7', '--order', 'key').options).toMatchObject({ max: 7, order: 'key' });
});

test('what is wrong is named, with what would be right', () => {
  expect(complaint('s', '--max', 'x')).toBe('--max is "x"; it takes a whole number from 1 to 100.');
  expect(complaint('s', '--max', '0')).toMatch('--max is "0"');
  expect(complaint('s', '--max', '101')).toMatch('--max is "101"');
  expect(complaint('s', '--max-age', '5 minutes')).toBe(
    '--max-age is "5 minutes"; it takes a duration such as 500ms, 10s, 5m, 1h, or none.',
  );
  expect(complaint('s', '--size', 'big')).toMatch('a size such as');
  expect(complaint('s', '--from', 'none')).toMatch('--from is "none"');
  expect(complaint('s', '--order', 'keys')).toBe('--order is "keys"; it takes none or key. Did you mean key?');
  expect(complaint('s', '--folow')).toBe('There is no option --folow. Did you mean --follow?');
  expect(complaint('s', '--maxAge', '1')).toBe('There is no option --maxAge. Did you mean --max-age?');
  expect(complaint('s', '-x')).toBe('There is no option -x.');
  expect(complaint('s', '--max')).toBe('--max needs a value: a whole number from 1 to 100.');
  expect(complaint('s', '--follow=yes')).toBe('--follow takes no value.');
  expect(complaint('s', '--max', '1', '--max', '2')).toBe('--max is given 2 times; it may be given once.');
  expect(complaint()).toBe('STATION is missing: The name.');
});

test('too many words are named', () => {
  const one = { ...command, words: command.words.slice(0, 1) };
  expect(() => parse(['orders', 'extra'], one, NOW)).toThrow('"extra" is one word too many: after STATION there are only options.');
  expect(() => parse(['extra'], { ...one, words: [] }, NOW)).toThrow('there are only options');
});

test('with --help nothing else has to be right', () => {
  expect(read('--help').globals.help).toBe(true);
});

test('the command is the first word that is no value of an option', () => {
  expect(splitCommand(['--url', 'http://x', 'produce', 'orders', '--key', 'list'], 1)).toEqual({
    words: ['produce'],
    rest: ['--url', 'http://x', 'orders', '--key', 'list'],
  });
  expect(splitCommand(['--json', 'station'], 1)).toEqual({ words: ['station'], rest: ['--json'] });
  expect(splitCommand(['--url=x', '--', 'station'], 1)).toEqual({ words: [], rest: ['--url=x', '--', 'station'] });
});

test('the nearest word is suggested, and none where nothing is near', () => {
  const words = ROWS.map(({ name }) => name);
  expect(nearest('stattion', words)).toBe('station');
  expect(nearest('prodcue', words)).toBe('produce');
  expect(nearest('dead', words)).toBe('dead-letters');
  expect(nearest('doc', words)).toBe('doctor');
  expect(nearest('xyzzy', words)).toBeUndefined();
  expect(nearest('', words)).toBeUndefined();
});

test('every row of the table is its command, and every command explains itself', async () => {
  for (const row of ROWS) {
    const { command: found } = await row.load();
    expect([found.name, found.summary]).toEqual([row.name, row.summary]);
    for (const each of found.commands ?? [found]) {
      expect(each.summary, each.name).toMatch(/\.$/);
      expect(each.examples.length, each.name).toBeGreaterThan(0);
      for (const { line } of each.examples) expect(line).toContain('wayside');
      for (const [key, option] of Object.entries(each.options)) {
        expect(option.help, `${each.name} ${key}`).toMatch(/[.!]$/);
        // A default is what could be typed.
        if (option.default !== undefined) expect(() => parse([`--${key}`], { ...each, words: [] }, NOW), key).toThrow(Usage);
      }
    }
  }
});
