/**
 * One message a request over HTTP, against a bare Hono route on the same server that reads the body and
 * answers JSON. Server and client are processes of their own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { folder, SERVER_FLAGS } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

/** Those who wait for a sync do so together: they can be more. */
const CONNECTIONS = { buffered: 32, synced: 256 };
const ROUND_MS = 2_000;
const HERE = import.meta.dirname;

export async function run({ rounds }: Run): Promise<Row[]> {
  const place = folder();
  const server = await start(`${HERE}/rest-server.ts`, [place.path]);
  const { wayside, bare } = server.said as { wayside: number; bare: number };
  const rows: Row[] = [];
  for (const durability of ['buffered', 'synced'] as const) {
    const connections = CONNECTIONS[durability];
    const ours: number[] = [];
    const base: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const rate = await load(wayside, `/v1/stations/${durability}/messages`, connections);
      const bareRate = await load(bare, '/bare/messages', connections);
      if (round < 0) continue;
      ours.push(rate);
      base.push(bareRate);
    }
    rows.push({
      name: `REST, one message of 128 B a request, ${durability}, ${connections} connections`,
      unit: 'requests/s',
      ours: { values: ours },
      beside: [{ name: 'bare Hono route', values: base, goal: durability === 'buffered' ? 0.8 : 0.7 }],
    });
  }
  server.child.kill('SIGTERM');
  await once(server.child, 'exit');
  place.remove();
  return rows;
}

async function load(port: number, path: string, connections: number): Promise<number> {
  const { child, said } = await start(`${HERE}/rest-load.ts`, [String(port), path, String(connections), String(ROUND_MS)]);
  await once(child, 'exit');
  return said as number;
}

async function start(file: string, args: string[]): Promise<{ child: ReturnType<typeof fork>; said: unknown }> {
  const child = fork(file, args, { execArgv: SERVER_FLAGS });
  const said = await Promise.race([
    once(child, 'message').then(([message]) => message as unknown),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code} before it said anything.`))),
  ]);
  return { child, said };
}
