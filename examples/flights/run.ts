/**
 * The whole example: a broker, a producer, two consumers; the broker and a consumer are killed midway and started again;
 * then what is stored and what was counted are compared with the file. Exit code 0 when they are equal.
 *
 *     node run.ts [--http] [--flights COUNT]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { connect } from 'wayside';
import type { Flight } from './flights.ts';
import { FLIGHTS, readFlights } from './flights.ts';
import type { Process } from './processes.ts';
import { start } from './processes.ts';
import type { Origin } from './statistics.ts';
import { computed, Statistics } from './statistics.ts';

const { values } = parseArgs({ options: { http: { type: 'boolean' }, flights: { type: 'string' } } });
const COUNT = Number(values.flights ?? FLIGHTS);
const WAY = values.http ? 'http/' : '';
const PARTITIONS = 4;

const folder = mkdtempSync(join(tmpdir(), 'wayside-flights-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'statistics.db');
const startedAt = performance.now();
process.exitCode = (await run()) ? 0 : 1;

async function run(): Promise<boolean> {
  let { broker, address } = await startBroker('0');
  const { port } = new URL(address);
  await using wayside = connect(address);
  const station = wayside.station<Flight>('flights');
  const group = station.group('statistics');
  await station.create({ partitions: PARTITIONS });
  await group.create({ leaseMs: 5_000 });
  say(`a broker on ${address}, with a station of ${PARTITIONS} partitions`);

  const producer = start(`${WAY}producer.ts`, [address, String(COUNT)]);
  const consumers = ['one', 'two'].map((name) => startConsumer(address, name));
  say(`a producer of ${shown(COUNT)} flights and two consumers of one group, ${values.http ? 'over HTTP' : 'with the SDK'}`);

  await producer.says('half of it is sent');
  await Promise.all([broker.kill(), consumers[1]!.kill()]);
  if (!producer.isRunning()) throw new Error('the producer was done before the broker was killed');
  say('half of it is sent: the broker and a consumer are killed (SIGKILL)');
  ({ broker, address } = await startBroker(port));
  consumers[1] = startConsumer(address, 'two');
  const { messages: kept } = await station.info();
  say(`started again on the same folder: ${shown(kept)} flights are there`);

  await producer.ended;
  say('everything is sent');
  // It asks again and again, since a lease that a killed consumer had ends without a word.
  for (;;) {
    const { unread, inFlight } = await group.info();
    if (unread === 0 && inFlight === 0) break;
    await sleep(50);
  }
  const said = await Promise.all(consumers.map((consumer) => consumer.end()));
  const again = said.reduce((sum, text) => sum + (JSON.parse(text) as { again: number }).again, 0);
  say(`everything is acked; ${shown(again)} deliveries came again, and were not counted twice`);

  const stored = await storedFaults(station.read());
  await wayside.close();
  await broker.end();
  return compare(stored, await readFlights(COUNT));
}

async function startBroker(port: string): Promise<{ broker: Process; address: string }> {
  const broker = start('../../src/cli/main.ts', ['serve', '--json', '--port', port, '--data', join(folder, 'data')]);
  const { url } = JSON.parse(await broker.says('url')) as { url: string };
  return { broker, address: url };
}

function startConsumer(address: string, name: string): Process {
  return start(`${WAY}consumer.ts`, [address, name, file]);
}

/** What is wrong with what is stored: each row is there once, and those of one origin are in the order of the file. */
async function storedFaults(messages: AsyncIterable<{ readonly payload: Flight }>): Promise<string[]> {
  const faults: string[] = [];
  const last = new Map<string, number>();
  let rows = 0;
  for await (const { payload } of messages) {
    rows += 1;
    const before = last.get(payload.origin) ?? -1;
    if (payload.row <= before) faults.push(`row ${payload.row} of ${payload.origin} is stored behind row ${before}`);
    last.set(payload.origin, payload.row);
  }
  // In order and each another one: as many as there are rows, so all of them.
  if (rows !== COUNT) faults.push(`${shown(rows)} messages are stored for ${shown(COUNT)} flights`);
  return faults;
}

function compare(faults: string[], flights: readonly Flight[]): boolean {
  const statistics = new Statistics(file);
  const { messages, rows } = statistics.counted();
  const found = statistics.origins();
  statistics.close();
  printTable(found);
  if (messages !== COUNT || rows !== COUNT) faults.push(`${shown(messages)} messages of ${shown(rows)} flights were counted`);
  if (!isDeepStrictEqual(found, computed(flights))) faults.push('the sums are NOT those of the file');
  for (const fault of faults.slice(0, 10)) say(`WRONG: ${fault}`);
  if (faults.length > 0) return false;
  say(`stored: each flight once, those of an origin in the order of the file`);
  say(`counted: each flight once; the sums are equal to what the file gives, for ${found.length} origins`);
  return true;
}

function printTable(origins: readonly Origin[]): void {
  console.log('\norigin  flights  mean delay  latest  mean distance');
  for (const { origin, flights, delay, latest, distance } of origins.slice(0, 10)) {
    const cells = [
      shown(flights).padStart(7),
      `${(delay / flights).toFixed(1)} min`.padStart(10),
      `${latest} min`.padStart(9),
      `${Math.round(distance / flights)} mi`.padStart(8),
    ];
    console.log(`${origin.padEnd(6)}  ${cells.join('  ')}`);
  }
  console.log(`… and ${Math.max(0, origins.length - 10)} more\n`);
}

function shown(count: number): string {
  return count.toLocaleString('en-US');
}

function say(text: string): void {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}
