/** Consuming from the real broker, in this process and in virtual time: over frames, and over HTTP without a network. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Embedded, VirtualClock } from '../../src/adapters/memory/testing.ts';
import { embed, virtualClock } from '../../src/adapters/memory/testing.ts';
import type { Message, StandardSchemaV1, Station, WaysideError } from '../../src/client/index.ts';

const stray: unknown[] = [];
process.on('unhandledRejection', (error) => stray.push(error));

const open: { wayside: Embedded; clock: VirtualClock }[] = [];
afterEach(async () => {
  for (const { wayside, clock } of open.splice(0)) {
    await clock.run(wayside.close());
    expect(clock.next(), 'a timer is left').toBeUndefined();
  }
  expect(stray.splice(0)).toEqual([]);
});

interface Bench {
  readonly wayside: Embedded;
  readonly clock: VirtualClock;
  readonly station: Station<string>;
}

async function bench(messages = 0, partitions = 1): Promise<Bench> {
  const clock = virtualClock();
  const wayside = await embed({ clock });
  open.push({ wayside, clock });
  const station = wayside.station<string>('orders');
  await station.create({ partitions });
  await station.produceMany(Array.from({ length: messages }, (_, index) => ({ payload: `${index + 1}` })));
  return { wayside, clock, station };
}

async function take<T>(messages: AsyncIterator<Message<T>>, count: number): Promise<Message<T>[]> {
  const taken: Message<T>[] = [];
  while (taken.length < count) {
    const { value, done } = await messages.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

describe('a loop over messages', () => {
  test('gets all in order; what is acked is done, also without awaiting', async () => {
    const { station } = await bench(2_500);
    const group = station.group('billing');
    const seen: number[] = [];
    for await (const message of group.messages({ prefetch: { messages: 100 } })) {
      seen.push(message.sequence);
      void message.ack();
      if (seen.length === 2_500) break;
    }
    expect(seen).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1));
    expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0 });
  });

  test('waits for what comes', async () => {
    const { station, clock } = await bench();
    const messages = station.group('billing').messages();
    const next = messages.next();
    await clock.advance(100_000);
    await station.produce('late');
    expect((await next).value).toMatchObject({ payload: 'late', deliveries: 1 });
    await messages.stop();
  });

  test('leaving it gives back what is not settled, uncounted', async () => {
    const { station } = await bench(10);
    const group = station.group('billing');
    for await (const message of group.messages()) {
      if (message.sequence === 3) break;
      await message.ack();
    }
    expect(await group.info()).toMatchObject({ unread: 8, inFlight: 0 });
    expect((await group.fetch()).map(({ sequence, deliveries }) => [sequence, deliveries])).toEqual(
      [3, 4, 5, 6, 7, 8, 9, 10].map((sequence) => [sequence, 1]),
    );
  });

  test('fetches no more ahead than it was told to', async () => {
    const { station, clock } = await bench(100);
    const group = station.group('billing');
    const messages = group.messages({ prefetch: { messages: 10 } });
    await take(messages, 1);
    await clock.settle();
    expect((await group.info()).inFlight).toBeLessThanOrEqual(11);
    const rest = await take(messages, 50);
    expect(rest.at(-1)?.sequence).toBe(51);
    expect((await group.info()).inFlight).toBeLessThanOrEqual(61);
    await messages.stop();
  });

  test.each([{ messages: 0 }, { messages: Number.NaN }, { messages: 1.5 }, { bytes: 0 }])(
    'with room for nothing it is refused at once: %o',
    async (prefetch) => {
      const { station } = await bench(1);
      const group = station.group('billing');
      expect(() => group.messages({ prefetch })).toThrow(TypeError);
      expect(() => group.handle(() => undefined, { prefetch })).toThrow(TypeError);
      expect(() => group.handle(() => undefined, { concurrency: 0 })).toThrow(TypeError);
    },
  );

  test('a message larger than the bytes fetched ahead comes all the same', async () => {
    const { station } = await bench();
    await station.produceMany([{ payload: 'x'.repeat(50_000) }, { payload: 'y' }, { payload: 'z'.repeat(50_000) }]);
    const messages = station.group('billing').messages({ prefetch: { bytes: 1_000 } });
    expect((await take(messages, 3)).map(({ payload }) => payload.length)).toEqual([50_000, 1, 50_000]);
    await messages.stop();
  });

  test('autoAck: a message is acked when the loop comes back for the next', async () => {
    const { station } = await bench(5);
    const group = station.group('billing');
    for await (const message of group.messages({ autoAck: true })) if (message.sequence === 4) break;
    expect((await group.fetch()).map(({ sequence }) => sequence)).toEqual([4, 5]);
  });

  test('a signal ends it as stop does', async () => {
    const { station, clock } = await bench(2);
    const controller = new AbortController();
    const messages = station.group('billing').messages({ signal: controller.signal });
    await take(messages, 1);
    const left = (async () => {
      const all: Message<string>[] = [];
      for await (const message of messages) all.push(message);
      return all.length;
    })();
    await clock.settle();
    controller.abort();
    expect(await clock.run(left)).toBe(1);
    expect(await station.group('billing').info()).toMatchObject({ unread: 2, inFlight: 0 });
    const over = station.group('billing').messages({ signal: controller.signal });
    expect(await over.next()).toEqual({ value: undefined, done: true });
  });

  test('ends with an error when its group is removed', async () => {
    const { station, clock } = await bench();
    const group = station.group('billing');
    const messages = group.messages();
    const next = messages.next().catch((error: WaysideError) => error.code);
    await clock.settle();
    await group.remove();
    expect(await clock.run(next)).toBe('GROUP_NOT_FOUND');
  });

  test('of a station that is not there: an error at once', async () => {
    const { wayside } = await bench();
    const messages = wayside.station('nowhere').group('billing').messages();
    expect(await messages.next().catch((error: WaysideError) => error.code)).toBe('STATION_NOT_FOUND');
    await messages.stop();
  });
});

describe('leases', () => {
  test('are lengthened for as long as a message is worked on', async () => {
    const { station, clock } = await bench(3);
    const group = station.group('billing');
    const messages = group.messages({ leaseMs: 10_000 });
    const [first] = await take(messages, 1);
    await clock.advance(300_000);
    expect(await group.fetch()).toEqual([]);
    await first!.ack();
    expect(messages.lost).toBe(0);
    await messages.stop();
  });

  test('are the group’s unless said, and lengthened by those', async () => {
    const { station, clock } = await bench(1);
    const group = station.group('billing');
    await group.create({ leaseMs: 2_000 });
    const messages = group.messages();
    const [first] = await take(messages, 1);
    await clock.advance(60_000);
    expect((await group.info()).inFlight).toBe(1);
    await first!.ack();
    await messages.stop();
  });

  test('without that, a message goes to another, and the late ack is told', async () => {
    const { station, clock } = await bench(2);
    const lost: [number, string][] = [];
    const group = station.group('billing');
    const messages = group.messages({
      leaseMs: 10_000,
      extend: false,
      onLost: ({ sequence }, { code }) => void lost.push([sequence, code]),
    });
    const [first, second] = await take(messages, 2);
    await clock.advance(11_000);
    expect((await take(messages, 2)).map(({ deliveries }) => deliveries)).toEqual([2, 2]);
    void first!.ack();
    await expect(second!.ack()).rejects.toMatchObject({ code: 'LEASE_EXPIRED', outcome: 'refused' });
    await clock.settle();
    expect(lost).toEqual([[1, 'LEASE_EXPIRED']]);
    expect(messages.lost).toBe(2);
    await messages.stop();
  });

  test('a seek takes messages back: those that were fetched ahead are dropped, and told', async () => {
    const { station, clock } = await bench(5);
    const lost: number[] = [];
    const group = station.group('billing');
    const messages = group.messages({ leaseMs: 10_000, onLost: ({ sequence }) => void lost.push(sequence) });
    const [first] = await take(messages, 1);
    await clock.settle();
    await group.seek('start');
    await clock.advance(6_000);
    expect(lost).toEqual([1, 2, 3, 4, 5]);
    expect(messages.lost).toBe(5);
    await expect(first!.ack()).rejects.toMatchObject({ code: 'LEASE_EXPIRED' });
    expect((await take(messages, 5)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    await messages.stop();
  });

  test('and receipts outlive a broken connection', async () => {
    const { wayside, station, clock } = await bench(6);
    const group = station.group('billing');
    const messages = group.messages({ prefetch: { messages: 4 } });
    const [first, second] = await take(messages, 2);
    wayside.disconnect();
    await clock.run(Promise.all([first!.ack(), second!.ack()]));
    const rest = await clock.run(take(messages, 4));
    expect(rest.map(({ sequence, deliveries }) => [sequence, deliveries])).toEqual([3, 4, 5, 6].map((sequence) => [sequence, 1]));
    for (const message of rest) void message.ack();
    await messages.stop();
    expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0 });
  });
});

describe('what is said of messages', () => {
  test('nack gives back, reject makes a dead letter, twice the same is once', async () => {
    const { station, clock } = await bench(3);
    const group = station.group('billing');
    const [one, two, three] = await group.fetch();
    await Promise.all([one!.nack({ delayMs: 5_000 }), two!.reject('no such customer'), three!.ack(), three!.ack()]);
    expect(await group.fetch()).toEqual([]);
    await clock.advance(5_000);
    expect((await group.fetch()).map(({ sequence, deliveries }) => [sequence, deliveries])).toEqual([[1, 2]]);
    const letters = [];
    for await (const letter of station.deadLetters.list({ group: 'billing' })) letters.push(letter);
    expect(letters).toMatchObject([{ reason: 'rejected', error: 'no such customer', message: { sequence: 2, payload: '2' } }]);
    expect(await station.deadLetters.get(letters[0]!.id)).toMatchObject({ message: { payload: '2' } });
    expect(await station.deadLetters.redrive({ all: true })).toMatchObject({ redriven: 1 });
    expect((await group.fetch()).map(({ payload }) => payload)).toEqual(['2']);
  });

  test('acks out of order go as few ranges', async () => {
    const { station, wayside, clock } = await bench(200);
    const group = station.group('billing');
    const messages = await group.fetch({ max: 200 });
    const acks = [...messages].reverse().map((message) => message.ack());
    await Promise.all(acks);
    await clock.settle();
    expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0 });
    await wayside.close();
  });

  test('extend keeps a fetched message, which is not lengthened by itself', async () => {
    const { station, clock } = await bench(1);
    const group = station.group('billing');
    const [message] = await group.fetch({ leaseMs: 2_000 });
    await message!.extend(60_000);
    await clock.advance(50_000);
    expect(await group.fetch()).toEqual([]);
    await message!.ack();
  });

  test('acks that nobody awaits reach the broker before the connection is closed', async () => {
    const { wayside } = await bench(3);
    const client = wayside.connect();
    for (const message of await client.station('orders').group('billing').fetch()) void message.ack();
    await client.close();
    expect(await wayside.station('orders').group('billing').info()).toMatchObject({ unread: 0, inFlight: 0 });
  });
});

describe('a handler', () => {
  test('acks what it did, and gets again later what threw', async () => {
    const { station, clock } = await bench(3);
    const group = station.group('billing');
    const calls: string[] = [];
    const consumer = group.handle((message) => {
      calls.push(`${message.payload}.${message.deliveries}`);
      if (message.payload === '2' && message.deliveries < 3) throw new Error('not yet');
    });
    await clock.settle();
    expect(calls).toEqual(['1.1', '2.1', '3.1']);
    await clock.advance(250);
    expect(calls.at(-1)).toBe('2.2');
    await clock.advance(499);
    expect(calls).toHaveLength(4);
    await clock.advance(1);
    expect(calls.at(-1)).toBe('2.3');
    await consumer.stop();
    await consumer.done;
    expect(await group.info()).toMatchObject({ unread: 0, inFlight: 0 });
  });

  test('runs as many at once as it was told to', async () => {
    const { station, clock } = await bench(10);
    let running = 0;
    let most = 0;
    const consumer = station.group('billing').handle(
      async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => void clock.after(100, resolve));
        running--;
      },
      { concurrency: 4 },
    );
    await clock.advance(1_000);
    expect(most).toBe(4);
    await clock.run(consumer.stop());
    expect(await station.group('billing').info()).toMatchObject({ unread: 0, inFlight: 0 });
  });

  test('is waited for when it is stopped, and when everything is closed; the rest goes back', async () => {
    const { wayside, station, clock } = await bench(5);
    const client = wayside.connect();
    let done = 0;
    const work = async () => {
      await new Promise<void>((resolve) => void clock.after(1_000, resolve));
      done++;
    };
    const first = client.station('orders').group('billing').handle(work);
    await clock.advance(1_500);
    await clock.run(first.stop());
    expect(done).toBe(2);
    client.station('orders').group('billing').handle(work);
    await clock.advance(500);
    await clock.run(client.close());
    expect(done).toBe(3);
    expect((await station.group('billing').fetch()).map(({ sequence, deliveries }) => [sequence, deliveries])).toEqual([
      [4, 1],
      [5, 1],
    ]);
  });

  test('may still produce while it is waited for', async () => {
    const { wayside, station, clock } = await bench(1);
    const client = wayside.connect();
    const copies = client.station<string>('orders');
    client
      .station<string>('orders')
      .group('billing')
      .handle(async ({ payload }) => {
        await copies.produce('ready?');
        await new Promise<void>((resolve) => void clock.after(1_000, resolve));
        await copies.produce(`copy of ${payload}`);
      });
    await clock.advance(500);
    await clock.run(client.close());
    expect(await station.group('billing').info()).toMatchObject({ unread: 2, inFlight: 0 });
    expect((await station.message(0, 3)).payload).toBe('copy of 1');
  });

  test('may settle a message itself', async () => {
    const { station, clock } = await bench(2);
    const consumer = station.group('billing').handle((message) => message.reject(`not ${message.payload}`));
    await clock.settle();
    await consumer.stop();
    const errors: string[] = [];
    for await (const { error } of station.deadLetters.list()) errors.push(error);
    expect(errors).toEqual(['not 1', 'not 2']);
  });

  test('ends when its group is removed, and says so to who asks', async () => {
    const { station, clock } = await bench();
    const group = station.group('billing');
    const consumer = group.handle(() => undefined);
    await clock.settle();
    await group.remove();
    await clock.settle();
    await expect(consumer.done).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    await expect(consumer.stop()).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });
});

describe('a schema', () => {
  const isOrder = (value: unknown) =>
    typeof (value as { total?: unknown })?.total === 'number' ? { value } : { issues: [{ message: 'must be a number', path: ['total'] }] };
  const schemaOf = (later: boolean) =>
    ({
      '~standard': { version: 1, vendor: 'test', validate: (value) => (later ? Promise.resolve(isOrder(value)) : isOrder(value)) },
    }) as StandardSchemaV1<unknown, { total: number }>;

  test.each([false, true])('refuses what does not fit, before it is sent (asynchronous: %s)', async (later) => {
    const { wayside } = await bench();
    const station = wayside.station('orders', { schema: schemaOf(later) });
    const all = [{ total: 1 }, { total: 'two' as unknown as number }, { total: 3 }].map((payload) =>
      station.produce(payload).catch((error) => error),
    );
    const [one, two, three] = await Promise.all(all);
    expect(one).toMatchObject({ sequence: 1 });
    expect(two).toMatchObject({
      code: 'SCHEMA_REFUSED',
      outcome: 'refused',
      message: 'The schema refuses the payload: total: must be a number',
    });
    expect(three).toMatchObject({ sequence: 2 });
  });

  test.each([false, true])('is asked for what is read and fetched, and for dead letters (asynchronous: %s)', async (later) => {
    const { wayside, station: raw } = await bench();
    await raw.produceMany(
      [{ payload: '{"total":"two"}' }, { payload: '{"total":3}' }].map((one) => ({ ...one, contentType: 'application/json' })),
    );
    const station = wayside.station('orders', { schema: schemaOf(later) });
    const read: { readonly payload: unknown }[] = [];
    for await (const message of station.read()) read.push(message);
    const fetched = await station.group('g').fetch();
    await fetched[0]!.reject('no');
    for await (const { message } of station.deadLetters.list()) expect(() => message.payload).toThrow('must be a number');
    for (const [bad, good] of [read, fetched]) {
      expect(() => bad!.payload).toThrow('must be a number');
      expect(good!.payload).toEqual({ total: 3 });
    }
  });

  test.each([false, true])('what does not fit is no payload, and becomes a dead letter when handled (asynchronous: %s)', async (later) => {
    const { wayside, station: raw, clock } = await bench();
    await raw.produceMany([
      { payload: '{"total":"two"}', contentType: 'application/json' },
      { payload: '{"total":3}', contentType: 'application/json' },
    ]);
    const station = wayside.station('orders', { schema: schemaOf(later) });
    const messages = station.group('loop').messages();
    const [bad, good] = await take(messages, 2);
    expect(() => bad!.payload).toThrow('must be a number');
    expect(good!.payload).toEqual({ total: 3 });
    await messages.stop();

    const handled: number[] = [];
    const consumer = station.group('handler').handle(({ payload }) => void handled.push(payload.total));
    await clock.settle();
    await consumer.stop();
    expect(handled).toEqual([3]);
    const errors: string[] = [];
    for await (const { error } of raw.deadLetters.list({ group: 'handler' })) errors.push(error);
    expect(errors).toEqual(['The schema refuses the payload: total: must be a number']);
  });
});

describe('a message', () => {
  test('is what was produced: by its content type, with key, id and headers', async () => {
    const { wayside } = await bench();
    const station = wayside.station<unknown>('orders');
    const bytes = Uint8Array.of(0, 255, 128);
    await station.produceMany([
      { payload: { total: 1 }, key: 'k', id: 'i', headers: { trace: 'ä', __proto__x: '1' } },
      { payload: 'grüße' },
      { payload: bytes },
      { payload: '{"a":1}', contentType: 'application/cloudevents+json; charset=utf-8' },
      { payload: 'no json', contentType: 'application/json' },
      { payload: new Uint16Array([1, 2]) },
      { payload: null },
      { payload: '' },
    ]);
    const all = await station.group('g').fetch();
    const [object, text, raw, event, broken, view, nothing, empty] = all;
    expect(object).toMatchObject({
      payload: { total: 1 },
      key: 'k',
      id: 'i',
      headers: { trace: 'ä' },
      contentType: 'application/json',
      deliveries: 1,
    });
    expect(text).toMatchObject({ payload: 'grüße', contentType: 'text/plain', key: undefined, id: undefined, headers: {} });
    expect(raw!.payload).toEqual(bytes);
    expect(raw!.contentType).toBeUndefined();
    expect(event!.payload).toEqual({ a: 1 });
    expect(() => broken!.payload).toThrow('not JSON');
    expect(broken!.text()).toBe('no json');
    expect([...view!.bytes]).toEqual([1, 0, 2, 0]);
    expect(nothing!.payload).toBeNull();
    expect(empty!.payload).toBe('');
    expect(object!.receipt).toMatch(/^0\.1\.[\w-]+$/);
    expect(JSON.parse(JSON.stringify(object))).toMatchObject({ sequence: 1, payload: { total: 1 } });
    expect(object!.payload).toBe(object!.payload);
  });
});

describe('reading without a group', () => {
  test('goes on from any message’s cursor, in several partitions', async () => {
    const { station } = await bench();
    const wide = (await bench(0, 3)).station;
    await wide.produceMany(Array.from({ length: 60 }, (_, index) => ({ payload: `${index}`, key: `k${index % 7}` })));
    const all: string[] = [];
    const cursors: string[] = [];
    for await (const { partition, sequence, cursor } of wide.read()) {
      all.push(`${partition}.${sequence}`);
      cursors.push(cursor!);
    }
    expect(all).toHaveLength(60);
    expect(new Set(all).size).toBe(60);
    for (const index of [0, 7, 30, 59]) {
      const rest: string[] = [];
      for await (const { partition, sequence } of wide.read({ cursor: cursors[index] })) rest.push(`${partition}.${sequence}`);
      expect([...all.slice(0, index + 1), ...rest].sort()).toEqual([...all].sort());
    }
    for await (const message of station.read()) expect.unreachable(message.text());
  });

  test('follows, until it is told to end', async () => {
    const { station, clock } = await bench(2);
    const controller = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { payload } of station.read({ follow: true, signal: controller.signal })) seen.push(payload);
    })();
    await clock.advance(100_000);
    await station.produce('3');
    await clock.settle();
    expect(seen).toEqual(['1', '2', '3']);
    controller.abort();
    await clock.run(reading);
  });

  test('has a limit, a beginning, and single messages', async () => {
    const { station } = await bench(10);
    const seen: number[] = [];
    for await (const { sequence } of station.read({ from: 4, limit: 3, partition: 0 })) seen.push(sequence);
    expect(seen).toEqual([4, 5, 6]);
    expect((await station.message(0, 7)).payload).toBe('7');
    await expect(station.message(0, 11)).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' });
    await station.purge({ upTo: 5 });
    await expect(station.message(0, 2)).rejects.toMatchObject({ code: 'MESSAGE_TRIMMED' });
    const rest: number[] = [];
    for await (const { sequence } of station.read({ from: 'start' })) rest.push(sequence);
    expect(rest).toEqual([6, 7, 8, 9, 10]);
  });
});
