/** Order `key`: no two messages of a key are out at once; a stuck key holds back only itself. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LeasedBlock } from '../../src/core/broker.ts';
import type { Bench, Setup } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

async function keyed(setup: Setup = {}): Promise<Bench> {
  const bench = await openBench({}, setup);
  await bench.broker.putGroup(NS, 's', 'g', { order: 'key', maxDeliveries: 3 });
  return bench;
}

/** `k1` becomes a message of key `k`. */
const messages = (...names: string[]) => names.map((name) => ({ payload: name, ...(name[0] !== '-' && { key: name[0]! }) }));

async function take({ broker }: Bench, max = 100): Promise<readonly LeasedBlock[]> {
  return (await broker.fetch(NS, 's', 'g', { consumer: 'c', max, leaseMs: 60_000 })).blocks;
}

const names = (blocks: readonly LeasedBlock[]) => texts(blocks).map((text) => text.split(' ')[1]);

const ack = ({ broker }: Bench, ...blocks: LeasedBlock[]) => broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });

test('one message of a key at a time, the others and those without a key at once', async () => {
  const bench = await keyed();
  await produce(bench.broker, messages('a1', 'b1', 'a2', '-1', 'b2', 'a3', '-2'));
  const first = await take(bench);
  expect(names(first)).toEqual(['a1', 'b1', '-1', '-2']);
  expect(await take(bench)).toEqual([]);
  await ack(bench, first[0]!);
  const [a2, b2] = await take(bench);
  expect(names([a2!, b2!])).toEqual(['a2', 'b2']);
  expect(await take(bench)).toEqual([]);
  await ack(bench, b2!);
  expect(await take(bench)).toEqual([]);
  await ack(bench, a2!);
  expect(names(await take(bench))).toEqual(['a3']);
});

test('a message that comes back goes before later ones of its key, and one that died lets them go on', async () => {
  const bench = await keyed();
  const { broker } = bench;
  await produce(broker, messages('a1', 'a2', 'b1'));
  const [a1] = await take(bench, 1);
  await broker.settle(NS, 's', 'g', 'nack', { receipts: receipts([a1!]), delayMs: 5_000 });
  expect(names(await take(bench))).toEqual(['b1']);
  await bench.pass(5_001);
  const again = await take(bench);
  expect(names(again)).toEqual(['a1']);
  expect(again[0]).toMatchObject({ deliveries: 2 });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(again) });
  expect(names(await take(bench))).toEqual(['a2']);
  // The letter is redriven while a later one is out: it waits for it.
  await broker.redrive(NS, 's', { all: true });
  expect(await take(bench)).toEqual([]);
});

test('a stuck key fills the look-ahead, which is visible, and nothing is lost when it is free again', async () => {
  const bench = await keyed({ limits: { lookAheadMax: 4 } });
  await produce(bench.broker, messages('a1', 'a2', 'a3', 'a4', 'a5', 'b1'));
  const first = await take(bench);
  expect(names(first)).toEqual(['a1']);
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ stalled: true, inFlight: 1, unread: 5 });
  await ack(bench, ...first);
  const second = await take(bench);
  expect(names(second)).toEqual(['a2']);
  for (const wanted of [['a3', 'b1'], ['a4'], ['a5']]) {
    await ack(bench, ...(await held(bench)));
    expect(names(await take(bench))).toEqual(wanted);
  }
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ stalled: false });
});

/** What is out, as blocks to be acked. */
async function held({ broker }: Bench): Promise<LeasedBlock[]> {
  const { items } = await broker.pending(NS, 's', 'g', {});
  return items.map(({ partition, sequence, receipt }) => {
    const lease = receipt.split('.')[2]!;
    return { partition, first: sequence, count: 1, lease } as LeasedBlock;
  });
}

test('a lease that ran out is not taken again while a later one of its key is out', async () => {
  const bench = await keyed();
  const { broker } = bench;
  await produce(broker, messages('a1', 'a2'));
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 1_000 });
  await bench.pass(1_100);
  await broker.redrive(NS, 's', { all: true });
  const other = await take(bench);
  expect(names(other)).toEqual(['a1']);
  const [failure] = await broker.settle(NS, 's', 'g', 'extend', { receipts: receipts(blocks) });
  expect(failure).toMatchObject({ code: 'LEASE_EXPIRED' });
  expect(await codeOf(ack(bench, ...other))).toBe('answered');
});

test('keys are known again after a restart, a crash, a seek and another order', async () => {
  const bench = await keyed({ on: 'disk' });
  await produce(bench.broker, messages('a1', 'b1', 'a2', 'b2', 'a3'));
  expect(names(await take(bench))).toEqual(['a1', 'b1']);
  for (const end of ['close', 'kill', 'cut'] as const) {
    if (end === 'close') {
      await bench.broker.close();
      bench.kill();
    } else bench[end]();
    await bench.open();
    expect(await take(bench)).toEqual([]);
  }
  await bench.broker.seek(NS, 's', 'g', 'start');
  expect(names(await take(bench))).toEqual(['a1', 'b1']);
  await bench.broker.patchGroup(NS, 's', 'g', { order: 'none' });
  expect(names(await take(bench))).toEqual(['a2', 'b2', 'a3']);
  await bench.broker.patchGroup(NS, 's', 'g', { order: 'key' });
  await produce(bench.broker, messages('a4', 'c1'));
  expect(names(await take(bench))).toEqual(['c1']);
});

test('a waiting fetch is woken when the key is free', async () => {
  const bench = await keyed();
  await produce(bench.broker, messages('a1', 'a2'));
  const first = await take(bench);
  const waiting = bench.broker.fetch(NS, 's', 'g', { consumer: 'd', waitMs: 20_000 });
  await bench.pass(100);
  await ack(bench, ...first);
  expect(names((await waiting).blocks)).toEqual(['a2']);
});

test('whatever is done: of a key never two at once, and each message in its turn', async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('produce' as const),
        keys: fc.array(fc.constantFrom('a', 'b', 'c', '-'), { minLength: 1, maxLength: 6 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('fetch' as const), max: fc.constantFrom(1, 2, 100) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('ack' as const, 'nack' as const, 'late' as const), at: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const bench = await openBench({}, { on: 'disk', limits: { lookAheadMax: 12 } });
      await bench.broker.putGroup(NS, 's', 'g', { order: 'key', maxDeliveries: 1_000_000 });
      const next = new Map<string, number>();
      const out = new Map<string, { receipt: string; number: number }>();
      const done = new Map<string, number>();
      let produced = 0;
      let acked = 0;
      for (const each of steps) {
        if (each.do === 'produce') {
          await produce(
            bench.broker,
            messages(
              ...each.keys.map((key) => {
                next.set(key, (next.get(key) ?? 0) + 1);
                return `${key}${next.get(key)}`;
              }),
            ),
          );
          produced += each.keys.length;
        } else if (each.do === 'fetch') {
          for (const block of await take(bench, each.max)) {
            for (const [i, text] of texts([block]).entries()) {
              const name = text.split(' ')[1]!;
              const [key, number] = [name[0]!, Number(name.slice(1))];
              if (key === '-') out.set(name, { receipt: receipts([block])[i]!, number });
              else {
                expect(out.has(key), `${name} while ${key}${out.get(key)?.number} is out`).toBe(false);
                expect(number, `${name} in its turn`).toBe((done.get(key) ?? 0) + 1);
                out.set(key, { receipt: receipts([block])[i]!, number });
              }
            }
          }
        } else if (each.do === 'restart') {
          // What was written outlives the process; a power cut may take a lease's entry, and then its message goes out again.
          await bench.pass(5);
          bench.kill();
          await bench.open();
        } else {
          const [key, held] = [...out][each.at] ?? [];
          if (key === undefined || held === undefined) continue;
          const verb = each.do === 'late' ? 'nack' : each.do;
          expect(
            await bench.broker.settle(NS, 's', 'g', verb, { receipts: [held.receipt], ...(each.do === 'late' && { delayMs: 10 }) }),
          ).toEqual([]);
          out.delete(key);
          if (verb === 'ack') {
            done.set(key, held.number);
            acked++;
          }
          if (each.do === 'late') await bench.pass(20);
        }
      }
      // Everything comes in the end.
      for (let tries = 0; acked < produced; tries++) {
        expect(tries).toBeLessThan(200);
        for (const { receipt } of out.values()) {
          await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: [receipt] });
          acked++;
        }
        out.clear();
        for (const block of await take(bench)) for (const receipt of receipts([block])) out.set(receipt, { receipt, number: 0 });
      }
      expect(await bench.broker.audit(NS, 's', 'g')).toMatchObject({ produced, acknowledged: produced, balanced: true });
    }),
    { numRuns: 60 },
  );
}, 60_000);
