/** §3: what goes and when, and that no one else's goes with it. */
import type { Check } from './checks.ts';
import { equal, has, refused, status } from './expect.ts';
import { sequences, texts, upTo } from './station.ts';

export const retention: Check[] = [
  {
    name: 'maxMessages: the newest stay, in each partition',
    async run(t) {
      const s = await t.station({ partitions: 2, retention: { maxMessages: 3 } });
      for (const partition of [0, 1]) for (const n of upTo(5)) await s.produce(`m${n}`, {}, `?partition=${partition}`);
      for (const partition of [0, 1]) {
        await t.until('the old ones to go', async () => (await s.info()).counts[partition].messages === 3);
        equal(sequences(await s.all(`from=start&partition=${partition}`)), [3, 4, 5], `partition ${partition}`);
      }
    },
  },
  {
    name: 'maxBytes: never more than that',
    async run(t) {
      const s = await t.station({ retention: { maxBytes: 5_000 } });
      for (const _ of upTo(10)) await s.produce('x'.repeat(1_000));
      await t.until('the old ones to go', async () => (await s.info()).bytes <= 5_000);
      equal((await s.all()).at(-1)?.sequence, 10, 'the newest');
    },
  },
  {
    name: 'maxAgeMs: gone after it, and the numbering goes on',
    async run(t) {
      const s = await t.station({ retention: { maxAgeMs: 300 } });
      await s.fill(3);
      await t.until('all to go', async () => (await s.info()).messages === 0);
      refused(await s.one(3), 410, 'MESSAGE_TRIMMED');
      has(await s.produce('next'), { sequence: 4 }, 'the next');
    },
  },
  {
    name: 'discard refuse: 429 when full, nothing is lost, and room comes with a purge',
    async run(t) {
      const s = await t.station({ retention: { maxMessages: 2, discard: 'refuse' } });
      await s.fill(2);
      refused(await s.send('m3'), 429, 'LIMIT_EXCEEDED');
      equal((await s.sendBatch([{ text: 'm3' }])).json.results?.[0]?.code ?? 'LIMIT_EXCEEDED', 'LIMIT_EXCEEDED', 'in a batch');
      await s.stored(['m1', 'm2']);
      status(await t.post(`${s.path}/purge`, { json: { upTo: 1 } }), 200);
      has(await s.produce('m3'), { sequence: 3 }, 'after the purge');
    },
  },
  {
    name: 'untilAcked: a message goes when every group has acked it, not before',
    async run(t) {
      const s = await t.station({ retention: { untilAcked: true } });
      await s.group('a').make();
      await s.group('b').make();
      await s.fill(3);
      await s.group('a').ack(await s.group('a').take(3));
      const [first, ...rest] = await s.group('b').take(3);
      await s.group('b').ack(rest);
      equal((await s.info()).messages, 3, 'messages, while one is not acked');
      await s.group('b').ack(first!);
      await t.until('all to go', async () => (await s.info()).messages === 0);
    },
  },
  {
    name: 'a group that is behind goes on at the first message that is there',
    async run(t) {
      const s = await t.station({ retention: { maxMessages: 2 } });
      const g = s.group();
      await g.make();
      await s.fill(5);
      await t.until('the old ones to go', async () => (await s.info()).messages === 2);
      equal(texts(await g.take(2)), ['m4', 'm5'], 'what the group gets');
      has(await g.info(), { unread: 0, inFlight: 2 }, 'the group');
    },
  },
  {
    name: 'a smaller bound, patched in, counts for what is there',
    async run(t) {
      const s = await t.station();
      await s.fill(6);
      status(await t.patch(s.path, { json: { retention: { maxMessages: 1 } } }), 200);
      await t.until('the old ones to go', async () => (await s.info()).messages === 1);
      await s.stored(['m6']);
    },
  },
];
