/** §7, frames that make no sense: each has its code, and nobody else notices. */
import type { Check, Context } from './checks.ts';
import { equal, ok, refused } from './expect.ts';
import type { FrameClient, Protocol } from './frame-client.ts';
import { dial } from './frame-client.ts';

const BOTH: Protocol[] = ['json', 'msgpack'];
const bytes = (...of: number[]) => new Uint8Array(of);

/** Does it to a socket, and looks whether another one, and HTTP, went on undisturbed. */
async function apart(t: Context, act: (client: FrameClient, protocol: Protocol) => Promise<void>, protocols = BOTH): Promise<void> {
  const s = await t.station();
  for (const protocol of protocols) {
    const other = await dial(t, protocol);
    await other.do('subscribe', {
      sub: 1,
      station: s.name,
      group: `g-${protocol}`,
      consumer: 'c',
      startAt: 'end',
      credit: { messages: 10, bytes: 10_000 },
    });
    await act(await dial(t, protocol), protocol);
    await s.produce('undisturbed');
    equal((await other.messages(1, 1))[0]?.text, 'undisturbed', `what another socket gets (${protocol})`);
  }
  equal((await t.get('/v1/health')).status, 200, 'health');
}

const BAD_JSON: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  'no JSON': '{',
  'a list': '[]',
  null: 'null',
  'a number': '1',
  'two objects': '{"op":"pong"}{"op":"pong"}',
  'a field twice': '{"op":"pong","op":"pong"}',
  'nested 100,000 deep': `{"op":${'['.repeat(100_000)}`,
  'nothing at all': '',
  bytes: bytes(0x81, 0xa2),
};
const BAD_MSGPACK: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>> = {
  'no msgpack': bytes(0xc1),
  'cut off': bytes(0x82, 0xa2),
  'bytes left over': bytes(0x80, 0x80),
  'a list of 2^32-1': bytes(0xdd, 255, 255, 255, 255),
  'a bin of 2^32-1': bytes(0xc6, 255, 255, 255, 255),
  'nested 100,000 deep': new Uint8Array(100_000).fill(0x91),
  'the key __proto__': bytes(0x81, 0xa9, ...new TextEncoder().encode('__proto__'), 0x80),
  'a text that is no UTF-8': bytes(0x81, 0xa1, 0xff, 0x01),
  'a text frame': 'hello',
};

function closing(protocol: Protocol, bad: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): Check[] {
  return Object.entries(bad).map(([name, data]) => ({
    name: `${protocol}: ${name} ends the socket with 4400`,
    run: (t) =>
      apart(
        t,
        async (client) => {
          client.raw(data);
          await client.closes(4400, name);
        },
        [protocol],
      ),
  }));
}

export const framesBad: Check[] = [
  ...closing('json', BAD_JSON),
  ...closing('msgpack', BAD_MSGPACK),
  {
    name: 'another first frame than hello is 4401',
    async run(t) {
      for (const protocol of BOTH) {
        const client = await dial(t, protocol, { hello: false });
        client.send({ op: 'call', id: 1, method: 'DELETE', path: '/v1/stations/x' });
        await client.closes(4401, 'a call before hello');
        equal(client.frames, [], 'answers');
      }
    },
  },
  {
    name: 'a missing or wrong token in the first frame is 4401; a right one opens it, and calls need no other',
    needs: ['servers', 'token'],
    async run(t) {
      const own = await t.own({ token: 'a-root-token' });
      for (const token of [undefined, '', 'wrong', 'a-root-token ', 'a-root-toke']) {
        const client = await dial(own, 'json', { hello: false });
        client.send({ op: 'hello', ...(token === undefined ? {} : { token }) });
        await client.closes(4401, `the token ${token}`);
      }
      const client = await dial(own, 'json');
      equal((await client.do('call', { method: 'GET', path: '/v1/stations' })).status, 200, 'a call');
      refused(await own.get('/v1/stations', { anonymous: true }), 401, 'UNAUTHENTICATED');
    },
  },
  {
    name: 'a ticket opens one socket, once',
    needs: ['servers', 'token'],
    async run(t) {
      const own = await t.own({ token: 'a-root-token' });
      const { ticket } = (await own.post('/v1/tickets', { json: {} })).json;
      const first = await dial(own, 'msgpack', { query: `?ticket=${ticket}`, hello: false });
      await first.hello();
      const second = await dial(own, 'msgpack', { query: `?ticket=${ticket}`, hello: false });
      second.send({ op: 'hello' });
      await second.closes(4401, 'the second use');
    },
  },
  {
    name: 'an upgrade from a foreign page, or for a Host that is not this machine, is 403',
    needs: ['raw'],
    async run(t) {
      const upgrade = [
        'GET /v1/ws HTTP/1.1',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: d2F5c2lkZSBhY2NlcHQgIQ==',
        'Sec-WebSocket-Protocol: wayside.json.v1',
      ];
      for (const line of ['Origin: https://elsewhere.example', 'Origin: null', 'Host: example.org', 'Host: 127.0.0.1.example.org'])
        refused(await t.raw([...upgrade, 'Connection: Upgrade', line]), 403, 'FORBIDDEN', line);
    },
  },
  {
    name: 'no subprotocol, or none that is known, is 400 and names those there are; a plain GET is 426',
    needs: ['raw'],
    async run(t) {
      const upgrade = [
        'GET /v1/ws HTTP/1.1',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: d2F5c2lkZSBhY2NlcHQgIQ==',
      ];
      for (const more of [[], ['Sec-WebSocket-Protocol: odd.v9']]) {
        const answer = await t.raw([...upgrade, ...more]);
        refused(answer, 400, 'INVALID_REQUEST');
        ok(answer.text.includes('wayside.json.v1') && answer.text.includes('wayside.msgpack.v1'), 'the names', answer.text);
      }
      refused(await t.get('/v1/ws'), 426, 'INVALID_REQUEST');
      const client = await dial(t, 'json', { offered: ['odd.v9', 'wayside.json.v1'] });
      equal(client.socket.protocol, 'wayside.json.v1', 'what is chosen');
    },
  },
  {
    name: 'an op that is none is an error, and the socket lives',
    run: (t) =>
      apart(t, async (client) => {
        for (const op of ['nonsense', '', '__proto__', 'toString', 'welcome', 5, null, {}, ['ack']])
          await client.refused(op as string, {}, 'INVALID_REQUEST');
        await client.do('call', { method: 'GET', path: '/v1/health' });
      }),
  },
  {
    name: 'a frame without an id that is a whole number is 4400',
    run: (t) =>
      apart(t, async (client) => {
        client.send({ op: 'call', id: 'x', method: 'GET', path: '/v1/health' });
        await client.closes(4400, 'an id that is a text');
      }),
  },
  {
    name: 'an id of a call under way that is used again is 4400; an answered one may be',
    async run(t) {
      const s = await t.station();
      await apart(t, async (client) => {
        const call = { op: 'call', id: 500, method: 'GET', path: '/v1/health' };
        for (let i = 0; i < 2; i++) {
          client.send(call);
          await client.next('an answer', ({ id }) => id === 500);
        }
        client.send({ op: 'fetch', id: 500, station: s.name, group: 'g', consumer: 'c', waitMs: 10_000 });
        client.send(call);
        await client.closes(4400, 'the id again');
      });
    },
  },
  {
    name: 'fields that are unknown, missing or of a wrong kind are INVALID_REQUEST and name the field',
    async run(t) {
      const s = await t.station();
      const where = { station: s.name, group: 'g' };
      const credit = { messages: 1, bytes: 1 };
      const cases: [string, object, string][] = [
        ['produce', { messages: [] }, 'station'],
        ['produce', { station: s.name, messages: [{ text: 'a' }], nonsense: 1 }, 'nonsense'],
        ['produce', { station: s.name, messages: [{ text: 'a' }], partition: 'x' }, 'partition'],
        ['produce', { station: s.name, messages: [{ text: 'a' }], producer: { id: 'p', epoch: 0, sequence: 1 } }, 'producer.epoch'],
        ['ack', { ...where, receipts: [1] }, 'receipts.0'],
        ['ack', { ...where, ranges: [[0, 'x', 1.5, 2]] }, 'ranges.0.2'],
        ['fetch', { ...where }, 'consumer'],
        ['subscribe', { ...where, sub: 1, consumer: 'c' }, 'credit'],
        ['subscribe', { ...where, sub: -1, consumer: 'c', credit }, 'sub'],
        ['subscribe', { ...where, sub: 1, consumer: 'c', credit: { messages: -1, bytes: 1 } }, 'credit.messages'],
        ['credit', { sub: 1, messages: 1 }, 'bytes'],
        ['unsubscribe', {}, 'sub'],
        ['call', { method: 'GET' }, 'path'],
      ];
      await apart(t, async (client) => {
        for (const [op, fields, field] of cases)
          equal((await client.refused(op, fields, 'INVALID_REQUEST')).field, field, `the field of ${op} ${JSON.stringify(fields)}`);
      });
      await s.stored([]);
    },
  },
  {
    name: 'what is not there: each has its code, and the number of a subscription stays free',
    async run(t) {
      const s = await t.station();
      await apart(t, async (client) => {
        const none = { station: t.name(), group: 'g' };
        const credit = { messages: 1, bytes: 1 };
        await client.refused('produce', { station: none.station, messages: [{ text: 'a' }] }, 'STATION_NOT_FOUND');
        await client.refused('fetch', { ...none, consumer: 'c' }, 'STATION_NOT_FOUND');
        await client.refused('subscribe', { ...none, sub: 1, consumer: 'c', credit }, 'STATION_NOT_FOUND');
        await client.refused('ack', { ...none, receipts: [] }, 'STATION_NOT_FOUND');
        await client.refused('ack', { station: s.name, group: 'none', receipts: [] }, 'GROUP_NOT_FOUND');
        await client.refused('credit', { sub: 1, ...credit }, 'NOT_FOUND');
        await client.refused('unsubscribe', { sub: 1 }, 'NOT_FOUND');
        await client.refused('produce', { station: '../x', messages: [{ text: 'a' }] }, 'INVALID_NAME');
        await client.do('subscribe', { sub: 1, station: s.name, group: 'here', consumer: 'c', credit });
        await client.refused('subscribe', { sub: 1, station: s.name, group: 'here', consumer: 'c', credit }, 'INVALID_REQUEST');
      });
    },
  },
  {
    name: 'credit above what can be counted is refused, given or in sum, and changes nothing',
    async run(t) {
      const s = await t.station();
      await apart(t, async (client, protocol) => {
        const fields = { sub: 1, station: s.name, group: protocol, consumer: 'c' };
        await client.refused('subscribe', { ...fields, credit: { messages: 2 ** 31, bytes: 1 } }, 'INVALID_REQUEST');
        await client.do('subscribe', { ...fields, credit: { messages: 1, bytes: 2 ** 31 - 1 } });
        for (const credit of [
          { messages: 2 ** 31 - 1, bytes: 0 },
          { messages: 0, bytes: 1 },
          { messages: 1e300, bytes: 0 },
          { messages: -1, bytes: 0 },
        ])
          await client.refused('credit', { sub: 1, ...credit }, 'INVALID_REQUEST');
      });
    },
  },
  {
    name: 'half of a surrogate pair is refused wherever a text is kept',
    async run(t) {
      const s = await t.station();
      const client = await dial(t, 'json');
      for (const message of [
        '{"text":"\\ud800"}',
        '{"text":"a","key":"\\ud800"}',
        '{"text":"a","id":"\\udfff"}',
        '{"text":"a","headers":{"h":"\\ud800"}}',
      ]) {
        client.raw(`{"op":"produce","id":900,"station":"${s.name}","messages":[{"text":"first"},${message}]}`);
        const { error } = await client.next('an answer', ({ id }) => id === 900);
        equal([error?.code, error?.index], ['INVALID_REQUEST', 1], message);
      }
      await s.stored([]);
    },
  },
  {
    name: 'a frame above the limit is 4413',
    run: (t) =>
      apart(t, async (client, protocol) => {
        client.raw(protocol === 'json' ? 'x'.repeat(18 * 1024 * 1024) : new Uint8Array(18 * 1024 * 1024));
        await client.closes(4413, 'a frame of 18 MiB');
      }),
  },
  {
    name: 'more calls without an answer than the welcome says are 4429',
    async run(t) {
      const s = await t.station();
      await apart(t, async (client, protocol) => {
        const { limits } = await (await dial(t, protocol, { hello: false })).hello();
        const fetch = { op: 'fetch', station: s.name, group: 'g', consumer: 'c', waitMs: 20_000 };
        for (let id = 1_000; id <= 1_000 + limits.callsMax; id++) client.send({ ...fetch, id });
        await client.closes(4429, 'too many calls');
      });
    },
  },
  {
    name: 'a hundred thousand tiny frames: nobody else waits for them',
    run: (t) =>
      apart(t, async (client) => {
        for (let i = 0; i < 100_000; i++) client.send({ op: 'pong' });
        await t.get('/v1/health');
        await client.do('call', { method: 'GET', path: '/v1/health' });
      }),
  },
];
