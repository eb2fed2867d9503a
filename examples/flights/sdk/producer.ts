/**
 * Sends every flight, keyed by where it began: `node sdk/producer.ts BROKER`.
 *
 * Nothing here speaks of retrying: the producer numbers its batches, and sends those again that have no answer, so that each
 * is stored once however often the broker is killed.
 */
import { connect } from 'wayside';
import { PARTITIONS } from '../broker.ts';
import type { Flight } from '../flights.ts';
import { readFlights } from '../flights.ts';

const [base = ''] = process.argv.slice(2);
await using wayside = connect(base);
const station = wayside.station<Flight>('flights');
await station.create({ partitions: PARTITIONS });

const producer = station.producer();
for (const flight of await readFlights()) await producer.send(flight, { key: flight.origin });
// Throws if one of them may not be stored.
await producer.close();
