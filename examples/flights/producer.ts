/**
 * Sends every flight, keyed by where it began: `node producer.ts BROKER COUNT`.
 *
 * Nothing here tries again: the client does, and the broker stores each message once whatever happens in between.
 */
import { connect } from 'wayside';
import type { Flight } from './flights.ts';
import { readFlights } from './flights.ts';

const [address = '', count = ''] = process.argv.slice(2);
const flights = await readFlights(Number(count));
await using wayside = connect(address);
// A MiB at most waits in this process; the pace is the broker's.
const producer = wayside.station<Flight>('flights').producer({ bufferBytes: 1024 * 1024 });
for (const [index, flight] of flights.entries()) {
  if (index === Math.floor(flights.length / 2)) console.log('half of it is sent');
  await producer.send(flight, { key: flight.origin });
}
// Everything is stored now, or this throws.
await producer.close();
