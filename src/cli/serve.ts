/**
 * A broker in this process, until it is told to end: what `npm start` and `wayside serve` share.
 *
 * Holds: whatever goes wrong at the start is one line and exit code 1; SIGTERM and SIGINT end it within ten seconds with
 * exit code 0 once everything accepted is stored, and a second signal ends it at once.
 * Elsewhere: the broker itself, wired to this runtime (adapters/node/host.ts).
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { relative, resolve, sep } from 'node:path';
import { styleText } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import type { Host } from '../adapters/node/host.ts';
import { startHost } from '../adapters/node/host.ts';
import { WaysideError } from '../core/errors.ts';
import { defineCommand } from './command.ts';

export const command = defineCommand({
  name: 'serve',
  summary: 'Run a broker on a folder.',
  about:
    'The folder is made if it is not there; one broker at a time has it. Without a token only this machine is served. ' +
    'Ctrl-C stores what was accepted, and ends. The environment says the same as the options: PORT, HOST, WAYSIDE_DATA, ' +
    'WAYSIDE_TOKEN, WAYSIDE_ORIGINS; an option wins.',
  options: {
    port: { type: 'text', short: 'p', value: 'PORT', without: '4300', help: '0 for any that is free.' },
    host: {
      type: 'text',
      value: 'ADDRESS',
      without: '127.0.0.1',
      help: 'Where to listen; 0.0.0.0 for every network, which needs a token.',
    },
    data: { type: 'text', short: 'd', value: 'FOLDER', without: './data', help: 'Where messages are kept.', complete: 'folder' },
    origin: { type: 'text', many: true, value: 'ORIGIN', help: 'Web pages of this origin, such as https://example.org, may call.' },
  },
  local: true,
  examples: [
    { line: 'wayside serve', says: 'On http://127.0.0.1:4300, in ./data.' },
    { line: 'wayside serve --port 0 --data /tmp/wayside-try', says: 'Somewhere to try things.' },
    { line: 'WAYSIDE_TOKEN=$(openssl rand -hex 24) wayside serve --host 0.0.0.0', says: 'For other machines, with a token.' },
  ],
  async run({ options: { port, host, data, origin }, token, out }) {
    const { env } = process;
    await serve({
      port: port === undefined ? fromEnvironment('PORT', '4300') : { text: port, name: '--port' },
      host: host === undefined ? fromEnvironment('HOST', '127.0.0.1') : { text: host, name: '--host' },
      data: data === undefined ? fromEnvironment('WAYSIDE_DATA', 'data') : { text: data, name: '--data' },
      origins: origin.length === 0 ? fromEnvironment('WAYSIDE_ORIGINS', '') : { text: origin.join(','), name: '--origin' },
      token: token ?? (env.WAYSIDE_TOKEN || undefined),
      says: out.json ? 'json' : out.quiet ? 'nothing' : 'text',
    });
  },
});

/** A setting as it was given, and what it is called where that was. */
interface Given {
  readonly text: string;
  readonly name: string;
}

export interface ServeSettings {
  readonly port: Given;
  readonly host: Given;
  readonly data: Given;
  /** Separated by commas. */
  readonly origins: Given;
  readonly token: string | undefined;
  /** What is on standard output when it serves. */
  readonly says: 'text' | 'json' | 'nothing';
}

/** `npm start`. Ends the process when the broker has ended. */
export function serveFromEnvironment(): Promise<void> {
  return serve({
    port: fromEnvironment('PORT', '4300'),
    host: fromEnvironment('HOST', '127.0.0.1'),
    data: fromEnvironment('WAYSIDE_DATA', 'data'),
    origins: fromEnvironment('WAYSIDE_ORIGINS', ''),
    token: process.env.WAYSIDE_TOKEN || undefined,
    says: 'text',
  });
}

function fromEnvironment(name: string, otherwise: string): Given {
  return { text: process.env[name] || otherwise, name };
}

const CLOSE_MS_MAX = 10_000;

async function serve(settings: ServeSettings): Promise<void> {
  try {
    const options = checked(settings);
    // Bytes that come and go outside of the heap have the engine collect all of it many times a second; `npm run bench`
    // measures with the same flag.
    setFlagsFromString('--heap-growing-percent=300');
    const starting = startHost(options);
    // From the first moment: a signal that comes while it starts ends it as orderly as a later one.
    endWith(starting, settings);
    greet(await starting, options, settings.says);
  } catch (error) {
    stop(explain(error, settings));
  }
  // A server is over when a signal says so, which ends the process.
  await new Promise<never>(() => {});
}

interface Options {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly corsOrigins: readonly string[];
}

function checked({ port, host, data, origins, token }: ServeSettings): Options {
  if (!/^\d{1,5}$/.test(port.text) || Number(port.text) > 65_535)
    throw new Refusal(`${port.name} is ${quoted(port.text)}; it must be a number from 0 to 65535.`);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new Refusal('WAYSIDE_TOKEN may hold visible ASCII characters only, no spaces: it is sent in a header.');
  if (token === undefined && !/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host.text)) {
    throw new Refusal(
      `${host.name} is ${quoted(host.text)}, and without a token anyone who can reach it could do everything. Set WAYSIDE_TOKEN, or leave ${host.name} at 127.0.0.1.`,
    );
  }
  const folder = resolve(data.text);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new Refusal(`The data folder ${shown(folder)} is a file. Name a folder with ${data.name}.`);
  return { data: folder, host: host.text, port: Number(port.text), token, corsOrigins: originsFrom(origins) };
}

/** Web pages of these origins may call. */
function originsFrom({ text, name }: Given): string[] {
  const origins = text
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new Refusal(`${name} names ${quoted(origin)}; an origin is like https://example.org, without a path.`);
  }
  return origins;
}

function greet({ url, durability, version }: Host, { data, token }: Options, says: ServeSettings['says']): void {
  if (says === 'nothing') return;
  if (says === 'json') {
    process.stdout.write(`${JSON.stringify({ url, data, durability, version })}\n`);
    return;
  }
  const strong = (text: string) => styled('bold', text);
  const faint = (text: string) => styled('dim', text);
  const credential = token === undefined ? '' : ' -H "Authorization: Bearer $WAYSIDE_TOKEN"';
  const rows = [
    [
      'Address',
      `${strong(url)}  ${faint(token === undefined ? 'this machine only, no token: every caller is root' : 'with the token of WAYSIDE_TOKEN')}`,
    ],
    ['Data', `${shown(data)}  ${faint(DURABLE[durability] ?? durability)}`],
    ['Reference', `${url}/docs`],
  ];
  const tries = [
    `curl -X PUT ${url}/v1/stations/orders${credential}`,
    `curl ${url}/v1/stations/orders/messages${credential} -H 'Content-Type: application/json' -d '{"total":12}'`,
    `curl -X POST '${url}/v1/stations/orders/groups/billing/next?consumer=me'${credential}`,
  ];
  const lines = [
    `${strong('Wayside')} ${version}`,
    '',
    ...rows.map(([label = '', text]) => `  ${faint(label.padEnd(10))} ${text}`),
    '',
    `  ${faint('Try')}        ${tries.join('\n             ')}`,
    '',
    `  ${faint('Stop')}       Ctrl-C`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

const DURABLE: Record<string, string> = {
  synced: 'synced: what is answered is on the disk, and survives a loss of power',
  buffered: 'buffered: what is answered survives the process, not a loss of power',
  memory: 'memory: everything is gone with the process',
};

function endWith(starting: Promise<Host>, settings: ServeSettings): void {
  let ending = false;
  const end = async (signal: string) => {
    if (ending) process.exit(signal === 'SIGINT' ? 130 : 143);
    ending = true;
    if (settings.says === 'text') process.stdout.write(`\n${signal}: finishing what was accepted; once more ends it at once.\n`);
    const late = setTimeout(() => {
      process.stderr.write(`wayside: not finished within ${CLOSE_MS_MAX / 1000} s. What was answered is as durable as the answer said.\n`);
      process.exit(1);
    }, CLOSE_MS_MAX - 500);
    try {
      const host = await starting;
      await host.close();
    } catch (error) {
      stop(explain(error, settings));
    }
    clearTimeout(late);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
}

/** A setting that cannot be. */
class Refusal extends Error {}

/** One line for the operator, by what is known of the fault; the rest keeps its own text. */
function explain(error: unknown, { host, port, data }: ServeSettings): string {
  if (error instanceof Refusal) return error.message;
  if (error instanceof WaysideError) {
    const folder = error.code === 'STORAGE_FAILED' ? `The data folder ${shown(resolve(data.text))} cannot be used. ` : '';
    const doctor = error.code === 'CORRUPTION' ? ` \`wayside doctor ${shown(resolve(data.text))}\` says more.` : '';
    return `${folder}${error.message}${doctor} (${error.code})`;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const where = `${host.text}:${port.text}`;
  if (code === 'EADDRINUSE') return `${where} is in use by another program. Stop that, or choose another ${port.name}.`;
  if (code === 'EACCES') return `This user may not use ${where}, or the data folder: ${message}`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `This machine has no address ${where}. Choose another ${host.name}.`;
  return message ?? String(error);
}

function stop(text: string): never {
  process.stderr.write(`${process.stderr.isTTY ? styleText('red', 'wayside:') : 'wayside:'} ${text.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  process.exit(1);
}

/** As short as it can be said from here. */
function shown(folder: string): string {
  const near = relative(process.cwd(), folder);
  if (near !== '' && !near.startsWith('..')) return `.${sep}${near}`;
  return folder.startsWith(homedir() + sep) ? `~${folder.slice(homedir().length)}` : folder;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function styled(style: 'bold' | 'dim', text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}
