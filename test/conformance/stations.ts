/** §3: stations are made, read, listed, changed, purged, removed. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { sequences } from './station.ts';

export const stations: Check[] = [
  {
    name: 'made: 201 with its defaults; the same again: 200; another: 409 and it stays as it was',
    async run(t) {
      const s = await t.station();
      const info = await s.info();
      has(info, { name: s.name, partitions: 1, version: 1, dedupWindowMs: 120_000, messages: 0, bytes: 0 }, 'the station');
      status(await t.put(s.path), 200, 'the same, without a body');
      refused(await t.put(s.path, { json: { partitions: 2 } }), 409, 'STATION_EXISTS');
      equal(await s.info(), info, 'the station afterwards');
    },
  },
  {
    name: 'its numbers follow what is produced: messages, bytes, first and last of each partition',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      await s.produce('a', {}, '?partition=1');
      await s.produce('b', {}, '?partition=1');
      const { messages, bytes, counts } = await s.info();
      equal(messages, 2, 'messages');
      equal(bytes, counts[1].bytes, 'bytes');
      has(counts[0], { partition: 0, messages: 0, first: 1, last: 0 }, 'partition 0');
      has(counts[1], { partition: 1, messages: 2, first: 1, last: 2 }, 'partition 1');
    },
  },
  {
    name: 'its slots cover 0 to 4095 once, and name its partitions only',
    async run(t) {
      const { slots } = await (await t.station({ partitions: 5 })).info();
      let next = 0;
      for (const [first, last, partition] of slots) {
        equal(first, next, 'the first slot after the last');
        ok(partition >= 0 && partition < 5, 'a partition of the station', partition);
        next = last + 1;
      }
      equal(next, 4096, 'the end of the slots');
    },
  },
  {
    name: 'a patch changes what it names, raises the version, and null takes a default back',
    async run(t) {
      const s = await t.station({ retention: { maxMessages: 10 } });
      const changed = status(await t.patch(s.path, { json: { retention: { maxAgeMs: 60_000 } } }), 200);
      has(changed.json.retention, { maxMessages: 10, maxAgeMs: 60_000 }, 'the retention');
      equal([changed.json.version, changed.header('etag')], [2, '"2"'], 'version and ETag');
      const back = status(await t.patch(s.path, { json: { retention: { maxMessages: null } } }), 200).json.retention;
      equal([back.maxMessages, back.maxAgeMs], [undefined, 60_000], 'the retention afterwards');
    },
  },
  {
    name: 'a patch with a stale If-Match is 412 and changes nothing; with the current one it counts',
    async run(t) {
      const s = await t.station();
      const { headers } = await t.get(s.path);
      const etag = headers.get('etag') ?? '';
      status(await t.patch(s.path, { json: { dedupWindowMs: 1_000 }, headers: { 'if-match': etag } }), 200);
      refused(await t.patch(s.path, { json: { dedupWindowMs: 2_000 }, headers: { 'if-match': etag } }), 412, 'VERSION_MISMATCH');
      has(await s.info(), { dedupWindowMs: 1_000, version: 2 }, 'the station');
    },
  },
  {
    name: 'the number of partitions cannot be patched (400)',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      refused(await t.patch(s.path, { json: { partitions: 3 } }), 400, 'INVALID_REQUEST');
      has(await s.info(), { partitions: 2, version: 1 }, 'the station');
    },
  },
  {
    name: 'listed by name, page by page, each once',
    async run(t) {
      const made = [(await t.station()).name, (await t.station()).name, (await t.station()).name];
      const seen: string[] = [];
      for (let after = ''; ; ) {
        const { items, next } = status(await t.get(`/v1/stations?limit=2${after && `&after=${encodeURIComponent(after)}`}`), 200).json;
        ok(items.length <= 2, 'two at most', items);
        seen.push(...items.map(({ name }: { name: string }) => name));
        if (next === null) break;
        after = next;
      }
      equal([...new Set(seen)], seen, 'each once');
      for (const name of made) ok(seen.includes(name), `${name} is in the list`, seen);
    },
  },
  {
    name: 'removed: 404 for everything of it; removed again: 404',
    async run(t) {
      const s = await t.station();
      await s.produce('a');
      await s.remove();
      refused(await t.get(s.path), 404, 'STATION_NOT_FOUND');
      refused(await s.send('b'), 404, 'STATION_NOT_FOUND');
      refused(await t.get(`${s.path}/messages?from=start`), 404, 'STATION_NOT_FOUND');
      refused(await s.group().ask('fetch', { consumer: 'c' }), 404, 'STATION_NOT_FOUND');
      refused(await t.delete(s.path), 404, 'STATION_NOT_FOUND');
    },
  },
  {
    name: 'made again it is another one: no message, group, id or receipt of the old one',
    async run(t) {
      const s = await t.station();
      await s.produce('old', { 'idempotency-key': 'k' });
      const g = s.group();
      const message = await g.takeOne();
      await s.remove();
      await s.make();
      equal((await s.all()).length, 0, 'messages');
      refused(await t.get(g.path), 404, 'GROUP_NOT_FOUND');
      has(await s.produce('new', { 'idempotency-key': 'k' }), { sequence: 1, duplicate: false }, 'the id, used anew');
      await g.takeOne();
      const told = status(await g.ask('ack', { receipts: [message.receipt] }), 207, 'an ack with the old receipt').json;
      ok(['INVALID_RECEIPT', 'LEASE_EXPIRED'].includes(told.failed[0].code), 'a code for receipts that do not count', told);
      has(await g.info(), { inFlight: 1 }, 'the group');
    },
  },
  {
    name: 'a purge up to a sequence removes as many as it says, and the numbering goes on',
    async run(t) {
      const s = await t.station();
      await s.fill(5);
      equal(status(await t.post(`${s.path}/purge`, { json: { upTo: 3 } }), 200).json, { purged: 3 }, 'what was purged');
      equal(sequences(await s.all()), [4, 5], 'what is left');
      refused(await s.one(3), 410, 'MESSAGE_TRIMMED');
      equal(status(await t.post(`${s.path}/purge`), 200).json, { purged: 2 }, 'the rest');
      has(await s.produce('next'), { sequence: 6 }, 'the next message');
    },
  },
  {
    name: 'a purge of one partition leaves the others alone; of one that is not there it is 400',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      await s.produce('a', {}, '?partition=0');
      await s.produce('b', {}, '?partition=1');
      equal(status(await t.post(`${s.path}/purge`, { json: { partition: 0 } }), 200).json, { purged: 1 }, 'what was purged');
      await s.stored(['b']);
      refused(await t.post(`${s.path}/purge`, { json: { partition: 2 } }), 400, 'INVALID_REQUEST');
    },
  },
  {
    name: 'the durability asked for is the least that an answer says',
    async run(t) {
      const rank = ['memory', 'buffered', 'local', 'synced', 'replicated'];
      for (const durability of ['memory', 'buffered', t.runtime.strongest ?? 'synced']) {
        const s = await t.station({ durability });
        const told = (await s.produce('a')).durability;
        ok(rank.indexOf(told) >= rank.indexOf(durability), `at least ${durability}`, told);
      }
    },
  },
];
