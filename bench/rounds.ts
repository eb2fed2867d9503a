/**
 * Sides that take turns: each round every side runs once, in another order than in the round before.
 *
 * Holds: a side runs alone, and begins with an empty stream; what it leaves in the system's cache is written out before the
 * next one begins, so that nobody's sync pays for another's bytes. The first round warms up and is not counted.
 * Elsewhere: what a client does in its turn (clients/), what is made of it (report.ts).
 */
import { spawnSync } from 'node:child_process';
import type { Driven } from '../src/cli/bench/drive.ts';
import type { ClientKind } from './clients/client.ts';
import { Load } from './load.ts';
import type { Progress } from './progress.ts';
import type { Beside, Figures, Row, Side } from './report.ts';
import type { Server } from './servers/server.ts';
import { cpuMicros } from './servers/server.ts';

/** What every bench is given. */
export interface Run {
  readonly rounds: number;
  /** How long a side publishes in a round. */
  readonly seconds: number;
  /** Peers that are not wanted. */
  readonly without: readonly string[];
  readonly progress: Progress;
  /** Where a bench says who took part. */
  readonly sides: Side[];
}

/** A server, the client that drives it, and what ours should be of it; the first one of a list is ours. */
export interface Entrant {
  readonly server: Server;
  readonly kind: ClientKind;
  readonly goal?: number | undefined;
}

export interface Contest {
  readonly name: string;
  readonly entrants: readonly Entrant[];
  readonly durability: 'synced' | 'buffered';
  readonly size: number;
  readonly keys?: number | undefined;
  /** Client processes of each side. */
  readonly clients: number;
  /** Once for each side, before the rounds. */
  prepare?(load: Load): Promise<void>;
  /** One side's turn, with all its clients. */
  turn(loads: readonly Load[], round: number): Promise<Driven>;
  readonly note?: string;
}

/** One row: messages a second of each side, and its server's CPU a message. */
export async function contest({ name, entrants, durability, size, keys, clients, prepare, turn, note }: Contest, run: Run): Promise<Row> {
  const loads: Load[][] = [];
  try {
    for (const { server, kind } of entrants) {
      const options = { kind, port: server.port, durability, size, keys };
      const group = await Promise.all(Array.from({ length: clients }, () => Load.start(options)));
      loads.push(group);
      run.progress.say(`${name}: ${server.name} gets ready`);
      await prepare?.(group[0]!);
    }
    const figures = entrants.map(() => ({ values: [] as number[], serverMicros: [] as number[] }));
    for (let round = -1; round < run.rounds; round++) {
      run.progress.say(round < 0 ? `${name}, warming up` : `${name}, round ${round + 1} of ${run.rounds}`);
      for (const place of rotated(entrants.length, round)) {
        const { server } = entrants[place]!;
        const before = cpuMicros(server.pid);
        const { messages, seconds } = await turn(loads[place]!, round);
        const after = cpuMicros(server.pid);
        writeOut();
        if (round < 0) continue;
        figures[place]!.values.push(messages / seconds);
        if (before !== undefined) figures[place]!.serverMicros.push((after! - before) / messages);
      }
    }
    const [ours, ...others] = figures.map(told);
    const beside = others.map((side, i): Beside => ({ name: entrants[i + 1]!.server.name, ...side, goal: entrants[i + 1]!.goal }));
    await Promise.all(loads.flat().map((load) => load.stop()));
    return { name, unit: 'messages/s', ours: ours!, beside, note };
  } catch (error) {
    for (const load of loads.flat()) load.kill();
    throw error;
  }
}

/** Starts the servers that are wanted, runs what is to be run with them, and stops them whatever happens. */
export async function withServers<T>(
  starts: readonly (() => Promise<Server>)[],
  run: Run,
  work: (servers: Server[]) => Promise<T>,
): Promise<T> {
  const servers: Server[] = [];
  try {
    for (const start of starts) servers.push(await start());
    for (const { name, version, promise } of servers) {
      if (!run.sides.some((side) => side.name === name)) run.sides.push({ name, version, promise });
    }
    return await work(servers);
  } finally {
    for (const server of servers) await server.stop();
  }
}

export function rotated(count: number, by: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + by + count) % count);
}

/** The system's dirty pages, to the disk. Not on the clock of anybody. */
export function writeOut(): void {
  if (process.platform !== 'win32') spawnSync('sync');
}

/** Sums what clients did side by side: the slowest one's time is everybody's. */
export function together(all: readonly Driven[]): Driven {
  return {
    messages: all.reduce((sum, { messages }) => sum + messages, 0),
    seconds: Math.max(...all.map(({ seconds }) => seconds)),
  };
}

function told({ values, serverMicros }: { values: number[]; serverMicros: number[] }): Figures {
  return { values, serverMicros: serverMicros.length === values.length ? serverMicros : undefined };
}
