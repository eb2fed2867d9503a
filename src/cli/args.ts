/**
 * From what was typed to values: finds the command, reads its options and words, and says what is wrong with them.
 *
 * Holds: the first thing that is wrong is named with what was typed and what would be right; nothing is guessed.
 * Elsewhere: what options there are (the commands), numbers with units (units.ts).
 */
import { parseArgs } from 'node:util';
import type { Command, Option, Options, Values } from './command.ts';
import { Usage } from './command.ts';
import { nearest } from './suggest.ts';
import { parseCount, parseDuration, parsePlace, parseSize, shownNumber, typedDuration, typedSize } from './units.ts';

/** Options that every command takes. */
export const GLOBAL = {
  url: { type: 'text', value: 'URL', default: 'http://127.0.0.1:4300', help: 'The broker; else WAYSIDE_URL.' },
  token: {
    type: 'text',
    value: 'TOKEN',
    without: 'none',
    help: 'The credential; better in WAYSIDE_TOKEN, where others on this machine do not see it.',
  },
  namespace: { type: 'text', value: 'NAME', without: 'that of the credential', help: 'For a root credential.' },
  json: { type: 'flag', help: 'Results as JSON: an object, or one a line for lists. Nothing else is on standard output.' },
  quiet: { type: 'flag', short: 'q', help: 'No notes and no progress, only results and errors.' },
  noColor: { type: 'flag', help: 'No colours; so does NO_COLOR.' },
  help: { type: 'flag', short: 'h', help: 'Explain the command.' },
} as const satisfies Options;

export type Globals = Values<typeof GLOBAL>;

/** What was typed, without an option that stands before the command or the command itself. */
export interface Split {
  readonly words: readonly string[];
  readonly rest: readonly string[];
}

/**
 * The words that may name a command, and everything else in its order.
 *
 * @param most so many words at most: the others are the command's own
 */
export function splitCommand(args: readonly string[], most: number): Split {
  const words: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      rest.push(...args.slice(at));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      if (words.length < most) words.push(arg);
      else rest.push(arg);
      continue;
    }
    rest.push(arg);
    const option = optionOf(arg, GLOBAL);
    // Behind the command's name the options may be its own, and their values look like words.
    if (option === undefined && words.length > 0) {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (option !== undefined && option.type !== 'flag' && !arg.includes('=') && at + 1 < args.length) rest.push(args[++at] ?? '');
  }
  return { words, rest };
}

function optionOf(arg: string, options: Options): Option | undefined {
  const name = arg.split('=')[0] ?? '';
  return Object.entries(options).find(
    ([key, { short }]) => name === `--${kebab(key)}` || (short !== undefined && name === `-${short}`),
  )?.[1];
}

export interface Parsed {
  readonly globals: Globals;
  readonly options: Values<Options>;
  readonly words: readonly string[];
}

/** @throws Usage */
export function parse(args: readonly string[], command: Pick<Command, 'name' | 'words' | 'options'>, now: number): Parsed {
  const all: Options = { ...GLOBAL, ...command.options };
  const byName = new Map(Object.entries(all).map(([key, option]) => [kebab(key), { key, option }]));
  const config = Object.fromEntries(
    [...byName].map(([name, { option }]) => [
      name,
      {
        type: option.type === 'flag' ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(option.short && { short: option.short }),
      },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options: config, strict: false, allowPositionals: true, tokens: true });
  const typed = new Map<string, (string | true)[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const found = byName.get(token.name);
    if (found === undefined) throw unknownOption(token.rawName, byName.keys());
    const list = typed.get(found.key) ?? [];
    typed.set(found.key, list);
    list.push(typedValue(token.rawName, found.option, token.value));
  }
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(all)) values[key] = readAll(`--${kebab(key)}`, option, typed.get(key) ?? [], now);
  const globals = values as Globals;
  if (!globals.help) checkWords(command, words);
  return { globals, options: values as Values<Options>, words };
}

function unknownOption(raw: string, names: Iterable<string>): Usage {
  const near = nearest(raw.replace(/^-+/, ''), names);
  return new Usage(`There is no option ${raw}.${near === undefined ? '' : ` Did you mean --${near}?`}`);
}

function typedValue(raw: string, option: Option, value: string | undefined): string | true {
  if (option.type === 'flag') {
    if (value !== undefined) throw new Usage(`${raw} takes no value.`);
    return true;
  }
  if (value === undefined) throw new Usage(`${raw} needs a value: ${taken(option)}.`);
  return value;
}

function readAll(name: string, option: Option, typed: readonly (string | true)[], now: number): unknown {
  if (option.type === 'flag') return typed.length > 0;
  if (option.many) return typed.map((text) => read(name, option, String(text), now));
  if (typed.length > 1) throw new Usage(`${name} is given ${typed.length} times; it may be given once.`);
  const text = typed[0] ?? option.default;
  return text === undefined ? undefined : read(name, option, String(text), now);
}

function read(name: string, option: Option, text: string, now: number): unknown {
  if (option.none && text === 'none') return null;
  const value = READ[option.type as keyof typeof READ](text, now);
  const isBad =
    value === undefined ||
    (option.choices !== undefined && !option.choices.includes(text)) ||
    (typeof value === 'number' &&
      option.type !== 'place' &&
      (value < (option.min ?? 0) || value > (option.max ?? Number.MAX_SAFE_INTEGER)));
  if (!isBad) return value;
  const near = option.choices && nearest(text, option.choices);
  throw new Usage(`${name} is ${JSON.stringify(text)}; it takes ${taken(option)}.${near ? ` Did you mean ${near}?` : ''}`);
}

const READ = {
  text: (text: string) => text,
  count: parseCount,
  number: (text: string) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined),
  duration: parseDuration,
  size: parseSize,
  place: parsePlace,
};

/** What an option takes, in words. */
export function taken({ type, choices, min, max, none }: Option): string {
  const kinds = {
    flag: 'nothing',
    text: choices ? alternatives(choices) : 'a text',
    count: 'a whole number',
    number: 'a number',
    duration: 'a duration such as 500ms, 10s, 5m, 1h',
    size: 'a size such as 1000, 64KiB, 10MB',
    place: 'a sequence, start, end, a time such as 2026-01-31T08:00, or how long ago such as 10m',
  };
  return `${kinds[type]}${rangeOf(type, min, max)}${none ? ', or none' : ''}`;
}

/** ` from 1 to 256`; nothing where there is no bound. */
export function rangeOf(type: Option['type'], min: number | undefined, max: number | undefined): string {
  const shown = type === 'duration' ? typedDuration : type === 'size' ? typedSize : shownNumber;
  if (min === undefined) return max === undefined ? '' : ` up to ${shown(max)}`;
  return max === undefined ? ` from ${shown(min)}` : ` from ${shown(min)} to ${shown(max)}`;
}

function alternatives(choices: readonly string[]): string {
  return choices.length < 2 ? (choices[0] ?? '') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function checkWords(command: Pick<Command, 'name' | 'words'>, words: readonly string[]): void {
  const { words: wanted } = command;
  const missing = wanted.find(({ optional }, at) => !optional && at >= words.length);
  if (missing) throw new Usage(`${missing.name} is missing: ${missing.help}`);
  if (words.length <= wanted.length || wanted.at(-1)?.many) return;
  const excess = words[wanted.length] ?? '';
  throw new Usage(
    `${JSON.stringify(excess)} is one word too many: ${wanted.length === 0 ? 'there are only options' : `after ${wanted.map(({ name }) => name).join(' ')} there are only options`}.`,
  );
}

/** `maxAge` → `max-age` */
export function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
