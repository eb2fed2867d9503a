/** What is kept over an orderly end and over a crash, and what is still answered while the broker ends. */
import type { Check, Context } from './checks.ts';
import { Answer } from './client.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { texts, upTo } from './station.ts';

/** Fills a server, ends it in one of the two ways, and looks whether all is there. */
async function keepsEverything(t: Context, again: (own: Context) => Promise<void>): Promise<void> {
  const own = await t.own();
  const s = await own.station({ partitions: 2, retention: { maxMessages: 100 } });
  const elsewhere = await own.station({}, '/v1/namespaces/other');
  await s.batch(upTo(20).map((n) => ({ text: `m${n}`, key: `k${n % 5}`, id: `i${n}`, headers: { n: `${n}` } })));
  await elsewhere.produce('there');
  const g = s.group();
  await g.make({ leaseMs: 60_000 });
  const [rejected, nacked, leased, ...acked] = await g.take(10);
  await g.ack(acked);
  await g.settle('reject', rejected!, { reason: 'why' });
  await g.settle('nack', nacked!, { delayMs: 60_000 });
  const { members: _, ...group } = await g.info();
  const before = {
    station: await s.info(),
    group,
    letters: await s.letters(),
    messages: await s.all(),
    cursor: (await s.read('from=start&limit=7')).cursor,
  };

  await again(own);
  const { members: __, ...groupAfter } = await g.info();
  equal(await s.info(), before.station, 'the station');
  equal(groupAfter, before.group, 'the group');
  equal(await s.letters(), before.letters, 'dead letters');
  equal(await s.all(), before.messages, 'messages');
  await elsewhere.stored(['there'], 'another namespace');
  equal((await s.read(`cursor=${before.cursor}&limit=100`)).messages.length, 13, 'after a cursor from before');
  equal((await s.batch([{ text: 'x', key: 'k3', id: 'i3' }]))[0]?.duplicate, true, 'an id from before');
  const rest = await g.take(10);
  const gone = new Set(texts([rejected!, nacked!, leased!, ...acked]));
  ok(
    rest.every(({ text }) => !gone.has(text)),
    'nothing is delivered again',
    texts(rest),
  );
  await g.ack(leased!);
  status(await own.post(`${s.path}/dead-letters/redrive`, { json: { all: true } }), 200);
  has(await g.takeOne(), { text: rejected!.text }, 'the letter, redriven');
}

export const lasting: Check[] = [
  {
    name: 'an orderly restart keeps messages, groups, leases, returns, dead letters, ids, cursors',
    needs: ['servers'],
    run: (t) => keepsEverything(t, (own) => own.server.restart()),
  },
  {
    name: 'a crash keeps what was answered: the same',
    needs: ['servers'],
    run: (t) => keepsEverything(t, (own) => own.server.crash()),
  },
  {
    name: 'two crashes in a row, and an orderly end between: numbering goes on without gaps',
    needs: ['servers'],
    async run(t) {
      const own = await t.own();
      const s = await own.station();
      for (const end of ['crash', 'restart', 'crash'] as const) {
        await s.produce(end);
        await own.server[end]();
      }
      await s.produce('last');
      equal(
        (await s.all()).map(({ sequence, text }) => [sequence, text]),
        [
          [1, 'crash'],
          [2, 'restart'],
          [3, 'crash'],
          [4, 'last'],
        ],
        'messages',
      );
    },
  },
  {
    name: 'a memory station is there after a restart, empty, as a new one; receipts from before do not count',
    needs: ['servers', 'forgetting'],
    async run(t) {
      const own = await t.own();
      const s = await own.station({ durability: 'memory' });
      await s.produce('gone', { 'idempotency-key': 'k' });
      const message = await s.group().takeOne();
      await own.server.restart();
      has(await s.info(), { messages: 0, durability: 'memory' }, 'the station');
      has(await s.produce('new', { 'idempotency-key': 'k' }), { sequence: 1, duplicate: false }, 'the id, anew');
      const answer = await s.group().ask('ack', { receipts: [message.receipt] });
      ok(answer.status === 207 || answer.status === 404, 'the old receipt does not count', String(answer));
    },
  },
  {
    name: 'what was purged, acked away, removed stays so',
    needs: ['servers'],
    async run(t) {
      const own = await t.own();
      const s = await own.station();
      const removed = await own.station();
      await s.fill(5);
      await removed.fill(5);
      status(await own.post(`${s.path}/purge`, { json: { upTo: 3 } }), 200);
      await removed.remove();
      await own.server.crash();
      await s.stored(['m4', 'm5']);
      refused(await own.get(removed.path), 404, 'STATION_NOT_FOUND');
      await removed.make();
      await removed.stored([], 'the station, made again');
    },
  },
  {
    name: 'asked to end under load: what was answered as stored is there after the start, in the place that was told',
    needs: ['servers', 'ending'],
    async run(t) {
      const own = await t.own();
      const s = await own.station({ partitions: 2 });
      let ending = false;
      const stored = new Map<string, string>();
      const odd: unknown[] = [];
      const loops = upTo(8).map(async (loop) => {
        for (let n = 0; !ending; n++) {
          const text = `${loop}.${n}`;
          const answer = await s.send(text).catch((error: unknown) => error);
          if (!(answer instanceof Answer)) {
            // A connection that was idle when the end began may be closed under a call that is on its way.
            if (!ending) odd.push(answer);
          } else if (answer.status === 201) stored.set(text, `${answer.json.partition}.${answer.json.sequence}`);
          else if (!ending || answer.status !== 503) odd.push(String(answer));
        }
      });
      await t.until('some to be stored', async () => stored.size > 50);
      const ended = own.server.end();
      ending = true;
      await Promise.all(loops);
      equal([await ended, odd], [true, []], 'an orderly end');
      await own.server.begin();
      const places = new Map((await s.all()).map(({ text, partition, sequence }) => [text, `${partition}.${sequence}`]));
      for (const [text, place] of stored) equal(places.get(text), place, `the place of ${text}`);
    },
  },
  {
    name: 'asked to end while a produce is half sent: it is answered, and stored exactly when the answer says so',
    needs: ['servers', 'ending'],
    async run(t) {
      const own = await t.own();
      const s = await own.station();
      let finish = (): void => {};
      const half = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('first half, '));
          finish = () => {
            controller.enqueue(new TextEncoder().encode('second half'));
            controller.close();
          };
        },
      });
      const produced = own.post(`${s.path}/messages`, { body: half, headers: { 'content-type': 'text/plain' } });
      await t.pause(150);
      const ended = own.server.end();
      await t.pause(50);
      finish();
      const answer = await produced;
      ok(answer.status === 201 || answer.status === 503, 'answered', String(answer));
      equal(await ended, true, 'an orderly end');
      await own.server.begin();
      await s.stored(answer.status === 201 ? ['first half, second half'] : []);
    },
  },
  {
    name: 'asked to end: a long poll and a fetch that wait are let go at once, and events end',
    needs: ['servers', 'ending'],
    async run(t) {
      const own = await t.own();
      const s = await own.station();
      await s.group().fetch();
      const waits = [own.get(`${s.path}/messages?from=end&waitMs=30000`), s.group().ask('fetch', { consumer: 'c', waitMs: 30_000 })];
      const events = own.client
        .open('GET', `${s.path}/messages?from=start`, { headers: { accept: 'text/event-stream' } })
        .then(async (response) => response.text());
      await t.pause(150);
      const began = Date.now();
      equal(await own.server.end(), true, 'an orderly end');
      ok(Date.now() - began < 5_000, 'at once', Date.now() - began);
      for (const answer of await Promise.all(waits)) ok([200, 503].includes(answer.status), 'answered', String(answer));
      await events;
      await own.server.begin();
    },
  },
];
