/**
 * One consumer of the group over HTTP: fetch, count, then ack: `node consumer.ts BROKER NAME FILE`. SIGTERM ends it.
 *
 * It acks only what its file holds. Should it die in between, the messages come again, to it or to the other consumer.
 */
import type { Counted } from '../statistics.ts';
import { Statistics } from '../statistics.ts';
import { GROUP, insist } from './broker.ts';

const [base = '', consumer = '', file = ''] = process.argv.slice(2);
const statistics = new Statistics(file);
let ending = false;
process.on('SIGTERM', () => {
  ending = true;
});

let again = 0;
while (!ending) {
  const { messages } = await insist(base, 'POST', `${GROUP}/fetch`, { consumer, max: 1_000, waitMs: 500 });
  if (messages.length === 0) continue;
  again += statistics.count(messages as Counted[]);
  const receipts = messages.map(({ receipt }: { receipt: string }) => receipt);
  // What does not count any more (its lease ran out meanwhile) comes again, and is known then.
  await insist(base, 'POST', `${GROUP}/ack`, { receipts });
}
statistics.close();
console.log(JSON.stringify({ again }));
