/**
 * One consumer of the group: counts each flight; `node consumer.ts BROKER NAME FILE`. SIGTERM ends it.
 *
 * A message is acked when its handler is done, which is when the file holds it. Should this process die in between, the
 * message comes again, to it or to the other consumer.
 */
import { connect } from 'wayside';
import type { Flight } from './flights.ts';
import { together } from './gather.ts';
import type { Counted } from './statistics.ts';
import { Statistics } from './statistics.ts';

const [address = '', name = '', file = ''] = process.argv.slice(2);
const statistics = new Statistics(file);
let again = 0;
const count = together((messages: readonly Counted[]) => {
  again += statistics.count(messages);
});

const wayside = connect(address);
const group = wayside.station<Flight>('flights').group('statistics');
const consumer = group.handle(count, { consumer: name, concurrency: 1_000 });
process.once('SIGTERM', () => void consumer.stop());
await consumer.done;
await wayside.close();
statistics.close();
console.log(JSON.stringify({ again }));
