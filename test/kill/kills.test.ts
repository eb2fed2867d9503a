/** A few kills, with another seed each run, which finds more. A failure names it. Many are in `npm run soak`. */
import { expect, test } from 'vitest';
import { runKills } from './kills.ts';
import { StationLedger, Violation } from './ledger.ts';

test('killed again and again under load: nothing answered is lost, doubled, skipped or taken back', { timeout: 120_000 }, async () => {
  const report = await runKills({ kills: 6, seed: Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)), loadMsMax: 800 });
  expect(report.produced).toBeGreaterThan(100);
  expect(report.acked).toBeGreaterThan(100);
  expect(report.messages).toBe(report.produced);
});

/** The canaries: a test that lets everything pass would be worth nothing. */
test.each(['forget-an-id', 'forget-an-ack', 'answer-before-the-gate'])(
  'with the bug "%s" in the broker it fails',
  { timeout: 120_000 },
  async (plant) => {
    // Which promise is seen to be broken first is chance; that it is one of a station's is not.
    await expect(runKills({ kills: 12, seed: 1, loadMsMax: 500, plant })).rejects.toThrow(/: (synced|buffered)\b/);
  },
);

test('the ledger refuses what must not be', () => {
  const station = new StationLedger('s', 1, ['g']);
  const message = { id: 'i', key: undefined, text: 'a' };
  station.sent.set('i', message);
  station.sent.set('j', { id: 'j', key: undefined, text: 'b' });
  station.stored(message, 0, 1);
  const given = { partition: 0, sequence: 1, id: 'i', text: 'a', deliveries: 2 };
  const group = station.groups.g!;
  group.delivered(given, 1, 2);
  expect(() => station.stored(message, 0, 2), 'two places').toThrow(Violation);
  expect(() => station.stored(station.sent.get('j')!, 0, 1), 'two in one place').toThrow(Violation);
  expect(() => group.delivered({ ...given, text: 'b' }, 3, 4), 'other bytes').toThrow(Violation);
  expect(() => group.delivered({ ...given, id: 'x' }, 3, 4), 'one that nobody sent').toThrow(Violation);
  expect(() => group.delivered({ ...given, deliveries: 1 }, 3, 4), 'a count that falls').toThrow(Violation);
  group.settled('ack', '0.1', 5);
  expect(() => group.delivered({ ...given, deliveries: 3 }, 6, 7), 'acked before').toThrow(Violation);
  expect(() => group.delivered({ ...given, deliveries: 3 }, 4, 7), 'asked for before the ack').not.toThrow();
});
