/**
 * From the command line to an exit code: finds the command, explains it or runs it, and says in one line what went wrong.
 *
 * Holds: 0 it was done, 1 it could not be, 2 what was typed cannot be, 130 interrupted (143 for SIGTERM); a second signal
 * ends the process at once; standard output is written to the end before the code is given.
 * Elsewhere: what a command does (a file each), what it may use (command.ts).
 */
import about from '../../package.json' with { type: 'json' };
import type { WaysideError } from '../client/index.ts';
import { readUrl } from './address.ts';
import type { Globals } from './args.ts';
import { parse, splitCommand } from './args.ts';
import type { Command } from './command.ts';
import { Usage } from './command.ts';
import { ROWS } from './commands.ts';
import { commandHelp, overview } from './help.ts';
import { BrokenPipe, Output } from './output.ts';
import { nearest } from './suggest.ts';

const { env } = process;

export async function run(args: readonly string[]): Promise<number> {
  if (args[0] === '__complete') return printCompletions(args.slice(1));
  const ending = new AbortController();
  // Before the options are read (there may be something wrong with them); then they say.
  const wants = (name: string) => args.slice(0, indexOrEnd(args, '--')).includes(name);
  const out = new Output({
    json: wants('--json'),
    quiet: wants('--quiet') || wants('-q'),
    colour: !wants('--no-color') && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    broken: () => ending.abort('nobody reads'),
  });
  let path = '';
  try {
    const { words, rest } = splitCommand(args, 1);
    const [name] = words;
    if (name === undefined) return await end(out, runWithoutCommand(rest, out));
    if (name === 'help') return await end(out, await explain(splitCommand(rest, 2).words, out));
    const noun = await find(name);
    path = name;
    const own = noun.commands ? splitCommand(rest, 1) : { words: [], rest };
    const command = verbOf(noun, own.words[0]);
    if (command === noun && noun.commands) return await end(out, await explain([name], out));
    if (command !== noun) path = `${name} ${command.name}`;
    return await end(out, await runCommand(command, path, own.rest, out, ending));
  } catch (error) {
    return await end(out, report(error, path, out));
  }
}

async function runCommand(command: Command, path: string, args: readonly string[], out: Output, ending: AbortController): Promise<number> {
  const { globals, options, words } = parse(args, command, Date.now());
  out.json = globals.json;
  out.quiet = globals.quiet;
  if (globals.help) {
    showHelp(command, path, out);
    return 0;
  }
  if (globals.token !== undefined && process.stderr.isTTY)
    out.note('A token on the command line can be seen by others on this machine; WAYSIDE_TOKEN is safer.');
  const connection = command.local ? undefined : await connectionFrom(globals, args, out);
  let signalled: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    // Behind the ^C that the terminal shows.
    if (signal === 'SIGINT' && process.stderr.isTTY) process.stderr.write('\n');
    if (!command.ends || signalled !== undefined) {
      out.clear();
      process.exit(codeOf(signal));
    }
    signalled = signal;
    ending.abort(signal);
  };
  const signals: NodeJS.Signals[] = command.name === 'serve' ? [] : ['SIGINT', 'SIGTERM'];
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const running = command.run({
      options,
      words,
      out,
      url: connection?.url ?? '',
      token: globals.token,
      signal: ending.signal,
      transfer(onLost) {
        if (connection === undefined) throw new TypeError(`${command.name} says that it needs no broker.`);
        return { ...connection.options, onLost };
      },
      connect(asked) {
        if (connection === undefined) throw new TypeError(`${command.name} says that it needs no broker.`);
        return connection.connect(asked);
      },
    });
    await (connection ? Promise.race([running.then(() => connection.close()), connection.failed]) : running);
  } catch (error) {
    if (signalled === undefined) throw error;
    report(error, path, out);
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
  return signalled === undefined ? 0 : codeOf(signalled);
}

/** The SDK is a good part of the start: help, and commands that speak to no broker, do without. */
async function connectionFrom({ url, token, namespace }: Globals, args: readonly string[], out: Output) {
  const { Connection } = await import('./connection.ts');
  const isTyped = args.some((arg) => arg === '--url' || arg.startsWith('--url='));
  const address = isTyped || !env.WAYSIDE_URL ? readUrl(url, '--url') : readUrl(env.WAYSIDE_URL, 'WAYSIDE_URL');
  return new Connection({ url: address, token: token ?? (env.WAYSIDE_TOKEN || undefined), namespace }, out);
}

const codeOf = (signal: NodeJS.Signals): number => (signal === 'SIGINT' ? 130 : 143);

/** @returns the exit code */
function report(error: unknown, path: string, out: Output): number {
  if (error instanceof BrokenPipe) return 0;
  if (env.WAYSIDE_DEBUG && error instanceof Error) process.stderr.write(`${error.stack ?? error.message}\n`);
  if (error instanceof Usage) {
    out.error(`${error.message} See: wayside ${path === '' ? '--help' : `${path} --help`}`);
    return 2;
  }
  if (isWaysideError(error)) out.error(`${advised(error)} (${error.code})`);
  else out.error(error instanceof Error ? error.message : String(error));
  return 1;
}

/** By name, since its class comes with the SDK, which may not be loaded. */
function isWaysideError(error: unknown): error is WaysideError {
  return error instanceof Error && error.name === 'WaysideError';
}

/** The broker says what to do over HTTP; here it is a command. */
const ADVICE: Partial<Record<WaysideError['code'], readonly [theirs: RegExp, ours: string]>> = {
  UNAUTHENTICATED: [/ Give a valid token\.$/, ' Set WAYSIDE_TOKEN.'],
  STATION_NOT_FOUND: [/ Make it with PUT \S+$/, ' `wayside station create` makes one, `wayside station list` shows which there are.'],
  GROUP_NOT_FOUND: [/ A fetch makes it, or PUT\.$/, ' `wayside consume` makes it, or `wayside group create`.'],
};

function advised({ code, message }: WaysideError): string {
  const [theirs, ours] = ADVICE[code] ?? [];
  return theirs === undefined ? message : `${message.replace(theirs, '')}${ours}`;
}

async function end(out: Output, code: number): Promise<number> {
  try {
    await out.flush();
    return code;
  } catch (error) {
    return code === 0 && !(error instanceof BrokenPipe) ? report(error, '', out) : code;
  }
}

/** @throws Usage */
async function find(name: string): Promise<Command> {
  const row = ROWS.find((each) => each.name === name);
  if (row !== undefined) return (await row.load()).command;
  const near = nearest(name, [...ROWS.map((each) => each.name), 'help']);
  throw new Usage(`There is no command ${JSON.stringify(name)}.${near === undefined ? '' : ` Did you mean ${near}?`}`);
}

/** The noun itself where no verb is given: it explains itself then. @throws Usage */
function verbOf(noun: Command, verb: string | undefined): Command {
  if (verb === undefined || !noun.commands) return noun;
  const names = noun.commands.map(({ name }) => name);
  const found = noun.commands.find(({ name }) => name === verb);
  if (found !== undefined) return found;
  const near = nearest(verb, names);
  throw new Usage(
    `${noun.name} has no command ${JSON.stringify(verb)}. ${near === undefined ? `There is ${names.join(', ')}.` : `Did you mean ${near}?`}`,
  );
}

function runWithoutCommand(rest: readonly string[], out: Output): number {
  if (rest.includes('--version') || rest.includes('-v')) {
    if (out.json) out.value({ version: about.version });
    else out.line(about.version);
    return 0;
  }
  // Says what is wrong with what was typed, if anything is.
  parse(rest, { name: '', words: [], options: {} }, Date.now());
  for (const line of overview(about.version, process.stdout.columns || 80, out.paint)) out.line(line);
  return 0;
}

async function explain([name, verb]: readonly string[], out: Output): Promise<number> {
  if (name === undefined) return runWithoutCommand([], out);
  const noun = await find(name);
  const command = verbOf(noun, verb);
  showHelp(command, command === noun ? name : `${name} ${command.name}`, out);
  return 0;
}

function showHelp(command: Command, path: string, out: Output): void {
  for (const line of commandHelp(command, path, process.stdout.columns || 80, out.paint)) out.line(line);
}

async function printCompletions(words: readonly string[]): Promise<number> {
  try {
    const { completions } = await import('./completion.ts');
    process.stdout.write((await completions(words, env)).map((each) => `${each}\n`).join(''));
  } catch {
    // Nobody wants an error in the middle of what they type: there is nothing to complete then.
  }
  return 0;
}

function indexOrEnd(args: readonly string[], word: string): number {
  const at = args.indexOf(word);
  return at < 0 ? args.length : at;
}
