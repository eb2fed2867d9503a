/** Subscriptions: credit, what comes in which order, how they end. */
import { describe, expect, it } from 'vitest';
import { WaysideError } from '../../../src/core/errors.ts';
import type { Client, Frame, World } from './_frames.ts';
import { countOf, overriding, receiptsOf, textsOf, world } from './_frames.ts';

const CARRIERS: Record<string, (w: World) => Promise<Client>> = {
  objects: (w) => w.link(),
  msgpack: (w) => w.wire('wayside.msgpack.v1'),
  json: (w) => w.wire('wayside.json.v1'),
};
const CREDIT = { messages: 1_000, bytes: 1_000_000 };

async function fill(client: Client, station: string, count: number, size = 0): Promise<void> {
  const messages = Array.from({ length: count }, (_, i) => ({ text: `m${i + 1}`.padEnd(size, '.') }));
  await client.do('produce', { station, messages });
}

const subscribe = (client: Client, station: string, more: object = {}) =>
  client.do('subscribe', { sub: 1, station, group: 'g', consumer: 'c', credit: CREDIT, ...more });

/** Deliveries to a subscription until there are `count` messages. */
async function take(client: Client, count: number, sub = 1): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push(...textsOf(await client.next((frame) => frame.sub === sub && frame.event === undefined)));
  return texts;
}

/** Whatever was going to come has come: two calls that the broker answers one after another, the second long after. */
async function settled(client: Client, station: string): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await client.do('fetch', { station, group: 'of-nobody', consumer: 'c', startAt: 'end' });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(Object.entries(CARRIERS))('%s', (_, open) => {
  it('answers first, then delivers what is there, then what comes', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await fill(client, station, 3);
    client.send({ op: 'subscribe', id: 50, sub: 1, station, group: 'g', consumer: 'c', credit: CREDIT });
    const first = await client.next(() => true);
    expect(first).toEqual({ id: 50, ok: { leaseMs: 30_000 } });
    expect(await take(client, 3)).toEqual(['m1', 'm2', 'm3']);
    await client.do('produce', { station, messages: [{ text: 'live' }] });
    expect(await take(client, 1)).toEqual(['live']);
  });

  it('says its lease, its own or that of the group', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await w.broker.putGroup('default', station, 'g', { leaseMs: 7_000 });
    expect(await subscribe(client, station)).toEqual({ leaseMs: 7_000 });
    expect(await subscribe(client, station, { sub: 2, leaseMs: 9_000 })).toEqual({ leaseMs: 9_000 });
  });

  it('never more messages than there is credit for; credit adds', async () => {
    const w = await world();
    const station = await w.station({ partitions: 2 });
    const client = await open(w);
    await fill(client, station, 30);
    await fill(client, station, 30);
    await subscribe(client, station, { credit: { messages: 3, bytes: 1_000_000 } });
    await take(client, 3);
    await settled(client, station);
    expect(client.frames).toEqual([]);
    await Promise.all([client.do('credit', { sub: 1, messages: 2, bytes: 0 }), client.do('credit', { sub: 1, messages: 5, bytes: 0 })]);
    expect(await take(client, 7)).toHaveLength(7);
    await settled(client, station);
    expect(client.frames).toEqual([]);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 10, unread: 50 });
  });

  it('bytes: as many as there is credit for, and one message that overdraws', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await fill(client, station, 6, 1000);
    await subscribe(client, station, { credit: { messages: 100, bytes: 2500 } });
    await settled(client, station);
    // Each takes 1,018 bytes as a record: two fit, and what is left lets one more overdraw it.
    expect(client.frames.reduce((sum, frame) => sum + countOf(frame), 0)).toBe(3);
    client.frames.length = 0;
    await client.do('credit', { sub: 1, messages: 0, bytes: 500 });
    await settled(client, station);
    expect(client.frames, 'the overdraft is paid first').toEqual([]);
    await client.do('credit', { sub: 1, messages: 0, bytes: 500 });
    expect(await take(client, 1)).toHaveLength(1);
  });

  it('without credit it makes the group, and leases nothing', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await fill(client, station, 2);
    await subscribe(client, station, { credit: { messages: 0, bytes: 0 } });
    await settled(client, station);
    expect(client.frames).toEqual([]);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ unread: 2, inFlight: 0 });
    await client.do('credit', { sub: 1, ...CREDIT });
    expect(await take(client, 2)).toEqual(['m1', 'm2']);
  });

  it('credit that makes no sense is refused, and changes nothing', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await subscribe(client, station, { credit: { messages: 1, bytes: 2 ** 31 - 1 } });
    const bad = [
      { messages: -1, bytes: 0 },
      { messages: 1.5, bytes: 0 },
      { messages: 2 ** 31, bytes: 0 },
      { messages: 1e300, bytes: 0 },
      { messages: '1', bytes: 0 },
      { messages: 0, bytes: 1 },
      { messages: 2 ** 31 - 1, bytes: 0 },
      { messages: 1 },
    ];
    for (const credit of bad) expect(await client.refused('credit', { sub: 1, ...credit }), JSON.stringify(credit)).toBe('INVALID_REQUEST');
    expect(await client.refused('credit', { sub: 2, messages: 1, bytes: 1 })).toBe('NOT_FOUND');
    for (const credit of [{ messages: -1, bytes: 1 }, { messages: 1 }, undefined])
      expect(await client.refused('subscribe', { sub: 9, station, group: 'g', consumer: 'c', credit })).toBe('INVALID_REQUEST');
    await fill(client, station, 5);
    await take(client, 1);
    await settled(client, station);
    expect(client.frames, 'the credit of one message is spent').toEqual([]);
  });

  it('what it cannot begin with answers the subscribe, and the number is free again', async () => {
    const w = await world({ limits: { subscriptionsMax: 2 } });
    const station = await w.station();
    const client = await open(w);
    const refused = (more: object) => client.refused('subscribe', { sub: 1, station, group: 'g', consumer: 'c', credit: CREDIT, ...more });
    expect(await refused({ station: 'none' })).toBe('STATION_NOT_FOUND');
    expect(await refused({ group: '.x' })).toBe('INVALID_NAME');
    expect(await refused({ consumer: '' })).toBe('INVALID_NAME');
    expect(await refused({ leaseMs: 5 })).toBe('INVALID_REQUEST');
    expect(await refused({ startAt: 'noon' })).toBe('INVALID_REQUEST');
    expect(await refused({ sub: -1 })).toBe('INVALID_REQUEST');
    await subscribe(client, station);
    expect(await refused({})).toBe('INVALID_REQUEST');
    await subscribe(client, station, { sub: 2 });
    expect(await refused({ sub: 3 })).toBe('LIMIT_EXCEEDED');
    await client.do('unsubscribe', { sub: 2 });
    await subscribe(client, station, { sub: 3 });
    expect(await client.refused('unsubscribe', { sub: 2 })).toBe('NOT_FOUND');
  });

  it('unsubscribe: nothing comes after its answer; what was out is kept, or given back uncounted', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await fill(client, station, 3);
    await subscribe(client, station);
    await take(client, 3);
    expect(await client.do('unsubscribe', { sub: 1 })).toEqual({});
    await fill(client, station, 1);
    await settled(client, station);
    expect(client.frames).toEqual([]);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 3, unread: 1 });

    await subscribe(client, station, { sub: 2 });
    await take(client, 1, 2);
    expect(await client.do('unsubscribe', { sub: 2, release: true })).toEqual({ released: 4 });
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 0, unread: 4 });
    const again = await w.broker.fetch('default', station, 'g', { consumer: 'other' });
    expect(again.blocks.map(({ deliveries }) => deliveries)).toEqual(again.blocks.map(() => 1));
  });

  it('unsubscribe in the middle of a flood loses and doubles nothing', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const seen: string[] = [];
    for (let round = 0; round < 20; round++) {
      const producing = fill(client, station, 50);
      await subscribe(client, station, { sub: round });
      const unsubscribed = client.do('unsubscribe', { sub: round });
      await Promise.all([producing, unsubscribed]);
      for (const frame of client.frames.splice(0)) seen.push(...textsOf(frame));
    }
    const { inFlight, unread } = await w.broker.group('default', station, 'g');
    expect([inFlight, inFlight + unread]).toEqual([seen.length, 1000]);
  });

  it('unsubscribe waits for a delivery that is under way, which comes in front of its answer', async () => {
    let arrived = () => undefined as unknown;
    let letGo = () => undefined as unknown;
    const held = new Promise<unknown>((resolve) => {
      arrived = () => resolve(undefined);
    });
    const gate = new Promise<unknown>((resolve) => {
      letGo = () => resolve(undefined);
    });
    const w = await world({
      wrap: (broker) =>
        overriding(broker, {
          fetch: async (...given) => {
            const fetched = await broker.fetch(...given);
            if (given[3].join === true && fetched.blocks.length > 0) {
              arrived();
              await gate;
            }
            return fetched;
          },
        }),
    });
    const station = await w.station();
    const client = await open(w);
    await subscribe(client, station);
    await fill(client, station, 1);
    await held;
    client.send({ op: 'unsubscribe', id: 900, sub: 1, release: true });
    await settled(client, station);
    expect(client.frames).toEqual([]);
    letGo();
    expect(await client.next(() => true)).toMatchObject({ sub: 1 });
    expect(await client.next(() => true)).toEqual({ id: 900, ok: { released: 1 } });
  });

  it('a session that breaks off takes nothing more; its leases hold', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await fill(client, station, 2);
    await subscribe(client, station);
    await take(client, 2);
    client.vanish();
    const other = await open(w);
    await fill(other, station, 5);
    await settled(other, station);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 2, unread: 5 });
  });

  it('a station or a group that is removed ends it with `deleted`; the number is free', async () => {
    const w = await world();
    const client = await open(w);
    const [one, two] = [await w.station(), await w.station()];
    await subscribe(client, one, { sub: 1 });
    await subscribe(client, two, { sub: 2 });
    await w.broker.removeStation('default', one);
    await client.next((frame) => frame.sub === 1 && frame.event === 'deleted');
    await w.broker.removeGroup('default', two, 'g');
    await client.next((frame) => frame.sub === 2 && frame.event === 'deleted');
    expect((await w.broker.groups('default', two, {})).items).toEqual([]);
    await subscribe(client, two, { sub: 1 });
    await fill(client, two, 1);
    expect(await take(client, 1)).toEqual(['m1']);
  });

  it('a group that is removed between two looks is not made again by the next', async () => {
    const w = await world();
    const client = await open(w);
    const station = await w.station();
    await fill(client, station, 5);
    // Without credit it is between two looks.
    await subscribe(client, station, { credit: { messages: 2, bytes: 1_000_000 } });
    await take(client, 2);
    await settled(client, station);
    await w.broker.removeGroup('default', station, 'g');
    await client.do('credit', { sub: 1, ...CREDIT });
    await client.next((frame) => frame.sub === 1 && frame.event === 'deleted');
    expect(await client.refused('credit', { sub: 1, ...CREDIT })).toBe('NOT_FOUND');
    expect((await w.broker.groups('default', station, {})).items.map(({ name }) => name)).not.toContain('g');
  });

  it('a look that fails: `paused` once, and it goes on by itself', async () => {
    let failures = 2;
    const w = await world({
      wrap: (broker) =>
        overriding(broker, {
          fetch: (...given) => {
            if (given[3].join !== true || failures-- <= 0) return broker.fetch(...given);
            return Promise.reject(failures === 1 ? new WaysideError('STORAGE_FAILED', 'It failed.') : new Error('a secret'));
          },
        }),
    });
    const client = await open(w);
    const station = await w.station();
    await subscribe(client, station);
    await fill(client, station, 2);
    expect(await client.next((frame) => frame.sub === 1)).toEqual({ sub: 1, event: 'paused' });
    expect(await take(client, 2)).toEqual(['m1', 'm2']);
    expect(client.frames).toEqual([]);
    expect(w.errors.join()).toContain('a secret');
  });

  it('two consumers of a group: everything once', async () => {
    const w = await world();
    const station = await w.station({ partitions: 3 });
    const clients = [await open(w), await open(w)];
    await Promise.all(clients.map((client, i) => subscribe(client, station, { consumer: `c${i}`, credit: { messages: 150, bytes: 1e6 } })));
    for (let i = 0; i < 30; i++) await fill(clients[0]!, station, 10);
    const got = (await Promise.all(clients.map((client) => take(client, 150)))).flat();
    expect(got).toHaveLength(300);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 300, unread: 0 });
  });

  it('acks while it delivers, message after message, to the end', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await subscribe(client, station, { credit: { messages: 10, bytes: 1e6 } });
    const producing = (async () => {
      for (let i = 0; i < 50; i++) await fill(client, station, 7);
    })();
    let done = 0;
    while (done < 350) {
      const frame: Frame = await client.next((candidate) => candidate.sub === 1);
      const count = countOf(frame);
      const receipts = receiptsOf(frame);
      expect((await client.do('ack', { station, group: 'g', receipts })).failed).toEqual([]);
      await client.do('credit', { sub: 1, messages: count, bytes: 10_000 });
      done += count;
    }
    await producing;
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 0, unread: 0 });
  });
});
