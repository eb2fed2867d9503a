/** Links that break, and brokers that do not keep to the contract: no call waits for ever, and none is told a wrong thing. */
import { afterEach, describe, expect, test } from 'vitest';
import type { VirtualClock } from '../../src/adapters/memory/testing.ts';
import { virtualClock } from '../../src/adapters/memory/testing.ts';
import type { LinkOptions, Status, Wayside, WaysideError } from '../../src/client/index.ts';
import { connectLink } from '../../src/client/index.ts';
import { ModelBroker } from './_model.ts';

const stray: unknown[] = [];
process.on('unhandledRejection', (error) => stray.push(error));

interface Bench {
  readonly clock: VirtualClock;
  readonly broker: ModelBroker;
  readonly wayside: Wayside;
  readonly statuses: Status[];
}

const open: Bench[] = [];
afterEach(async () => {
  for (const { clock, wayside } of open.splice(0)) {
    await clock.run(wayside.close());
    await clock.settle();
    expect(clock.next(), 'a timer is left').toBeUndefined();
  }
  expect(stray.splice(0)).toEqual([]);
});

function bench(options: LinkOptions = {}): Bench {
  const clock = virtualClock();
  const broker = new ModelBroker(clock);
  const statuses: Status[] = [];
  const onStatus = (status: Status) => void statuses.push(status);
  const wayside = connectLink(broker.open, { clock, onStatus, ...options });
  const made = { clock, broker, wayside, statuses };
  open.push(made);
  return made;
}

const failure = (promise: Promise<unknown>): Promise<WaysideError> =>
  promise.then(
    (value) => {
      throw new Error(`it gave ${JSON.stringify(value)}`);
    },
    (error) => error,
  );

describe('connecting', () => {
  test('happens when it is first needed, once for all who need it', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    await clock.settle();
    expect(broker.opened).toBe(0);
    await Promise.all([wayside.station('orders').info(), wayside.station('orders').info()]);
    expect(broker.opened).toBe(1);
  });

  test('is tried again with growing pauses until the call’s time is over, and the error says why', async () => {
    const { broker, wayside, clock, statuses } = bench({ timeoutMs: 10_000, retry: { firstMs: 100, maxMs: 1_000 } });
    broker.isDown = true;
    const error = await clock.run(failure(wayside.station('orders').info()));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused', retryable: true });
    expect(error.message).toContain('nobody is there');
    expect(broker.opened).toBeGreaterThan(10);
    expect(statuses.every(({ state, retryInMs }) => state === 'disconnected' && (retryInMs ?? 0) <= 1_000)).toBe(true);
    // Nobody needs it any more.
    const { opened } = broker;
    await clock.advance(60_000);
    expect(broker.opened).toBeLessThanOrEqual(opened + 1);
  });

  test('a broker that comes back is found', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    broker.isDown = true;
    const info = wayside.station('orders').info();
    await clock.advance(700);
    broker.isDown = false;
    expect(await clock.run(info)).toMatchObject({ partitions: 1 });
  });

  test('a link that never opens is given up', async () => {
    const clock = virtualClock();
    const wayside = connectLink(() => new Promise(() => undefined), { clock, timeoutMs: 25_000 });
    const error = await clock.run(failure(wayside.health()));
    expect(error.message).toContain('No connection within 10000 ms');
    await clock.run(wayside.close());
    expect(clock.next()).toBeUndefined();
  });

  test('closing settles what waits for a connection, and what waits for its next try', async () => {
    const { broker, wayside, clock } = bench();
    broker.isDown = true;
    const waiting = failure(wayside.health());
    await clock.advance(300);
    await clock.run(wayside.close());
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await failure(wayside.health())).toMatchObject({ message: 'The program has closed this connection.' });
    expect(clock.next()).toBeUndefined();
  });
});

describe('a credential', () => {
  test('that is refused ends all that wait, at once', async () => {
    const { broker, wayside, clock } = bench({ token: 'wrong' });
    broker.instead = (frame, link) => {
      if (frame.op === 'hello') link.end({ code: 4401, reason: 'no such token' });
      return frame.op === 'hello';
    };
    const errors = await Promise.all([failure(wayside.health()), failure(wayside.station('orders').produce(1))]);
    for (const error of errors) expect(error).toMatchObject({ code: 'UNAUTHENTICATED', outcome: 'refused', retryable: false });
    expect(broker.opened).toBe(1);
    expect(clock.now()).toBe(Date.UTC(2030, 0, 1));
  });

  test('of a function is asked for once more when it is refused', async () => {
    const tokens = ['old', 'new'];
    const { broker, wayside } = bench({ token: async () => tokens.shift()! });
    broker.station('orders');
    broker.instead = (frame, link) => {
      if (frame.op !== 'hello' || frame.token === 'new') return false;
      link.end({ code: 4401 });
      return true;
    };
    expect(await wayside.station('orders').info()).toMatchObject({ partitions: 1 });
    expect(tokens).toEqual([]);
  });
});

describe('a broker that goes', () => {
  test('in the middle of a read call: the call is made again', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    let calls = 0;
    broker.instead = (frame) => {
      if (frame.op !== 'call' || calls++ > 0) return false;
      broker.cut();
      return true;
    };
    expect(await clock.run(wayside.station('orders').info())).toMatchObject({ partitions: 1 });
    expect(calls).toBe(2);
  });

  test('in the middle of a POST: it may have happened, so it is not made again', async () => {
    const { broker, wayside, clock } = bench();
    let calls = 0;
    broker.instead = (frame) => {
      if (frame.op !== 'call') return false;
      calls++;
      broker.cut();
      return true;
    };
    expect(await clock.run(failure(wayside.station('orders').purge()))).toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
    expect(calls).toBe(1);
  });

  test('a removal whose answer was lost is found done', async () => {
    const { broker, wayside, clock } = bench();
    let calls = 0;
    broker.instead = (frame) => {
      if (frame.op !== 'call' || calls++ > 0) return false;
      broker.cut();
      return true;
    };
    await clock.run(wayside.station('orders').remove());
    expect(calls).toBe(2);
  });

  test('with goaway: the next call takes a new connection, the answers of the old one still count', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    await wayside.station('orders').info();
    let first = true;
    broker.instead = (frame, link) => {
      if (frame.op !== 'call' || !first) return false;
      first = false;
      link.give({ op: 'goaway', afterMs: 1_000 });
      clock.after(500, () => link.give({ id: frame.id, ok: { status: 200, body: 'late' } }));
      return true;
    };
    const late = wayside.call('GET', '/stations/orders');
    await clock.settle();
    expect((await clock.run(wayside.call('GET', '/stations/orders'))).body).toMatchObject({ partitions: 1 });
    expect(broker.opened).toBe(2);
    expect((await clock.run(late)).body).toBe('late');
    await clock.settle();
    expect(broker.links.size).toBe(1);
  });

  test('that falls silent is noticed, where a link can die without a word', async () => {
    const { broker, wayside, clock, statuses } = bench({ heartbeat: true });
    broker.station('orders');
    await wayside.station('orders').info();
    broker.instead = () => true;
    await clock.advance(45_000);
    expect(statuses.at(-1)).toMatchObject({ state: 'disconnected' });
    expect(statuses.at(-1)?.error?.message).toContain('silent');
  });

  test('that is quiet but there is left alone', async () => {
    const { broker, wayside, clock } = bench({ heartbeat: true });
    broker.station('orders');
    await wayside.station('orders').info();
    await clock.advance(600_000);
    expect(broker.opened).toBe(1);
  });
});

describe('a broker that makes no sense', () => {
  test.each([
    ['another op', { op: 'hallo' }],
    ['an error', { id: 1, error: { code: 'X', detail: 'I speak version 7.' } }],
    ['no object', 7],
    ['null', null],
  ])('at hello, with %s: a clear error', async (_, frame) => {
    const { broker, wayside, clock } = bench({ timeoutMs: 2_000 });
    broker.instead = (_frame, link) => {
      link.give(frame);
      return true;
    };
    const error = await clock.run(failure(wayside.health()));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toMatch(/version/);
  });

  test('that says nothing to hello is given up', async () => {
    const { broker, wayside, clock } = bench({ timeoutMs: 30_000 });
    broker.instead = () => true;
    expect((await clock.run(failure(wayside.health()))).message).toContain('did not answer to hello');
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'stored!'],
    ['no ranges', { duplicates: [], errors: [], durability: 'synced' }],
    ['too few', { ranges: [], duplicates: [], scheduled: [], errors: [], durability: 'synced' }],
    ['too many', { ranges: [[0, 1, 2]], duplicates: [], scheduled: [], errors: [], durability: 'synced' }],
    ['another partition', { ranges: [[1, 1, 1]], duplicates: [], scheduled: [], errors: [], durability: 'synced' }],
    ['no number', { ranges: [[0, 'one', 1]], duplicates: [], scheduled: [], errors: [], durability: 'synced' }],
    ['one twice', { ranges: [[0, 1, 1]], duplicates: [[0, 0, 5]], scheduled: [], errors: [], durability: 'synced' }],
    ['an index beyond', { ranges: [], duplicates: [[1, 0, 5]], scheduled: [], errors: [], durability: 'synced' }],
  ])('an answer to produce with %s: the outcome is unknown, and the producer goes on', async (_, ok) => {
    const { broker, wayside, clock } = bench();
    const { logs } = broker.station('orders');
    let first = true;
    broker.instead = (frame, link) => {
      if (frame.op !== 'produce' || !first) return false;
      first = false;
      link.give({ id: frame.id, ok });
      return true;
    };
    const station = wayside.station<string>('orders');
    const error = await clock.run(failure(station.produce('a')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
    expect(await clock.run(station.produce('b'))).toMatchObject({ sequence: 1 });
    expect(logs).toEqual([['b']]);
  });

  test('answers that nobody asked for, that come twice, or after their time: nothing happens', async () => {
    const { broker, wayside, clock } = bench({ timeoutMs: 1_000 });
    broker.station('orders');
    broker.instead = (frame, link) => {
      if (frame.op !== 'call') return false;
      link.give({ id: 999, ok: 'x' });
      link.give({ id: frame.id - 100, error: { code: 'INTERNAL', detail: 'x' } });
      link.give({ sub: 12, blocks: [] });
      link.give({ op: 'news', of: 'a later version' });
      clock.after(5_000, () => link.give({ id: frame.id, ok: { status: 200, body: 'too late' } }));
      return true;
    };
    expect(await clock.run(failure(wayside.call('GET', '/stations/orders')))).toMatchObject({ code: 'UNAVAILABLE', outcome: 'unknown' });
    broker.instead = () => false;
    await clock.advance(6_000);
    expect((await wayside.call('GET', '/stations/orders')).body).toMatchObject({ partitions: 1 });
    expect(broker.opened).toBe(1);
  });

  test('an error of a code that this version does not know keeps its name and its text', async () => {
    const { broker, wayside } = bench();
    broker.instead = (frame, link) => {
      if (frame.op !== 'call') return false;
      link.give({ id: frame.id, ok: { status: 418, body: { code: 'TEAPOT', detail: 'Short and stout.' } } });
      return true;
    };
    const error = await failure(wayside.call('POST', '/tea'));
    expect(error).toMatchObject({ code: 'INTERNAL', outcome: 'refused' });
    expect(error.message).toBe('The broker answered TEAPOT: Short and stout.');
  });
});

describe('producing', () => {
  test('what is called in one turn goes as one batch, and what comes meanwhile as the next', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    const station = wayside.station<string>('orders');
    await station.produce('first');
    broker.fate = () => 'slow';
    const all = [station.produce('a'), station.produce('b'), station.produce('c')];
    await clock.advance(10);
    all.push(station.produce('d'));
    await clock.advance(10);
    all.push(station.produce('e'));
    expect((await clock.run(Promise.all(all))).map(({ sequence }) => sequence)).toEqual([2, 3, 4, 5, 6]);
    const produces = broker.frames.filter((frame) => frame.op === 'produce');
    expect(produces.map(({ producer }) => producer?.sequence)).toEqual([1, 2, 5]);
  });

  test('a station that is asked for again and again gathers all the same', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    const all = Array.from({ length: 20 }, (_, index) => wayside.station<string>('orders').produce(`${index}`));
    await clock.run(Promise.all(all));
    expect(broker.frames.filter(({ op }) => op === 'produce')).toHaveLength(1);
    expect(broker.frames.filter(({ op }) => op === 'call')).toHaveLength(1);
  });

  test('full batches do not wait for each other, as far as inFlight goes', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    broker.fate = () => 'slow';
    const producer = wayside.station<string>('orders').producer({ maxBatchMessages: 2, inFlight: 3 });
    const all = Array.from({ length: 10 }, (_, index) => producer.produce(`${index}`));
    await clock.settle();
    expect(broker.frames.filter(({ op }) => op === 'produce')).toHaveLength(3);
    await clock.run(Promise.all(all));
    expect(broker.frames.filter(({ op }) => op === 'produce')).toHaveLength(5);
  });

  test('lingers when asked to, but not when flushed', async () => {
    const { broker, wayside, clock } = bench();
    broker.station('orders');
    const producer = wayside.station<string>('orders').producer({ lingerMs: 50 });
    const first = producer.produce('a');
    await clock.advance(40);
    const second = producer.produce('b');
    expect(broker.frames.some(({ op }) => op === 'produce')).toBe(false);
    await clock.advance(10);
    await Promise.all([first, second]);
    expect(broker.frames.filter(({ op }) => op === 'produce')).toHaveLength(1);
    const third = producer.produce('c');
    await producer.flush();
    await third;
  });

  test('send waits for room only, tells failures to onError and flush, and nothing is lost', async () => {
    const { broker, wayside, clock } = bench();
    const { logs } = broker.station('orders');
    await wayside.station('orders').info();
    const failed: [string, unknown][] = [];
    const producer = wayside.station<string>('orders').producer({
      bufferBytes: 500,
      maxBatchMessages: 5,
      onError: (error, { payload, key }) => failed.push([error.code, [payload, key]]),
    });
    await producer.produce('0');
    broker.fate = () => 'slow';
    let waited = 0;
    const sending = (async () => {
      for (let i = 1; i <= 200; i++) {
        const room = producer.send(`${i}`);
        expect(producer.pending.bytes).toBeLessThan(600);
        if (room !== undefined) waited++;
        await room;
      }
    })();
    await clock.run(sending);
    expect(waited).toBeGreaterThan(5);
    await clock.run(producer.flush());
    expect(logs[0]).toEqual(Array.from({ length: 201 }, (_, index) => `${index}`));
    broker.fate = () => 'refused';
    void producer.send('bad', { key: 'k' });
    expect(await clock.run(failure(producer.flush()))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(failed).toEqual([['LIMIT_EXCEEDED', ['bad', 'k']]]);
    await producer.flush();
  });

  test('a station that is not there refuses at once, and is asked for anew the next time', async () => {
    const { broker, wayside } = bench();
    const station = wayside.station<string>('orders');
    expect(await failure(station.produce('a'))).toMatchObject({ code: 'STATION_NOT_FOUND', outcome: 'refused' });
    const { logs } = broker.station('orders', 3);
    await station.produce('b', { partition: 2 });
    expect(logs).toEqual([[], [], ['b']]);
  });

  test('a producer that is fenced stores nothing any more, and says so', async () => {
    const { broker, wayside } = bench();
    const { logs } = broker.station('orders');
    const old = wayside.station<string>('orders').producer({ id: 'writer', epoch: 1 });
    const young = wayside.station<string>('orders').producer({ id: 'writer', epoch: 2 });
    await old.produce('a');
    await young.produce('b');
    expect(await failure(old.produce('c'))).toMatchObject({ code: 'PRODUCER_FENCED', outcome: 'refused' });
    expect(await failure(old.produce('d'))).toMatchObject({ code: 'PRODUCER_FENCED' });
    expect(logs).toEqual([['a', 'b']]);
  });

  test('keys decide as in the contract; what has none takes turns by batch', async () => {
    const { broker, wayside, clock } = bench();
    const { logs } = broker.station('orders', 4);
    const producer = wayside.station<string>('orders').producer({ maxBatchMessages: 2 });
    const placed = await clock.run(Promise.all(Array.from({ length: 16 }, (_, index) => producer.produce(`${index}`))));
    expect(logs.map(({ length }) => length)).toEqual([4, 4, 4, 4]);
    for (let i = 0; i < 16; i += 2) expect(placed[i]?.partition).toBe(placed[i + 1]?.partition);
    // XXH32('a') mod 4096 and XXH32('b') mod 4096, by the reference implementation.
    expect((await producer.produce('x', { key: 'a' })).partition).toBe(Math.floor(((0x550d7456 % 4096) * 4) / 4096));
  });

  test('a batch that is too large for the broker is never sent', async () => {
    const { broker, wayside } = bench();
    broker.station('orders');
    broker.instead = (frame, link) => {
      if (frame.op === 'hello') link.give({ op: 'welcome', session: 's', limits: { batchBytesMax: 1_000, batchCountMax: 3 } });
      return frame.op === 'hello';
    };
    const station = wayside.station<unknown>('orders');
    expect(await failure(station.produce(new Uint8Array(2_000)))).toMatchObject({ code: 'MESSAGE_TOO_LARGE', outcome: 'refused' });
    const four = [1, 2, 3, 4].map((payload) => ({ payload }));
    expect(await failure(station.produceMany(four, { atomic: true }))).toMatchObject({ code: 'BATCH_TOO_LARGE' });
    expect(await station.produce('fits')).toMatchObject({ sequence: 1 });
  });

  // XXH32 leads `a` and `b` to different partitions of four.
  test.each([
    ['keys', [{ key: 'a' }, { key: 'b' }]],
    ['ids', [{ id: 'a' }, { id: 'b' }]],
    ['what is chosen', [{ partition: 0 }, { partition: 1 }]],
    ['a key and what is chosen', [{}, { key: 'a' }, { partition: 2 }]],
  ] as const)('a batch that must fall in one partition and does not is refused whole: by %s', async (_, options) => {
    const { broker, wayside } = bench();
    const { logs } = broker.station('orders', 4);
    const messages = options.map((option, payload) => ({ payload, ...option }));
    const station = wayside.station<number>('orders');
    // Before the station's partitions are known, and after.
    expect(await failure(station.produceMany(messages, { atomic: true }))).toMatchObject({ code: 'INVALID_REQUEST', outcome: 'refused' });
    await station.produce(1);
    expect(await failure(station.produceMany(messages, { expectedSequence: 1 }))).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(logs.flat()).toEqual(['1']);
  });

  test('a batch that falls in one partition goes there, whatever says so', async () => {
    const { broker, wayside } = bench();
    broker.station('orders', 4);
    const station = wayside.station<number>('orders');
    const placed = async (messages: readonly object[], partition?: number) => {
      const given = messages.map((options, payload) => ({ payload, ...options }));
      const { results } = await station.produceMany(given, { atomic: true, partition });
      return results.map((result) => (result instanceof Error ? result : result.partition));
    };
    expect(await placed([{}, { key: 'a' }, { partition: 1 }])).toEqual([1, 1, 1]);
    expect(await placed([{ key: 'a' }, { key: 'b' }], 3)).toEqual([3, 3]);
    expect(new Set(await placed([{}, {}]))).toHaveLength(1);
  });

  test('what cannot be encoded is refused by itself', async () => {
    const { broker, wayside } = bench();
    const { logs } = broker.station('orders');
    const station = wayside.station<unknown>('orders');
    const { results } = await station.produceMany([
      { payload: 'a' },
      { payload: 1n },
      { payload: undefined },
      { payload: 'b', key: '\ud800' },
      { payload: 'c', headers: { name: '\ud800' } },
      { payload: 'd', partition: 7 },
      { payload: 'e', delayMs: -1 },
      // As programs without types do.
      { payload: 'f', headers: { attempt: 1 as unknown as string } },
      { payload: 'g', key: 5 as unknown as string },
      { payload: 'h', id: null as unknown as string },
      { payload: 'z' },
    ]);
    expect(results.map((result) => (result instanceof Error ? [result.code, result.index, result.outcome] : result.sequence))).toEqual([
      1,
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((index) => ['INVALID_REQUEST', index, 'refused']),
      2,
    ]);
    expect(logs).toEqual([['a', 'z']]);
  });

  test('a closed producer takes no more', async () => {
    const { broker, wayside } = bench();
    broker.station('orders');
    const producer = wayside.station<string>('orders').producer();
    const last = producer.produce('a');
    await producer.close();
    await last;
    expect(await failure(producer.produce('b'))).toMatchObject({ code: 'INVALID_REQUEST', outcome: 'refused' });
  });

  test('closing everything sends what is held, and settles what cannot be sent', async () => {
    const { broker, wayside, clock } = bench({ timeoutMs: 3_000 });
    broker.station('orders');
    const station = wayside.station<string>('orders');
    await station.produce('a');
    broker.isDown = true;
    broker.cut();
    const stuck = failure(station.produce('b'));
    await clock.run(wayside.close());
    expect(await stuck).toMatchObject({ code: 'UNAVAILABLE', outcome: 'refused' });
    expect(clock.now() - Date.UTC(2030, 0, 1)).toBeLessThanOrEqual(3_000);
  });
});
