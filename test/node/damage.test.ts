/**
 * Damage on the disk, of a broker that had stopped: reported with its place, served to nobody, and no one else's trouble.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from './_process.ts';
import { refusedStart, startBroker, temporaryFolder } from './_process.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000 });

let folder: ReturnType<typeof temporaryFolder>;
let broker: BrokerProcess | undefined;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await broker?.kill();
  folder.remove();
});

async function start(): Promise<Client> {
  broker = await startBroker({ data: folder.path });
  return new Client(broker.base, undefined);
}

const MIB = 1024 * 1024;

/** A batch of eight messages of a MiB less a little; each begins with its mark. */
function bulk(first: number): Uint8Array<ArrayBuffer> {
  const batch = new BatchBuilder();
  for (let n = first; n < first + 7; n++) {
    const payload = new Uint8Array(MIB - 100).fill(n % 251);
    new TextEncoder().encodeInto(mark(n), payload);
    batch.append({ payload });
  }
  return batch.finish();
}

const mark = (n: number): string => `<<bulk message ${n}>>`;

/** The file and offset of a text that is stored once. */
function find(text: string): { file: string; at: number } {
  for (const name of readdirSync(folder.path)) {
    const at = readFileSync(join(folder.path, name)).indexOf(text);
    if (at >= 0) return { file: name, at };
  }
  throw new Error(`${text} is in no file`);
}

function flip({ file, at }: { file: string; at: number }, bytes = 4): void {
  const path = join(folder.path, file);
  const old = readFileSync(path).subarray(at, at + bytes);
  const fd = openSync(path, 'r+');
  writeSync(
    fd,
    old.map((byte) => byte ^ 0xff),
    0,
    bytes,
    at,
  );
  closeSync(fd);
}

test('bytes flipped in a sealed segment: that range is 500 CORRUPTION, the rest of it and other stations go on', async () => {
  let client = await start();
  for (const name of ['large', 'small']) await client.call('PUT', `/v1/stations/${name}`);
  await client.call('POST', '/v1/stations/small/messages', { body: 'before' });
  const batches = 12;
  for (let n = 0; n < batches; n++)
    expect((await client.call('POST', '/v1/stations/large/messages/batch', { records: bulk(n * 7) })).status).toBe(201);
  await client.call('POST', '/v1/stations/small/messages', { body: 'after' });
  expect((await broker!.stop()).code).toBe(0);

  const damaged = 8;
  const place = find(mark(damaged));
  expect(
    readdirSync(folder.path)
      .filter((name) => name.startsWith('segment'))
      .sort()[0],
    'the segment is a sealed one',
  ).toBe(place.file);
  flip({ file: place.file, at: place.at + 500 });

  client = await start();
  const one = (sequence: number) => client.call('GET', `/v1/stations/large/partitions/0/messages/${sequence}`);
  const answer = await one(damaged + 1);
  expect([answer.status, answer.json.code]).toEqual([500, 'CORRUPTION']);
  expect(answer.text).not.toContain(mark(damaged));
  expect(answer.text, 'no path of this machine').not.toContain(folder.path);
  expect(answer.json.detail, 'the range').toMatch(/\d/);
  expect((await client.call('GET', `/v1/stations/large/messages?from=${damaged + 1}&limit=1`)).status).toBe(500);
  expect(
    (await client.call('POST', '/v1/stations/large/groups/g/fetch', { json: { consumer: 'c', startAt: damaged + 1, max: 1 } })).status,
  ).toBe(500);

  for (const sequence of [1, batches * 7]) expect((await one(sequence)).bytes.length).toBe(MIB - 100);
  expect(
    (await client.call('GET', '/v1/stations/small/messages?from=start')).json.messages.map(
      ({ base64, text }: { base64?: string; text?: string }) => text ?? base64,
    ),
  ).toEqual(['before', 'after']);
  expect((await client.call('POST', '/v1/stations/small/messages', { body: 'on' })).status).toBe(201);
  expect((await client.call('POST', '/v1/stations/large/messages', { body: 'on' })).json.sequence).toBe(batches * 7 + 1);
  expect((await client.call('GET', '/v1/health')).status).toBe(200);
});

test('damage in the unsealed segment, below what was synced: the start is refused, with file and range', async () => {
  const client = await start();
  await client.call('PUT', '/v1/stations/s');
  for (let n = 0; n < 20; n++) await client.call('POST', '/v1/stations/s/messages', { body: `<<message ${n}>>` });
  expect((await broker!.stop()).code).toBe(0);
  const place = find('<<message 5>>');
  flip(place);
  const { code, errors } = await refusedStart({ data: folder.path });
  expect(errors).toContain(place.file);
  expect(errors).toMatch(/\d+/);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
  expect(code).toBe(1);
  flip(place);
  const again = await start();
  expect((await again.call('GET', '/v1/stations/s/messages?from=start')).json.messages).toHaveLength(20);
});

test('the same after a crash: what was synced and is damaged is never taken for a torn tail', async () => {
  const client = await start();
  await client.call('PUT', '/v1/stations/s');
  for (let n = 0; n < 20; n++) await client.call('POST', '/v1/stations/s/messages', { body: `<<message ${n}>>` });
  await broker!.kill();
  flip(find('<<message 5>>'));
  const { code, errors } = await refusedStart({ data: folder.path });
  expect(errors).toContain('segment');
  expect(code).toBe(1);
});

test('bytes after the end of the log, as a torn write leaves them, are cut: nothing answered is lost', async () => {
  const client = await start();
  await client.call('PUT', '/v1/stations/s');
  for (let n = 0; n < 5; n++) await client.call('POST', '/v1/stations/s/messages', { body: `<<message ${n}>>` });
  await broker!.kill();
  const { file, at } = find('<<message 4>>');
  const fd = openSync(join(folder.path, file), 'r+');
  writeSync(fd, Buffer.alloc(700, 0xa5), 0, 700, at + 4096);
  closeSync(fd);
  const again = await start();
  const { messages } = (await again.call('GET', '/v1/stations/s/messages?from=start')).json;
  expect(messages).toHaveLength(5);
  expect((await again.call('POST', '/v1/stations/s/messages', { body: 'on' })).json.sequence).toBe(6);
});
