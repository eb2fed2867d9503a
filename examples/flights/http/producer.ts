/**
 * Sends every flight, keyed by where it began, in record batches over HTTP: `node producer.ts BROKER COUNT`.
 *
 * Each has an id, so a batch without an answer is sent again, and what was stored of it already is not stored twice.
 */
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { readFlights } from '../flights.ts';
import { insist, STATION } from './broker.ts';

const PER_BATCH = 2_000;

const [base = '', count = ''] = process.argv.slice(2);
const flights = await readFlights(Number(count));
const batch = new BatchBuilder();
const utf8 = new TextEncoder();
for (let first = 0; first < flights.length; first += PER_BATCH) {
  if (first >= flights.length / 2 && first - PER_BATCH < flights.length / 2) console.log('half of it is sent');
  batch.reset();
  for (const flight of flights.slice(first, first + PER_BATCH)) {
    const payload = utf8.encode(JSON.stringify(flight));
    batch.append({ key: flight.origin, id: `flight-${flight.row}`, contentType: 'application/json', payload });
  }
  await insist(base, 'POST', `${STATION}/messages/batch`, batch.finish());
}
