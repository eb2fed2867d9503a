/**
 * The whole example: a broker, a producer, two consumers; the broker and a consumer are killed midway and started again;
 * the result is compared with one computed straight from the file. Exit code 0 when they are equal.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { call, GROUP, insist, PARTITIONS, STATION } from './broker.ts';
import { FLIGHTS, readFlights } from './flights.ts';
import type { Origin } from './statistics.ts';
import { computed, Statistics } from './statistics.ts';

const folder = mkdtempSync(join(tmpdir(), 'wayside-flights-'));
const file = join(folder, 'statistics.db');
const port = await freePort();
const base = `http://127.0.0.1:${port}`;
const children = new Set<ChildProcess>();
const startedAt = performance.now();

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
process.exitCode = await run();

async function run(): Promise<number> {
  let broker = await startBroker();
  await call(base, 'PUT', STATION, { partitions: PARTITIONS });
  await call(base, 'PUT', GROUP, { leaseMs: 5_000 });
  say(`a broker on ${base}, with a station of ${PARTITIONS} partitions`);

  const producer = start('producer.ts', base);
  const consumers = [start('consumer.ts', base, 'one', file), start('consumer.ts', base, 'two', file)];
  say(`a producer of ${FLIGHTS.toLocaleString('en-US')} flights, and two consumers of one group`);

  await until('half of it is stored', async () => (await call(base, 'GET', STATION)).messages >= FLIGHTS / 2);
  await Promise.all([kill(broker), kill(consumers[1]!)]);
  say('half of it is stored: the broker and a consumer are killed (SIGKILL)');
  broker = await startBroker();
  consumers[1] = start('consumer.ts', base, 'two', file);
  say(`started again on the same folder: ${(await call(base, 'GET', STATION)).messages.toLocaleString('en-US')} flights are there`);

  const [code] = await once(producer, 'exit');
  if (code !== 0) throw new Error(`the producer has ended with ${code}`);
  say('everything is sent');
  await until('the group has acked everything', async () => {
    const { unread, inFlight } = await call(base, 'GET', GROUP);
    return unread === 0 && inFlight === 0;
  });
  const { messages } = await insist(base, 'GET', STATION);
  const again = (await Promise.all(consumers.map(end))).reduce((sum, said) => sum + (JSON.parse(said) as { again: number }).again, 0);
  await end(broker);
  say(`everything is acked; ${again.toLocaleString('en-US')} deliveries came again, and were not counted twice`);

  const statistics = new Statistics(file);
  const found = statistics.origins();
  statistics.close();
  printTable(found);
  const isEqual = messages === FLIGHTS && isDeepStrictEqual(found, computed(await readFlights()));
  say(isEqual ? `equal to what the file gives, for ${found.length} origins` : 'NOT equal to what the file gives');
  return isEqual ? 0 : 1;
}

function start(name: string, ...args: string[]): ChildProcess {
  return spawnNode([join(import.meta.dirname, name), ...args]);
}

async function startBroker(): Promise<ChildProcess> {
  const broker = spawnNode([join(import.meta.dirname, '../../src/adapters/node/main.ts')], {
    PORT: String(port),
    WAYSIDE_DATA: join(folder, 'data'),
  });
  await until('the broker answers', async () => (await fetch(`${base}/v1/health`)).ok);
  return broker;
}

/** A process of ours; when it ends badly without having been told to, so does everything. */
function spawnNode(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  children.add(child);
  child.once('exit', (code) => {
    children.delete(child);
    if (code) process.exit(1);
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** @returns what it said at its end */
async function end(child: ChildProcess): Promise<string> {
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const gone = once(child, 'close');
  child.kill('SIGTERM');
  await gone;
  return said;
}

/** Asks until it is so, for a minute at most. No answer is an answer for later: the broker may be starting. */
async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  for (const last = performance.now() + 60_000; performance.now() < last; await sleep(50)) {
    if (await ask().catch(() => false)) return;
  }
  throw new Error(`not within a minute: ${what}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}

function printTable(origins: readonly Origin[]): void {
  console.log('\norigin  flights  mean delay  latest  mean distance');
  for (const { origin, flights, delay, latest, distance } of origins.slice(0, 10)) {
    const cells = [
      flights.toLocaleString('en-US').padStart(7),
      `${(delay / flights).toFixed(1)} min`.padStart(10),
      `${latest} min`.padStart(9),
      `${Math.round(distance / flights)} mi`.padStart(8),
    ];
    console.log(`${origin.padEnd(6)}  ${cells.join('  ')}`);
  }
  console.log(`… and ${Math.max(0, origins.length - 10)} more\n`);
}

function say(text: string): void {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}
