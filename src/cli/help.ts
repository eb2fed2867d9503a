/**
 * Help, made from what a command says of itself: a sentence, usage, words, options with their defaults, examples.
 *
 * Holds: it fits the terminal (from 40 columns on), and a pasted example works.
 */
import { GLOBAL, kebab, rangeOf } from './args.ts';
import type { Command, Option, Options } from './command.ts';
import { ROWS } from './commands.ts';
import type { Paint } from './text.ts';
import { width, wrapped } from './text.ts';

const COLUMNS_MAX = 100;
const COLUMNS_MIN = 40;

/** `wayside` alone. */
export function overview(version: string, columns: number, paint: Paint): string[] {
  return [
    `${paint('bold', 'wayside')} ${version}`,
    '',
    ...wrapped('An event broker, and what you need to use it from a shell.', clamp(columns)),
    '',
    heading('Usage', paint),
    '  wayside COMMAND [WORDS] [OPTIONS]',
    '',
    heading('Commands', paint),
    ...pairs(
      ROWS.map(({ name, summary }): [string, string] => [name, summary]),
      columns,
      paint,
    ),
    '',
    heading('Begin', paint),
    '  npx wayside serve',
    '  npx wayside produce orders \'{"total":12}\' --create',
    '  npx wayside consume orders --group billing',
    '',
    heading('Everywhere', paint),
    ...pairs(optionRows(GLOBAL), columns, paint),
    '',
    heading('Exit codes', paint),
    ...pairs(
      [
        ['0', 'Done.'],
        ['1', 'It could not be done; a line on standard error says why.'],
        ['2', 'What was typed cannot be.'],
        ['130', 'Interrupted: what was stored or acked before is said.'],
      ],
      columns,
      paint,
    ),
    '',
    ...wrapped('`wayside help COMMAND` or `wayside COMMAND --help` explains one, with examples.', clamp(columns)),
  ];
}

/** @param path the words that name it, such as `station create` */
export function commandHelp(command: Command, path: string, columns: number, paint: Paint): string[] {
  const lines = [...wrapped(command.summary, clamp(columns)), ''];
  if (command.about) lines.push(...wrapped(command.about, clamp(columns)), '');
  lines.push(heading('Usage', paint));
  if (command.commands) {
    lines.push(`  wayside ${path} COMMAND [WORDS] [OPTIONS]`, '', heading('Commands', paint));
    lines.push(
      ...pairs(
        command.commands.map(({ name, summary }): [string, string] => [name, summary]),
        columns,
        paint,
      ),
      '',
    );
  } else {
    lines.push(`  wayside ${path}${usage(command)}`, '');
    if (command.words.length > 0) {
      lines.push(heading('Words', paint));
      lines.push(
        ...pairs(
          command.words.map(({ name, help }): [string, string] => [name, help]),
          columns,
          paint,
        ),
        '',
      );
    }
    if (Object.keys(command.options).length > 0)
      lines.push(heading('Options', paint), ...pairs(optionRows(command.options), columns, paint), '');
    const kinds = kindRows(command.options);
    if (kinds.length > 0) lines.push(...pairs(kinds, columns, paint), '');
  }
  lines.push(heading('Examples', paint));
  for (const { line, says } of command.examples) lines.push(`  ${paint('dim', `# ${says}`)}`, `  ${line}`);
  const everywhere = wrapped('--url, --token, --json and others are for every command: wayside --help', clamp(columns));
  return [...lines, '', ...everywhere.map((line) => paint('dim', line))];
}

function usage({ words, options }: Command): string {
  const shown = words.map(({ name, optional, many }) => {
    const text = many ? `${name}…` : name;
    return ` ${optional ? `[${text}]` : text}`;
  });
  return `${shown.join('')}${Object.keys(options).length > 0 ? ' [OPTIONS]' : ''}`;
}

function optionRows(options: Options): [string, string][] {
  return Object.entries(options).map(([key, option]) => [optionName(key, option), optionHelp(option)]);
}

function optionName(key: string, option: Option): string {
  const short = option.short ? `-${option.short}, ` : '';
  return `${short}--${kebab(key)}${option.type === 'flag' ? '' : ` ${option.value ?? placeholder(option)}`}`;
}

function placeholder({ type, choices }: Option): string {
  if (choices) return choices.join('|');
  return { flag: '', text: 'TEXT', count: 'N', number: 'N', duration: 'DURATION', size: 'SIZE', place: 'PLACE' }[type];
}

function optionHelp(option: Option): string {
  const { type, help, min, max, none, many, without } = option;
  const says = [help];
  if (max !== undefined || (min ?? 0) > 1) says.push(`${sentence(rangeOf(type, min, max))}.`);
  if (none) says.push('none: back to the default.');
  if (many) says.push('May be given several times.');
  const otherwise = option.default ?? without;
  if (otherwise !== undefined) says.push(`[${otherwise}]`);
  return says.join(' ');
}

/** How the values are typed, of the kinds that the command takes. */
function kindRows(options: Options): [string, string][] {
  const types = new Set(Object.values(options).map(({ type }) => type));
  const rows: [Option['type'], string, string][] = [
    ['duration', 'DURATION', 'As 500ms, 10s, 5m, 1h30m, 7d; a number alone is milliseconds.'],
    ['size', 'SIZE', 'As 1000, 64KiB, 10MB, 2GiB; a number alone is bytes.'],
    ['place', 'PLACE', 'A sequence, start, end, a time such as 2026-01-31T08:00, or how long ago such as 10m.'],
  ];
  return rows.filter(([type]) => types.has(type)).map(([, name, text]) => [name, text]);
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return `${trimmed.slice(0, 1).toUpperCase()}${trimmed.slice(1)}`;
}

const LABEL_MAX = 30;

/** Two columns; a label that is too long has a line of its own, and in a narrow terminal so has every label. */
function pairs(rows: readonly (readonly [string, string])[], columns: number, paint: Paint): string[] {
  const all = clamp(columns);
  const longest = Math.max(...rows.map(([label]) => width(label)));
  const wide = all < 60 ? 4 : Math.min(LABEL_MAX, longest);
  return rows.flatMap(([label, text]) => {
    const lines = wrapped(text, Math.max(20, all - wide - 4));
    const indent = ' '.repeat(wide + 4);
    const [first = '', ...more] = lines;
    if (width(label) > wide) return [`  ${paint('bold', label)}`, ...lines.map((line) => `${indent}${line}`)];
    return [`  ${paint('bold', label)}${' '.repeat(wide - width(label))}  ${first}`, ...more.map((line) => `${indent}${line}`)];
  });
}

function heading(text: string, paint: Paint): string {
  return paint('dim', text);
}

function clamp(columns: number): number {
  return Math.max(COLUMNS_MIN, Math.min(COLUMNS_MAX, columns));
}
