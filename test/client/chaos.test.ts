/**
 * Consuming while connections break and the broker refuses in passing, from the real broker in virtual time.
 *
 * Holds: every message is handled and settled in the end; as long as no connection breaks, none is handled
 * twice but those whose handler threw.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { embed, virtualClock } from '../../src/adapters/memory/testing.ts';

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ produce: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 0, max: 4_000 }) }) },
  { weight: 2, arbitrary: fc.constant({ disconnect: true as const }) },
);

const world = fc.record({
  seed: fc.nat(),
  partitions: fc.constantFrom(1, 3),
  steps: fc.array(step, { minLength: 1, maxLength: 20 }),
  workMs: fc.array(fc.constantFrom(0, 0, 0, 5, 700, 2_500), { minLength: 1, maxLength: 20 }),
  throws: fc.array(fc.boolean(), { maxLength: 10 }),
  concurrency: fc.integer({ min: 1, max: 6 }),
  prefetch: fc.constantFrom(1, 4, 100),
});

test('every message is handled and settled, whatever breaks', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ seed, partitions, steps, workMs, throws, concurrency, prefetch }) => {
      const clock = virtualClock({ seed });
      const wayside = await embed({ clock, retry: { firstMs: 5, maxMs: 100 } });
      const station = wayside.station<number>('orders');
      await station.create({ partitions });
      const group = station.group('billing');
      await group.create({ leaseMs: 1_000, maxDeliveries: 1_000 });
      const handled = new Map<number, number>();
      let runs = 0;
      let thrown = 0;
      const left = [...throws];
      const consumer = group.handle(
        async ({ payload }) => {
          const ms = workMs[runs++ % workMs.length]!;
          if (ms > 0) await new Promise<void>((resolve) => void clock.after(ms, resolve));
          handled.set(payload, (handled.get(payload) ?? 0) + 1);
          if (!left.shift()) return;
          thrown++;
          throw new Error('not today');
        },
        { concurrency, prefetch: { messages: prefetch } },
      );
      let sent = 0;
      let breaks = 0;
      const producing: Promise<unknown>[] = [];
      for (const step of steps) {
        if ('waitMs' in step) await clock.advance(step.waitMs);
        else if ('disconnect' in step) {
          breaks++;
          wayside.disconnect();
        } else {
          const messages = Array.from({ length: step.produce }, () => ({ payload: sent++ }));
          producing.push(station.produceMany(messages));
        }
      }
      await clock.run(Promise.all(producing));
      for (
        let turn = 0;
        turn < 500 && ((await clock.run(group.info())).unread > 0 || (await clock.run(group.info())).inFlight > 0);
        turn++
      ) {
        await clock.advance(2_000);
      }
      await clock.run(consumer.stop());
      expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0, dead: 0 });
      expect([...handled.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, index) => index));
      if (breaks === 0) {
        // Leases of a second hold for work of any length.
        expect(consumer.lost).toBe(0);
        expect(runs - sent).toBe(thrown);
      }
      await wayside.close();
      expect(clock.next(), 'a timer is left').toBeUndefined();
    }),
    { numRuns: 150, seed: 14 },
  );
}, 60_000);
