/**
 * The other runtimes: a Durable Object and IndexedDB, each beside a bare loop of the same writes, and the server on Deno and Bun
 * beside Node.
 */
import { join } from 'node:path';
import type { Driven } from '../../src/cli/bench/drive.ts';
import { startBrowser, startSite } from '../../test/browser/_browser.ts';
import { bundle, workerd } from '../../test/cloudflare/_worker.ts';
import { startBroker } from '../../test/node/_process.ts';
import type { RunnerName } from '../../test/node/_runners.ts';
import { runner, versionOf } from '../../test/node/_runners.ts';
import type { Load } from '../load.ts';
import { batchOf, folder, inFlight, seconds } from '../place.ts';
import type { Row } from '../report.ts';
import type { Entrant, Run } from '../rounds.ts';
import { contest, rotated, together, withServers, writeOut } from '../rounds.ts';
import type { Server } from '../servers/server.ts';

const BATCHES = 300;
const REST_MS = 300;
const RECORDS = { 'Content-Type': 'application/vnd.wayside.records' };

export async function run(run: Run): Promise<Row[]> {
  return [...(await object(run)), ...(await indexedDb(run)), ...(await servers(run))];
}

/** The Worker and its object against a bare object that inserts the same bytes; 32 producers against one. */
async function object({ rounds, progress }: Run): Promise<Row[]> {
  const place = folder();
  const ours = workerd({ script: await bundle(), folder: join(place.path, 'ours') });
  const bare = workerd({
    script: await bundle('../../bench/everywhere/bare-worker.ts'),
    folder: join(place.path, 'bare'),
    objects: { BARE: 'BareObject' },
  });
  const [station, bareUrl] = [`${(await ours.ready).href}v1/stations/s`, (await bare.ready).href];
  await fetch(station, {
    method: 'PUT',
    body: JSON.stringify({ retention: { maxBytes: 64 * 2 ** 20 } }),
    headers: { 'Content-Type': 'application/json' },
  });
  const large = new Uint8Array(batchOf(100, 1024));
  const small = new Uint8Array(batchOf(1, 1024));
  const rate = async (url: string, atOnce: number, body = large) => {
    const post = async () => {
      const answer = await fetch(url, { method: 'POST', body, headers: RECORDS });
      if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    };
    return BATCHES / (await seconds(() => inFlight(BATCHES, atOnce, post)));
  };
  const figures = { one: [] as number[], base: [] as number[], many: [] as number[], smallOne: [] as number[], smallMany: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    progress.say(round < 0 ? 'Durable Object, warming up' : `Durable Object, round ${round + 1} of ${rounds}`);
    const produce = `${station}/messages/batch`;
    const rates = {
      one: await rate(produce, 1),
      base: await rate(bareUrl, 1),
      many: await rate(produce, 32),
      smallOne: await rate(produce, 1, small),
      smallMany: await rate(produce, 32, small),
    };
    if (round >= 0) for (const name of Object.keys(rates) as (keyof typeof rates)[]) figures[name].push(rates[name]);
  }
  await Promise.all([ours.dispose(), bare.dispose()]);
  place.remove();
  return [
    {
      name: 'Durable Object (workerd), batches of 100 × 1 KiB through the Worker, 1 producer',
      unit: 'batches/s',
      ours: { values: figures.one },
      beside: [{ name: 'bare object, the same blob by RPC', values: figures.base, goal: 0.75 }],
    },
    {
      name: 'the same, 32 producers',
      unit: 'batches/s',
      ours: { values: figures.many },
      beside: [{ name: '1 producer', values: figures.one, goal: 3 }],
    },
    {
      name: 'Durable Object (workerd), single messages of 1 KiB through the Worker, 32 producers',
      unit: 'messages/s',
      ours: { values: figures.smallMany },
      beside: [{ name: '1 producer', values: figures.smallOne, goal: 3 }],
    },
  ];
}

/** The broker in a page, and in a page's worker, against bare loops of transactions at the same places. */
async function indexedDb({ rounds, progress }: Run): Promise<Row[]> {
  const scripts = { bench: 'page.ts', bareshared: 'bare-shared.ts' };
  const entries = Object.entries(scripts).map(([name, file]) => [name, join(import.meta.dirname, file)]);
  const site = await startSite(undefined, Object.fromEntries(entries));
  const browser = await startBrowser();
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${site.origin}/bench.html`);
  await page.waitForFunction('globalThis.ours');
  const names = ['ours', 'bareShared', 'inside', 'bare', 'bareCommit'] as const;
  const figures: Record<(typeof names)[number], number[]> = { ours: [], bareShared: [], inside: [], bare: [], bareCommit: [] };
  for (let round = -1; round < rounds; round++) {
    progress.say(round < 0 ? 'IndexedDB, warming up' : `IndexedDB, round ${round + 1} of ${rounds}`);
    for (const place of rotated(names.length, round)) {
      const rate = (await page.evaluate(`${names[place]}(${BATCHES})`)) as number;
      if (round >= 0) figures[names[place]!].push(rate);
      // The browser removes the files of what was cleared, and compacts: nobody's next turn pays for that.
      writeOut();
      await page.waitForTimeout(REST_MS);
    }
  }
  await browser.close();
  await site.close();
  const bare = { name: 'bare loop of strict transactions', values: figures.bare };
  return [
    {
      name: 'IndexedDB (Chromium), the broker where it runs, batches of 100 × 1 KiB, 1 producer',
      unit: 'batches/s',
      ours: { values: figures.inside },
      beside: [
        { ...bare, goal: 0.75 },
        { name: 'the same loop with commit()', values: figures.bareCommit },
      ],
    },
    {
      name: 'the same from a page, by the SDK over the way to the worker',
      unit: 'batches/s',
      ours: { values: figures.ours },
      beside: [bare, { name: 'bare SharedWorker that stores the same blob', values: figures.bareShared }],
    },
  ];
}

async function consumeAll(load: Load, group: string): Promise<Driven> {
  await load.do({ do: 'makeGroup', stream: 'bench', group, byKey: false });
  return load.do<Driven>({ do: 'consume', stream: 'bench', group, count: 50_000, isShared: false });
}

/** The same server on Node, Deno and Bun: publishing, and consuming with acks. */
async function servers(run: Run): Promise<Row[]> {
  const place = folder();
  const start = (name: RunnerName) => async (): Promise<Server> => {
    const broker = await startBroker({ data: join(place.path, name), run: runner(name) });
    return {
      name: `Wayside on ${name}`,
      version: versionOf(name),
      promise: 'synced: on the disk (fdatasync) before the answer',
      port: Number(new URL(broker.base).port),
      pid: process.pid,
      stop: async () => void (await broker.stop()),
    };
  };
  try {
    return await withServers([start('node'), start('deno'), start('bun')], run, async (all) => {
      const entrants: Entrant[] = all.map((server) => ({ server, kind: 'frames' }));
      const publish = async (loads: readonly Load[], round: number): Promise<Driven> => {
        const stream = `bench-${round + 1}`;
        await loads[0]!.do({ do: 'prepare', stream });
        const driven = together(
          await Promise.all(loads.map((load) => load.do<Driven>({ do: 'publish', stream, gather: 'batch', ms: run.seconds * 1000 }))),
        );
        await loads[0]!.do({ do: 'clean', stream });
        return driven;
      };
      const prepare = async (load: Load) => {
        await load.do({ do: 'prepare', stream: 'bench' });
        await load.do({ do: 'fill', stream: 'bench', count: 50_000 });
      };
      const consume = ([load]: readonly Load[], round: number): Promise<Driven> => consumeAll(load!, `g${round + 1}`);
      const sdk = entrants.map(({ server }): Entrant => ({ server, kind: 'sdk' }));
      return [
        await contest(
          {
            name: 'publish on Node, beside Deno and Bun: synced, 100 × 128 B, 1 producer',
            entrants,
            durability: 'synced',
            size: 128,
            clients: 1,
            turn: publish,
          },
          run,
        ),
        await contest(
          {
            name: 'consume and ack on Node, beside Deno and Bun: 50,000 × 128 B',
            entrants: sdk,
            durability: 'synced',
            size: 128,
            clients: 1,
            prepare,
            turn: consume,
          },
          run,
        ),
      ];
    });
  } finally {
    place.remove();
  }
}
