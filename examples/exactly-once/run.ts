/**
 * 2,000 orders become 2,000 invoices while the worker and the broker are killed again and again: `node run.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Wayside } from 'wayside';
import { connect } from 'wayside';
import type { Process } from './processes.ts';
import { start } from './processes.ts';

const ORDERS = 2_000;
const KILLS = 12;

const data = mkdtempSync(join(tmpdir(), 'wayside-exactly-once-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));

let port = '0';
async function startBroker(): Promise<Process> {
  const broker = start('../../src/adapters/node/main.ts', [], { WAYSIDE_DATA: data, PORT: port });
  const line = await broker.says('http://127.0.0.1:');
  port = /:(\d+)/.exec(line.slice(line.indexOf('127.0.0.1')))?.[1] ?? port;
  return broker;
}

async function settledBy(wayside: Wayside): Promise<number> {
  const { acknowledged } = await wayside.station('orders').group('billing').audit();
  return acknowledged;
}

let broker = await startBroker();
const address = `http://127.0.0.1:${port}`;
const wayside = connect(address, { timeoutMs: 60_000 });
await wayside.station('orders').create({});
await wayside.station('invoices').create({ partitions: 2 });
await wayside.station('orders').group('billing').create();
const orders = wayside.station('orders');
const numbers = Array.from({ length: ORDERS }, (_, number) => number);
await Promise.all(numbers.map((number) => orders.produce({ number, total: number + 0.5 })));
console.log(`${ORDERS} orders`);

let worker = start('worker.ts', [address]);
for (let kill = 1; kill <= KILLS; kill++) {
  // At a moment that nobody has chosen.
  await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400));
  if (kill % 4 === 0) {
    await broker.kill();
    broker = await startBroker();
  } else {
    await worker.kill();
    worker = start('worker.ts', [address]);
  }
}
console.log(`killed ${KILLS} times: the worker, and every fourth time the broker`);
while ((await settledBy(wayside)) < ORDERS) await new Promise((resolve) => setTimeout(resolve, 200));
await worker.end();
while ((await wayside.station('orders').info()).outbox > 0) await new Promise((resolve) => setTimeout(resolve, 50));

const seen = new Map<number, number>();
for await (const { payload } of wayside.station<{ order: number }>('invoices').read())
  seen.set(payload.order, (seen.get(payload.order) ?? 0) + 1);
const missing = numbers.filter((number) => !seen.has(number)).length;
const doubled = [...seen.values()].filter((count) => count > 1).length;
console.log(`${seen.size} invoices: ${missing} missing, ${doubled} doubled`);
await wayside.close();
await broker.end();
process.exitCode = missing + doubled === 0 ? 0 : 1;
