/**
 * A broker in this process, on a folder, served over HTTP: wires the ports of Node to it, and holds nothing of its own.
 */

import type { IncomingMessage } from 'node:http';
import about from '../../../package.json' with { type: 'json' };
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { Durability, Journal } from '../../core/ports.ts';
import type { Upgrade } from '../../gateway/frames/frames.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Problem } from '../../gateway/problem.ts';
import { problemOf } from '../../gateway/problem.ts';
import type { Asked } from '../../gateway/rest/access.ts';
import { openFolder } from './folder.ts';
import { stderrJournal } from './journal.ts';
import { refuseUpgrade, startServer } from './server.ts';
import { Sockets } from './sockets.ts';

/** Of a broker that is served. */
export interface HostOptions {
  /** A folder, made if it is not there. One process at a time has it. */
  readonly data: string;
  /** 127.0.0.1 unless said. Without a token it must be loopback: whoever may connect may do everything. */
  readonly host?: string | undefined;
  /** 4300 unless said; 0 for any that is free. */
  readonly port?: number | undefined;
  /** The root token; visible ASCII. Without one this machine alone is answered. */
  readonly token?: string | undefined;
  /** Origins whose pages may call, as `https://example.org`; none unless said. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Limits other than the broker's own. */
  readonly limits?: Partial<Limits> | undefined;
  /** What the broker tells its operator; standard error unless said. */
  readonly journal?: Journal | undefined;
}

/** A broker that is served. */
export interface Host {
  /** Where it listens: `http://127.0.0.1:4300`. */
  readonly url: string;
  /** The strongest that this place gives; what stations get unless they ask for less. */
  readonly durability: Durability;
  /** Of Wayside. */
  readonly version: string;
  /** Takes no more calls, lets those under way end, writes everything, and leaves the folder to others. */
  close(): Promise<void>;
}

/** How long connections may take to end once the broker has answered them all. */
const CLOSE_MS_MAX = 2_000;

/** @throws what `openBroker` throws, and what listening throws; the folder is free again then */
export async function startHost({
  data,
  host = '127.0.0.1',
  port = 4300,
  token,
  corsOrigins,
  limits,
  journal = stderrJournal(),
}: HostOptions): Promise<Host> {
  const { broker, durability, ...ports } = await openFolder({ data, limits, journal });
  const gateway = createGateway(broker, {
    ...ports,
    token,
    runtime: runtimeOf(process.versions),
    version: about.version,
    corsOrigins,
    wire: (env) => (env as { incoming?: { url?: string; rawHeaders: string[] } } | undefined)?.incoming,
  });
  const { frames } = gateway;
  const sockets = new Sockets({
    upgrade: (request) => judged(() => frames.upgrade(askedOf(request), pathOf(request))),
    refusal: (text) => problemOf(new WaysideError('INVALID_REQUEST', `${text}.`)),
    refuse: refuseUpgrade,
    bytesMax: ports.limits.frameBytesMax,
  });
  try {
    const upgrade = sockets.upgrade.bind(sockets);
    const server = await startServer({ fetch: gateway.fetch, upgrade, isStream: gateway.isStream, host, port, refusal });
    return {
      url: server.url,
      durability,
      version: about.version,
      async close() {
        const ended = server.close(CLOSE_MS_MAX);
        const answered = frames.goaway(CLOSE_MS_MAX);
        await broker.close();
        await answered;
        frames.end();
        await sockets.close(CLOSE_MS_MAX);
        await ended;
      },
    };
  } catch (error) {
    await broker.close();
    throw error;
  }
}

function judged(upgrade: () => Upgrade): Upgrade | Problem {
  try {
    return upgrade();
  } catch (error) {
    return problemOf(asWaysideError(error));
  }
}

function askedOf({ url = '/', headers }: IncomingMessage): Asked {
  return {
    url,
    headers: {
      get(name) {
        const value = headers[name];
        return typeof value === 'string' ? value : null;
      },
    },
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function runtimeOf(versions: Readonly<Record<string, string | undefined>>): 'node' | 'deno' | 'bun' {
  return versions.bun !== undefined ? 'bun' : versions.deno !== undefined ? 'deno' : 'node';
}

const REFUSALS = {
  400: 'This is no request that HTTP allows.',
  408: 'The request took too long to arrive. Nothing was stored.',
  431: 'The headers of the request are too large. Nothing was stored.',
};

/** Refusals of the server itself have HTTP's own status, and the form of all others. */
function refusal(status: 400 | 408 | 431): { headers: Record<string, string>; body: string } {
  const { headers, body } = problemOf(new WaysideError('INVALID_REQUEST', REFUSALS[status]));
  return { headers, body: JSON.stringify({ ...JSON.parse(body), status }) };
}
