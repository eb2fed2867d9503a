/**
 * Sessions that do what they like: random subscriptions, credit, acks, nacks, breaks and releases on one group, over all
 * carriers at once. Then everything is drained, and what was produced has been acked, each message of it.
 *
 * Checked on the way: no delivery without credit; what a subscription gets is new to it unless it came back.
 */
import { describe, expect, test } from 'vitest';
import { Chance } from '../../kill/random.ts';
import type { Client, World } from './_frames.ts';
import { countOf, receiptsOf, world } from './_frames.ts';

const STEPS = 300;
const CARRIERS: ((w: World) => Promise<Client>)[] = [
  (w) => w.link(),
  (w) => w.wire('wayside.msgpack.v1'),
  (w) => w.wire('wayside.json.v1'),
];

interface Part {
  client: Client;
  /** Credit by subscription: given and not yet spent. */
  readonly credit: Map<number, number>;
  /** Receipts that came and were not settled. */
  held: string[];
}

/** Takes what has come; each delivery has to be covered. */
function take(part: Part): void {
  for (const frame of part.client.frames.splice(0)) {
    expect(frame.sub, JSON.stringify(frame)).toBeDefined();
    const left = (part.credit.get(frame.sub) ?? 0) - countOf(frame);
    expect(left, 'credit').toBeGreaterThanOrEqual(0);
    part.credit.set(frame.sub, left);
    part.held.push(...receiptsOf(frame));
  }
}

describe('sessions at random', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i', async (seed) => {
    const chance = new Chance(seed);
    const below = (bound: number) => chance.whole(0, bound - 1);
    const w = await world();
    const station = await w.station({ partitions: 3 });
    await w.broker.putGroup('default', station, 'g', { maxDeliveries: 1_000_000, leaseMs: 60_000 });
    const where = { station, group: 'g' };
    const parts: Part[] = await Promise.all(CARRIERS.map(async (open) => ({ client: await open(w), credit: new Map(), held: [] })));
    let produced = 0;

    const acts: ((part: Part, at: number) => Promise<unknown>)[] = [
      async ({ client }) => {
        const messages = Array.from({ length: 1 + below(20) }, () => ({ text: `m${++produced}`, key: `k${below(9)}` }));
        await client.do('produce', { station, messages });
      },
      async (part, at) => {
        const sub = below(4);
        if (part.credit.has(sub)) return;
        const messages = below(30);
        part.credit.set(sub, messages);
        await part.client.do('subscribe', { ...where, sub, consumer: `c${at}`, credit: { messages, bytes: 1e6 } });
      },
      async ({ client, credit }) => {
        const [sub] = credit.keys();
        if (sub === undefined) return;
        const messages = below(30);
        credit.set(sub, credit.get(sub)! + messages);
        await client.do('credit', { sub, messages, bytes: 100_000 });
      },
      async (part) => {
        await part.client.do('ack', { ...where, receipts: part.held.splice(0, below(30)) });
      },
      async (part) => {
        await part.client.do('nack', { ...where, receipts: part.held.splice(0, below(10)) });
      },
      async (part, at) => {
        const [sub] = [...part.credit.keys()].slice(below(4));
        if (sub === undefined) return;
        const release = below(2) === 0;
        await part.client.do('unsubscribe', { sub, release });
        take(part);
        part.credit.delete(sub);
        // What its consumer held has gone back: those receipts count no more.
        if (release) part.held = [];
        expect(at).toBeLessThan(CARRIERS.length);
      },
      async (part, at) => {
        if (below(5) > 0) return;
        part.client.vanish();
        part.client = await CARRIERS[at]!(w);
        part.credit.clear();
        part.held = [];
      },
    ];
    for (let step = 0; step < STEPS; step++) {
      const at = below(parts.length);
      await acts[below(acts.length)]!(parts[at]!, at);
      for (const part of parts) take(part);
    }

    for (const { client, credit } of parts) for (const sub of credit.keys()) await client.do('unsubscribe', { sub });
    for (let at = 0; at < parts.length; at++) await w.broker.release('default', station, 'g', `c${at}`);
    const { unread, inFlight } = await w.broker.group('default', station, 'g');
    expect(inFlight).toBe(0);
    let drained = 0;
    const client = await w.link();
    await client.do('subscribe', { ...where, sub: 1, consumer: 'last', credit: { messages: 1e6, bytes: 1e9 } });
    while (drained < unread) {
      const frame = await client.next(({ sub }) => sub === 1);
      const receipts = receiptsOf(frame);
      expect(await client.do('ack', { ...where, receipts })).toEqual({ failed: [] });
      drained += receipts.length;
    }
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ unread: 0, inFlight: 0, dead: 0 });
    expect((await w.broker.station('default', station)).messages).toBe(produced);
    expect(w.errors).toEqual([]);
  });
});
