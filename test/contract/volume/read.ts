/** Reads: order, bounds, data alone, before the write and long after it. */

import { assert, equal } from '../checks.ts';
import type { Append, VolumeCheck } from './subject.ts';
import { A, append, B, bytesOf, C, equalEntry, equalHead, state, withVolume } from './subject.ts';

export const readChecks: VolumeCheck[] = [
  {
    name: 'read sees what was committed in the same turn',
    run: (make) =>
      withVolume(make, async (on) => {
        on.commit(append(A, 1), append(B, 1), append(A, 2));
        equal(await on.indexes(A), [1, 2], 'in the turn');
        on.commit(append(A, 3));
        equal(await on.indexes(A, 2), [2, 3], 'after another commit');
      }),
  },
  {
    name: 'read gives entries from an index on, and nothing beyond the last',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(...[1, 2, 3, 4, 5].map((index) => append(A, index)));
        equal(await on.indexes(A, 0), [1, 2, 3, 4, 5], 'from 0');
        equal(await on.indexes(A, 1), [1, 2, 3, 4, 5], 'from 1');
        equal(await on.indexes(A, 4), [4, 5], 'from 4');
        equal(await on.indexes(A, 5), [5], 'from 5');
        equal(await on.indexes(A, 6), [], 'from 6');
        equal(await on.indexes(A, 1000), [], 'from 1000');
        equal(await on.indexes(C), [], 'of an actor that never was');
        equal(await on.current.heads(C, 1, 10, 'all'), [], 'heads of an actor that never was');
      }),
  },
  {
    name: 'read gives as many as fit in bytesMax, and one at least',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(...[1, 2, 3, 4, 5].map((index) => append(A, index, { body: [bytesOf(100, index)] })));
        const check = async (): Promise<void> => {
          equal(await on.indexes(A, 1, 0), [1], '0 bytes');
          equal(await on.indexes(A, 1, 99), [1], '99 bytes');
          equal(await on.indexes(A, 1, 100), [1], '100 bytes');
          equal(await on.indexes(A, 2, 299), [2, 3], '299 bytes');
          equal(await on.indexes(A, 2, 300), [2, 3, 4], '300 bytes');
          equal(await on.indexes(A, 1, 500), [1, 2, 3, 4, 5], '500 bytes');
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
  {
    name: 'an entry is given by itself where it is in memory: a living one of data alone',
    run: (make) =>
      withVolume(make, async (on) => {
        // What is not written is in memory.
        on.commit(append(A, 1), append(A, 2), state(A, 3), append(A, 4), append(B, 1), append(A, 5));
        const given = (index: number) => on.current.entry(A, index);
        const bodies = [2, 4, 5].map((index) => [index, given(index)?.index, given(index)?.body] as const);
        equal([given(3), given(6), given(0), on.current.entry(C, 1)], [undefined, undefined, undefined, undefined], 'state, and none');
        on.commit({ do: 'trim', actor: A, data: 3, state: 1 });
        equal([given(1), given(2), given(4)?.index], [undefined, undefined, 4], 'trimmed');
        for (const [index, found, body] of bodies) {
          equal(found, index, `entry ${index}`);
          const [read] = index < 3 ? [] : await on.current.read(A, index, 0, 'data');
          if (read !== undefined) equal(body, read.body, `body of entry ${index}`);
        }
        if (!make.traits.persistent) return;
        await on.again();
        for (const index of [4, 5]) assert([undefined, index].includes(on.current.entry(A, index)?.index), `entry ${index}, opened again`);
        equal(on.current.entry(A, 2), undefined, 'trimmed, opened again');
      }),
  },
  {
    name: 'read of data leaves out state entries, and does not count them',
    run: (make) =>
      withVolume(make, async (on) => {
        const size = { body: [bytesOf(100, 1)] };
        await on.store(state(A, 1, size), append(A, 2, size), state(A, 3, size), append(A, 4, size), append(A, 5, size), state(A, 6, size));
        const check = async (): Promise<void> => {
          equal(await on.indexes(A, 1, 1e6, 'data'), [2, 4, 5], 'data');
          equal(await on.indexes(A, 3, 200, 'data'), [4, 5], 'data within 200 bytes');
          equal(await on.indexes(A, 6, 200, 'data'), [], 'data after the last');
          equal(
            (await on.current.heads(A, 1, 2, 'data')).map((head) => head.index),
            [2, 4],
            'heads of data',
          );
          equal(
            (await on.current.heads(A, 1, 2, 'all')).map((head) => head.index),
            [1, 2],
            'heads of all',
          );
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
  {
    name: 'heads are those of the entries, without bodies',
    run: (make) =>
      withVolume(make, async (on) => {
        const epoch = on.current.epoch;
        const writes = Array.from({ length: 40 }, (_, at) =>
          at % 3 === 0
            ? state(A, at + 1, { body: [bytesOf(at, at)] })
            : append(A, at + 1, { first: at * 10 + 1, count: 10, body: [bytesOf(at, at)] }),
        );
        await on.store(...writes);
        const check = async (): Promise<void> => {
          const heads = await on.current.heads(A, 1, 1000, 'all');
          equal(heads.length, 40, 'heads');
          for (const [at, write] of writes.entries()) equalHead(heads[at], write, epoch);
          assert(
            heads.every((head) => (head as { body?: Uint8Array }).body === undefined),
            'no bodies',
          );
          equal(
            (await on.current.heads(A, 11, 5, 'all')).map((head) => head.index),
            [11, 12, 13, 14, 15],
            'countMax',
          );
          equal(await on.current.heads(A, 41, 5, 'all'), [], 'beyond the last');
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
  {
    name: 'read gives every byte of thousands of mixed entries, in any step',
    run: (make) =>
      withVolume(make, async (on) => {
        const epoch = on.current.epoch;
        const actors = [A, B, C];
        const wrote = new Map(actors.map((actor) => [actor, [] as Append[]]));
        for (let round = 0; round < 300; round += 1) {
          const writes = actors.map((actor, at) => {
            const mine = wrote.get(actor) as Append[];
            const write = append(actor, mine.length + 1, { data: round % 4 !== 0, body: [bytesOf((round * 37 * (at + 1)) % 3000, round)] });
            mine.push(write);
            return write;
          });
          const position = on.commit(...writes);
          if (round % 10 === 0) await on.synced(position);
        }
        await on.synced(on.commit());
        const check = async (): Promise<void> => {
          for (const actor of actors) {
            for (const step of [0, 10_000, 1e9]) {
              const all = await on.everything(actor, step);
              equal(all.length, 300, `entries of ${actor} in steps of ${step}`);
              for (const [at, write] of (wrote.get(actor) as Append[]).entries()) equalEntry(all[at], write, epoch);
            }
          }
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
  {
    name: 'a body stays as it was, however much is written after',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1, { body: [bytesOf(1000, 1)] }));
        const [held] = await on.read(A);
        for (let index = 1; index <= 40; index += 1) await on.store(append(B, index, { body: [bytesOf(100_000, index)] }));
        equal(held?.body, bytesOf(1000, 1), 'the body that was held');
        equal((await on.read(A))[0]?.body, bytesOf(1000, 1), 'the body read again');
      }),
  },
  {
    name: 'reads may be asked in any number at once, among commits',
    run: (make) =>
      withVolume(make, async (on) => {
        for (let index = 1; index <= 100; index += 1) on.commit(append(A, index, { body: [bytesOf(2000, index)] }));
        await on.synced(on.commit());
        if (make.traits.persistent) await on.again();
        const reads = Array.from({ length: 100 }, async (_, at) => {
          const [entry] = await on.read(A, at + 1, 1);
          equal(entry?.index, at + 1, 'index');
          equal(entry?.body, bytesOf(2000, at + 1), `body ${at + 1}`);
          on.commit(append(B, on.current.info(B) === undefined ? 1 : on.info(B).last + 1));
        });
        await Promise.all(reads);
        equal((await on.indexes(B)).length, 100, 'commits among the reads');
      }),
  },
];
