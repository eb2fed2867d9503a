/** Tests of billing.ts with Vitest: a broker in the test's own process, and time that the test moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Embedded, VirtualClock } from 'wayside/testing';
import { embed, virtualClock } from 'wayside/testing';
import type { Order } from './billing.ts';
import { startBilling } from './billing.ts';

let clock: VirtualClock;
let wayside: Embedded;

beforeEach(async () => {
  clock = virtualClock();
  wayside = await embed({ clock });
});

afterEach(() => wayside.close());

test('an order is charged', async () => {
  const charged: Order[] = [];
  await startBilling(wayside, async (order) => void charged.push(order));
  await wayside.station<Order>('orders').produce({ id: 'o-1', cents: 990 });
  await clock.settle();
  expect(charged).toEqual([{ id: 'o-1', cents: 990 }]);
});

test('an order that cannot be charged is tried five times, then it is a dead letter', async () => {
  const tries: number[] = [];
  await startBilling(wayside, async () => {
    tries.push(clock.now());
    throw new Error('the card is refused');
  });
  const orders = wayside.station<Order>('orders');
  await orders.produce({ id: 'o-1', cents: 990 }, { key: 'customer-7' });
  await clock.advance(3_600_000);

  expect(tries).toHaveLength(5);
  const letters = [];
  for await (const { error, message } of orders.deadLetters.list()) letters.push([error, message.key]);
  expect(letters).toEqual([[expect.stringContaining('the card is refused'), 'customer-7']]);
});

test('an order that a crashed process had is charged by another one, when the lease is over', async () => {
  const charged: string[] = [];
  await startBilling(wayside, async ({ id }) => void charged.push(id)).then((consumer) => consumer.stop());
  const orders = wayside.station<Order>('orders');
  await orders.produce({ id: 'o-1', cents: 990 });
  // Takes it, and is never heard of again.
  const [taken] = await orders.group('billing').fetch({ leaseMs: 30_000 });
  expect(taken?.deliveries).toBe(1);

  await startBilling(wayside, async ({ id }) => void charged.push(id));
  await clock.advance(29_000);
  expect(charged).toEqual([]);
  await clock.advance(2_000);
  expect(charged).toEqual(['o-1']);
});

test('nothing is charged twice when the connection breaks', async () => {
  const charged: string[] = [];
  await startBilling(wayside, async ({ id }) => void charged.push(id));
  const orders = wayside.station<Order>('orders');
  const produced = Array.from({ length: 100 }, (_, i) => orders.produce({ id: `o-${i}`, cents: 990 }));
  wayside.disconnect();
  await clock.run(Promise.all(produced));
  await clock.advance(60_000);
  expect(charged.toSorted()).toEqual(Array.from({ length: 100 }, (_, i) => `o-${i}`).toSorted());
});

test('orders of last week are gone', async () => {
  await startBilling(wayside, async () => undefined);
  const orders = wayside.station<Order>('orders');
  await orders.produce({ id: 'o-1', cents: 990 });
  await clock.advance(8 * 86_400_000);
  expect((await orders.info()).messages).toBe(0);
});
