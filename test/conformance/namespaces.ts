/** §2: nothing crosses namespaces. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { Station } from './station.ts';

export const namespaces: Check[] = [
  {
    name: 'without one it is "default"; another one does not see it',
    async run(t) {
      const s = await t.station();
      await s.produce('a');
      has(status(await t.get(`/v1/namespaces/default/stations/${s.name}`), 200).json, { name: s.name, messages: 1 }, 'in default');
      refused(await t.get(`/v1/namespaces/other/stations/${s.name}`), 404, 'STATION_NOT_FOUND');
    },
  },
  {
    name: 'the same name in two namespaces is two stations: messages, ids, groups, letters, receipts, cursors',
    async run(t) {
      const one = await t.station();
      const two = new Station(t, one.name, '/v1/namespaces/two');
      t.defer(() => two.remove());
      await two.make({ dedupWindowMs: 1_000 });
      await one.produce('a', { 'idempotency-key': 'k' });
      has(await two.produce('b', { 'idempotency-key': 'k' }), { sequence: 1, duplicate: false }, 'the same id');
      await two.stored(['b']);
      const receipt = await one.group().takeOne();
      await two.group().takeOne();
      equal(status(await two.group().ask('ack', { receipts: [receipt.receipt] }), 207).json.failed.length, 1, 'a foreign receipt');
      refused(await t.get(`${two.path}/messages?cursor=${(await one.read()).cursor}`), 400, 'INVALID_REQUEST', 'a foreign cursor');
      await one.group().settle('reject', receipt);
      equal([(await one.letters()).length, (await two.letters()).length], [1, 0], 'letters');
      const [letter] = await one.letters();
      refused(await t.get(`${two.path}/dead-letters/${letter.id}`), 404, 'DEAD_LETTER_NOT_FOUND', 'a foreign letter');
      await one.remove();
      has(await two.info(), { messages: 1 }, 'the other one, when one is removed');
    },
  },
  {
    name: 'lists show their own namespace only',
    async run(t) {
      const s = await t.station({}, '/v1/namespaces/lists');
      const names = async (root: string): Promise<string[]> =>
        status(await t.get(`${root}/stations?limit=1000`), 200).json.items.map(({ name }: { name: string }) => name);
      equal(await names('/v1/namespaces/lists'), [s.name], 'its own');
      ok(!(await names('/v1')).includes(s.name), 'not in default');
      equal(await names('/v1/namespaces/empty'), [], 'one that nobody has used');
    },
  },
];
