/** The program under test: charges each order, and gives up an order that cannot be charged five times. */
import type { Consumer, Wayside } from 'wayside';

export interface Order {
  readonly id: string;
  readonly cents: number;
}

/** Takes the orders of the group `billing`, until it is stopped. */
export async function startBilling(wayside: Wayside, charge: (order: Order) => Promise<void>): Promise<Consumer> {
  const orders = wayside.station<Order>('orders');
  await orders.create({ partitions: 2, retention: { maxAgeMs: 7 * 86_400_000 } });
  const billing = orders.group('billing');
  await billing.create({ maxDeliveries: 5, leaseMs: 30_000 });
  return billing.handle(({ payload }) => charge(payload), { concurrency: 4 });
}
