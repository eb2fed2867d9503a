/** Sessions: hello, ids, verbs, over every carrier: objects, msgpack, JSON. */
import { describe, expect, it, test } from 'vitest';
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { WaysideError } from '../../../src/core/errors.ts';
import type { Client, Frame, World } from './_frames.ts';
import { countOf, overriding, textsOf, world } from './_frames.ts';

const CARRIERS: Record<string, (w: World, options?: { namespace?: string }) => Promise<Client>> = {
  objects: (w, { namespace } = {}) => w.link(namespace),
  msgpack: (w, { namespace } = {}) => w.wire('wayside.msgpack.v1', namespace ? { path: `/v1/namespaces/${namespace}/ws` } : {}),
  json: (w, { namespace } = {}) => w.wire('wayside.json.v1', namespace ? { path: `/v1/namespaces/${namespace}/ws` } : {}),
};

function batch(...texts: string[]): Uint8Array {
  const builder = new BatchBuilder();
  for (const text of texts) builder.append({ payload: new TextEncoder().encode(text) });
  return builder.finish();
}

describe.each(Object.entries(CARRIERS))('%s', (carrier, open) => {
  const isJson = carrier === 'json';

  it('welcomes with a name and the limits', async () => {
    const w = await world();
    const link = w.gateway.frames.link();
    const welcomed = new Promise<Frame>((resolve) => {
      link.onFrame = resolve;
    });
    link.send({ op: 'hello' });
    expect(await welcomed).toMatchObject({ op: 'welcome', limits: { callsMax: 4096, batchBytesMax: 8 * 1024 * 1024 } });
    expect((await open(w)).closed).toBeUndefined();
  });

  it('messages: a place each, in the order sent; a refused one says why', async () => {
    const w = await world();
    const station = await w.station({ maxMessageBytes: 16 });
    const client = await open(w);
    const messages = [{ text: 'a', id: 'x' }, { text: 'far too long to be taken' }, { payload: { b: [1, null] } }, { text: 'a', id: 'x' }];
    const { results } = await client.do('produce', { station, messages });
    expect(results.map((result: Frame) => result.code ?? [result.sequence, result.duplicate])).toEqual([
      [1, false],
      'MESSAGE_TOO_LARGE',
      [2, false],
      [1, true],
    ]);
    expect(results[0]).toEqual({ partition: 0, sequence: 1, duplicate: false, durability: 'memory' });
    const fetched = await client.do('fetch', { station, group: 'g', consumer: 'c' });
    expect(textsOf(fetched)).toEqual(['a', '{"b":[1,null]}']);
  });

  // JSON has no bytes, and so no records.
  if (!isJson)
    it('records: ranges, duplicates, errors', async () => {
      const w = await world();
      const station = await w.station();
      const client = await open(w);
      const ok = await client.do('produce', { station, records: batch('a', 'b') });
      expect(ok).toEqual({ ranges: [[0, 1, 2]], duplicates: [], scheduled: [], errors: [], durability: 'memory' });
      const broken = batch('c');
      broken[15]! ^= 1;
      expect(await client.refused('produce', { station, records: broken })).toBe('INVALID_RECORDS');
      expect((await w.broker.station('default', station)).messages).toBe(2);
    });

  it('what is produced: refusals, each with its field or its place', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const refused = async (fields: object) => (await client.ask('produce', { station, ...fields })).error;
    expect(await refused({})).toMatchObject({ code: 'INVALID_REQUEST', field: 'messages' });
    expect(await refused({ messages: [] })).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(await refused({ messages: 'x' })).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(await refused({ messages: [{ text: 'a' }, {}] })).toMatchObject({ code: 'INVALID_REQUEST', index: 1 });
    expect(await refused({ messages: [{ text: 'a' }, { text: 'b', nonsense: 1 }] })).toMatchObject({ code: 'INVALID_REQUEST', index: 1 });
    expect(await refused({ messages: [{ text: 'a' }], partition: 9 })).toMatchObject({ code: 'INVALID_REQUEST', field: 'partition' });
    expect(await refused({ messages: [{ text: 'a' }], partition: -1 })).toMatchObject({ code: 'INVALID_REQUEST', field: 'partition' });
    expect(await refused({ messages: [{ text: 'a' }], nonsense: 1 })).toMatchObject({ code: 'INVALID_REQUEST', field: 'nonsense' });
    expect(await refused({ messages: [{ text: 'a' }], expectedSequence: 7 })).toMatchObject({ code: 'SEQUENCE_MISMATCH' });
    expect(await refused({ station: 'none', messages: [{ text: 'a' }] })).toMatchObject({ code: 'STATION_NOT_FOUND' });
    expect(await refused({ station: '../x', messages: [{ text: 'a' }] })).toMatchObject({ code: 'INVALID_NAME' });
    expect(await refused({ station: 5, messages: [{ text: 'a' }] })).toMatchObject({ code: 'INVALID_REQUEST', field: 'station' });
    expect((await w.broker.station('default', station)).messages).toBe(0);
  });

  it('a producer: repeated, with a gap, fenced', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const send = (text: string, epoch: number, sequence: number) =>
      client.ask('produce', { station, messages: [{ text }], producer: { id: 'p', epoch, sequence } });
    expect((await send('a', 1, 1)).ok.results[0]).toMatchObject({ sequence: 1, duplicate: false });
    expect((await send('a', 1, 1)).ok.results[0]).toMatchObject({ sequence: 1, duplicate: true });
    expect((await send('c', 1, 3)).error.code).toBe('PRODUCER_GAP');
    expect((await send('b', 2, 1)).ok.results[0]).toMatchObject({ sequence: 2 });
    expect((await send('b', 1, 2)).error.code).toBe('PRODUCER_FENCED');
    // An epoch may be a time, which does not fit into four bytes.
    expect((await send('d', 1_760_000_000_000, 1)).ok.results[0]).toMatchObject({ sequence: 3 });
  });

  it('ack, nack, extend, reject by receipts and by ranges', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    await client.do('produce', { station, messages: Array.from({ length: 10 }, (_, i) => ({ text: `m${i + 1}` })) });
    const where = { station, group: 'g' };
    const fetched = await client.do('fetch', { ...where, consumer: 'c' });
    const lease = isJson ? fetched.messages[0].receipt.split('.').slice(2).join('.') : fetched.blocks[0].lease;
    const range = (from: number, to: number) => [0, lease, from, to];
    expect(await client.do('ack', { ...where, ranges: [range(1, 3)], receipts: [`0.4.${lease}`] })).toEqual({ failed: [] });
    expect(await client.do('extend', { ...where, ranges: [range(5, 10)], leaseMs: 60_000 })).toEqual({ failed: [] });
    expect(await client.do('nack', { ...where, receipts: [`0.5.${lease}`], reason: 'later' })).toEqual({ failed: [] });
    expect(await client.do('reject', { ...where, ranges: [range(6, 7)], reason: 'bad' })).toEqual({ failed: [] });
    const { failed } = await client.do('nack', { ...where, ranges: [range(1, 7)], receipts: ['nonsense'] });
    expect(failed.map(({ code }: Frame) => code)).toContain('INVALID_RECEIPT');
    expect(failed.some(({ to }: Frame) => to !== undefined)).toBe(true);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 3, dead: 2, unread: 1 });
    expect(await client.refused('ack', { ...where, ranges: [[0, lease, 1]] })).toBe('INVALID_REQUEST');
    expect(await client.refused('ack', { ...where, receipts: 'x' })).toBe('INVALID_REQUEST');
    expect(await client.refused('ack', { ...where, reason: 'acks have none' })).toBe('INVALID_REQUEST');
    expect(await client.refused('ack', { station, group: 'none', receipts: [] })).toBe('GROUP_NOT_FOUND');
    expect(await client.refused('reject', { ...where, receipts: [], reason: 'x'.repeat(5000) })).toBe('INVALID_REQUEST');
  });

  it('fetch waits, acks on the way, and holds nobody up', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const where = { station, group: 'g', consumer: 'c' };
    const waiting = client.ask('fetch', { ...where, waitMs: 20_000 });
    await client.do('produce', { station, messages: [{ text: 'a' }] });
    const { ok } = await waiting;
    expect(textsOf(ok)).toEqual(['a']);
    expect(ok.failed).toBeUndefined();
    const receipt = isJson ? ok.messages[0].receipt : `0.1.${ok.blocks[0].lease}`;
    const next = await client.do('fetch', { ...where, ack: [receipt, 'nonsense'] });
    expect([countOf(next), next.failed.map(({ code }: Frame) => code)]).toEqual([0, ['INVALID_RECEIPT']]);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 0, unread: 0 });
    for (const fields of [
      { max: 0 },
      { max: 1e9 },
      { waitMs: 30_001 },
      { waitMs: -1 },
      { leaseMs: 1 },
      { startAt: 'noon' },
      { consumer: '' },
    ])
      expect(await client.refused('fetch', { ...where, ...fields }), JSON.stringify(fields)).toMatch(/^INVALID_(REQUEST|NAME)$/);
  });

  it('a fetch that waits ends with its session, and takes nothing', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    void client.ask('fetch', { station, group: 'g', consumer: 'c', waitMs: 20_000 }).catch(() => undefined);
    await expect.poll(async () => (await w.broker.groups('default', station, {})).items.length).toBe(1);
    client.vanish();
    const other = await open(w);
    await other.do('produce', { station, messages: [{ text: 'a' }] });
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ unread: 1, inFlight: 0 });
  });

  it('call: any call, with its status; refusals are answers', async () => {
    const w = await world();
    const client = await open(w);
    const call = (method: string, path: string, more: object = {}) => client.do('call', { method, path, ...more });
    expect(await call('PUT', '/v1/stations/x', { body: { partitions: 2 } })).toMatchObject({ status: 201, body: { partitions: 2 } });
    expect(await call('GET', '/v1/stations/x')).toMatchObject({ status: 200, body: { name: 'x' } });
    expect(await call('GET', '/v1/stations?limit=1')).toMatchObject({ status: 200, body: { items: [{ name: 'x' }] } });
    expect(await call('GET', '/v1/stations/none')).toMatchObject({ status: 404, body: { code: 'STATION_NOT_FOUND' } });
    expect(await call('PATCH', '/v1/stations/x', { body: { dedupWindowMs: 5 }, version: 7 })).toMatchObject({ status: 412 });
    expect(await call('PATCH', '/v1/stations/x', { body: { dedupWindowMs: 5 }, version: 1 })).toMatchObject({ status: 200 });
    expect(await call('POST', '/v1/stations/x/messages', { body: { big: 1 } })).toMatchObject({ status: 201 });
    expect(await call('DELETE', '/v1/stations/x')).toEqual({ status: 204, body: null });
    expect(await call('GET', '/v1/nonsense')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(await call('GET', '/v1/ws')).toMatchObject({ status: 426 });
    expect(await call('GET', '/v1/stations/../stations')).toMatchObject({ status: 404 });
    expect(await call('PUT', '/v1/stations/%2e%2e', { body: {} })).toMatchObject({ status: 400, body: { code: 'INVALID_NAME' } });
    for (const [method, path] of [
      ['TRACE', '/v1/health'],
      ['get', '/v1/health'],
      ['GET', 'v1/health'],
      ['GET', 'http://elsewhere/v1/health'],
      ['GET', '/v1/a b'],
      ['GET', '/v1/health\r\nX: y'],
      ['GET', ''],
    ])
      expect(await client.refused('call', { method, path }), `${method} ${path}`).toBe('INVALID_REQUEST');
    expect(await client.refused('call', { method: 'GET', path: '/v1/stations', body: {} })).toBe('INVALID_REQUEST');
  });

  it('call: a body that is no JSON, and one that is JSON in name only', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const put = (payload: Uint8Array, contentType?: string) => {
      const builder = new BatchBuilder();
      builder.append({ payload, contentType });
      return w.broker.produce('default', station, builder.finish());
    };
    await put(new TextEncoder().encode('{"a": 1.50}'), 'application/json');
    await put(new TextEncoder().encode('{"a"'), 'application/json');
    await put(new Uint8Array([0xff, 0]));
    const one = (sequence: number) =>
      client.do('call', { method: 'GET', path: `/v1/stations/${station}/partitions/0/messages/${sequence}` });
    const bytes = (...of: number[]) => (isJson ? { base64: Buffer.from(of).toString('base64') } : new Uint8Array(of));
    expect(await one(1)).toEqual({ status: 200, body: { a: 1.5 } });
    expect((await one(2)).body).toEqual(isJson ? '{"a"' : new TextEncoder().encode('{"a"'));
    expect((await one(3)).body).toEqual(bytes(0xff, 0));
  });

  it('a session of a namespace: its names, and its calls', async () => {
    const w = await world();
    await w.broker.putStation('other', 'x', {});
    await w.broker.putStation('default', 'y', {});
    const client = await open(w, { namespace: 'other' });
    await client.do('produce', { station: 'x', messages: [{ text: 'a' }] });
    expect(await client.refused('produce', { station: 'y', messages: [{ text: 'a' }] })).toBe('STATION_NOT_FOUND');
    expect(await client.do('call', { method: 'GET', path: '/v1/stations/x' })).toMatchObject({ status: 200 });
    expect(await client.do('call', { method: 'GET', path: '/v1/stations/y' })).toMatchObject({ status: 404 });
    expect(await client.do('call', { method: 'GET', path: '/v1/namespaces/default/stations/y' })).toMatchObject({ status: 200 });
  });

  it('ping is answered, pong and unknown ops do no harm', async () => {
    const client = await open(await world());
    client.send({ op: 'pong' });
    client.send({ op: 'ping' });
    await client.next((frame) => frame.op === 'pong');
    for (const op of ['nonsense', '__proto__', 'constructor', 'hello', 'welcome', 5, null, ['produce']])
      expect(await client.refused(op as string), String(op)).toBe('INVALID_REQUEST');
    expect(await client.do('call', { method: 'GET', path: '/v1/health' })).toMatchObject({ status: 200 });
  });

  test.each([undefined, null, -1, 1.5, '1', 2 ** 53, {}])('a frame with the id %o ends the session with 4400', async (id) => {
    const client = await open(await world());
    client.send({ op: 'ack', id, station: 's', group: 'g', receipts: [] });
    expect(await client.ended()).toBe(4400);
  });

  it('an id that is used again while its call is under way ends the session; afterwards it may be', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const fetch = { op: 'fetch', id: 7, station, group: 'g', consumer: 'c' };
    client.send(fetch);
    await client.next((frame) => frame.id === 7);
    client.send({ ...fetch, waitMs: 20_000 });
    client.send({ op: 'call', id: 7, method: 'GET', path: '/v1/health' });
    expect(await client.ended()).toBe(4400);
  });

  it('more calls under way than are taken end the session with 4429', async () => {
    const w = await world({ limits: { callsMax: 10 } });
    const station = await w.station();
    const client = await open(w);
    const wait = (id: number) => client.send({ op: 'fetch', id, station, group: 'g', consumer: 'c', waitMs: 20_000 });
    for (let id = 100; id < 110; id++) wait(id);
    client.send({ op: 'pong' });
    expect(client.closed).toBeUndefined();
    wait(110);
    expect(await client.ended()).toBe(4429);
  });

  it('a mistake of ours is told to the journal, and to nobody else', async () => {
    const w = await world({
      wrap: (broker) => overriding(broker, { produce: () => Promise.reject(new Error('a secret')) }),
    });
    const client = await open(w);
    const { error } = await client.ask('produce', { station: 's', messages: [{ text: 'a' }] });
    expect(error.code).toBe('INTERNAL');
    expect(JSON.stringify(error)).not.toContain('secret');
    expect(w.errors.join()).toContain('a secret');
  });

  it('an error brings what it knows: when to try again', async () => {
    const refusal = new WaysideError('OVERLOADED', 'Too much.', { retryAfterMs: 250 });
    const w = await world({
      wrap: (broker) => overriding(broker, { produce: () => Promise.reject(refusal) }),
    });
    const { error } = await (await open(w)).ask('produce', { station: 's', messages: [{ text: 'a' }] });
    expect(error).toEqual({ code: 'OVERLOADED', detail: 'Too much.', retryAfterMs: 250 });
  });

  it('calls: so many at once, the rest in turn; what waits ends with the session, what has not begun does not begin', async () => {
    let running = 0;
    let runningMax = 0;
    let begun = 0;
    const signals: { readonly aborted: boolean }[] = [];
    const w = await world({
      wrap: (broker) =>
        overriding(broker, {
          read: async (...given) => {
            signals.push(given[2].signal!);
            begun += 1;
            runningMax = Math.max(runningMax, ++running);
            return broker.read(...given).finally(() => running--);
          },
        }),
    });
    const station = await w.station();
    const client = await open(w);
    const read = (waitMs: number) => client.ask('call', { method: 'GET', path: `/v1/stations/${station}/messages?waitMs=${waitMs}` });
    await Promise.all(Array.from({ length: 200 }, () => read(0)));
    expect([runningMax, begun]).toEqual([64, 200]);
    for (let i = 0; i < 100; i++) void read(20_000).catch(() => undefined);
    await expect.poll(() => running).toBe(64);
    client.vanish();
    await expect.poll(() => running).toBe(0);
    expect([begun, signals.slice(200).every(({ aborted }) => aborted)]).toEqual([264, true]);
  });

  it('goaway: told, calls under way are answered, then 1012', async () => {
    const w = await world();
    const station = await w.station();
    const client = await open(w);
    const waiting = client.ask('fetch', { station, group: 'g', consumer: 'c', waitMs: 20_000 });
    await client.do('call', { method: 'GET', path: '/v1/health' });
    const answered = w.gateway.frames.goaway(2_000);
    expect(await client.next((frame) => frame.op === 'goaway')).toEqual({ op: 'goaway', afterMs: 2_000 });
    await w.broker.close();
    await answered;
    expect((await waiting).error.code).toBe('SHUTTING_DOWN');
    w.gateway.frames.end();
    expect(await client.ended()).toBe(1012);
  });
});
