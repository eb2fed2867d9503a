/**
 * Sends every flight, keyed by where it began, in record batches: `node producer.ts BROKER`.
 *
 * Each has an id, so a batch without an answer is sent again, and what was stored of it already is not stored twice.
 */
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { insist, PARTITIONS, STATION } from '../broker.ts';
import { readFlights } from '../flights.ts';

const PER_BATCH = 2_000;

const [base = ''] = process.argv.slice(2);
await insist(base, 'PUT', STATION, { partitions: PARTITIONS });
const flights = await readFlights();
const batch = new BatchBuilder();
for (let first = 0; first < flights.length; first += PER_BATCH) {
  batch.reset();
  for (const [index, flight] of flights.slice(first, first + PER_BATCH).entries()) {
    const payload = new TextEncoder().encode(JSON.stringify(flight));
    batch.append({ key: flight.origin, id: `flight-${first + index}`, contentType: 'application/json', payload });
  }
  await insist(base, 'POST', `${STATION}/messages/batch`, batch.finish());
}
