/** Bytes that are frames, and bytes that are none: what each ends with, and that nothing of a payload changes on its way. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { CODECS } from '../../../src/gateway/frames/codec.ts';
import type { Frame } from './_frames.ts';
import { payloads, world } from './_frames.ts';

const MSGPACK = 'wayside.msgpack.v1';
const JSON_TEXT = 'wayside.json.v1';
const text = (data: string) => new TextEncoder().encode(data);

describe('before hello', () => {
  const FIRST: Record<string, [object, number]> = {
    'a call': [{ op: 'call', id: 1, method: 'GET', path: '/v1/stations' }, 4401],
    'a ping': [{ op: 'ping' }, 4401],
    'no op': [{}, 4401],
    'a hello with an unknown field': [{ op: 'hello', nonsense: 1 }, 4400],
    'a hello whose token is no text': [{ op: 'hello', token: 5 }, 4400],
    'a wrong token': [{ op: 'hello', token: 'wrong' }, 4401],
    'a token that is nearly right': [{ op: 'hello', token: 'secret ' }, 4401],
    'no token': [{ op: 'hello' }, 4401],
  };
  test.each(Object.entries(FIRST))('%s: its code', async (_, [frame, code]) => {
    const w = await world({ token: 'secret' });
    for (const protocol of [MSGPACK, JSON_TEXT] as const) {
      const client = await w.wire(protocol, { hello: false });
      client.send(frame);
      expect(await client.ended(), protocol).toBe(code);
      expect(client.frames).toEqual([]);
      // Whatever comes behind it is not looked at.
      client.send({ op: 'hello', token: 'secret' });
      expect(client.frames).toEqual([]);
    }
    await (await w.wire()).do('call', { method: 'GET', path: '/v1/health' });
  });
});

const NO_MSGPACK: Record<string, Uint8Array> = {
  'no msgpack': new Uint8Array([0xc1]),
  nothing: new Uint8Array(0),
  'cut off': new Uint8Array([0x82, 0xa2]),
  'bytes left over': new Uint8Array([0x80, 0x80]),
  'a number': new Uint8Array([5]),
  nil: new Uint8Array([0xc0]),
  'a list': new Uint8Array([0x90]),
  'a list of 2^32-1': new Uint8Array([0xdd, 255, 255, 255, 255]),
  'a map of 2^32-1': new Uint8Array([0xdf, 255, 255, 255, 255]),
  'a bin of 2^32-1': new Uint8Array([0xc6, 255, 255, 255, 255]),
  'nested 100,000 deep': new Uint8Array(100_000).fill(0x91),
  'an extension type': new Uint8Array([0x81, 0xa2, 0x69, 0x64, 0xd4, 1, 1]),
  'a key that is no text': new Uint8Array([0x81, 0x01, 0x01]),
  'the key __proto__': encode(Object.fromEntries([['__proto__', { op: 'pong' }]])),
  'a text that is no UTF-8': new Uint8Array([0x81, 0xa1, 0xff, 0x01]),
};
const NO_JSON: Record<string, string> = {
  nothing: '',
  'no JSON': '{',
  'a list': '[]',
  null: 'null',
  'a text': '"hello"',
  'something behind it': '{"op":"pong"} x',
  'a field twice': '{"op":"pong","op":"pong"}',
  'a comma too many': '{"op":"pong",}',
  'nested 100,000 deep': `{"op":${'['.repeat(100_000)}`,
  'a control character in a text': '{"op":"po\u0001ng"}',
};

describe('bytes that are no frame end the session with 4400', () => {
  test.each(Object.entries(NO_MSGPACK))('msgpack: %s', async (_, bytes) => {
    const w = await world();
    const client = await w.wire(MSGPACK);
    const before = Object.getOwnPropertyNames(Object.prototype);
    client.raw(bytes);
    expect(await client.ended()).toBe(4400);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    expect(w.errors).toEqual([]);
  });

  test.each(Object.entries(NO_JSON))('JSON: %s', async (_, data) => {
    const w = await world();
    const client = await w.wire(JSON_TEXT);
    client.raw(data);
    expect(await client.ended()).toBe(4400);
    expect(w.errors).toEqual([]);
  });

  it('JSON that is no UTF-8, also inside of a payload', async () => {
    const w = await world();
    const client = await w.wire(JSON_TEXT);
    client.raw(concat(text('{"op":"produce","id":1,"station":"s","messages":[{"payload":"'), [0xff], text('"}]}')), false);
    expect(await client.ended()).toBe(4400);
  });

  it('a text on msgpack, bytes on JSON', async () => {
    const w = await world();
    const [binary, textual] = [await w.wire(MSGPACK), await w.wire(JSON_TEXT)];
    binary.raw('{"op":"pong"}');
    textual.raw(encode({ op: 'pong' }));
    expect([await binary.ended(), await textual.ended()]).toEqual([4400, 4400]);
  });

  it('the reason fits into a close frame, whatever the frame was', async () => {
    const w = await world();
    const client = await w.wire(JSON_TEXT);
    client.raw(`{${JSON.stringify('ü😀'.repeat(500))}:1, "op":"pong",}`);
    await client.ended();
    expect(text(client.closed!.reason).length).toBeLessThanOrEqual(123);
  });

  it('any bytes: nothing is thrown, nobody else is disturbed', async () => {
    const w = await world();
    const station = await w.station();
    const other = await w.link();
    const frames = [
      { op: 'produce', id: 1, station, messages: [{ text: 'a' }] },
      { op: 'subscribe', id: 2, sub: 1, station, group: 'g', consumer: 'c', credit: { messages: 1, bytes: 1 } },
      { op: 'call', id: 3, method: 'GET', path: '/v1/stations' },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...frames),
        fc.nat(),
        fc.nat(255),
        fc.constantFrom(MSGPACK, JSON_TEXT),
        async (frame, at, value, protocol) => {
          const client = await w.wire(protocol);
          const bytes = protocol === MSGPACK ? encode(frame) : text(JSON.stringify(frame));
          bytes[at % bytes.length] = value;
          client.raw(bytes, protocol === MSGPACK);
          client.vanish();
          expect(await other.do('call', { method: 'GET', path: '/v1/health' })).toMatchObject({ status: 200 });
        },
      ),
      { numRuns: 300 },
    );
    expect(w.errors).toEqual([]);
  });
});

describe('payloads', () => {
  const PAYLOADS = [
    '1.50',
    '12345678901234567890123',
    '{"b":1,"a":2,"b":3}',
    ' [1 , 2]',
    '"\\u00e9\\ud83d"',
    '{"__proto__":{"x":1}}',
    '1e400',
    '-0',
  ];

  it('JSON keeps them byte for byte, in both directions', async () => {
    const w = await world();
    const station = await w.station();
    const client = await w.wire(JSON_TEXT);
    client.raw(
      `{"messages":[${PAYLOADS.map((payload) => `{"payload":${payload}}`).join(' , ')}],"id":1,"op":"produce","station":"${station}"}`,
    );
    expect((await client.next((frame) => frame.id === 1)).ok.results).toHaveLength(PAYLOADS.length);
    const { blocks } = await w.broker.fetch('default', station, 'g', { consumer: 'c' });
    const stored = blocks.flatMap(({ bytes, start, end, count }) => payloads(withHead(bytes.subarray(start, end), count)));
    expect(stored.map((bytes) => new TextDecoder().decode(bytes))).toEqual(PAYLOADS.map((payload) => payload.trim()));

    client.stuck = true;
    client.send({ op: 'fetch', id: 2, station, group: 'h', consumer: 'c' });
    while (client.buffered() === 0) await new Promise((resolve) => setImmediate(resolve));
    const [answer] = client.waiting;
    for (const payload of PAYLOADS) expect(new TextDecoder().decode(answer)).toContain(`"payload":${payload.trim()}`);
  });

  it('JSON: half of a surrogate pair is refused where it cannot be kept', async () => {
    const w = await world();
    const station = await w.station();
    const client = await w.wire(JSON_TEXT);
    for (const message of [
      '{"text":"\\ud800"}',
      '{"text":"a","key":"\\ud800"}',
      '{"text":"a","id":"\\udfff"}',
      '{"text":"a","headers":{"\\ud800":"x"}}',
    ]) {
      client.raw(`{"op":"produce","id":1,"station":"${station}","messages":[${message}]}`);
      expect((await client.next((frame) => frame.id === 1)).error.code, message).toBe('INVALID_REQUEST');
    }
    client.raw(`{"op":"reject","id":1,"station":"${station}","group":"g","receipts":[],"reason":"\\ud800"}`);
    expect((await client.next((frame) => frame.id === 1)).error).toMatchObject({ code: 'INVALID_REQUEST', field: 'reason' });
    client.raw('{"op":"\\ud800","id":1}');
    expect((await client.next((frame) => frame.id === 1)).error.code).toBe('INVALID_REQUEST');
  });

  it('msgpack: 64-bit numbers stay exact in payloads, and are numbers elsewhere', async () => {
    const w = await world();
    const station = await w.station();
    const client = await w.wire(MSGPACK);
    const wide = (value: bigint) => encode(value, { useBigInt64: true });
    // {op:"produce", id: uint64 1, station, messages:[{payload: uint64 2^63+1}]}
    client.raw(
      concat(
        [0x84],
        encode('op'),
        encode('produce'),
        encode('id'),
        wide(1n),
        encode('station'),
        encode(station),
        encode('messages'),
        [0x91, 0x81],
        encode('payload'),
        wide(2n ** 63n + 1n),
      ),
    );
    expect((await client.next((frame) => frame.id === 1)).ok.results).toHaveLength(1);
    const { blocks } = await w.broker.fetch('default', station, 'g', { consumer: 'c' });
    const [payload] = blocks.flatMap(({ bytes, start, end, count }) => payloads(withHead(bytes.subarray(start, end), count)));
    expect(new TextDecoder().decode(payload)).toBe('9223372036854775809');
  });

  it('objects: a payload that JSON cannot say is refused', async () => {
    const w = await world();
    const station = await w.station();
    const client = await w.link();
    const cycle: Frame = {};
    cycle.self = cycle;
    for (const payload of [Number.NaN, cycle, { a: undefined }, { a: new Uint8Array(1) }, () => 1, '\ud800', { '\ud800': 1 }])
      expect(await client.refused('produce', { station, messages: [{ payload }] })).toBe('INVALID_REQUEST');
    expect(await client.refused('call', { method: 'PUT', path: '/v1/stations/x', body: cycle })).toBe('INVALID_REQUEST');
  });

  it('what a codec writes is what the other end reads: any delivery, any answer', () => {
    const block = fc.record({
      partition: fc.nat(255),
      first: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      producedAt: fc.integer({ min: 0, max: 2 ** 45 }),
      deliveries: fc.integer({ min: 1, max: 1e6 }),
      lease: fc.stringMatching(/^[a-z0-9-]{1,40}$/),
      records: fc.uint8Array({ maxLength: 5000 }),
    });
    fc.assert(
      fc.property(fc.nat(), fc.array(block, { maxLength: 20 }), (sub, blocks) => {
        const bytes = CODECS[MSGPACK].encode({ sub, blocks }) as Uint8Array;
        expect(CODECS[MSGPACK].decode(bytes)).toEqual({ sub, blocks });
      }),
    );
  });
});

function withHead(records: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(13 + records.length);
  bytes.set([0x57, 0x53, 0x52, 0x31, 0]);
  new DataView(bytes.buffer).setUint32(5, count, true);
  new DataView(bytes.buffer).setUint32(9, records.length, true);
  bytes.set(records, 13);
  return bytes;
}

function concat(...pieces: (Uint8Array | number[])[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}
