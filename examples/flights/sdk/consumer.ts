/**
 * One consumer of the group: counts, and so acks: `node sdk/consumer.ts BROKER NAME FILE`. SIGTERM ends it.
 *
 * What comes in one turn is counted in one transaction; each message is acked when the function that handles it resolves,
 * which is after that. Should it die in between, they come again, to it or to the other consumer.
 */
import { once } from 'node:events';
import type { Message } from 'wayside';
import { connect } from 'wayside';
import type { Flight } from '../flights.ts';
import { Statistics } from '../statistics.ts';

const [base = '', consumer = '', file = ''] = process.argv.slice(2);
const statistics = new Statistics(file);
const wayside = connect(base);
let gathered: { readonly message: Message<Flight>; readonly counted: () => void }[] = [];
let again = 0;

const handling = wayside
  .station<Flight>('flights')
  .group('statistics')
  .handle((message) => new Promise<void>((counted) => gather(message, counted)), {
    consumer: `${consumer}-${process.pid}`,
    concurrency: 1_000,
  });

await once(process, 'SIGTERM');
await handling.stop();
await wayside.close();
statistics.close();
console.log(JSON.stringify({ consumer, again }));

function gather(message: Message<Flight>, counted: () => void): void {
  gathered.push({ message, counted });
  if (gathered.length === 1) setImmediate(count);
}

function count(): void {
  const these = gathered;
  gathered = [];
  again += statistics.count(these.map(({ message }) => message));
  for (const { counted } of these) counted();
}
