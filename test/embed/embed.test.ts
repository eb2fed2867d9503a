/** The embedded broker through the SDK, in virtual time: what a user's test may rely on. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Embedded, EmbedOptions, VirtualClock } from '../../src/adapters/memory/testing.ts';
import { embed, virtualClock } from '../../src/adapters/memory/testing.ts';

const open: Embedded[] = [];
afterEach(async () => {
  for (const wayside of open.splice(0)) await wayside.close();
});

async function embedded(options: EmbedOptions = {}): Promise<{ wayside: Embedded; clock: VirtualClock }> {
  const clock = options.clock ?? virtualClock();
  const wayside = await embed({ ...options, clock });
  open.push(wayside);
  return { wayside, clock };
}

test('embed, station, produce, fetch, ack: no time passes', async () => {
  const { wayside, clock } = await embedded();
  const orders = wayside.station<{ total: number }>('orders');
  await orders.create();
  expect(await orders.produce({ total: 12 })).toEqual({ partition: 0, sequence: 1, duplicate: false, durability: 'memory' });
  const [message] = await orders.group('billing').fetch();
  expect(message?.payload).toEqual({ total: 12 });
  await message?.ack();
  expect(await orders.group('billing').info()).toMatchObject({ unread: 0, inFlight: 0 });
  expect(clock.now()).toBe(Date.UTC(2030, 0, 1));
  expect((await wayside.health()).status).toBe('ok');
});

test('it runs in real time as well', async () => {
  const wayside = await embed();
  open.push(wayside);
  const orders = wayside.station<string>('orders');
  await orders.create();
  const waiting = orders.group('billing').fetch({ waitMs: 20_000 });
  await orders.produce('one');
  expect((await waiting).map(({ payload }) => payload)).toEqual(['one']);
  expect(Math.abs((await orders.info()).createdAt - Date.now())).toBeLessThan(60_000);
});

describe('time', () => {
  test('a lease runs out when the clock passes it', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    await orders.produce('one');
    const group = orders.group('billing');
    expect(await group.fetch({ leaseMs: 30_000 })).toHaveLength(1);
    await clock.advance(29_000);
    expect(await group.fetch()).toEqual([]);
    await clock.advance(1_100);
    expect((await group.fetch()).map(({ deliveries }) => deliveries)).toEqual([2]);
  });

  test('a long poll goes on until something comes', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    const waiting = orders.group('billing').fetch({ waitMs: 20_000 });
    await clock.advance(15_000);
    await orders.produce('one');
    expect(await waiting).toHaveLength(1);
    expect(await clock.run(orders.group('other').fetch({ startAt: 'end', waitMs: 20_000 }))).toEqual([]);
    expect(clock.now()).toBe(Date.UTC(2030, 0, 1) + 35_000);
  });

  test('what is too old goes', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create({ retention: { maxAgeMs: 7 * 86_400_000 } });
    await orders.produce('one');
    await clock.advance(7 * 86_400_000 - 1_000);
    expect((await orders.info()).messages).toBe(1);
    await clock.advance(60_000);
    expect((await orders.info()).messages).toBe(0);
  });

  test('two brokers of one clock share their time, and nothing else', async () => {
    const { wayside: one, clock } = await embedded();
    const { wayside: other } = await embedded({ clock });
    await one.station('orders').create();
    await expect(other.station('orders').info()).rejects.toMatchObject({ code: 'STATION_NOT_FOUND' });
    await clock.advance(1_000);
    await other.station('orders').create();
    expect((await other.station('orders').info()).createdAt - (await one.station('orders').info()).createdAt).toBe(1_000);
  });

  test('a clock that is none of ours is refused', async () => {
    const clock = { ...virtualClock() };
    await expect(embed({ clock })).rejects.toThrow(/virtualClock/);
  });
});

describe('handlers', () => {
  test('one that fails gets the message again, after a pause, until it is a dead letter', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    const group = orders.group('billing');
    await group.create({ maxDeliveries: 3 });
    const tries: number[] = [];
    const consumer = group.handle(({ deliveries }) => {
      tries.push(deliveries);
      throw new Error('not today');
    });
    await orders.produce('one');
    await clock.advance(3_600_000);
    expect(tries).toEqual([1, 2, 3]);
    const letters: string[] = [];
    for await (const { error } of orders.deadLetters.list()) letters.push(error);
    expect(letters).toEqual([expect.stringContaining('not today')]);
    await consumer.stop();
  });

  test('one that takes longer than its lease keeps the message', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    const group = orders.group('billing');
    let calls = 0;
    const consumer = group.handle(
      () => {
        calls++;
        return new Promise<void>((resolve) => clock.after(600_000, resolve));
      },
      { leaseMs: 30_000 },
    );
    await orders.produce('one');
    await clock.advance(900_000);
    expect(calls).toBe(1);
    expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0 });
    await consumer.stop();
  });
});

describe('faults', () => {
  test('disconnect: what was under way is done once', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<number>('orders');
    await orders.create();
    const received: number[] = [];
    const consumer = orders.group('billing').handle(({ payload }) => void received.push(payload));
    const produced = [];
    for (let i = 0; i < 300; i++) {
      produced.push(orders.produce(i));
      if (i % 100 === 50) {
        await Promise.resolve();
        wayside.disconnect();
        await clock.advance(10_000);
      }
    }
    await clock.run(Promise.all(produced));
    await clock.advance(120_000);
    expect((await orders.info()).messages).toBe(300);
    expect(new Set(received).size).toBe(300);
    await consumer.stop();
  });

  test('disconnect is told, and so is the new connection', async () => {
    const states: string[] = [];
    const { wayside, clock } = await embedded({ onStatus: ({ state }) => void states.push(state) });
    await wayside.station('orders').create();
    wayside.disconnect();
    await clock.run(wayside.station('orders').info());
    expect(states.filter((state, at) => state !== states[at - 1])).toEqual(['connected', 'disconnected', 'connected']);
  });

  test('failNext: a code that cannot be tried again comes to the caller', async () => {
    const { wayside } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    wayside.failNext('produce', 'MESSAGE_TOO_LARGE', 'too much');
    await expect(orders.produce('one')).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE', outcome: 'refused', message: 'too much' });
    expect(await orders.produce('two')).toMatchObject({ sequence: 1 });
  });

  test('failNext: a code that can be is tried again, once for each time', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    wayside.failNext('produce', 'OVERLOADED');
    wayside.failNext('produce', 'OVERLOADED');
    const before = clock.now();
    expect(await clock.run(orders.produce('one'))).toMatchObject({ sequence: 1 });
    expect(clock.now()).toBeGreaterThan(before);
    expect((await orders.info()).messages).toBe(1);
  });
});

describe('clients', () => {
  test('of other namespaces see their own', async () => {
    const { wayside } = await embedded();
    const other = wayside.connect({ namespace: 'other' });
    await other.station('orders').create();
    await other.station('orders').produce('one');
    await expect(wayside.station('orders').info()).rejects.toMatchObject({ code: 'STATION_NOT_FOUND' });
    const names: string[] = [];
    for await (const { name } of other.stations()) names.push(name);
    expect(names).toEqual(['orders']);
    expect(await wayside.call('GET', '/namespaces/other/stations/orders')).toMatchObject({ status: 200, body: { messages: 1 } });
  });

  test('one that is closed leaves the others', async () => {
    const { wayside } = await embedded();
    const other = wayside.connect();
    await wayside.station('orders').create();
    await other.station('orders').info();
    await other.close();
    await expect(other.station('orders').info()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await wayside.station('orders').info()).toMatchObject({ messages: 0 });
  });

  test('a crashed one: its messages come again when the lease is over', async () => {
    const { wayside, clock } = await embedded();
    const orders = wayside.station<string>('orders');
    await orders.create();
    await orders.produce('one');
    await wayside.connect().station('orders').group('billing').fetch({ leaseMs: 5_000 });
    const waiting = orders.group('billing').fetch({ waitMs: 30_000 });
    expect((await clock.run(waiting)).map(({ deliveries }) => deliveries)).toEqual([2]);
  });
});

describe('settings', () => {
  test('durability: what stations may ask for', async () => {
    const { wayside: honest } = await embedded();
    await expect(honest.station('orders').create({ durability: 'synced' })).rejects.toMatchObject({ code: 'DURABILITY_UNAVAILABLE' });
    const { wayside } = await embedded({ durability: 'synced' });
    await wayside.station('orders').create({ durability: 'synced' });
    expect(await wayside.station('orders').produce('one')).toMatchObject({ durability: 'synced' });
  });

  test('limits: one can be met', async () => {
    const { wayside } = await embedded({ limits: { messageBytesMax: 10 } });
    await wayside.station('orders').create();
    await expect(wayside.station('orders').produce('more than ten bytes')).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
    await expect(embed({ limits: { messageBytesMax: 0 } })).rejects.toThrow(TypeError);
  });
});

test('closing ends consumers, flushes producers, and leaves no timer; closing twice is fine', async () => {
  const { wayside, clock } = await embedded();
  const orders = wayside.station<string>('orders');
  await orders.create({ retention: { maxAgeMs: 3_600_000 } });
  const consumer = orders.group('billing').handle(() => undefined);
  const produced = orders.produce('one');
  await wayside.station('empty').create();
  const waiting = wayside.station('empty').group('billing').fetch({ waitMs: 20_000 });
  const failed = waiting.catch((error: { code: string }) => error.code);
  await wayside.close();
  await wayside.close();
  expect(await produced).toMatchObject({ sequence: 1 });
  await consumer.done;
  expect(await failed).toMatch(/UNAVAILABLE|SHUTTING_DOWN/);
  await clock.settle();
  expect(clock.next()).toBeUndefined();
  await expect(orders.produce('two')).rejects.toThrow(/closed/);
  await expect(orders.info()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('await using closes it', async () => {
  const clock = virtualClock();
  {
    await using wayside = await embed({ clock });
    await wayside.station('orders').create({ retention: { maxAgeMs: 1_000 } });
    await wayside.station('orders').produce('one');
    expect(clock.next()).toBeDefined();
  }
  expect(clock.next()).toBeUndefined();
});
