// A broker inside this program, on the folder `data`: what is answered is on the disk, and there again at the next start.
import { embed } from 'wayside/node';

const wayside = await embed({ data: 'data' });
const orders = wayside.station('orders');
await orders.create();

const { sequence } = await orders.produce({ total: 12 }, { key: 'customer-7' });
console.log(`stored as message ${sequence}`);

for (const message of await orders.group('billing').fetch({ max: 10 })) {
  console.log(`message ${message.sequence}: ${JSON.stringify(message.payload)}`);
  await message.ack();
}
await wayside.close();
