/** A test of billing.ts with node:test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embed, virtualClock } from 'wayside/testing';
import type { Order } from './billing.ts';
import { startBilling } from './billing.ts';

test('an order that fails once is charged the second time', async () => {
  const clock = virtualClock();
  await using wayside = await embed({ clock });
  const tries: string[] = [];
  await startBilling(wayside, async ({ id }) => {
    if (tries.push(id) === 1) throw new Error('the bank does not answer');
  });
  await wayside.station<Order>('orders').produce({ id: 'o-1', cents: 990 });

  await clock.settle();
  assert.deepEqual(tries, ['o-1']);
  await clock.advance(60_000);
  assert.deepEqual(tries, ['o-1', 'o-1']);
  assert.equal((await wayside.station('orders').group('billing').info()).inFlight, 0);
});

test('a broker that has too much to do is asked again', async () => {
  const clock = virtualClock();
  await using wayside = await embed({ clock });
  const charged: string[] = [];
  await startBilling(wayside, async ({ id }) => void charged.push(id));
  wayside.failNext('produce', 'OVERLOADED');
  await clock.run(wayside.station<Order>('orders').produce({ id: 'o-2', cents: 100 }));
  await clock.settle();
  assert.deepEqual(charged, ['o-2']);
});
