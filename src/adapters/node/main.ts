/**
 * `npm start`: a host from the environment, what there is to know about it, and an orderly end.
 *
 * Holds: whatever goes wrong at the start is one line and exit code 1; SIGTERM and SIGINT end it within ten seconds with
 * exit code 0 once everything accepted is stored, and a second signal ends it at once.
 */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { relative, resolve, sep } from 'node:path';
import { styleText } from 'node:util';
import { WaysideError } from '../../core/errors.ts';
import type { Host, HostOptions } from './host.ts';
import { startHost } from './host.ts';

const CLOSE_MS_MAX = 10_000;

async function main(): Promise<void> {
  try {
    const options = optionsFrom(process.env);
    const starting = startHost(options);
    // From the first moment: a signal that comes while it starts ends it as orderly as a later one.
    endWith(starting);
    greet(await starting, options);
  } catch (error) {
    stop(explain(error));
  }
}

function optionsFrom(env: NodeJS.ProcessEnv): HostOptions & { data: string; host: string } {
  const host = env.HOST || '127.0.0.1';
  const token = env.WAYSIDE_TOKEN || undefined;
  const port = env.PORT || '4300';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Refusal(`PORT is ${quoted(port)}; it must be a number from 0 to 65535.`);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new Refusal('WAYSIDE_TOKEN may hold visible ASCII characters only, no spaces: it is sent in a header.');
  if (token === undefined && !/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) {
    throw new Refusal(
      `HOST is ${quoted(host)}, and without a token anyone who can reach it could do everything. Set WAYSIDE_TOKEN, or leave HOST at 127.0.0.1.`,
    );
  }
  const data = resolve(env.WAYSIDE_DATA || 'data');
  if (statSync(data, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new Refusal(`The data folder ${shown(data)} is a file. Name a folder with WAYSIDE_DATA.`);
  return { data, host, port: Number(port), token, corsOrigins: originsFrom(env.WAYSIDE_ORIGINS ?? '') };
}

/** Web pages of these origins may call, separated by commas. */
function originsFrom(text: string): string[] {
  const origins = text
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw new Refusal(`WAYSIDE_ORIGINS names ${quoted(origin)}; an origin is like https://example.org, without a path.`);
  }
  return origins;
}

function greet({ url, durability, version }: Host, { data, token }: HostOptions): void {
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

function endWith(starting: Promise<Host>): void {
  let ending = false;
  const end = async (signal: string) => {
    if (ending) process.exit(signal === 'SIGINT' ? 130 : 143);
    ending = true;
    process.stdout.write(`\n${signal}: finishing what was accepted; once more ends it at once.\n`);
    const late = setTimeout(() => {
      process.stderr.write(`wayside: not finished within ${CLOSE_MS_MAX / 1000} s. What was answered is as durable as the answer said.\n`);
      process.exit(1);
    }, CLOSE_MS_MAX - 500);
    try {
      const host = await starting;
      await host.close();
    } catch (error) {
      stop(explain(error));
    }
    clearTimeout(late);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
}

/** A setting that cannot be. */
class Refusal extends Error {}

/** One line for the operator, by what is known of the fault; the rest keeps its own text. */
function explain(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  if (error instanceof WaysideError) {
    const folder =
      error.code === 'STORAGE_FAILED' ? `The data folder ${shown(resolve(process.env.WAYSIDE_DATA || 'data'))} cannot be used. ` : '';
    return `${folder}${error.message} (${error.code})`;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const where = `${process.env.HOST || '127.0.0.1'}:${process.env.PORT || '4300'}`;
  if (code === 'EADDRINUSE') return `${where} is in use by another program. Stop that, or choose another PORT.`;
  if (code === 'EACCES') return `This user may not use ${where}, or the data folder: ${message}`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `This machine has no address ${where}. Choose another HOST.`;
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

await main();
