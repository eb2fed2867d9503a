/** Opens a folder, asks every station for its counts and one message, and says how long that took and what it takes. */
import { brokerOn } from './place.ts';

const [path = ''] = process.argv.slice(2);
const started = performance.now();
const { broker } = await brokerOn(path);
let messages = 0;
for (const { name } of (await broker.stations('default', {})).items) {
  messages += (await broker.station('default', name)).messages;
  await broker.read('default', name, { limit: 1 });
}
const ms = performance.now() - started;
process.send?.({ ms, mib: process.memoryUsage.rss() / 2 ** 20, messages }, () => process.exit(0));
