/**
 * Publishing in batches and message by message, beside Redis Streams, JetStream, and the bare baseline.
 *
 * Everybody has 1,000 messages under way a client, in its own best form: Wayside and the bare server 10 record batches of
 * 100, Redis 10 pipelines of 100, JetStream 1,000 single messages.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Driven } from '../src/cli/bench/drive.ts';
import type { ClientKind, Gather } from './clients/client.ts';
import type { Load } from './load.ts';
import { folder } from './place.ts';
import type { Row } from './report.ts';
import type { Entrant, Run } from './rounds.ts';
import { contest, together, withServers } from './rounds.ts';
import { startBare } from './servers/bare.ts';
import { startNats } from './servers/nats.ts';
import { startRedis } from './servers/redis.ts';
import type { Server } from './servers/server.ts';
import { startWayside } from './servers/wayside.ts';

/** What ours should be of each side, with one producer; with four, who fill both cores of a machine by themselves, half of it. */
type Goals = { readonly [peer in Peer]?: number | undefined };
const OF_BARE = 0.75;
const SYNCED: Readonly<Record<number, Goals>> = { 128: { bare: OF_BARE, redis: 6, nats: 15 }, 1024: { bare: OF_BARE, redis: 5, nats: 5 } };
const BUFFERED: Readonly<Record<number, Goals>> = { 128: { redis: 6, nats: 25 }, 1024: { redis: 2.5, nats: 8 } };
const SINGLE: Goals = { bare: OF_BARE, redis: 4 };

function halved({ bare, redis, nats }: Goals): Goals {
  return { bare, redis: redis && redis / 2, nats: nats && nats / 2 };
}
const SIZES = [
  [128, '128 B'],
  [1024, '1 KiB'],
] as const;

type Peer = 'bare' | 'redis' | 'nats';

/** Batches, each on the disk before its answer. */
export async function synced(run: Run): Promise<Row[]> {
  return among(['bare', 'redis', 'nats'], 'synced', run, async (entrants) => {
    const rows: Row[] = [];
    for (const [size, said] of SIZES) {
      for (const producers of [1, 4]) {
        const name = `publish, synced, 100 × ${said}, ${producers === 1 ? '1 producer' : `${producers} producers`}`;
        const goals = producers === 1 ? SYNCED[size]! : halved(SYNCED[size]!);
        rows.push(await publishing(name, 'batch', entrants('frames', goals), 'synced', size, producers, run));
      }
    }
    return rows;
  });
}

/** Batches, each written but not yet on the disk when it is answered. */
export async function buffered(run: Run): Promise<Row[]> {
  return among(['redis', 'nats'], 'buffered', run, async (entrants) => {
    const rows: Row[] = [];
    for (const [size, said] of SIZES) {
      const name = `publish, buffered, 100 × ${said}, 1 producer`;
      rows.push(await publishing(name, 'batch', entrants('frames', BUFFERED[size]), 'buffered', size, 1, run));
    }
    return rows;
  });
}

/** A promise a message, gathered by each side's own client. */
export async function single(run: Run): Promise<Row[]> {
  return among(['bare', 'redis', 'nats'], 'synced', run, async (entrants) => {
    const rows: Row[] = [];
    for (const [size, said] of SIZES) {
      rows.push(await publishing(`SDK, synced, a promise a message, ${said}`, 'one', entrants('sdk', SINGLE), 'synced', size, 1, run));
    }
    return rows;
  });
}

async function publishing(
  name: string,
  gather: Gather,
  entrants: readonly Entrant[],
  durability: 'synced' | 'buffered',
  size: number,
  clients: number,
  run: Run,
): Promise<Row> {
  const turn = async (loads: readonly Load[], round: number): Promise<Driven> => {
    const stream = `bench-${round + 1}`;
    await loads[0]!.do({ do: 'prepare', stream });
    const driven = together(
      await Promise.all(loads.map((load) => load.do<Driven>({ do: 'publish', stream, gather, ms: run.seconds * 1000 }))),
    );
    await loads[0]!.do({ do: 'clean', stream });
    return driven;
  };
  return contest({ name, entrants, durability, size, clients, turn }, run);
}

/** The sides, each with a folder of its own; `entrants` pairs them with their clients, ours and the bare server with `kind`. */
export async function among(
  peers: readonly Peer[],
  durability: 'synced' | 'buffered',
  run: Run,
  work: (entrants: (kind: ClientKind, goals?: Goals) => Entrant[], servers: Server[]) => Promise<Row[]>,
): Promise<Row[]> {
  const place = folder();
  const into = (name: string): string => {
    const path = join(place.path, name);
    mkdirSync(path);
    return path;
  };
  const isSynced = durability === 'synced';
  const start: Record<Peer, () => Promise<Server>> = {
    bare: () => startBare(into('bare')),
    redis: () => startRedis(into('redis'), isSynced ? 'always' : 'everysec'),
    nats: () => startNats(into('nats'), isSynced ? 'always' : 'default'),
  };
  const wanted = peers.filter((peer) => !run.without.includes(peer));
  try {
    return await withServers([() => startWayside(into('wayside')), ...wanted.map((peer) => start[peer])], run, ([ours, ...others]) =>
      work(
        (kind, goals = {}) => [
          { server: ours!, kind },
          ...others.map((server, i) => {
            const peer = wanted[i]!;
            return { server, kind: peer === 'bare' ? kind : peer, goal: goals[peer] };
          }),
        ],
        [ours!, ...others],
      ),
    );
  } finally {
    place.remove();
  }
}
