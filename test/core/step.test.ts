/** Exactly-once steps: acks and outputs in one commit, each output once after a crash at any moment; and what becomes of those refused. */
import { describe, expect, test } from 'vitest';
import type { StepInput } from '../../src/core/broker.ts';
import { planted } from '../../src/core/faults.ts';
import type { Bench, Setup } from './_broker.ts';
import { batch, codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

async function opened(setup: Setup = {}, target = {}): Promise<Bench> {
  const bench = await openBench({}, setup);
  await bench.broker.putStation(NS, 't', target);
  return bench;
}

async function take({ broker }: Bench, max = 10): Promise<{ names: string[]; receipts: string[] }> {
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max });
  return { names: texts(blocks).map((text) => text.split(' ')[1]!), receipts: receipts(blocks) };
}

const outputs = (names: readonly string[], station = 't'): StepInput['outputs'] => [
  { station, batch: batch(...names.map((name) => `out ${name}`)) },
];
const there = async ({ broker }: Bench, station = 't') =>
  texts((await broker.read(NS, station, {})).blocks).map((text) => text.split(' ').at(-1));

test('messages are acked, and what was made of them is where it belongs', async () => {
  const bench = await opened({}, { partitions: 3 });
  const { broker } = bench;
  await produce(broker, ['a', 'b', 'c']);
  const { names, receipts: given } = await take(bench);
  const input = { receipts: given, outputs: outputs(names) };
  expect(await broker.step(NS, 's', 'g', input)).toEqual({ acked: 3, produced: 3, repeated: false });
  await bench.pass(500);
  expect((await there(bench)).sort()).toEqual(['a', 'b', 'c']);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, inFlight: 0 });
  expect(await broker.audit(NS, 's', 'g')).toMatchObject({ acknowledged: 3, balanced: true });
  expect(await broker.station(NS, 's')).toMatchObject({ outbox: 0 });
});

test('asked again it is answered as before, and nothing is made twice; also after a restart', async () => {
  const bench = await opened({ on: 'disk' });
  await produce(bench.broker, ['a', 'b', 'c']);
  const { names, receipts: given } = await take(bench);
  const input = { receipts: given, outputs: outputs(names) };
  await bench.broker.step(NS, 's', 'g', input);
  for (let life = 0; life < 3; life++) {
    expect(await bench.broker.step(NS, 's', 'g', { ...input, receipts: given.toReversed() })).toEqual({
      acked: 3,
      produced: 3,
      repeated: true,
    });
    await bench.pass(500);
    expect((await there(bench)).sort()).toEqual(['a', 'b', 'c']);
    if (life === 0) await bench.broker.close();
    else bench.cut();
    await bench.open();
  }
  // Others than those are another step, and these messages are settled.
  expect(await codeOf(bench.broker.step(NS, 's', 'g', { ...input, receipts: given.slice(1) }))).toBe('LEASE_EXPIRED');
});

test('all or nothing: one receipt that does not count, a station that is not there, a message too large', async () => {
  const bench = await opened({}, { maxMessageBytes: 10 });
  const { broker } = bench;
  await broker.putGroup(NS, 's', 'g', { leaseMs: 1_000 });
  await produce(broker, ['a', 'b', 'c']);
  const early = await take(bench, 1);
  await bench.pass(1_500);
  const { names, receipts: given } = await take(bench);
  const step = (input: Partial<StepInput>) => codeOf(broker.step(NS, 's', 'g', { receipts: given, outputs: outputs(names), ...input }));
  expect(await step({ receipts: [...given, ...early.receipts] })).toBe('LEASE_EXPIRED');
  expect(await step({ receipts: [...given, '0.1.nonsense'] })).toBe('INVALID_RECEIPT');
  expect(await step({ receipts: [] })).toBe('INVALID_RECEIPT');
  expect(await step({ outputs: outputs(names, 'nowhere') })).toBe('STATION_NOT_FOUND');
  expect(await step({ outputs: outputs(['x'.repeat(20)]) })).toBe('MESSAGE_TOO_LARGE');
  expect(await step({ outputs: [{ station: 't', partition: 7, batch: batch('a') }] })).toBe('INVALID_REQUEST');
  expect(await step({ outputs: Array.from({ length: 101 }, () => outputs(['a'])[0]!) })).toBe('INVALID_REQUEST');
  await bench.pass(100);
  expect(await there(bench)).toEqual([]);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ inFlight: 3 });
  expect(await step({})).toBe('answered');
});

test('messages of several partitions are no step', async () => {
  const bench = await openBench({ partitions: 2 });
  await produce(bench.broker, ['a'], { partition: 0 });
  await produce(bench.broker, ['b'], { partition: 1 });
  const { receipts: given } = await take(bench);
  expect(await codeOf(bench.broker.step(NS, 's', 'g', { receipts: given, outputs: [] }))).toBe('INVALID_REQUEST');
});

describe('what its station will not take is a dead letter of the group, with its bytes', () => {
  test('the station was removed: kept through trims and restarts, and sent elsewhere', async () => {
    const bench = await opened({ on: 'disk', limits: { settleBytes: 500 } });
    await bench.broker.putStation(NS, 'u', {});
    await produce(bench.broker, ['a', 'b']);
    const { names, receipts: given } = await take(bench);
    await bench.broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
    await bench.broker.produce(NS, 't', batch('full'));
    await bench.broker.step(NS, 's', 'g', { receipts: given, outputs: outputs(names) });
    await bench.broker.removeStation(NS, 't');
    await bench.pass(20_000);
    for (let i = 0; i < 30; i++) await produce(bench.broker, ['x'.repeat(5_000)]);
    await bench.broker.purge(NS, 's', {});
    bench.cut();
    await bench.open();
    const { broker } = bench;
    const { items } = await broker.deadLetters(NS, 's', { reason: 'undeliverable' });
    expect(items.map(({ group, message }) => [group, texts([message])[0]])).toEqual([
      ['g', '0.0 out a'],
      ['g', '0.0 out b'],
    ]);
    expect(await broker.redrive(NS, 's', { all: true })).toEqual({ redriven: 0, kept: 2, left: 0 });
    expect(await broker.redrive(NS, 's', { all: true, to: { station: 'u' } })).toMatchObject({ redriven: 2 });
    await bench.pass(500);
    expect(await there(bench, 'u')).toEqual(['a', 'b']);
    expect((await broker.deadLetters(NS, 's', {})).items).toEqual([]);
    expect(await broker.audit(NS, 's', 'g')).toMatchObject({ balanced: true });
    expect(bench.errors).toEqual([]);
  });

  test('a limit was lowered meanwhile: the others go on', async () => {
    const bench = await opened();
    const { broker } = bench;
    await broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
    await broker.produce(NS, 't', batch('full'));
    await produce(broker, ['a', 'bbbbbbbbbbbbbbbb', 'c']);
    const { names, receipts: given } = await take(bench);
    await broker.step(NS, 's', 'g', { receipts: given, outputs: outputs(names) });
    await bench.pass(300);
    expect(await broker.station(NS, 's')).toMatchObject({ outbox: 3 });
    await broker.patchStation(NS, 't', { maxMessageBytes: 8, retention: { maxMessages: 100 } });
    await bench.pass(20_000);
    expect(await there(bench)).toEqual(['full', 'a', 'c']);
    expect((await broker.deadLetters(NS, 's', {})).items).toMatchObject([{ reason: 'undeliverable', message: { first: 0 } }]);
  });
});

test('outputs that wait are carried forward when their entry is let go', async () => {
  const bench = await opened({ on: 'disk', limits: { settleBytes: 500 } });
  await bench.broker.patchStation(NS, 't', { retention: { maxMessages: 1, discard: 'refuse' } });
  await bench.broker.produce(NS, 't', batch('full'));
  await produce(bench.broker, ['a', 'b']);
  const { names, receipts: given } = await take(bench);
  await bench.broker.step(NS, 's', 'g', { receipts: given, outputs: outputs(names) });
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 30; i++) await produce(bench.broker, ['x'.repeat(5_000)]);
    await bench.broker.purge(NS, 's', {});
  }
  expect(bench.volume.stats().liveBytes).toBeLessThan(400_000);
  bench.cut();
  await bench.open();
  await bench.broker.patchStation(NS, 't', { retention: { maxMessages: 100 } });
  await bench.pass(20_000);
  expect(await there(bench)).toEqual(['full', 'a', 'b']);
});

/** Cuts the power at a moment, opens again, and says what came where: each input acked or not, each output once or not at all. */
async function crashAt(ms: number): Promise<void> {
  const bench = await opened({ on: 'disk', callMs: 1, limits: { settleBytes: 200 } });
  await produce(bench.broker, ['a', 'b', 'c', 'd']);
  let open: StepInput | undefined;
  const work = async () => {
    for (;;) {
      const { names, receipts: given } = await take(bench, 2);
      if (names.length === 0) return;
      open = { receipts: given, outputs: outputs(names) };
      await bench.broker.step(NS, 's', 'g', open);
      open = undefined;
    }
  };
  const broken = work().catch(() => undefined);
  await bench.pass(ms);
  if (ms % 1 === 0) bench.cut();
  else bench.kill();
  await bench.open();
  await Promise.race([broken, bench.pass(0)]);
  // Nobody knows what became of the last one: it is asked for again.
  if (open !== undefined) await bench.broker.step(NS, 's', 'g', open);
  await bench.pass(35_000);
  await work();
  await bench.pass(1_000);
  expect((await there(bench)).sort()).toEqual(['a', 'b', 'c', 'd']);
  expect(await bench.broker.audit(NS, 's', 'g')).toMatchObject({ acknowledged: 4, balanced: true });
}

describe('a crash at every moment', () => {
  test('each output is there once', { timeout: 120_000 }, async () => {
    for (let ms = 0; ms < 40; ms += 0.5) await crashAt(ms);
  });

  test.each(['sent-anew', 'outbox-section-forgotten', 'step-not-remembered'])(
    'planted, %s is noticed',
    { timeout: 120_000 },
    async (bug) => {
      planted.add(bug);
      try {
        await expect(
          (async () => {
            for (let ms = 0; ms < 40; ms += 0.5) await crashAt(ms);
          })(),
        ).rejects.toThrow();
      } finally {
        planted.delete(bug);
      }
    },
  );
});

async function* give(pieces: readonly Uint8Array[]) {
  yield* pieces;
}

test('an export holds what a step has made, at its source or at its target', async () => {
  for (let pause = 0; pause < 30; pause++) {
    const bench = await opened();
    await produce(bench.broker, ['a', 'b']);
    const { names, receipts: given } = await take(bench);
    const stepped = bench.broker.step(NS, 's', 'g', { receipts: given, outputs: outputs(names) });
    for (let turn = 0; turn < pause; turn++) await Promise.resolve();
    const pieces: Uint8Array[] = [];
    for await (const piece of (await bench.broker.exportStream(NS, {})).bytes) pieces.push(piece);
    await stepped;
    const other = await openBench();
    await other.broker.removeStation(NS, 's');
    await other.broker.importStream(NS, {}, give(pieces));
    await other.pass(500);
    const { acknowledged } = await other.broker.audit(NS, 's', 'g');
    expect((await there(other)).sort()).toEqual(acknowledged === 0 ? [] : ['a', 'b']);
  }
});
