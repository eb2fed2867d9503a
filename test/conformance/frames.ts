/** §7, what holds over both subprotocols: made once for each of them (topics.ts). */
import type { Check, Context } from './checks.ts';
import { equal, has, ok, status } from './expect.ts';
import type { Frame, FrameClient, Protocol } from './frame-client.ts';
import { dial, messagesOf } from './frame-client.ts';
import type { Station } from './station.ts';
import { sequences, texts, upTo } from './station.ts';
import { batchOf } from './wsr1.ts';

const ROOM = { messages: 1_000, bytes: 10_000_000 };

function subscribe(client: FrameClient, s: Station, fields: object = {}): Promise<Frame> {
  return client.do('subscribe', { sub: 1, station: s.name, group: 'g', consumer: 'c', leaseMs: 30_000, credit: ROOM, ...fields });
}

const named = (count: number): { text: string }[] => upTo(count).map((number) => ({ text: `m${number}` }));

/** Time for what must not happen. */
const UNDISTURBED_MS = 150;

export function framesOver(protocol: Protocol): Check[] {
  const open = (t: Context) => dial(t, protocol);
  return [
    {
      name: 'hello is answered with a welcome: a session and the limits',
      async run(t) {
        const client = await dial(t, protocol, { hello: false });
        const welcome = await client.hello();
        ok(typeof welcome.session === 'string' && welcome.session !== '', 'a session', welcome);
        for (const name of ['messageBytesMax', 'batchBytesMax', 'callsMax', 'leaseMsMax']) ok(welcome.limits[name] > 0, name, welcome);
        equal(client.socket.protocol, `wayside.${protocol}.v1`, 'the subprotocol');
      },
    },
    {
      name: 'calls: groups with filter and key order, delays, steps, redrives, audits, as over HTTP; a stream is refused',
      async run(t) {
        const s = await t.station();
        const target = await t.station();
        const client = await open(t);
        const call = (method: string, path: string, body?: unknown) =>
          client.do('call', { method, path: `${s.path}${path}`, ...(body !== undefined && { body }) });
        equal((await call('PUT', '/groups/g', { order: 'key', filter: 'key != "no"', maxDeliveries: 1 })).status, 201, 'making a group');
        const messages = [
          { text: 'a1', key: 'a' },
          { text: 'b1', key: 'b' },
          { text: 'a2', key: 'a' },
          { text: 'x', key: 'no' },
        ];
        await client.do('produce', { station: s.name, messages: [...messages, { text: 'later', delayMs: 60_000 }] });
        const [schedule] = (await call('GET', '/schedules')).body.items;
        equal((await call('DELETE', `/schedules/${schedule.scheduleId}`)).status, 204, 'cancelling');
        const fetched = messagesOf(await client.do('fetch', { station: s.name, group: 'g', consumer: 'c', max: 10 }));
        equal(texts(fetched), ['a1', 'b1'], 'one of each key');
        const receipts = [fetched[0]!.receipt];
        const outputs = [{ station: target.name, messages: [{ text: 'made of a1' }] }];
        for (const repeated of [false, true])
          equal((await call('POST', '/groups/g/step', { receipts, outputs })).body, { acked: 1, produced: 1, repeated }, 'a step');
        await client.do('nack', { station: s.name, group: 'g', receipts: [fetched[1]!.receipt] });
        equal((await call('POST', '/dead-letters/redrive', { match: { key: 'b' }, maxRedrives: 1 })).body.redriven, 1, 'a redrive');
        has((await call('GET', '/groups/g/audit')).body, { produced: 4, acknowledged: 1, balanced: true }, 'the sum');
        equal((await call('POST', '/groups/g/seek', { to: 'end' })).status, 204, 'a seek');
        await t.until('the output', async () => (await target.info()).messages === 1);
        await client.refused('call', { method: 'GET', path: `/v1/export?station=${s.name}` }, 'INVALID_REQUEST');
      },
    },
    {
      name: 'produce: results in the order sent; duplicates and refused ones among them',
      async run(t) {
        const s = await t.station({ maxMessageBytes: 8 });
        const client = await open(t);
        const messages = [{ text: 'a', id: 'x' }, { text: 'far too long' }, { text: 'b' }, { text: 'a', id: 'x' }];
        const { results } = await client.do('produce', { station: s.name, messages });
        equal(
          results.map((result: Frame) => result.code ?? [result.sequence, result.duplicate]),
          [[1, false], 'MESSAGE_TOO_LARGE', [2, false], [1, true]],
          'results',
        );
        await s.stored(['a', 'b']);
      },
    },
    {
      name: 'an atomic batch of which one is refused stores nothing, and says which',
      async run(t) {
        const s = await t.station({ maxMessageBytes: 8 });
        const client = await open(t);
        const fields = { station: s.name, messages: [{ text: 'a' }, { text: 'far too long' }], atomic: true };
        has(await client.refused('produce', fields, 'MESSAGE_TOO_LARGE'), { index: 1 }, 'the error');
        await s.stored([]);
      },
    },
    {
      name: 'produces that are not waited for are stored in the order sent',
      async run(t) {
        const s = await t.station({ partitions: 2 });
        const client = await open(t);
        await Promise.all(named(200).map((message, i) => client.do('produce', { station: s.name, partition: i % 2, messages: [message] })));
        for (const partition of [0, 1])
          equal(
            texts(await s.all(`from=start&partition=${partition}&limit=500`)),
            named(200).flatMap(({ text }, i) => (i % 2 === partition ? [text] : [])),
            'what is stored',
          );
      },
    },
    {
      name: 'and so are those right behind the call that changes the station',
      async run(t) {
        const s = await t.station();
        const client = await open(t);
        const all = named(60).map((message, i) =>
          i % 20 === 10
            ? client.do('call', { method: 'PATCH', path: s.path, body: { dedupWindowMs: 1000 + i } })
            : client.do('produce', { station: s.name, messages: [message] }),
        );
        await Promise.all(all);
        await s.stored(named(60).flatMap(({ text }, i) => (i % 20 === 10 ? [] : [text])));
      },
    },
    {
      name: 'a producer: a repeat is stored once, a gap and an older epoch are refused',
      async run(t) {
        const s = await t.station();
        const client = await open(t);
        const send = (text: string, epoch: number, sequence: number) => ({
          station: s.name,
          messages: [{ text }],
          producer: { id: 'p', epoch, sequence },
        });
        await client.do('produce', send('a', 1, 1));
        has((await client.do('produce', send('a', 1, 1))).results[0], { sequence: 1, duplicate: true }, 'the repeat');
        await client.refused('produce', send('c', 1, 3), 'PRODUCER_GAP');
        await client.do('produce', send('b', 2, 1));
        await client.refused('produce', send('x', 1, 2), 'PRODUCER_FENCED');
        await s.stored(['a', 'b']);
      },
    },
    {
      name: 'fetch, extend, nack, reject, ack',
      async run(t) {
        const s = await t.station();
        await s.fill(4);
        const client = await open(t);
        const where = { station: s.name, group: 'g' };
        const got = messagesOf(await client.do('fetch', { ...where, consumer: 'c', max: 4 }));
        const [one, two, three, four] = got.map(({ receipt }) => receipt);
        equal(await client.do('extend', { ...where, receipts: [one], leaseMs: 60_000 }), { failed: [] }, 'extend');
        equal(await client.do('nack', { ...where, receipts: [two], delayMs: 0, reason: 'later' }), { failed: [] }, 'nack');
        equal(await client.do('reject', { ...where, receipts: [three], reason: 'bad' }), { failed: [] }, 'reject');
        equal(await client.do('ack', { ...where, receipts: [four, four] }), { failed: [] }, 'ack');
        has(await s.group().info(), { inFlight: 1, unread: 1, dead: 1 }, 'the group');
        const again = messagesOf(await client.do('fetch', { ...where, consumer: 'c' }));
        equal([texts(again), again[0]?.deliveries], [['m2'], 2], 'what comes again');
        const { failed } = await client.do('ack', { ...where, receipts: [two, 'nonsense', one] });
        equal(failed.map(({ code }: Frame) => code).sort(), ['INVALID_RECEIPT', 'LEASE_EXPIRED'], 'what did not count');
      },
    },
    {
      name: 'ranges settle all of a lease, and name what did not count',
      async run(t) {
        const s = await t.station();
        await s.fill(20);
        const client = await open(t);
        const where = { station: s.name, group: 'g' };
        const got = messagesOf(await client.do('fetch', { ...where, consumer: 'c', max: 20 }));
        const lease = got[0]!.receipt.split('.').slice(2).join('.');
        equal(
          await client.do('ack', {
            ...where,
            ranges: [
              [0, lease, 1, 5],
              [0, lease, 11, 15],
            ],
          }),
          { failed: [] },
          'ack',
        );
        equal(await client.do('nack', { ...where, ranges: [[0, lease, 6, 10]] }), { failed: [] }, 'nack');
        has(await s.group().info(), { inFlight: 5, unread: 5 }, 'the group');
        const { failed } = await client.do('reject', { ...where, ranges: [[0, lease, 6, 16]] });
        ok(failed.length > 0 && failed.every((each: Frame) => each.receipt.endsWith(lease)), 'the ranges that did not count', failed);
        for (const range of [
          [0, lease, 2, 1],
          [7, lease, 1, 1],
          [0, 'nonsense', 1, 1],
        ])
          equal(
            (await client.do('ack', { ...where, ranges: [range] })).failed.map(({ code }: Frame) => code),
            ['INVALID_RECEIPT'],
            `${range}`,
          );
      },
    },
    {
      name: 'a fetch that waits holds up no other call, and gets what comes',
      async run(t) {
        const s = await t.station();
        const client = await open(t);
        const waiting = client.do('fetch', { station: s.name, group: 'g', consumer: 'c', waitMs: 20_000 });
        await client.do('call', { method: 'GET', path: '/v1/health' });
        await client.do('produce', { station: s.name, messages: [{ text: 'a' }] });
        equal(texts(messagesOf(await waiting)), ['a'], 'messages');
      },
    },
    {
      name: 'call: any call of the API, with its status and its refusals',
      async run(t) {
        const s = await t.station();
        const client = await open(t);
        has(await client.do('call', { method: 'GET', path: s.path }), { status: 200 }, 'GET');
        const refused = await client.do('call', { method: 'GET', path: `${s.path}-none` });
        equal([refused.status, refused.body.code], [404, 'STATION_NOT_FOUND'], 'a refusal');
        has(await client.do('call', { method: 'POST', path: `${s.path}/messages`, body: { a: 1 } }), { status: 201 }, 'POST');
        const read = await client.do('call', { method: 'GET', path: `${s.path}/messages?from=start` });
        equal(read.body.messages[0].payload, { a: 1 }, 'the payload');
        const group = `${s.path}/groups/g`;
        has(await client.do('call', { method: 'PUT', path: group, body: {} }), { status: 201 }, 'PUT');
        has(await client.do('call', { method: 'DELETE', path: group }), { status: 204, body: null }, 'DELETE');
        for (const path of ['', 'v1/health', '//elsewhere', '/v1/ws', '/v1/../v1/health', '/v1/nonsense']) {
          const answer = await client.ask('call', { method: 'GET', path });
          ok(answer.error?.code === 'INVALID_REQUEST' || answer.ok?.status >= 400, `a refusal of ${path}`, answer);
        }
      },
    },
    {
      name: 'subscribe: what is there, then what comes; acks and credit keep it going',
      async run(t) {
        const s = await t.station();
        await s.fill(3);
        const client = await open(t);
        has(await subscribe(client, s, { credit: { messages: 2, bytes: 1_000_000 } }), { leaseMs: 30_000 }, 'its answer');
        const got = await client.messages(1, 2);
        await client.do('ack', { station: s.name, group: 'g', receipts: got.map(({ receipt }) => receipt) });
        await t.pause(UNDISTURBED_MS);
        equal(client.frames, [], 'nothing without credit: acks give none');
        await client.do('credit', { sub: 1, messages: 10, bytes: 0 });
        await s.produce('live');
        equal(texts(await client.messages(1, 2)), ['m3', 'live'], 'what comes');
        has(await s.group().info(), { inFlight: 2, unread: 0 }, 'the group');
      },
    },
    {
      name: 'bytes of credit count; one message may overdraw them',
      async run(t) {
        const s = await t.station();
        await s.batch(upTo(5).map(() => ({ text: 'x'.repeat(1000) })));
        const client = await open(t);
        await subscribe(client, s, { credit: { messages: 100, bytes: 1 } });
        await t.pause(UNDISTURBED_MS);
        equal(client.frames.splice(0).flatMap(messagesOf).length, 1, 'messages for one byte');
        await client.do('credit', { sub: 1, messages: 0, bytes: 3_500 });
        await t.pause(UNDISTURBED_MS);
        const more = client.frames.splice(0).flatMap(messagesOf).length;
        ok(more >= 2 && more <= 3, 'two or three for 2,500 more', more);
      },
    },
    {
      name: 'unsubscribe: nothing comes after its answer; with release others have it at once, uncounted',
      async run(t) {
        const s = await t.station();
        await s.fill(3);
        const client = await open(t);
        await subscribe(client, s);
        const got = await client.messages(1, 3);
        await client.do('unsubscribe', { sub: 1 });
        await s.group().isDry('what is still leased');
        await client.do('ack', { station: s.name, group: 'g', receipts: [got[0]!.receipt] });
        await subscribe(client, s, { sub: 2 });
        await client.do('unsubscribe', { sub: 2, release: true });
        const again = await s.group().take(2, { consumer: 'other' });
        equal(
          [texts(again), again.map(({ deliveries }) => deliveries)],
          [
            ['m2', 'm3'],
            [1, 1],
          ],
          'what others get',
        );
        await s.produce('later');
        await t.pause(UNDISTURBED_MS);
        equal(client.frames, [], 'frames');
      },
    },
    {
      name: 'a socket that breaks: receipts hold on another and over HTTP; what is not settled comes again',
      async run(t) {
        const s = await t.station();
        await s.fill(3);
        const client = await open(t);
        await subscribe(client, s, { leaseMs: 1_000 });
        const got = await client.messages(1, 3);
        client.close();
        const other = await open(t);
        equal(await other.do('ack', { station: s.name, group: 'g', receipts: [got[0]!.receipt] }), { failed: [] }, 'on another socket');
        await s.group().ack(got[1]!);
        const again = await s.group().take(1, { consumer: 'other' });
        equal([texts(again), again[0]?.deliveries], [['m3'], 2], 'what comes again');
      },
    },
    {
      name: 'two consumers share a group: everything once',
      async run(t) {
        const s = await t.station({ partitions: 2 });
        const clients = [await open(t), await open(t)];
        for (const [i, client] of clients.entries())
          await subscribe(client, s, { consumer: `c${i}`, credit: { messages: 50, bytes: 1_000_000 } });
        for (let i = 0; i < 10; i++) await s.batch(upTo(10).map((n) => ({ text: `${i}-${n}` })));
        const got = (await Promise.all(clients.map((client) => client.messages(1, 50)))).flat();
        equal(new Set(texts(got)).size, 100, 'different messages');
      },
    },
    {
      name: 'a station or a group that is removed: `deleted`, and it is not made again',
      async run(t) {
        const [one, two] = [await t.station(), await t.station()];
        const client = await open(t);
        await subscribe(client, one);
        await subscribe(client, two, { sub: 2 });
        await one.remove();
        await client.next('deleted', (frame) => frame.sub === 1 && frame.event === 'deleted');
        status(await t.delete(two.group().path), 204);
        await client.next('deleted', (frame) => frame.sub === 2 && frame.event === 'deleted');
        equal(status(await t.get(`${two.path}/groups`), 200).json.items, [], 'groups');
        await two.produce('a');
        await subscribe(client, two, { sub: 2 });
        equal(texts(await client.messages(2, 1)), ['a'], 'the number is free');
      },
    },
    {
      name: 'messages of one socket are in the order of their sequences, and none is missing',
      async run(t) {
        const s = await t.station();
        const client = await open(t);
        await subscribe(client, s, { credit: { messages: 2_000, bytes: 100_000_000 } });
        const producer = await open(t);
        const sends: Promise<unknown>[] = [];
        for (let i = 0; i < 40; i++) sends.push(producer.do('produce', { station: s.name, messages: named(50) }));
        equal(sequences(await client.messages(1, 2_000)), upTo(2_000), 'sequences');
        await Promise.all(sends);
      },
    },
  ];
}

export const framesJson: Check[] = [
  ...framesOver('json'),
  {
    name: 'payloads are kept byte for byte, and come back as they were',
    async run(t) {
      const s = await t.station();
      const client = await dial(t, 'json');
      const payload = '{"n":1.50, "big":12345678901234567890123, "a":1, "a":2, "__proto__":[]}';
      client.raw(`{"op":"produce","id":77,"messages":[{"payload":${payload}}],"station":"${s.name}"}`);
      await client.next('an answer', ({ id }) => id === 77);
      equal((await s.one(1)).text, payload, 'what is stored');
      const received = new Promise<string>((resolve) => {
        client.socket.addEventListener('message', ({ data }) => String(data).includes('"sub":1') && resolve(String(data)));
      });
      await subscribe(client, s);
      ok((await received).includes(`"payload":${payload}`), 'the payload, as it is', await received);
    },
  },
  {
    name: 'a delivered message has the form of a fetched one: payload, text or base64',
    async run(t) {
      const s = await t.station();
      const client = await dial(t, 'json');
      await client.do('produce', {
        station: s.name,
        messages: [{ payload: { a: 1 }, key: 'k', id: 'i', headers: { h: 'v' } }, { text: 'ü' }, { base64: 'AP8=' }],
      });
      await subscribe(client, s);
      const [json, text, bytes] = await client.messages(1, 3);
      has(
        json,
        {
          payload: { a: 1 },
          key: 'k',
          id: 'i',
          headers: { h: 'v' },
          contentType: 'application/json',
          deliveries: 1,
          partition: 0,
          sequence: 1,
        },
        'JSON',
      );
      has(text, { text: 'ü', contentType: 'text/plain' }, 'a text');
      has(bytes, { base64: 'AP8=' }, 'bytes');
      equal(bytes?.contentType, undefined, 'their content type');
    },
  },
];

export const framesMsgpack: Check[] = [
  ...framesOver('msgpack'),
  {
    name: 'records: ranges, duplicates and errors; a bad batch stores nothing',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const client = await dial(t, 'msgpack');
      const fields = { station: s.name, partition: 1 };
      const first = await client.do('produce', { ...fields, records: batchOf([{ id: 'x', payload: 'a' }, { payload: 'b' }]) });
      equal([first.ranges, first.duplicates, first.scheduled, first.errors], [[[1, 1, 2]], [], [], []], 'the answer');
      const second = await client.do('produce', {
        ...fields,
        records: batchOf([{ id: 'x', payload: 'a' }, { payload: 'c' }, { key: 'k'.repeat(2_000) }]),
      });
      equal([second.ranges, second.duplicates, second.errors], [[[1, 3, 1]], [[0, 1, 1]], [[2, 'MESSAGE_TOO_LARGE']]], 'the second answer');
      const bent = batchOf([{ payload: 'x' }]);
      bent[bent.length - 1]! ^= 1;
      await client.refused('produce', { ...fields, records: bent }, 'INVALID_RECORDS');
      await client.refused('produce', { ...fields, records: new Uint8Array(0) }, 'INVALID_RECORDS');
      await client.refused('produce', { ...fields, records: batchOf([{ payload: 'x' }]), messages: [] }, 'INVALID_REQUEST');
      equal(texts(await s.all('from=start&partition=1')), ['a', 'b', 'c'], 'what is stored');
    },
  },
  {
    name: 'a delivery is blocks: a run of sequences, one lease, a batch of records without a CRC',
    async run(t) {
      const s = await t.station();
      const client = await dial(t, 'msgpack');
      await client.do('produce', { station: s.name, records: batchOf([{ payload: [0, 255] }, { payload: 'b' }, { payload: 'c' }]) });
      await subscribe(client, s);
      const { blocks } = await client.next('a delivery', ({ sub }) => sub === 1);
      const [block] = blocks;
      has(block, { partition: 0, first: 1, deliveries: 1 }, 'the block');
      ok(/^[A-Za-z0-9_-]{1,40}$/.test(block.lease) && block.producedAt > 1.6e12, 'lease and time', block);
      ok(block.records instanceof Uint8Array && block.records[4] === 0, 'records as bytes, with no flag set', block.records);
      equal(messagesOf({ blocks }).length, 3, 'messages');
      equal(await client.do('ack', { station: s.name, group: 'g', ranges: [[0, block.lease, 1, 3]] }), { failed: [] }, 'ack');
      has(await s.group().info(), { inFlight: 0, unread: 0 }, 'the group');
    },
  },
];
