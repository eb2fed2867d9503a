/**
 * A disk that is full: producing is refused, everything that helps goes on, room comes back, nothing answered is lost.
 *
 * Once on a file system of a few MiB (a tmpfs in a mount namespace of the broker's own, which needs no more than that the
 * system lets users have one), once with a quota round the files (_quota.ts), which runs anywhere.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess, StartOptions } from './_process.ts';
import { startBroker, temporaryFolder } from './_process.ts';

const DISK_MIB = 200;
const MESSAGE_BYTES = 200_000;
const PER_BATCH = 20;

/** Runs the broker where its folder is a file system of its own; undefined where the system forbids that. */
function smallFileSystem(data: string): Partial<StartOptions> | undefined {
  const script = `mount -t tmpfs -o size=${DISK_MIB}m none "${data}" && exec "$@"`;
  const wrap = ['unshare', process.getuid?.() === 0 ? '-m' : '-Urm', 'sh', '-c', script, 'sh'];
  return spawnSync(wrap[0]!, [...wrap.slice(1), 'true']).status === 0 ? { wrap } : undefined;
}

function batchOf(first: number): Uint8Array<ArrayBuffer> {
  const batch = new BatchBuilder();
  for (let n = first; n < first + PER_BATCH; n++) batch.append({ id: `i${n}`, payload: new Uint8Array(MESSAGE_BYTES).fill(n % 256) });
  return batch.finish();
}

async function fillAndFree(broker: BrokerProcess): Promise<void> {
  const client = new Client(broker.base, undefined);
  const large = '/v1/stations/large';
  const call = async (method: string, path: string, json?: unknown) => {
    const answer = await client.call(method, path, json === undefined ? {} : { json });
    expect(answer.status, `${method} ${path}: ${answer}`).toBeLessThan(300);
    return answer;
  };
  await call('PUT', large);
  await call('PUT', '/v1/stations/other');
  for (let n = 0; n < 30; n++) await call('POST', '/v1/stations/other/messages', { n });
  await call('POST', '/v1/stations/other/groups/g/fetch', { consumer: 'c', max: 1 });

  // Until it is full. What is answered as stored is counted; a refusal stores nothing.
  let stored = 0;
  let refusal = await client.call('POST', `${large}/messages/batch`, { records: batchOf(stored) });
  while (refusal.status === 201) {
    stored += PER_BATCH;
    expect(stored * MESSAGE_BYTES, 'it becomes full').toBeLessThan(DISK_MIB * 1024 * 1024);
    refusal = await client.call('POST', `${large}/messages/batch`, { records: batchOf(stored) });
  }
  expect([refusal.status, refusal.json.code]).toEqual([507, 'STORAGE_FULL']);
  expect(stored, 'most of it was used').toBeGreaterThan((DISK_MIB * 1024 * 1024 * 0.5) / MESSAGE_BYTES);

  // What helps goes on: health, reads, leases, acks, dead letters, and every message that was answered.
  await call('GET', '/v1/health');
  expect((await call('GET', large)).json.counts[0].last).toBe(stored);
  for (let sequence = 1; sequence <= stored; sequence += 7) {
    const { bytes } = await call('GET', `${large}/partitions/0/messages/${sequence}`);
    expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([MESSAGE_BYTES, (sequence - 1) % 256, (sequence - 1) % 256]);
  }
  const receipts: string[] = [];
  while (receipts.length < 20) {
    const { messages } = (
      await call('POST', '/v1/stations/other/groups/g/fetch', { consumer: 'c', max: 20 - receipts.length, waitMs: 5_000 })
    ).json;
    expect(messages.length, 'messages of the group').toBeGreaterThan(0);
    receipts.push(...messages.map(({ receipt }: { receipt: string }) => receipt));
  }
  await call('POST', '/v1/stations/other/groups/g/ack', { receipts: receipts.slice(0, 15) });
  await call('POST', '/v1/stations/other/groups/g/reject', { receipts: receipts.slice(15), reason: 'full' });

  // Room comes back with a purge, and a repeat of what was refused is stored once.
  expect((await call('POST', `${large}/purge`, { upTo: stored - PER_BATCH })).json.purged).toBe(stored - PER_BATCH);
  let again = await client.call('POST', `${large}/messages/batch`, { records: batchOf(stored) });
  for (const end = Date.now() + 10_000; again.status === 507 && Date.now() < end; )
    again = await client.call('POST', `${large}/messages/batch`, { records: batchOf(stored) });
  expect([again.status, again.json.ranges]).toEqual([201, [[0, stored + 1, PER_BATCH]]]);
  expect((await call('GET', '/v1/stations/other/dead-letters')).json.items).toHaveLength(5);
}

test('on a small file system: 507, the rest goes on, a purge makes room', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  // Where users may have no file system of their own the quota stands in, so that this never tests nothing.
  const options = smallFileSystem(folder.path) ?? quota();
  const broker = await startBroker({ data: folder.path, ...options });
  try {
    await fillAndFree(broker);
    expect(await broker.stop()).toEqual({ code: 0, signal: null, errors: expect.any(String) });
  } finally {
    await broker.kill();
    folder.remove();
  }
});

test('with a quota: the same; and after a crash of the full broker everything answered is there', { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  let broker = await startBroker({ data: folder.path, ...quota() });
  try {
    await fillAndFree(broker);
    const before = await everything(broker.base);
    await broker.kill();
    broker = await startBroker({ data: folder.path, ...quota() });
    expect(await everything(broker.base)).toEqual(before);
    expect(await broker.stop()).toEqual({ code: 0, signal: null, errors: expect.any(String) });
  } finally {
    await broker.kill();
    folder.remove();
  }
});

function quota(): Partial<StartOptions> {
  return { main: join(import.meta.dirname, '_quota.ts'), env: { QUOTA_BYTES: String(DISK_MIB * 1024 * 1024) } };
}

async function everything(base: string): Promise<unknown> {
  const client = new Client(base, undefined);
  const { counts } = (await client.call('GET', '/v1/stations/large')).json;
  const { members: _, ...group } = (await client.call('GET', '/v1/stations/other/groups/g')).json;
  const { messages } = (await client.call('GET', '/v1/stations/other/messages?from=start')).json;
  const letters = (await client.call('GET', '/v1/stations/other/dead-letters')).json;
  return { counts, group, messages, letters };
}
