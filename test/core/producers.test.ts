/** Producers that count for themselves: stored once and in order, however often a batch is sent; epochs that fence. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Broker, ProduceResult, Producer } from '../../src/core/broker.ts';
import type { Bench, Told } from './_broker.ts';
import { batch, codeOf, NS, openBench, produce, texts } from './_broker.ts';

function by(sequence: number, epoch = 1, id = 'p'): { producer: Producer } {
  return { producer: { id, epoch, sequence } };
}

function send(broker: Broker, messages: Told[], sequence: number, epoch = 1, id = 'p'): Promise<ProduceResult> {
  return produce(broker, messages, by(sequence, epoch, id));
}

async function stored(broker: Broker): Promise<string[]> {
  return texts((await broker.read(NS, 's', { limit: 10_000 })).blocks).map((text) => text.slice('0.1 '.length).trim());
}

test('in order, repeated, with a gap', async () => {
  const { broker } = await openBench();
  expect((await send(broker, ['a', 'b'], 1)).ranges).toEqual([[0, 1, 2]]);
  expect((await send(broker, ['c'], 3)).ranges).toEqual([[0, 3, 1]]);
  expect(await send(broker, ['a', 'b'], 1)).toMatchObject({
    ranges: [],
    errors: [],
    duplicates: [
      [0, 0, 1],
      [1, 0, 2],
    ],
  });
  await expect(send(broker, ['e'], 5)).rejects.toMatchObject({ code: 'PRODUCER_GAP', extra: { expected: 4 } });
  expect((await send(broker, ['d'], 4)).ranges).toEqual([[0, 4, 1]]);
  expect(await stored(broker)).toEqual(['a', 'b', 'c', 'd']);
});

test('a batch that partly repeats stores the rest', async () => {
  const { broker } = await openBench();
  await send(broker, ['a', 'b'], 1);
  expect(await send(broker, ['b', 'c', 'd'], 2)).toMatchObject({ ranges: [[0, 3, 2]], duplicates: [[0, 0, 2]] });
  expect(await stored(broker)).toEqual(['a', 'b', 'c', 'd']);
});

test.each(['a', 'a'.repeat(20_000)])('both in flight at once: the repeat gives the places of the first', async (text) => {
  const { broker } = await openBench({}, { on: 'disk' });
  const calls = [send(broker, [text, 'b'], 1), send(broker, ['c'], 3), send(broker, [text, 'b'], 1)];
  const results = await Promise.all(calls);
  expect(results.map(({ ranges, duplicates }) => [ranges, duplicates.map(([, , sequence]) => sequence)])).toEqual([
    [[[0, 1, 2]], []],
    [[[0, 3, 1]], []],
    [[], [1, 2]],
  ]);
});

test('a repeat of what is not durable yet is not answered before it is', async () => {
  const bench = await openBench({}, { on: 'disk', callMs: 5 });
  const { broker } = bench;
  const told: string[] = [];
  const first = send(broker, ['a'], 1).then(() => told.push('first'));
  await bench.pass(1);
  const repeat = send(broker, ['a'], 1).then(() => told.push('repeat'));
  const zombie = send(broker, ['z'], 1, 2).then(() => told.push('newer'));
  const fenced = codeOf(send(broker, ['b'], 2)).then((code) => told.push(String(code)));
  await bench.turn();
  expect(told).toEqual([]);
  await Promise.all([first, repeat, zombie, fenced]);
  expect(told).toEqual(['first', 'repeat', 'newer', 'PRODUCER_FENCED']);
});

test('a refused message uses its sequence, and its repeat is refused again, or never stored', async () => {
  const bench = await openBench({ maxMessageBytes: 4, retention: { maxMessages: 2, discard: 'refuse' } });
  const { broker } = bench;
  const messages = ['a', 'too long', 'b', 'full'];
  const first = await send(broker, messages, 1);
  expect(first.ranges).toEqual([[0, 1, 2]]);
  expect(first.errors.map(({ index, code }) => [index, code])).toEqual([
    [1, 'MESSAGE_TOO_LARGE'],
    [3, 'LIMIT_EXCEEDED'],
  ]);
  await broker.purge(NS, 's', { upTo: 1 });
  const again = await send(broker, messages, 1);
  expect(again).toMatchObject({
    ranges: [],
    duplicates: [
      [0, 0, 1],
      [2, 0, 2],
    ],
  });
  expect(again.errors.map(({ index, code }) => [index, code])).toEqual([
    [1, 'MESSAGE_TOO_LARGE'],
    [3, 'PRODUCER_GAP'],
  ]);
  expect((await send(broker, ['c'], 5)).ranges).toEqual([[0, 3, 1]]);
});

test('a batch of which every message is refused is used up; one that is refused as a whole is not', async () => {
  const { broker } = await openBench({ maxMessageBytes: 4 });
  expect((await send(broker, ['too long'], 1)).errors).toMatchObject([{ code: 'MESSAGE_TOO_LARGE' }]);
  await send(broker, ['a'], 2);
  expect(await codeOf(produce(broker, ['b', 'too long'], { ...by(3), atomic: true }))).toBe('MESSAGE_TOO_LARGE');
  expect(await codeOf(produce(broker, ['b'], { ...by(3), expectedSequence: 7 }))).toBe('SEQUENCE_MISMATCH');
  expect(await codeOf(broker.produce(NS, 's', batch('b').subarray(1), by(3)))).toBe('INVALID_RECORDS');
  expect((await send(broker, ['b'], 3)).ranges).toEqual([[0, 2, 1]]);
});

test("an id's duplicate uses its sequence, and is one again when it is repeated", async () => {
  const bench = await openBench({ dedupWindowMs: 1000 });
  const { broker } = bench;
  await produce(broker, [{ id: 'x' }]);
  expect(await send(broker, [{ id: 'x' }, { id: 'y' }], 1)).toMatchObject({ ranges: [[0, 2, 1]], duplicates: [[0, 0, 1]] });
  expect(await send(broker, [{ id: 'x' }, { id: 'y' }], 1)).toMatchObject({
    ranges: [],
    duplicates: [
      [0, 0, 1],
      [1, 0, 2],
    ],
  });
  await bench.pass(2000);
  const late = await send(broker, [{ id: 'x' }, { id: 'y' }], 1);
  expect(late).toMatchObject({ ranges: [], duplicates: [[1, 0, 2]], errors: [{ index: 0, code: 'PRODUCER_GAP' }] });
});

test('a newer epoch begins at 1 and fences the older ones', async () => {
  const { broker } = await openBench();
  await send(broker, ['a'], 1);
  await send(broker, ['b'], 2);
  await expect(send(broker, ['c'], 3, 2)).rejects.toMatchObject({ code: 'PRODUCER_GAP', extra: { expected: 1 } });
  // Refused, it has fenced nobody.
  await send(broker, ['c'], 3);
  expect((await send(broker, ['new'], 1, 2)).ranges).toEqual([[0, 4, 1]]);
  for (const sequence of [1, 4]) {
    await expect(send(broker, ['zombie'], sequence)).rejects.toMatchObject({ code: 'PRODUCER_FENCED', extra: { epoch: 2 } });
  }
  expect(await stored(broker)).toEqual(['a', 'b', 'c', 'new']);
});

test('epochs that meet in one turn are told apart', async () => {
  const { broker } = await openBench();
  const calls = [send(broker, ['a'], 1), send(broker, ['b'], 1, 2), send(broker, ['z'], 2), send(broker, ['c'], 2, 2)];
  expect(await Promise.all(calls.map(codeOf))).toEqual(['answered', 'answered', 'PRODUCER_FENCED', 'answered']);
  expect(await stored(broker)).toEqual(['a', 'b', 'c']);
  expect((await send(broker, ['b', 'c'], 1, 2)).duplicates.map(([, , sequence]) => sequence)).toEqual([2, 3]);
});

test('what was stored is a repeat, though the station would not take it any more', async () => {
  const { broker } = await openBench();
  await send(broker, ['a long one'], 1);
  await broker.patchStation(NS, 's', { maxMessageBytes: 4 });
  expect((await send(broker, ['a long one'], 1)).duplicates).toEqual([[0, 0, 1]]);
  expect((await produce(broker, ['a long one'], { ...by(1), atomic: true })).duplicates).toEqual([[0, 0, 1]]);
});

test('a repeat wins over its expected sequence, and over being atomic', async () => {
  const { broker } = await openBench();
  const input = { ...by(1), expectedSequence: 1, atomic: true };
  await produce(broker, ['a', 'b'], input);
  expect((await produce(broker, ['a', 'b'], input)).duplicates).toHaveLength(2);
});

test('producers do not disturb each other, nor those that do not count', async () => {
  const { broker } = await openBench();
  const calls = ['p', 'q', 'r'].flatMap((id) => [
    send(broker, [`${id}1`], 1, 1, id),
    produce(broker, ['x']),
    send(broker, [`${id}2`], 2, 1, id),
  ]);
  await Promise.all(calls);
  expect((await send(broker, ['q1', 'q2'], 1, 1, 'q')).duplicates.map(([, , sequence]) => sequence)).toEqual([4, 6]);
  expect(await stored(broker)).toEqual(['p1', 'x', 'p2', 'q1', 'x', 'q2', 'r1', 'x', 'r2']);
});

test('each partition counts for itself, and has to be named', async () => {
  const { broker } = await openBench({ partitions: 2 });
  expect(await codeOf(send(broker, ['a'], 1))).toBe('INVALID_REQUEST');
  for (const partition of [0, 1]) expect((await produce(broker, ['a'], { ...by(1), partition })).ranges).toEqual([[partition, 1, 1]]);
});

test('a name is a name, and numbers begin at 1', async () => {
  const { broker } = await openBench();
  expect(await codeOf(send(broker, ['a'], 1, 1, '.p'))).toBe('INVALID_NAME');
  for (const [sequence, epoch] of [
    [0, 1],
    [1, 0],
    [1.5, 1],
    [1, Number.NaN],
    [Number.MAX_SAFE_INTEGER, 1],
  ] as const)
    expect(await codeOf(send(broker, ['a'], sequence, epoch))).toBe('INVALID_REQUEST');
  expect((await send(broker, ['a'], 1, Number.MAX_SAFE_INTEGER)).ranges).toEqual([[0, 1, 1]]);
});

test.each(['close', 'kill', 'cut'] as const)('what a producer has used survives: %s', async (end) => {
  const bench = await openBench({ maxMessageBytes: 4 }, { on: 'disk' });
  await send(bench.broker, ['a', 'too long', 'b'], 1);
  await send(bench.broker, ['old'], 1, 1, 'q');
  await send(bench.broker, ['new'], 1, 2, 'q');
  await bench.broker.purge(NS, 's', {});
  if (end === 'close') await bench.broker.close();
  else bench[end]();
  await bench.open();
  const { broker } = bench;
  const again = await send(broker, ['a', 'too long', 'b', 'c'], 1);
  expect(again).toMatchObject({
    ranges: [[0, 5, 1]],
    duplicates: [
      [0, 0, 1],
      [2, 0, 2],
    ],
  });
  expect(await codeOf(send(broker, ['z'], 2, 1, 'q'))).toBe('PRODUCER_FENCED');
  expect((await send(broker, ['new'], 1, 2, 'q')).duplicates).toEqual([[0, 0, 4]]);
});

test('sections hold what the log has let go of, changed or not', async () => {
  const bench = await openBench({}, { on: 'disk', limits: { settleBytes: 400 } });
  const ids = Array.from({ length: 40 }, (_, i) => `p${i}`);
  for (const id of ids) await send(bench.broker, [id], 1, 1, id);
  for (let round = 0; round < 3; round++) {
    bench.cut();
    await bench.open();
    // Only one of them goes on: the others' sections are older than the rest.
    for (let i = 0; i < 20; i++) await send(bench.broker, ['x'], 2 + i + round * 20, 1, 'p7');
    for (const [i, id] of ids.entries()) expect((await send(bench.broker, [id], 1, 1, id)).duplicates).toEqual([[0, 0, i + 1]]);
  }
});

test('a producer that is not heard of is forgotten: in time, and the longest unheard above the most', async () => {
  const bench = await openBench({}, { limits: { producerMs: 10_000, producersMax: 3 } });
  const { broker } = bench;
  await send(broker, ['a'], 1, 5);
  await bench.pass(9000);
  await send(broker, ['b'], 2, 5);
  await bench.pass(9999);
  expect((await send(broker, ['b'], 2, 5)).duplicates).toEqual([[0, 0, 2]]);
  // A repeat uses nothing, so it is not heard.
  await bench.pass(2);
  await expect(send(broker, ['c'], 3, 5)).rejects.toMatchObject({ code: 'PRODUCER_GAP', extra: { expected: 1 } });
  expect((await send(broker, ['c'], 1, 4)).ranges).toEqual([[0, 3, 1]]);
  for (const id of ['q', 'r']) await send(broker, ['x'], 1, 1, id);
  await send(broker, ['d'], 2, 4);
  await send(broker, ['x'], 1, 1, 's');
  expect(await codeOf(send(broker, ['y'], 2, 1, 'q'))).toBe('PRODUCER_GAP');
  expect((await send(broker, ['d'], 2, 4)).duplicates).toEqual([[0, 0, 6]]);
});

test('of a producer among others the last 64 batches are remembered; alone, all', async () => {
  const { broker } = await openBench();
  for (let i = 1; i <= 70; i++) await send(broker, ['a'], i);
  expect((await send(broker, ['a'], 1)).duplicates).toEqual([[0, 0, 1]]);
  for (let i = 71; i <= 134; i++) {
    await produce(broker, ['between']);
    await send(broker, ['a'], i);
  }
  expect((await send(broker, ['a'], 71)).duplicates).toEqual([[0, 0, 72]]);
  expect((await send(broker, ['a'], 70)).errors).toMatchObject([{ index: 0, code: 'PRODUCER_GAP' }]);
});

test('a station that is changed meanwhile puts nothing of a producer out of order', async () => {
  const bench = await openBench({}, { on: 'disk', callMs: 2 });
  const { broker } = bench;
  await produce(broker, ['x']);
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 30; i++) {
    sent.push(codeOf(send(broker, [`${i}`], i + 1)));
    if (i % 3 === 0) sent.push(codeOf(broker.patchStation(NS, 's', { dedupWindowMs: 1000 + i })));
    if (i % 4 === 0) await bench.turn();
  }
  expect(new Set(await Promise.all(sent))).toEqual(new Set(['answered']));
  expect(await stored(broker)).toEqual(['x', ...Array.from({ length: 30 }, (_, i) => `${i}`)]);
});

/** What a broker should do with batches of producers, in a few lines. */
class Model {
  readonly log: string[] = [];
  readonly producers = new Map<string, { epoch: number; next: number; places: Map<number, number> }>();

  send(id: string, epoch: number, sequence: number, texts: string[]): unknown {
    let known = this.producers.get(id);
    if (known !== undefined && epoch < known.epoch) return 'PRODUCER_FENCED';
    if (known === undefined || epoch > known.epoch) known = { epoch, next: 1, places: new Map() };
    if (sequence > known.next) return 'PRODUCER_GAP';
    this.producers.set(id, known);
    return texts.map((text, i) => {
      const at = sequence + i;
      if (at < known.next)
        return known.places.has(at) ? `again ${known.places.get(at)}` : text.length > 4 ? 'MESSAGE_TOO_LARGE' : 'PRODUCER_GAP';
      known.next = at + 1;
      if (text.length > 4) return 'MESSAGE_TOO_LARGE';
      this.log.push(text);
      known.places.set(at, this.log.length);
      return this.log.length;
    });
  }
}

/** An answer message by message, as the model gives it. */
function told({ count, ranges, duplicates, errors }: ProduceResult): unknown[] {
  const places = new Array<unknown>(count);
  for (const { index, code } of errors) places[index] = code;
  for (const [index, , sequence] of duplicates) places[index] = `again ${sequence}`;
  const left = ranges.flatMap(([, first, length]) => Array.from({ length }, (_, i) => first + i));
  for (let i = 0; i < count; i++) places[i] ??= left.shift();
  return places;
}

const step = fc.record({
  id: fc.constantFrom('p', 'q', '__proto__'),
  epoch: fc.constantFrom(-1, 0, 0, 0, 0, 0, 1),
  back: fc.constantFrom(0, 0, 0, 1, 2, 5, -1),
  texts: fc.array(fc.constantFrom('ok', 'fine', 'too long'), { minLength: 1, maxLength: 6 }),
  end: fc.constantFrom('turn', 'turn', 'wait', 'wait', 'restart', 'cut'),
});

async function compare(bench: Bench, steps: (typeof step extends fc.Arbitrary<infer T> ? T : never)[]): Promise<void> {
  const model = new Model();
  let under: { expected: unknown; answer: Promise<unknown> }[] = [];
  const settle = async () => {
    for (const { expected, answer } of under) expect(await answer).toEqual(expected);
    under = [];
  };
  for (const { id, epoch, back, texts, end } of steps) {
    const known = model.producers.get(id);
    const at = Math.max(1, (known?.epoch ?? 1) + epoch);
    const sequence = Math.max(1, (known === undefined || at > known.epoch ? 1 : known.next) - back);
    const expected = model.send(id, at, sequence, texts);
    const answer = send(bench.broker, texts, sequence, at, id).then(told, (error: { code: string }) => error.code);
    under.push({ expected, answer });
    if (end === 'wait') await settle();
    if (end === 'restart' || end === 'cut') {
      await settle();
      if (end === 'cut') bench.cut();
      else await bench.broker.close();
      await bench.open();
    }
  }
  await settle();
  expect(await stored(bench.broker)).toEqual(model.log);
}

test('any batches, in flight together, sent again, in any epoch, across restarts: as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      await compare(await openBench({ maxMessageBytes: 4 }, { on: 'disk', limits: { settleBytes: 500 } }), steps);
    }),
    { numRuns: 60 },
  );
}, 60_000);
