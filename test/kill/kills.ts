/**
 * The kill test: a broker process under load dies by SIGKILL again and again, while it works and while it
 * starts; now and then it is asked to end.
 *
 * Holds, after each start: no answered message is missing or other, sequences have no gap, an id that was sent again is
 * stored once, what was acked or rejected with an answer is not delivered again, a told delivery count has not fallen.
 * Holds at the end: everything is stored once, and no group has skipped one. What SIGKILL cannot show is a missing sync:
 * that is the simulator's (test/simulation).
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { NotStarted, startBroker, temporaryFolder } from '../node/_process.ts';
import { StationLedger, Violation } from './ledger.ts';
import type { Tally } from './load.ts';
import { Load } from './load.ts';
import { Chance } from './random.ts';
import { verify, verifyComplete } from './verify.ts';

/** Where a broker runs that is killed. */
export interface Site {
  start(data: string): Promise<Pick<BrokerProcess, 'base' | 'stop' | 'kill'>>;
  /** Starts it, and kills it with all that it has started, `afterMs` later, whatever it has come to. */
  killStarting(data: string, afterMs: number): Promise<void>;
  /** The strongest durability that it gives; `synced` unless said. */
  readonly strongest?: string;
  /** What happens to it beside the load, until the signal ends it. */
  trouble?(base: string, signal: AbortSignal): Promise<void>;
  /** Refusals (503) after which nobody knows whether a call counted, beside SHUTTING_DOWN. */
  readonly opens?: readonly string[];
}

export interface KillOptions {
  /** The server as `npm start` runs it unless said. */
  readonly site?: Site;
  readonly kills: number;
  readonly seed: number;
  /** How long the load runs before a kill, at most. */
  readonly loadMsMax?: number;
  readonly say?: (text: string) => void;
  /** A bug (core/faults.ts) to put into the broker; then a violation is what is hoped for. */
  readonly plant?: string;
}

export interface KillReport extends Tally {
  readonly seed: number;
  readonly kills: number;
  /** Kills that came before the broker had started. */
  readonly killedWhileStarting: number;
  /** Of `kills`, those that were an orderly end under load. */
  readonly orderlyEnds: number;
  readonly messages: number;
  readonly ms: number;
}

const DRAIN_MS_MAX = 120_000;

/** @throws Violation names the seed; the data folder is kept then */
export async function runKills(asked: KillOptions): Promise<KillReport> {
  const { kills, seed, loadMsMax = 1_500, say = () => undefined, plant, site = serverSite(plant) } = asked;
  const startedAt = performance.now();
  const chance = new Chance(seed);
  const folder = temporaryFolder();
  const stations = [new StationLedger(site.strongest ?? 'synced', 3, ['a', 'b']), new StationLedger('buffered', 2, ['a', 'b'])];
  const load = new Load(stations, chance.whole(1, 2 ** 31), site.opens);
  let killedWhileStarting = 0;
  let orderlyEnds = 0;
  let broker: Awaited<ReturnType<Site['start']>> | undefined;
  try {
    for (let kill = 1; kill <= kills; kill++) {
      if (kill > 1 && chance.is(0.25)) {
        killedWhileStarting += 1;
        await site.killStarting(folder.path, chance.whole(0, 500));
        say(`${kill} of ${kills}: SIGKILL while it started`);
        continue;
      }
      broker = await site.start(folder.path);
      if (kill === 1) await makeStations(broker.base, stations);
      const stored = await verifyAll(broker.base, stations);
      const ms = chance.whole(50, loadMsMax);
      // An orderly end now and then: what it writes must not be what a later kill trips over.
      const how = chance.is(0.15) ? 'SIGTERM' : 'SIGKILL';
      if (how === 'SIGTERM') orderlyEnds += 1;
      await loadUntilEnded(site, broker, load, ms, how);
      say(`${kill} of ${kills}: ${how} after ${ms} ms of load; ${stored} messages were there at the start`);
    }
    broker = await site.start(folder.path);
    await verifyAll(broker.base, stations);
    await load.settlePending(broker.base);
    await load.drain(broker.base, AbortSignal.timeout(DRAIN_MS_MAX));
    const messages = await verifyAll(broker.base, stations, verifyComplete);
    const { code, errors } = await broker.stop();
    if (code !== 0) throw new Violation(`The broker has not ended in order: ${errors}`);
    folder.remove();
    return { seed, kills, killedWhileStarting, orderlyEnds, messages, ...load.tally, ms: performance.now() - startedAt };
  } catch (error) {
    await broker?.kill();
    if (plant !== undefined) folder.remove();
    throw new Violation(`seed ${seed}, data kept in ${folder.path}: ${(error as Error).message}`, { cause: error });
  }
}

async function makeStations(base: string, stations: readonly StationLedger[]): Promise<void> {
  const client = new Client(base, undefined);
  const made = async (path: string, json: object) => {
    const answer = await client.call('PUT', path, { json });
    if (answer.status !== 201) throw new Violation(`making ${path}: ${answer}`);
  };
  for (const { name, partitions, groups } of stations) {
    await made(`/v1/stations/${name}`, { partitions, durability: name, dedupWindowMs: 3_600_000 });
    for (const group of Object.keys(groups)) await made(`/v1/stations/${name}/groups/${group}`, { maxDeliveries: 1_000_000 });
  }
}

async function verifyAll(
  base: string,
  stations: readonly StationLedger[],
  also: (station: StationLedger, stored: number) => void = () => undefined,
): Promise<number> {
  let all = 0;
  for (const station of stations) {
    const stored = await verify(base, station);
    also(station, stored);
    all += stored;
  }
  return all;
}

async function loadUntilEnded(
  site: Site,
  broker: Pick<BrokerProcess, 'base' | 'stop' | 'kill'>,
  load: Load,
  ms: number,
  how: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  const over = new AbortController();
  const trouble = site.trouble?.(broker.base, over.signal);
  const running = load.run(broker.base, over.signal);
  // A violation ends the load early, and the wait with it.
  await Promise.race([sleep(ms), running]);
  const ended = how === 'SIGKILL' ? broker.kill() : broker.stop();
  over.abort();
  const { code, errors } = await ended;
  if (how === 'SIGTERM' && code !== 0) throw new Violation(`The broker has not ended in order (${code}): ${errors}`);
  await trouble;
  await running;
}

function serverSite(plant: string | undefined): Site {
  const bug = plant === undefined ? {} : { main: join(import.meta.dirname, '_planted.ts'), env: { PLANT: plant } };
  return {
    start: (data) => startBroker({ data, ...bug }),
    killStarting: (data, afterMs) => killedWhileStarting((spawned) => startBroker({ data, ...bug, spawned }), afterMs),
  };
}

/** @param kill ends a process and all that it has started */
export async function killedWhileStarting(
  start: (spawned: (child: ChildProcess) => void) => Promise<BrokerProcess>,
  afterMs: number,
  kill: (child: ChildProcess) => void = (child) => void child.kill('SIGKILL'),
): Promise<void> {
  try {
    const broker = await start((child) => void setTimeout(() => kill(child), afterMs));
    await broker.kill();
  } catch (error) {
    if (!(error instanceof NotStarted) || error.end.signal !== 'SIGKILL') throw error;
  }
}
