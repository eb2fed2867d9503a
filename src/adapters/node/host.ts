/**
 * A broker in this process, on a folder, served over HTTP: wires the ports of Node to it, and holds nothing of its own.
 */

import about from '../../../package.json' with { type: 'json' };
import { openBroker } from '../../core/broker.ts';
import { WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Durability, Journal } from '../../core/ports.ts';
import { LogVolume } from '../../core/volume/log.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { problemOf } from '../../gateway/problem.ts';
import { MemoryVolume } from '../memory/volume.ts';
import { nodeFiles } from './files.ts';
import { stderrJournal } from './journal.ts';
import { startServer } from './server.ts';
import { nodeClock, nodeRandom, nodeTimers } from './timers.ts';

export interface HostOptions {
  /** A folder, made if it is not there. One process at a time has it. */
  readonly data: string;
  /** 127.0.0.1 unless said. Without a token it must be loopback: whoever may connect may do everything. */
  readonly host?: string | undefined;
  /** 4300 unless said; 0 for any that is free. */
  readonly port?: number | undefined;
  readonly token?: string | undefined;
  readonly corsOrigins?: readonly string[] | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly journal?: Journal | undefined;
}

export interface Host {
  readonly url: string;
  /** The strongest that this place gives; what stations get unless they ask for less. */
  readonly durability: Durability;
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
  const random = nodeRandom();
  const timers = nodeTimers();
  const clock = nodeClock;
  const table = makeLimits(limits);
  const { syncWithinMs, pendingBytesMax } = table;
  const volume = new LogVolume({ files: nodeFiles(data), clock, timers, random, journal, settings: { syncWithinMs, pendingBytesMax } });
  const broker = await openBroker({ volume, memory: new MemoryVolume(timers), clock, timers, random, journal, limits: table });
  const gateway = createGateway(broker, {
    token,
    runtime: runtimeOf(process.versions),
    version: about.version,
    limits: table,
    corsOrigins,
    clock,
    random,
    journal,
    wire: (env) => (env as { incoming?: { url?: string; rawHeaders: string[] } } | undefined)?.incoming,
  });
  try {
    const server = await startServer({ fetch: gateway.fetch, host, port, refusal });
    return {
      url: server.url,
      durability: volume.durability,
      version: about.version,
      async close() {
        const ended = server.close(CLOSE_MS_MAX);
        await broker.close();
        await ended;
      },
    };
  } catch (error) {
    await broker.close();
    throw error;
  }
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
