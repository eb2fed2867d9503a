/**
 * A peer that does not read: what it costs is bounded, others notice nothing, and when it reads again everything comes.
 * The wire is one that keeps what it is given until the test takes it off, so nothing here depends on a time.
 */
import { describe, expect, it } from 'vitest';
import type { Client, WireClient, World } from './_frames.ts';
import { countOf, overriding, textsOf, world } from './_frames.ts';

const MIB = 1024 * 1024;
const CREDIT = { messages: 1_000_000, bytes: 2 ** 31 - 1 };

async function fill(client: Client, station: string, count: number, size: number): Promise<void> {
  for (let i = 0; i < count; i++) await client.do('produce', { station, messages: [{ text: `${station}-${i}`.padEnd(size, '.') }] });
}

/** Every look that was going to be made has been made. */
async function quiet(w: World, station: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await w.broker.fetch('default', station, 'of-nobody', { consumer: 'c', startAt: 'end' });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function stuck(w: World, protocol: 'wayside.msgpack.v1' | 'wayside.json.v1' = 'wayside.msgpack.v1'): Promise<WireClient> {
  const client = await w.wire(protocol);
  client.stuck = true;
  return client;
}

describe('a peer that does not read', () => {
  it.each(['wayside.msgpack.v1', 'wayside.json.v1'] as const)(
    '%s: many subscriptions wait in it with less than 4 MiB together',
    async (protocol) => {
      const w = await world();
      const other = await w.link();
      const stations = await Promise.all(Array.from({ length: 20 }, () => w.station()));
      for (const station of stations) await fill(other, station, 8, 100_000);
      const client = await stuck(w, protocol);
      for (const [sub, station] of stations.entries())
        client.send({ op: 'subscribe', id: sub, sub, station, group: 'g', consumer: 'c', credit: CREDIT });
      await quiet(w, stations[0]!);
      // 16 MB are there. What leaves it waiting is the bound for deliveries, 3 MiB, and one message at most.
      expect(client.waitingMax).toBeGreaterThan(2.5 * MIB);
      expect(client.waitingMax).toBeLessThan(3.5 * MIB);
      let inFlight = 0;
      for (const station of stations) inFlight += (await w.broker.group('default', station, 'g')).inFlight;
      expect(inFlight, 'nothing is leased that cannot leave').toBeLessThan(36);

      let got = 0;
      while (got < 160) {
        client.read();
        for (const frame of client.frames.splice(0)) if (frame.sub !== undefined) got += countOf(frame);
        await quiet(w, stations[0]!);
      }
      expect(got).toBe(160);
      expect(client.waitingMax).toBeLessThan(4 * MIB);
    },
  );

  it('subscriptions that are parked are all woken at once: still one bound', async () => {
    const w = await world();
    const client = await stuck(w);
    const stations = await Promise.all(Array.from({ length: 40 }, () => w.station()));
    for (const [sub, station] of stations.entries())
      client.send({ op: 'subscribe', id: sub, sub, station, group: 'g', consumer: 'c', credit: CREDIT });
    await quiet(w, stations[0]!);
    const other = await w.link();
    // In one turn, a message of nearly a MiB for each of them.
    await Promise.all(stations.map((station) => fill(other, station, 1, MIB - 1000)));
    await quiet(w, stations[0]!);
    expect(client.waitingMax).toBeLessThan(4 * MIB);
    // What this one could not take, another consumer can, at once.
    const taken = await Promise.all(stations.map((station) => w.broker.fetch('default', station, 'g', { consumer: 'other' })));
    expect(taken.filter(({ blocks }) => blocks.length > 0).length).toBeGreaterThanOrEqual(36);
  });

  it('fetches wait for room too: each is answered in the end, though with less than it asked for', async () => {
    const w = await world();
    const station = await w.station();
    const other = await w.link();
    await fill(other, station, 16, 500_000);
    const client = await stuck(w);
    for (let id = 1; id <= 16; id++) client.send({ op: 'fetch', id, station, group: `g${id % 4}`, consumer: 'c', max: 2, waitMs: 20_000 });
    await quiet(w, station);
    expect(client.waitingMax).toBeLessThan(4.5 * MIB);
    let answered = 0;
    while (answered < 16) {
      client.read();
      for (const { ok } of client.frames.splice(0)) {
        expect(countOf(ok)).toBeGreaterThan(0);
        answered += 1;
      }
      await quiet(w, station);
    }
  });

  it('round robin: a full subscription keeps no other from its turn', async () => {
    const w = await world();
    const [full, small] = [await w.station(), await w.station()];
    const other = await w.link();
    await fill(other, full, 40, 500_000);
    const client = await stuck(w);
    client.send({ op: 'subscribe', id: 1, sub: 1, station: full, group: 'g', consumer: 'c', credit: CREDIT });
    await quiet(w, full);
    client.send({ op: 'subscribe', id: 2, sub: 2, station: small, group: 'g', consumer: 'c', credit: CREDIT });
    await fill(other, small, 3, 10);
    await quiet(w, full);
    client.read();
    await quiet(w, full);
    client.read();
    expect(client.frames.filter(({ sub }) => sub === 2).flatMap(textsOf)).toHaveLength(3);
    expect(client.frames.filter(({ sub }) => sub === 1).flatMap(textsOf).length).toBeLessThan(40);
  });

  it('while its answers cannot leave, its frames are not read; then they are again', async () => {
    const w = await world({ limits: { outgoingBytesMax: 10_000 } });
    const client = await stuck(w);
    let sent = 0;
    while (!client.paused) {
      client.send({ op: 'nonsense', id: ++sent });
      if (sent > 1_000) throw new Error('it goes on reading');
    }
    expect(client.waitingMax).toBeLessThan(11_000);
    client.read();
    expect(client.paused).toBe(false);
    expect(client.frames).toHaveLength(sent);
  });

  it('while much of what it has sent waits to be stored, it is not read, and nobody takes it for silent', async () => {
    let letGo = () => undefined as unknown;
    const gate = new Promise<unknown>((resolve) => {
      letGo = () => resolve(undefined);
    });
    const w = await world({ wrap: (broker) => overriding(broker, { produce: (...given) => gate.then(() => broker.produce(...given)) }) });
    const station = await w.station();
    const client = await w.wire('wayside.json.v1');
    let sent = 0;
    for (; !client.paused; sent++) client.send({ op: 'produce', id: sent, station, messages: [{ text: 'x'.repeat(MIB - 100) }] });
    // A quarter of the 64 MiB that may wait in all.
    expect(sent).toBe(17);
    letGo();
    for (let id = 0; id < sent; id++) expect((await client.next((frame) => frame.id === id)).ok.results).toHaveLength(1);
    expect(client.paused).toBe(false);
  });

  it('others are served meanwhile', async () => {
    const w = await world();
    const station = await w.station();
    const other = await w.link();
    await fill(other, station, 20, 400_000);
    for (const consumer of ['a', 'b', 'c']) {
      const client = await stuck(w, 'wayside.json.v1');
      client.send({ op: 'subscribe', id: 1, sub: 1, station, group: `stuck-${consumer}`, consumer, credit: CREDIT });
    }
    await quiet(w, station);
    await other.do('subscribe', { sub: 1, station, group: 'reading', consumer: 'c', credit: CREDIT });
    let got = 0;
    while (got < 20) got += countOf(await other.next((frame) => frame.sub === 1));
    expect(got).toBe(20);
  });
});
