/**
 * Makes an invoice of each order: `node worker.ts BROKER`. It can be killed at any moment and started again.
 *
 * The orders are acked and the invoices produced in one step. What would be needed without it (an id for each invoice, a
 * window in which ids are known, a table of what was done) is not here.
 */
import { connect } from 'wayside';
import { step } from 'wayside/steps';

interface Order {
  readonly number: number;
  readonly total: number;
}

const [address = ''] = process.argv.slice(2);
const wayside = connect(address);
const group = wayside.station<Order>('orders').group('billing');
let isEnding = false;
process.once('SIGTERM', () => {
  isEnding = true;
});

while (!isEnding) {
  const orders = await group.fetch({ max: 20, waitMs: 500, leaseMs: 2_000 });
  if (orders.length === 0) continue;
  const invoices = orders.map(({ payload: { number, total } }) => ({
    station: 'invoices',
    key: `order-${number}`,
    payload: { order: number, due: Math.round(total * 119) / 100 },
  }));
  await step(wayside, { station: 'orders', group: 'billing' }, orders, invoices);
}
await wayside.close();
