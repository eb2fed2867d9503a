/** Ids of the window: found exactly, whether they are in memory, closed, or were loaded; and what they take. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planted } from '../../src/core/faults.ts';
import { Dedup } from '../../src/core/partition/dedup.ts';
import { IdTable } from '../../src/core/partition/id-table.ts';
import { batch, NS, openBench } from './_broker.ts';

const encoder = new TextEncoder();

/** Ids with their sections, as a volume would keep them; and beside it a Map that knows all. */
class Kept {
  dedup: Dedup;
  readonly sections = new Map<string, Uint8Array>();
  readonly model = new Map<string, { sequence: number; time: number }>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
    this.dedup = new Dedup(7, most);
  }

  save(): void {
    for (const [name, body] of this.dedup.takeSections()) {
      if (body === null) this.sections.delete(name);
      else this.sections.set(name, body.slice());
    }
  }

  reopen(): void {
    this.save();
    this.dedup = new Dedup(7, this.#most);
    for (const [name, body] of this.sections) this.dedup.load(name, body);
    this.dedup.loaded();
    while (this.dedup.index());
  }

  find(id: string, now: number, windowMs: number): number {
    const bytes = encoder.encode(id);
    for (const { name, take } of this.dedup.missing((visit) => visit(bytes, 0, bytes.length))) {
      const section = this.sections.get(name);
      if (section === undefined) throw new Error(`Section ${name} is asked for, and gone.`);
      take(section);
    }
    const sequence = this.dedup.find(bytes, 0, bytes.length, now, windowMs);
    this.dedup.decided();
    return sequence;
  }

  add(id: string, sequence: number, now: number, windowMs: number): void {
    const bytes = encoder.encode(id);
    this.dedup.add(bytes, 0, bytes.length, sequence, now, windowMs);
    this.model.set(id, { sequence, time: now });
  }
}

function play(steps: readonly (readonly ['id' | 'wait' | 'save' | 'reopen', number])[], most: number): void {
  const kept = new Kept(most);
  const windowMs = 1_000;
  let [now, sequence] = [5_000, 1];
  for (const [what, value] of steps) {
    if (what === 'wait') now += value;
    else if (what === 'save') kept.save();
    else if (what === 'reopen') kept.reopen();
    else {
      const id = `id ${value}`;
      const known = kept.model.get(id);
      const wanted = known !== undefined && known.time > now - windowMs ? known.sequence : 0;
      expect(kept.find(id, now, windowMs)).toBe(wanted);
      if (wanted === 0) kept.add(id, sequence++, now, windowMs);
    }
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.tuple(fc.constant('id' as const), fc.nat(60)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('wait' as const), fc.nat(300)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('save' as const), fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('reopen' as const), fc.constant(0)) },
  ),
  { maxLength: 300 },
);

describe('exact', () => {
  test.each([1, 2, 7, 64])('whatever comes, in slices of %i', (most) => {
    fc.assert(
      fc.property(steps, (given) => play(given, most)),
      { numRuns: 300 },
    );
  });

  test.each([256, 700, 1_000])('wherever in a slice of %i they are, closed and opened again', (most) => {
    const kept = new Kept(most);
    for (let i = 0; i < 5_000; i++) {
      if (i % 500 === 0) kept.save();
      kept.add(`id ${i}`, i + 1, 0, 1_000);
    }
    for (const isAgain of [false, true]) {
      if (isAgain) kept.reopen();
      else kept.save();
      for (let i = 0; i < 5_000; i++) expect(kept.find(`id ${i}`, 0, 1_000)).toBe(i + 1);
      for (let i = 0; i < 5_000; i++) expect(kept.find(`other ${i}`, 0, 1_000)).toBe(0);
    }
  });

  test('planted, that fingerprints are taken for ids is noticed where they collide', () => {
    planted.add('fingerprint-is-enough');
    try {
      const kept = new Kept(1_000);
      for (let i = 0; i < 200_000; i++) {
        if (i % 1_000 === 0) kept.save();
        kept.add(`id ${i}`, i + 1, 0, 1_000);
      }
      kept.save();
      let wrong = 0;
      for (let i = 0; i < 200_000; i++) if (kept.find(`other ${i}`, 0, 1_000) !== 0) wrong++;
      expect(wrong).toBeGreaterThan(0);
    } finally {
      planted.delete('fingerprint-is-enough');
    }
  });
});

/** Words that look like hashes. */
function hashes(seed: number): () => number {
  let random = seed;
  return () => {
    random = Math.imul(random, 1_103_515_245) + 12_345;
    return (random ^ (random >>> 13)) >>> 0;
  };
}

describe('the table', () => {
  const perSlice = 16;

  /** Adds so many ids, of which the last `window` are live; looks up every 97th of those now and then. @returns bytes at most */
  function fill(table: IdTable, total: number, window: number, tagOf: () => number): number {
    const extraOf = hashes(2);
    const floorAt = (i: number) => Math.max(0, Math.floor((i - window) / perSlice));
    const added: [number, number][] = [];
    let most = 0;
    for (let i = 0; i < total; i++) {
      const [tag, extra] = [tagOf(), extraOf() >>> 24];
      added.push([tag, extra]);
      table.add(tag, extra, Math.floor(i / perSlice), floorAt(i));
      if (i % 50_000 === 0 || i === total - 1) {
        for (let at = Math.max(0, i - window + perSlice); at <= i; at += 97) {
          const [oldTag, oldExtra] = added[at]!;
          expect(table.candidates(oldTag, oldExtra, floorAt(i))).toContain(Math.floor(at / perSlice));
        }
      }
      if (i > window) most = Math.max(most, table.bytes);
    }
    return most;
  }

  test('all that was added and not forgotten is a candidate, at six bytes and some room an entry', () => {
    expect(fill(new IdTable(), 500_000, 100_000, hashes(1)) / 100_000).toBeLessThan(9);
  });

  test('what few ids there are takes little, with a byte more an entry', () => {
    expect(fill(new IdTable(), 60_000, 10_000, hashes(1)) / 10_000).toBeLessThan(9.1);
    const table = new IdTable();
    for (let i = 0; i < 8; i++) table.add(i * 7_919, 0, i, 0);
    expect(table.bytes).toBeLessThan(256);
  });

  test('its segments do not grow all at the same time', () => {
    const [tagOf, extraOf, table] = [hashes(1), hashes(2), new IdTable()];
    const grown: number[] = [];
    for (let slice = 0; slice < 150; slice++) {
      const before = table.bytes;
      for (let i = 0; i < 4_096; i++) table.add(tagOf(), extraOf() >>> 24, slice, 0);
      grown.push(table.bytes - before);
    }
    const later = grown.slice(grown.length / 2);
    expect(Math.max(...later) / (later.reduce((sum, bytes) => sum + bytes) / later.length)).toBeLessThan(3);
  });

  test.each([
    ['the largest', 2 ** 32 - 200],
    ['the smallest', 0],
  ])('tags that are all among %s push each other on', (_, from) => {
    const next = hashes(1);
    const table = new IdTable();
    fill(table, 5_000, 2_000, () => from + (next() % 200));
    // Others are not taken for them.
    expect(table.candidates(2 ** 31, 7, 0)).toEqual([]);
  });

  test('one in about 2^40 / n of others is a candidate too', () => {
    const next = hashes(1);
    const table = new IdTable();
    for (let i = 0; i < 100_000; i++) table.add(next(), i & 255, 1, 1);
    let wrong = 0;
    for (let i = 0; i < 1_000_000; i++) wrong += table.candidates(next(), (i * 31) & 255, 1).length;
    expect(wrong).toBeLessThan(4);
  });

  test.each([2 ** 32, 2 ** 16])('slices go round at %i: the latest are told apart', (around) => {
    const table = new IdTable();
    const first = around - 500;
    for (let i = 0; i < 1_000; i++) table.add(i * 7_919, i & 255, first + i, first);
    for (let i = 0; i < 1_000; i++) expect(table.candidates(i * 7_919, i & 255, first)).toEqual([first + i]);
  });

  test('of more slices than are told apart, each that it may be is a candidate', () => {
    const table = new IdTable();
    for (let slice = 0; slice < 150_000; slice++) table.add(slice * 7_919, slice & 255, slice, 0);
    expect(table.candidates(70_000 * 7_919, 70_000 & 255, 0)).toEqual([135_536, 70_000, 4_464]);
    expect(table.candidates(70_000 * 7_919, 70_000 & 255, 5_000)).toEqual([135_536, 70_000]);
  });
});

describe('in a broker', () => {
  test('closed ids are found after restarts and trims, also by two batches at once, and in one', async () => {
    const bench = await openBench({ dedupWindowMs: 3_600_000 }, { on: 'disk', limits: { idSliceMax: 10, settleBytes: 300 } });
    const produce = (...ids: number[]) => bench.broker.produce(NS, 's', batch(...ids.map((id) => ({ payload: 'x', id: `id ${id}` }))));
    for (let i = 0; i < 300; i += 5) await produce(i, i + 1, i + 2, i + 3, i + 4);
    for (const end of ['none', 'close', 'cut'] as const) {
      if (end === 'close') await bench.broker.close();
      if (end === 'cut') bench.cut();
      if (end !== 'none') await bench.open();
      const [a, b, c] = await Promise.all([produce(3, 1_000, 120), produce(299, 3), produce(1_001)]);
      const isNew = end === 'none';
      expect(a.duplicates).toEqual(
        isNew
          ? [
              [0, 0, 4],
              [2, 0, 121],
            ]
          : [
              [0, 0, 4],
              [1, 0, 301],
              [2, 0, 121],
            ],
      );
      expect(b.duplicates).toEqual([
        [0, 0, 300],
        [1, 0, 4],
      ]);
      // Later ones have not overtaken those that had to wait for a section.
      expect(c.duplicates).toEqual(isNew ? [] : [[0, 0, 302]]);
      if (isNew) await bench.broker.purge(NS, 's', {});
    }
  });

  test('a batch is stored as it came up to the first repeat in it, and from there on without repeats', async () => {
    const bench = await openBench({ dedupWindowMs: 3_600_000 }, { on: 'disk' });
    const produce = (...ids: string[]) => bench.broker.produce(NS, 's', batch(...ids.map((id) => ({ payload: 'x', id }))));
    expect(await produce('a', 'b')).toMatchObject({ duplicates: [] });
    expect(await produce('c', 'd', 'c', 'a', 'e')).toMatchObject({
      ranges: [[0, 3, 3]],
      duplicates: [
        [2, 0, 3],
        [3, 0, 1],
      ],
    });
    bench.cut();
    await bench.open();
    expect(await produce('e', 'd', 'f')).toMatchObject({
      ranges: [[0, 6, 1]],
      duplicates: [
        [0, 0, 5],
        [1, 0, 4],
      ],
    });
  });

  test('a section that cannot be read refuses, and stores nothing', async () => {
    const bench = await openBench({ dedupWindowMs: 3_600_000 }, { on: 'disk', limits: { idSliceMax: 4, settleBytes: 100 } });
    for (let i = 0; i < 40; i++) await bench.broker.produce(NS, 's', batch({ payload: 'x', id: `id ${i}` }));
    bench.volume.section = () => Promise.resolve(undefined);
    await expect(bench.broker.produce(NS, 's', batch({ id: 'id 2' }, { id: 'new' }))).rejects.toThrow('is not there');
    expect(await bench.broker.station(NS, 's')).toMatchObject({ messages: 40 });
  });
});
