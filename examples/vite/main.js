import { browserBroker } from 'wayside/browser';

const orders = browserBroker().station('orders');
await orders.create();

const button = document.querySelector('#produce');
button.onclick = () => orders.produce({ at: new Date().toLocaleTimeString() });
button.disabled = false;

for await (const message of orders.group('page').messages()) {
  const item = document.createElement('li');
  item.textContent = `${message.sequence}: ${JSON.stringify(message.payload)}`;
  document.querySelector('#messages').append(item);
  await message.ack();
}
