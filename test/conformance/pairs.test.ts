/**
 * One export stream: written by each runtime, taken in by each other. What comes out at the target is what was there, with the
 * same sequences, groups, leases, ids and dead letters; durability is lowered to what the target gives, and that is said.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Server } from './checks.ts';
import { Context } from './checks.ts';
import { status } from './expect.ts';
import { RUNTIME_NAMES, runtimeNamed } from './runtimes.ts';
import { Station } from './station.ts';

const TYPE = 'application/vnd.wayside.export';
const RANK = ['memory', 'buffered', 'local', 'synced', 'replicated'];
const STATION = 'exported';

const contexts = new Map<string, Context>();
const servers: Server[] = [];
const streams = new Map<string, Uint8Array<ArrayBuffer>>();

beforeAll(async () => {
  await Promise.all(
    RUNTIME_NAMES.map(async (name) => {
      const runtime = runtimeNamed(name);
      const server = await runtime.start({});
      servers.push(server);
      contexts.set(name, new Context(runtime, server));
    }),
  );
}, 60_000);

afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
});

/** 40 messages with keys and ids over two partitions; a group that has acked, rejected, and holds some. */
async function fill(t: Context): Promise<void> {
  const s = new Station(t, STATION);
  await s.make({ partitions: 2, dedupWindowMs: 3_600_000 });
  await s.batch(Array.from({ length: 40 }, (_, i) => ({ text: `m${i}`, key: `k${i % 7}`, id: `i${i}`, headers: { n: `${i}` } })));
  const group = s.group('g');
  const taken = await group.take(12, { leaseMs: 600_000 });
  for (const message of taken.slice(0, 5)) await group.ack(message);
  for (const message of taken.slice(5, 7)) await group.settle('reject', message);
}

async function seen(s: Station) {
  const { unread, inFlight, dead, members } = await s.group('g').info();
  const pending = status(await s.t.get(`${s.path}/groups/g/pending`), 200).json.items.map(
    ({ partition, sequence, consumer, deliveries }: Record<string, unknown>) => ({ partition, sequence, consumer, deliveries }),
  );
  const letters = (await s.letters()).map(({ id, reason, message }) => ({
    place: id.split('-').slice(0, 3).join('-'),
    reason,
    sequence: message.sequence,
    text: message.text,
  }));
  return { messages: await s.all(), unread, inFlight, dead, held: members.length, pending, letters };
}

describe.each(RUNTIME_NAMES)('exported on %s', (source) => {
  beforeAll(async () => {
    const t = contexts.get(source)!;
    await fill(t);
    streams.set(source, new Uint8Array(status(await t.get(`/v1/export?station=${STATION}`), 200).bytes));
  }, 30_000);

  test.each(RUNTIME_NAMES)('imported on %s', { timeout: 30_000 }, async (target) => {
    const t = contexts.get(target)!;
    const name = `from-${source}`;
    const answer = status(
      await t.post(`/v1/import?station=${name}`, { body: streams.get(source)!, headers: { 'content-type': TYPE } }),
      201,
    );
    const copy = new Station(t, name);
    const original = new Station(contexts.get(source)!, STATION);
    const [was, is] = [await seen(original), await seen(copy)];
    expect(is).toEqual(was);
    expect(is.messages).toHaveLength(40);
    expect([is.inFlight, is.dead, is.letters.length]).toEqual([5, 2, 2]);
    // A repeat of an id is one here too, at the place that it was told.
    const first = is.messages[0]!;
    const again = { messages: [{ text: first.text, key: first.key, id: first.id }] };
    const [repeat] = status(await t.post(`${copy.path}/messages/batch`, { json: again }), 201).json.results;
    expect(repeat).toMatchObject({ partition: first.partition, sequence: first.sequence, duplicate: true });
    // What is new goes on behind.
    const { sequence } = await copy.produce('new', {}, '?partition=0');
    expect(sequence).toBe(1 + Math.max(...is.messages.filter(({ partition }) => partition === 0).map((message) => message.sequence)));
    // Never more than the target gives, and said where it is less than it was.
    const asked = (await original.info()).durability;
    const given = (await copy.info()).durability;
    const strongest = runtimeNamed(target).strongest ?? 'synced';
    // What one kind of host alone gives is the strongest of another: `local` of a browser is `synced` on a disk.
    expect(given).toBe(asked === 'local' ? strongest : RANK[Math.min(RANK.indexOf(asked), RANK.indexOf(strongest))]);
    const [told] = answer.json.stations;
    expect(told.durability).toBe(given);
    if (RANK.indexOf(given) < RANK.indexOf(asked)) expect(JSON.stringify(told)).toContain(asked);
    await copy.remove();
  });
});
