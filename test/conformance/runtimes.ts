/**
 * The one table of runtimes: how each is started, and what it lacks, with the reason. A runtime passes when every check
 * passes that its row does not name.
 *
 * Holds: a name that is not in the table throws, so that nothing can be chosen and pass by running nothing.
 */
import { connect } from 'node:net';
import { Bridge } from '../browser/_bridge.ts';
import { bundle, startWorkerd } from '../cloudflare/_worker.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker, temporaryFolder } from '../node/_process.ts';
import type { RunnerName } from '../node/_runners.ts';
import { runner } from '../node/_runners.ts';
import type { Runtime, Server } from './checks.ts';
import { Answer } from './client.ts';

const RUNTIMES: Readonly<Record<string, Runtime>> = {
  node: processOf('node'),
  deno: processOf('deno'),
  bun: processOf('bun'),
  workerd: {
    name: 'workerd',
    lacks: {
      ending: 'the platform ends an object without asking it: whoever waits connects again',
      http: 'what HTTP itself allows is the judgement of the platform, before the Worker is called',
      paths: 'the platform resolves . and .. in a path before the Worker sees it: it leads to where the path says, or nowhere',
      leaving: 'workerd does not tell that a client has gone which only waited: what it was given comes back when the lease ends',
      forgetting: 'an object keeps all that it has: a station that asks for memory gets more',
    },
    start: startWorker,
    raw: rawRequest,
  },
  browser: {
    name: 'browser',
    lacks: {
      raw: 'a page has no connection of its own: fetch writes the request',
      token: 'there is no network to a broker in the browser: whoever runs in its origin may do everything',
      ending: 'a browser ends its workers without asking them: whoever waits asks again',
      leaving:
        'Chromium tells a Service Worker nothing of a fetch that was given up while it waits: what it was given comes back when the lease ends',
      origins: 'a Service Worker answers pages of its own origin alone: others cannot ask it',
    },
    strongest: 'local',
    start: startInBrowser,
  },
};

export const RUNTIME_NAMES: readonly string[] = Object.keys(RUNTIMES);

/** @throws TypeError there is none of that name */
export function runtimeNamed(name: string): Runtime {
  if (!Object.hasOwn(RUNTIMES, name))
    throw new TypeError(`There is no runtime named ${name}; there are: ${Object.keys(RUNTIMES).join(', ')}.`);
  return RUNTIMES[name]!;
}

/** What `npm start` runs, on a port of its own and a folder of its own. */
function processOf(name: RunnerName): Runtime {
  return { name, lacks: {}, start: (options) => startProcess(name, options), raw: rawRequest };
}

function startProcess(name: RunnerName, { token }: StartOptions): Promise<Server> {
  const run = runner(name);
  return served(token, (data) => startBroker({ data, run, env: token === undefined ? {} : { WAYSIDE_TOKEN: token } }));
}

/** The Worker and its object, in workerd. */
async function startWorker({ token }: StartOptions): Promise<Server> {
  bundled ??= bundle();
  const script = await bundled;
  return served(token, (data) => startWorkerd({ script, data, token }));
}

/** Chromium, through a bridge. */
async function startInBrowser(): Promise<Server> {
  const folder = temporaryFolder();
  const bridge = new Bridge(folder.path);
  await bridge.start();
  return {
    get base() {
      return bridge.base;
    },
    token: undefined,
    async end() {
      await bridge.stop();
      return true;
    },
    begin: () => bridge.start(),
    async restart() {
      await bridge.stop();
      await bridge.start();
    },
    async crash() {
      await bridge.kill();
      await bridge.start();
    },
    async close() {
      await bridge.close();
      folder.remove();
    },
  };
}

let bundled: Promise<string> | undefined;

interface StartOptions {
  readonly token?: string | undefined;
}

async function served(token: string | undefined, start: (data: string) => Promise<BrokerProcess>): Promise<Server> {
  const folder = temporaryFolder();
  const begin = () => start(folder.path);
  let broker = await begin();
  const end = async (): Promise<boolean> => {
    const { code, errors } = await broker.stop();
    return code === 0 && errors === '';
  };
  return {
    get base() {
      return broker.base;
    },
    token,
    end,
    async begin() {
      broker = await begin();
    },
    async restart() {
      if (!(await end())) throw new Error('The broker has not ended in order.');
      broker = await begin();
    },
    async crash() {
      await broker.kill();
      broker = await begin();
    },
    async close() {
      await broker.kill();
      folder.remove();
    },
  };
}

const ANSWER_MS_MAX = 5_000;

/** One request as it is, on a connection of its own; status 0 where the connection ends without an answer. */
function rawRequest(base: string, head: readonly string[], body: Uint8Array = new Uint8Array()): Promise<Answer> {
  const { hostname, port, host } = new URL(base);
  const lines = head.some((line) => /^host:/i.test(line)) ? head : [...head, `Host: ${host}`];
  const isBroken = head.includes('X-Break-Off: 1');
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS_MAX);
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(parsed(Buffer.concat(pieces)));
    });
    socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`);
    socket.write(body);
    if (isBroken) socket.end();
  });
}

function parsed(bytes: Buffer): Answer {
  const split = bytes.indexOf('\r\n\r\n');
  if (split < 0) return new Answer(0, new Headers(), bytes);
  const [first = '', ...lines] = bytes.subarray(0, split).toString('latin1').split('\r\n');
  const headers = new Headers(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const body = bytes.subarray(split + 4);
  return new Answer(Number(first.split(' ')[1]), headers, headers.get('transfer-encoding') === 'chunked' ? unchunked(body) : body);
}

function unchunked(bytes: Buffer): Uint8Array {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16);
    if (!(size > 0)) break;
    pieces.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(pieces);
}
