/** The virtual clock by itself: order, steps, bounds; and a broker of the core that lives in it. */
import { describe, expect, test, vi } from 'vitest';
import type { VirtualClock } from '../../src/adapters/memory/clock.ts';
import { Timeline, virtualClock } from '../../src/adapters/memory/clock.ts';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { openBroker } from '../../src/core/broker.ts';
import { batch, NS, receipts, texts } from '../core/_broker.ts';

const START = Date.UTC(2030, 0, 1);

test('it stands still until it is moved', async () => {
  const clock = virtualClock();
  await clock.settle();
  expect(clock.now()).toBe(START);
  await clock.advance(30_000);
  expect(clock.now()).toBe(START + 30_000);
  expect(virtualClock({ start: 5 }).now()).toBe(5);
});

test('timers run by time, then in the order of asking, each at its own time', async () => {
  const clock = virtualClock({ start: 0 });
  const seen: string[] = [];
  for (const [ms, name] of [
    [20, 'c'],
    [10, 'a'],
    [10, 'b'],
    [31, 'never'],
  ] as const)
    clock.after(ms, () => void seen.push(`${name}${clock.now()}`));
  expect(clock.next()).toBe(10);
  await clock.advance(30);
  expect(seen).toEqual(['a10', 'b10', 'c20']);
  expect(clock.next()).toBe(31);
});

test('a timer that is taken back does not run, and is not what comes next', async () => {
  const clock = virtualClock({ start: 0 });
  const cancel = clock.after(10, () => expect.unreachable());
  const cancelSoon = clock.after(0, () => expect.unreachable());
  clock.after(20, () => undefined);
  cancel();
  cancel();
  cancelSoon();
  expect(clock.next()).toBe(20);
  await clock.advance(100);
  expect(clock.next()).toBeUndefined();
});

test('what follows from a timer happens at the time of that timer, however long the chain of promises is', async () => {
  const clock = virtualClock({ start: 0 });
  const seen: number[] = [];
  const chain = async () => {
    for (let i = 0; i < 1_000; i++) await undefined;
    seen.push(clock.now());
    clock.after(5, () => void seen.push(clock.now()));
    clock.after(0, () => void seen.push(clock.now()));
  };
  clock.after(10, () => void chain());
  clock.after(12, () => void seen.push(clock.now()));
  await clock.advance(20);
  expect(seen).toEqual([10, 10, 12, 15]);
});

test('what needs no time happens while it stands', async () => {
  const clock = virtualClock();
  await new Promise<void>((resolve) => clock.after(0, resolve));
  expect(clock.now()).toBe(START);
});

test('what a timer throws is thrown where the clock is moved', async () => {
  const clock = virtualClock();
  clock.after(10, () => {
    throw new Error('mine');
  });
  await expect(clock.advance(10)).rejects.toThrow('mine');
});

test('a timer of 0 ms that asks for itself again is an error, not a hang', async () => {
  const clock = virtualClock();
  let stop = false;
  const again = () => void (stop || clock.after(0, again));
  again();
  await expect(clock.settle()).rejects.toThrow(/again and again, at 2030-01-01/);
  stop = true;
}, 60_000);

test.each([Number.NaN, -1, Infinity])('advance(%s) is refused', async (ms) => {
  await expect(virtualClock().advance(ms)).rejects.toThrow(TypeError);
});

test('a start or a seed that is none is refused', () => {
  expect(() => virtualClock({ start: -1 })).toThrow(/start is -1/);
  expect(() => virtualClock({ start: 1.5 })).toThrow(TypeError);
  expect(() => virtualClock({ seed: Number.NaN })).toThrow(/seed is NaN/);
});

describe('run', () => {
  const later = (clock: VirtualClock, ms: number) => new Promise<number>((resolve) => clock.after(ms, () => resolve(clock.now())));

  test('goes as far as it has to, and no farther', async () => {
    const clock = virtualClock({ start: 0 });
    clock.after(5_000, () => expect.unreachable());
    expect(await clock.run(later(clock, 1_000))).toBe(1_000);
    expect(await clock.run(async () => (await later(clock, 100)) + (await later(clock, 200)))).toBe(1_100 + 1_300);
    expect(clock.now()).toBe(1_300);
  });

  test('gives what was thrown', async () => {
    await expect(
      virtualClock().run(() => {
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
  });

  test('says what has not come: nothing left to happen', async () => {
    const clock = virtualClock();
    await expect(clock.run(new Promise(() => undefined), { what: 'the second delivery' })).rejects.toThrow(
      /2030-01-01T00:00:00.000Z .* the second delivery has not settled, and no timer is left/,
    );
  });

  test('says what has not come: not within its time', async () => {
    const clock = virtualClock({ start: 0 });
    await expect(clock.run(later(clock, 2_000), { withinMs: 1_000 })).rejects.toThrow(/1 timers would be beyond the 1000 ms/);
    expect(clock.now()).toBe(0);
  });

  test('leaves the clock to code in it that moves it by itself', async () => {
    const clock = virtualClock({ start: 0 });
    for (let ms = 1; ms <= 1_000; ms++) clock.after(ms, () => undefined);
    const at = await clock.run(async () => {
      await clock.advance(500);
      return clock.now();
    });
    expect(at).toBe(500);
  });
});

test('chance comes from the seed', () => {
  const draws = (seed: number) => {
    const clock = new Timeline(0, seed);
    const broker = clock.brokerRandom();
    return [clock.random(), clock.random(), broker.u32(), clock.brokerRandom().u32()];
  };
  expect(draws(7)).toEqual(draws(7));
  expect(draws(7)).not.toEqual(draws(8));
  expect(new Set(draws(7)).size).toBe(4);
});

test('fake timers of a test runner do not stop it', async () => {
  vi.useFakeTimers();
  try {
    const clock = virtualClock();
    clock.after(10, () => undefined);
    await clock.advance(10);
    expect(clock.next()).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

describe('a broker in it', () => {
  async function open(clock: Timeline) {
    const journal = { info: () => undefined, warn: expect.unreachable, error: expect.unreachable };
    const volume = () => new MemoryVolume(clock);
    return openBroker({ volume: volume(), memory: volume(), clock, timers: clock, random: clock.brokerRandom(), journal });
  }

  test('a lease runs out when the clock passes it, not before', async () => {
    const clock = virtualClock() as Timeline;
    const broker = await open(clock);
    await broker.putStation(NS, 's', {});
    await broker.produce(NS, 's', batch('one'));
    const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'a', leaseMs: 30_000 });
    expect(texts(blocks)).toEqual(['0.1 one']);
    await clock.advance(29_000);
    expect((await broker.fetch(NS, 's', 'g', { consumer: 'b' })).blocks).toEqual([]);
    const waiting = broker.fetch(NS, 's', 'g', { consumer: 'b', waitMs: 30_000 });
    await clock.advance(1_100);
    const again = await waiting;
    expect(texts(again.blocks)).toEqual(['0.1 one']);
    expect(again.blocks[0]!.deliveries).toBe(2);
    expect(await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(again.blocks) })).toEqual([]);
    await broker.close();
    expect(clock.next()).toBeUndefined();
  });

  test('a long poll ends at its time', async () => {
    const clock = virtualClock() as Timeline;
    const broker = await open(clock);
    await broker.putStation(NS, 's', {});
    const { blocks } = await clock.run(broker.fetch(NS, 's', 'g', { consumer: 'a', waitMs: 20_000 }));
    expect(blocks).toEqual([]);
    expect(clock.now()).toBe(START + 20_000);
    await broker.close();
  });

  test('receipts are the same in each run', async () => {
    const once = async (seed: number) => {
      const clock = virtualClock({ seed }) as Timeline;
      const broker = await open(clock);
      await broker.putStation(NS, 's', { partitions: 3 });
      await broker.produce(NS, 's', batch('one', { payload: 'two', key: 'k' }));
      const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'a' });
      await broker.close();
      return receipts(blocks);
    };
    const first = await once(1);
    expect(await once(1)).toEqual(first);
    expect(await once(2)).not.toEqual(first);
  });
});
