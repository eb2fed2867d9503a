/** Runs against the plainest model there is: a table with a row a message. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Run } from '../../src/core/partition/runs.ts';
import { ACKED, LEASED, RETURNED, Runs, settledRun } from '../../src/core/partition/runs.ts';

type Row = Omit<Run, 'from' | 'end' | 'since' | 'rests'>;

const row = fc.record({
  state: fc.constantFrom(ACKED, LEASED, RETURNED),
  epoch: fc.constantFrom(1, 2),
  index: fc.constantFrom(3, 4),
  deliveries: fc.integer({ min: 1, max: 2 }),
  at: fc.constantFrom(0, 100, 200),
  consumer: fc.constantFrom('a', 'b'),
  pinned: fc.boolean(),
}) as fc.Arbitrary<Row>;

const step = fc.oneof(
  fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 1, max: 5 }), row }),
  fc.record({ do: fc.constant('change' as const), at: fc.nat(30), count: fc.integer({ min: 1, max: 8 }), row }),
  fc.record({ do: fc.constant('reopen' as const), at: fc.nat(30), row }),
);

test('runs hold what a table with a row a message holds, and keep their invariants', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const runs = new Runs(5);
      const table = new Map<number, Row>();
      let next = 5;
      for (const each of steps) {
        if (each.do === 'push') {
          runs.push({ from: next, end: next + each.count, since: 0, rests: 0, ...each.row });
          for (let i = 0; i < each.count; i++) table.set(next++, each.row);
        } else if (each.do === 'change') {
          const from = runs.floor + (each.at % Math.max(1, next - runs.floor));
          const end = Math.min(from + each.count, next);
          runs.change(from, end, (part) => ({ ...part, ...each.row }));
          for (let sequence = from; sequence < end; sequence++) table.set(sequence, each.row);
        } else {
          const sequence = 1 + (each.at % 4);
          if (sequence >= runs.floor) continue;
          const state = each.row.state === ACKED ? RETURNED : each.row.state;
          runs.reopen({ from: sequence, end: sequence + 1, since: 0, rests: 0, ...each.row, state });
          table.set(sequence, { ...each.row, state });
        }
        check(runs, table, next);
      }
    }),
    { numRuns: 2_000 },
  );
});

function check(runs: Runs, table: ReadonlyMap<number, Row>, next: number): void {
  expect(runs.next).toBe(next);
  let at = runs.floor;
  for (const run of runs.list) {
    expect(run.from).toBe(at);
    expect(run.end).toBeGreaterThan(run.from);
    at = run.end;
  }
  expect(at).toBe(next);
  expect(runs.list[0]?.state).not.toBe(ACKED);
  for (let sequence = 1; sequence < next; sequence++) {
    const held = runs.at(sequence);
    const wanted = table.get(sequence);
    if (wanted === undefined || wanted.state === ACKED) expect(held?.state ?? ACKED).toBe(ACKED);
    else
      expect({ state: held?.state, at: held?.at, consumer: held?.consumer, index: held?.index, pinned: held?.pinned }).toEqual({
        state: wanted.state,
        at: wanted.at,
        consumer: wanted.consumer,
        index: wanted.index,
        pinned: wanted.pinned,
      });
  }
  const living = [...table].filter(([sequence]) => sequence < next).map(([, value]) => value);
  expect(runs.inFlight).toBe(living.filter(({ state }) => state === LEASED).length);
  expect(runs.returned).toBe(living.filter(({ state }) => state === RETURNED).length);
  expect(runs.redelivered).toBe(living.filter(({ state, deliveries }) => state === LEASED && deliveries > 1).length);
  const timed = living.filter(({ state, at: due }) => state === LEASED || (state === RETURNED && due > 0)).map(({ at: due }) => due);
  expect(runs.earliest).toBeLessThanOrEqual(Math.min(Infinity, ...timed));
}

test('equal neighbours are one run', () => {
  const runs = new Runs(1);
  const leased = {
    state: LEASED,
    epoch: 1,
    index: 1,
    deliveries: 1,
    at: 50,
    since: 1,
    consumer: 'a',
    pinned: false,
    rests: 1,
    redrives: 0,
    past: [],
    why: 'acknowledged',
  } as const;
  for (let sequence = 1; sequence <= 1000; sequence++) runs.push({ from: sequence, end: sequence + 1, ...leased });
  expect(runs.list.length).toBe(1);
  for (let sequence = 2; sequence <= 1000; sequence += 2)
    runs.change(sequence, sequence + 1, ({ from, end }) => settledRun(from, end, 'acknowledged'));
  expect(runs.list.length).toBe(1000);
  for (let sequence = 1; sequence <= 1000; sequence += 2)
    runs.change(sequence, sequence + 1, ({ from, end }) => settledRun(from, end, 'acknowledged'));
  expect([runs.list.length, runs.floor]).toEqual([0, 1001]);
});
