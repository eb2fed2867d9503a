/** Packed entry tables: what comes out is what went in, at every extreme. */
import { expect, test } from 'vitest';
import { EntryTable, packRows, placeOf, unpackRows } from '../../src/core/volume/table.ts';

const SAFE = Number.MAX_SAFE_INTEGER;

test('packed rows come back as they were, extremes and copies among them', () => {
  const table = new EntryTable(2);
  table.add(1000, 1, 1, 1, 1, 1, 10, 5, true, 0xffffffff, 0);
  table.add(5000, 2, 255, 0, 4_000_000_000, 0, 0, SAFE, false, 0, 4_000_000_000);
  table.add(600, 3, 1, 1, 1, SAFE, 4_294_967_295, 0, true, 1, 1);
  table.add(4_294_967_288, SAFE - 1, 1, 1, 1, 0, 0, 7, true, 2, 100);
  table.add(8, SAFE, 1, 1, 1, 11, 1, SAFE, true, 3, 100);
  const rows = { table, rows: [0, 1, 2, 3, 4], count: 5 };
  const packing = packRows(rows);
  let packed = packing.next();
  while (!packed.done) packed = packing.next();
  const back = unpackRows(packed.value, 5);
  for (let row = 0; row < 5; row++) {
    expect(back.table.head(row)).toEqual(table.head(row));
    expect(back.table.offset[row]).toBe(table.offset[row]);
  }
});

test('an ordinary stream takes few bytes an entry', () => {
  const table = new EntryTable();
  for (let at = 0; at < 20_000; at++)
    table.add(at * 1200, at + 1, 1, 1, 3, at * 10 + 1, 10, 1_900_000_000_000 + at * 3, true, at * 7919, 1100);
  const packing = packRows({ table, rows: undefined, count: table.count });
  let steps = 0;
  let packed = packing.next();
  for (; !packed.done; packed = packing.next()) steps++;
  expect(steps).toBeGreaterThan(1);
  expect(packed.value.length / table.count).toBeLessThan(16);
});

test('the place of an index is found by halving', () => {
  const table = new EntryTable();
  for (const index of [3, 5, 9]) table.add(0, index, 1, 1, 1, 0, 0, 0, true, 0, 0);
  const rows = { table, rows: undefined, count: 3 };
  expect([1, 3, 4, 5, 6, 9, 10].map((index) => placeOf(rows, index))).toEqual([0, 0, 1, 1, 2, 2, 3]);
});
