/** Commits: positions, atomicity, what is copied when, and every field at its extremes. */

import { actorKey } from '../../../src/core/ports.ts';
import { assert, equal, refusal } from '../checks.ts';
import type { VolumeCheck } from './subject.ts';
import { A, append, B, bytesOf, C, crcOf, equalEntry, joined, START_MS, state, withVolume } from './subject.ts';

const SAFE = Number.MAX_SAFE_INTEGER;

export const commitChecks: VolumeCheck[] = [
  {
    name: 'commit gives positions that rise',
    run: (make) =>
      withVolume(make, async (on) => {
        let last = on.current.written;
        for (let index = 1; index <= 20; index += 1) {
          const position = on.commit(append(A, index));
          assert(position > last, `position ${position} is above ${last}`);
          last = position;
        }
        await on.synced(last);
      }),
  },
  {
    name: 'commit shows in info at once, before it is written',
    run: (make) =>
      withVolume(make, async (on) => {
        equal(on.current.info(A), undefined, 'info of an actor that never was');
        on.commit(append(A, 1), state(A, 2));
        equal(on.info(A).last, 2, 'last');
        equal(on.info(A).key, A, 'key');
        equal(on.info(A).due, null, 'due');
        equal(on.info(A).sections, [], 'sections');
      }),
  },
  {
    name: 'commit takes many actors and every kind of write together',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(
          append(A, 1),
          state(B, 1),
          append(A, 2),
          { do: 'section', actor: B, name: 'core', asOf: 1, body: bytesOf(10, 1) },
          { do: 'trim', actor: A, data: 2, state: 1 },
          { do: 'due', actor: C, at: START_MS },
        );
        equal(await on.indexes(A), [2], 'A');
        equal(await on.indexes(B), [1], 'B');
        equal(on.info(B).sections, [{ name: 'core', asOf: 1, bytes: 10 }], 'section of B');
        equal(on.info(C).due, START_MS, 'due of C');
      }),
  },
  {
    name: 'commit of nothing has a position that becomes synced',
    run: (make) =>
      withVolume(make, async (on) => {
        const before = on.commit(append(A, 1));
        const position = on.commit();
        assert(position >= before, 'position does not fall');
        await on.synced(position);
      }),
  },
  ...[0, 2, 7].map(
    (index): VolumeCheck => ({
      name: `commit refuses index ${index} as the first, with TypeError`,
      run: (make) =>
        withVolume(make, async (on) => {
          equal((await refusal(() => on.commit(append(A, index)), 'append')).name, 'TypeError', 'error');
          equal(on.current.info(A), undefined, 'info');
          await on.store(append(A, 1));
          equal(await on.indexes(A), [1], 'entries');
        }),
    }),
  ),
  {
    name: 'commit refuses an index that was used or skipped, with TypeError',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), append(A, 2));
        for (const index of [1, 2, 4]) {
          equal((await refusal(() => on.commit(append(A, index)), `append ${index}`)).name, 'TypeError', 'error');
        }
        await on.store(append(A, 3));
        equal(await on.indexes(A), [1, 2, 3], 'entries');
      }),
  },
  {
    name: 'commit with one write out of turn changes nothing at all',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), { do: 'section', actor: A, name: 'core', asOf: 1, body: bytesOf(5, 1) });
        const before = JSON.stringify(on.info(A));
        const { name } = await refusal(
          () =>
            on.commit(
              append(A, 2),
              { do: 'section', actor: A, name: 'core', asOf: 2, body: bytesOf(7, 2) },
              { do: 'section', actor: A, name: 'new', asOf: 2, body: bytesOf(7, 2) },
              { do: 'trim', actor: A, data: 2, state: 2 },
              { do: 'due', actor: A, at: START_MS },
              append(C, 1),
              append(B, 5),
            ),
          'commit',
        );
        equal(name, 'TypeError', 'error');
        equal(JSON.stringify(on.info(A)), before, 'info of A');
        equal(on.current.info(B), undefined, 'info of B');
        equal(on.current.info(C), undefined, 'info of C');
        await on.store(append(A, 2), append(C, 1));
        if (make.traits.persistent) await on.again();
        equal(await on.indexes(A), [1, 2], 'A');
        equal(await on.indexes(C), [1], 'C');
        equal(await on.current.section(A, 'core'), bytesOf(5, 1), 'section');
      }),
  },
  {
    name: 'commit copies bodies and sections before it returns',
    run: (make) =>
      withVolume(make, async (on) => {
        const one = bytesOf(100, 1);
        const two = bytesOf(30, 2);
        const section = bytesOf(40, 3);
        const whole = joined([one, two]);
        const position = on.commit(append(A, 1, { body: [one, two] }), { do: 'section', actor: A, name: 's', asOf: 1, body: section });
        one.fill(0);
        two.fill(0);
        section.fill(0);
        equalEntry((await on.read(A))[0], append(A, 1, { body: [whole] }), on.current.epoch);
        await on.synced(position);
        equalEntry((await on.read(A))[0], append(A, 1, { body: [whole] }), on.current.epoch);
        equal(await on.current.section(A, 's'), bytesOf(40, 3), 'section');
      }),
  },
  {
    name: 'commit takes bodies that are given away: a whole memory, a part of one, several parts',
    run: (make) =>
      withVolume(make, async (on) => {
        const [whole, around] = [bytesOf(70_000, 1), bytesOf(900_000, 2)];
        const bodies = [[whole], [whole.subarray(0, 69_996)], [around.subarray(5, 90_005)], [whole, bytesOf(20_000, 3), bytesOf(9, 4)]];
        const writes = bodies.map((body, i) => append(A, i + 1, { body, given: true }));
        await on.synced(on.commit(...writes));
        const check = async () => {
          const entries = await on.read(A, 1, 10_000_000);
          for (const [i, write] of writes.entries()) equalEntry(entries[i], { ...write, body: [joined(write.body)] }, 1);
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
  {
    name: 'commit joins the parts of a body, empty ones too',
    run: (make) =>
      withVolume(make, async (on) => {
        const writes = [
          append(A, 1, { body: [] }),
          append(A, 2, { body: [new Uint8Array(0)] }),
          append(A, 3, { body: [bytesOf(3, 1), new Uint8Array(0), bytesOf(4, 2), bytesOf(1000, 3)] }),
          append(A, 4, { body: Array.from({ length: 500 }, (_, at) => bytesOf(at % 7, at)) }),
        ];
        await on.store(...writes);
        const read = await on.read(A);
        writes.forEach((write, at) => {
          equalEntry(read[at], write, on.current.epoch);
        });
      }),
  },
  {
    name: 'commit takes a part of a larger buffer for what it is',
    run: (make) =>
      withVolume(make, async (on) => {
        const large = bytesOf(1000, 1);
        await on.store(append(A, 1, { body: [large.subarray(100, 200), large.subarray(500, 501)] }));
        equal((await on.read(A))[0]?.body, joined([large.slice(100, 200), large.slice(500, 501)]), 'body');
      }),
  },
  {
    name: 'commit takes the CRC that it is given, and computes one otherwise',
    run: (make) =>
      withVolume(make, async (on) => {
        const given = append(A, 1, { body: [bytesOf(77, 1), bytesOf(78, 2)] });
        const computed = append(A, 2, { body: [bytesOf(77, 1), bytesOf(78, 2)] });
        await on.store({ ...given, crc: crcOf(joined(given.body)) }, computed);
        if (make.traits.persistent) await on.again();
        const [one, two] = await on.read(A);
        equal(one?.crc, crcOf(joined(given.body)), 'given');
        equal(two?.crc, one?.crc, 'computed');
        equal(one?.body, joined(given.body), 'body');
      }),
  },
  ...(
    [
      ['kind 255', { kind: 255 }],
      ['version 255', { version: 255 }],
      ['version 0', { version: 0 }],
      ['first 2^53−1', { first: SAFE, count: 1 }],
      ['first 2^32', { first: 2 ** 32, count: 2 }],
      ['count 2^32−1', { first: 1, count: 2 ** 32 - 1 }],
      ['count and first 0', { first: 0, count: 0 }],
      ['time 0', { time: 0 }],
      ['time 2^53−1', { time: SAFE }],
      ['a state entry', { data: false, first: 0, count: 0 }],
    ] as const
  ).map(
    ([what, more]): VolumeCheck => ({
      name: `commit keeps ${what}`,
      run: (make) =>
        withVolume(make, async (on) => {
          const epoch = on.current.epoch;
          const write = append(A, 1, more);
          await on.store(write);
          equalEntry((await on.read(A))[0], write, epoch);
          if (!make.traits.persistent) return;
          await on.again();
          equalEntry((await on.read(A))[0], write, epoch);
        }),
    }),
  ),
  {
    name: 'commit keeps actors apart whose keys look alike',
    run: (make) =>
      withVolume(make, async (on) => {
        const keys = [
          actorKey(1, 1, 1),
          actorKey(11, 1, 0),
          actorKey(1, 11, 0),
          actorKey(1, 1, 10),
          actorKey(0, 0, 0),
          actorKey(2 ** 31, 2 ** 31, 255),
        ];
        await on.store(...keys.map((key, at) => append(key, 1, { body: [bytesOf(20, at)] })));
        if (make.traits.persistent) await on.again();
        for (const [at, key] of keys.entries()) equal((await on.read(key))[0]?.body, bytesOf(20, at), key);
        equal([...on.current.actors()].map((info) => info.key).sort(), [...keys].sort(), 'actors');
      }),
  },
  ...[1024 * 1024, 8 * 1024 * 1024].map(
    (length): VolumeCheck => ({
      name: `commit keeps a body of ${length / 1024 / 1024} MiB`,
      run: (make) =>
        withVolume(make, async (on) => {
          const epoch = on.current.epoch;
          const writes = [append(A, 1), append(A, 2, { body: [bytesOf(length, 2)] }), append(B, 1), append(A, 3)];
          await on.store(...writes.slice(0, 2));
          await on.store(...writes.slice(2));
          const check = async (): Promise<void> => {
            const read = await on.read(A);
            equalEntry(read[0], writes[0] as never, epoch);
            equalEntry(read[1], writes[1] as never, epoch);
            equalEntry(read[2], writes[3] as never, epoch);
          };
          await check();
          if (!make.traits.persistent) return;
          await on.again();
          await check();
        }),
    }),
  ),
  {
    name: 'commit takes 1,000 actors at once, and actors() names each',
    run: (make) =>
      withVolume(make, async (on) => {
        const keys = Array.from({ length: 1000 }, (_, at) => actorKey(1, at + 1, at % 3));
        await on.store(...keys.map((key, at) => append(key, 1, { body: [bytesOf(at % 40, at)] })));
        await on.store(...keys.filter((_, at) => at % 2 === 0).map((key) => state(key, 2)));
        const check = async (): Promise<void> => {
          const infos = [...on.current.actors()];
          equal(infos.map((info) => info.key).sort(), [...keys].sort(), 'keys');
          equal(on.current.stats().actors, 1000, 'stats().actors');
          for (const [at, key] of keys.entries()) {
            equal(on.info(key).last, at % 2 === 0 ? 2 : 1, `last of ${key}`);
            equal((await on.read(key))[0]?.body, bytesOf(at % 40, at), `body of ${key}`);
          }
        };
        await check();
        if (!make.traits.persistent) return;
        await on.again();
        await check();
      }),
  },
];
