/** What an actor keeps beside its entries: sections, trims, its due time; and that it can be removed. */

import type { ActorInfo } from '../../../src/core/ports.ts';
import { assert, equal, refusal } from '../checks.ts';
import type { Opened, VolumeCheck, VolumeFactory } from './subject.ts';
import { A, append, B, bytesOf, C, START_MS, state, withVolume } from './subject.ts';

/** Runs `check` now, and once more after opening again where that keeps anything. */
async function twice(make: VolumeFactory, on: Opened, check: () => Promise<void>): Promise<void> {
  await check();
  if (!make.traits.persistent) return;
  await on.again();
  await check();
}

function names(info: ActorInfo): string[] {
  return info.sections.map(({ name, asOf, bytes }) => `${name}@${asOf}:${bytes}`).sort();
}

export const sectionChecks: VolumeCheck[] = [
  {
    name: 'section is replaced whole, with its asOf',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), append(A, 2), { do: 'section', actor: A, name: 'core', asOf: 1, body: bytesOf(500, 1) });
        equal(await on.current.section(A, 'core'), bytesOf(500, 1), 'first');
        equal(names(on.info(A)), ['core@1:500'], 'info');
        on.commit({ do: 'section', actor: A, name: 'core', asOf: 2, body: bytesOf(20, 2) });
        equal(await on.current.section(A, 'core'), bytesOf(20, 2), 'before it is written');
        await on.synced(on.commit());
        await twice(make, on, async () => {
          equal(names(on.info(A)), ['core@2:20'], 'info');
          equal(await on.current.section(A, 'core'), bytesOf(20, 2), 'second');
        });
      }),
  },
  {
    name: 'section may come before any entry, be empty, and be replaced within a commit',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(
          { do: 'section', actor: A, name: 'empty', asOf: 0, body: new Uint8Array(0) },
          { do: 'section', actor: A, name: 'twice', asOf: 0, body: bytesOf(9, 1) },
          { do: 'section', actor: A, name: 'twice', asOf: 0, body: bytesOf(8, 2) },
        );
        await twice(make, on, async () => {
          equal(names(on.info(A)), ['empty@0:0', 'twice@0:8'], 'info');
          equal(on.info(A).last, 0, 'last');
          equal(await on.current.section(A, 'empty'), new Uint8Array(0), 'empty');
          equal(await on.current.section(A, 'twice'), bytesOf(8, 2), 'twice');
        });
      }),
  },
  {
    name: 'section is removed by null, and removing what is not there is fine',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(
          { do: 'section', actor: A, name: 'one', asOf: 0, body: bytesOf(9, 1) },
          { do: 'section', actor: A, name: 'two', asOf: 0, body: bytesOf(9, 2) },
        );
        await on.store(
          { do: 'section', actor: A, name: 'one', asOf: 0, body: null },
          { do: 'section', actor: A, name: 'never', asOf: 0, body: null },
        );
        await twice(make, on, async () => {
          equal(names(on.info(A)), ['two@0:9'], 'info');
          equal(await on.current.section(A, 'one'), undefined, 'removed');
          equal(await on.current.section(A, 'never'), undefined, 'never there');
          equal(await on.current.section(B, 'two'), undefined, 'of an actor that never was');
        });
      }),
  },
  {
    name: 'section names take all that is allowed',
    run: (make) =>
      withVolume(make, async (on) => {
        const allowed = ['a', 'group:billing.2-3', 'z'.repeat(64), '0', '-', '.'];
        await on.store(...allowed.map((name, at) => ({ do: 'section', actor: A, name, asOf: 0, body: bytesOf(10, at) }) as const));
        await twice(make, on, async () => {
          for (const [at, name] of allowed.entries()) equal(await on.current.section(A, name), bytesOf(10, at), name);
        });
      }),
  },
  ...['', 'z'.repeat(65), 'Upper', 'a b', 'a/b', 'ä'].map(
    (name): VolumeCheck => ({
      name: `section refuses the name ${JSON.stringify(name.slice(0, 10))} of ${name.length}, with TypeError`,
      run: (make) =>
        withVolume(make, async (on) => {
          const { name: error } = await refusal(() => on.commit({ do: 'section', actor: A, name, asOf: 0, body: bytesOf(1, 1) }), 'commit');
          equal(error, 'TypeError', 'error');
        }),
    }),
  ),
  {
    name: 'sections of many actors and of some MiB keep apart',
    run: (make) =>
      withVolume(make, async (on) => {
        const large = bytesOf(3 * 1024 * 1024, 1);
        await on.store(
          { do: 'section', actor: A, name: 'core', asOf: 0, body: large },
          { do: 'section', actor: B, name: 'core', asOf: 0, body: bytesOf(5, 2) },
          { do: 'section', actor: C, name: 'core', asOf: 0, body: bytesOf(5, 3) },
        );
        await twice(make, on, async () => {
          equal(await on.current.section(A, 'core'), large, 'A');
          equal(await on.current.section(B, 'core'), bytesOf(5, 2), 'B');
          equal(await on.current.section(C, 'core'), bytesOf(5, 3), 'C');
        });
      }),
  },
  {
    name: 'trim of data leaves state, and the other way round',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(state(A, 1), append(A, 2), state(A, 3), append(A, 4), state(A, 5), append(A, 6));
        await on.store({ do: 'trim', actor: A, data: 5, state: 3 });
        await twice(make, on, async () => {
          equal(await on.indexes(A), [3, 5, 6], 'living');
          equal(await on.indexes(A, 4), [5, 6], 'from a dead one');
          equal(
            (await on.current.heads(A, 1, 9, 'all')).map((head) => head.index),
            [3, 5, 6],
            'heads',
          );
          equal(await on.indexes(A, 1, 1e6, 'data'), [6], 'data');
          equal([on.info(A).last, on.info(A).data, on.info(A).state], [6, 5, 3], 'info');
        });
      }),
  },
  {
    name: 'trim never falls',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), append(A, 2), append(A, 3), { do: 'trim', actor: A, data: 3, state: 2 });
        for (const [data, lower] of [
          [1, 1],
          [3, 1],
          [2, 2],
        ] as const) {
          try {
            await on.store({ do: 'trim', actor: A, data, state: lower });
          } catch (error) {
            // Refusing is as good as ignoring; falling is not.
            assert(error instanceof TypeError, 'a refusal is a TypeError');
          }
        }
        await twice(make, on, async () => {
          equal([on.info(A).data, on.info(A).state], [3, 2], 'info');
          equal(await on.indexes(A), [3], 'living');
        });
      }),
  },
  {
    name: 'trim of all leaves the index where it was',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), state(A, 2), append(A, 3), { do: 'trim', actor: A, data: 4, state: 4 });
        await twice(make, on, async () => {
          equal(await on.indexes(A), [], 'living');
          equal(on.info(A).last, 3, 'last');
        });
        await refusal(() => on.commit(append(A, 1)), 'index 1 again');
        await on.store(append(A, 4));
        equal(await on.indexes(A), [4], 'the next');
      }),
  },
  {
    name: 'trim beyond the last index moves it on, in the commit of the next entry or before',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store({ do: 'trim', actor: A, data: 1001, state: 1001 }, append(A, 1001), append(A, 1002));
        await on.store(append(B, 1), { do: 'trim', actor: B, data: 50, state: 40 });
        await refusal(() => on.commit(append(B, 2)), 'an index that was passed over');
        await refusal(() => on.commit({ do: 'trim', actor: C, data: 7, state: 7 }, append(C, 8)), 'an index behind the next');
        await twice(make, on, async () => {
          equal(await on.indexes(A), [1001, 1002], 'living');
          equal([on.info(A).last, on.info(B).last], [1002, 39], 'last');
        });
        await on.store(append(A, 1003), state(B, 40), append(B, 41));
        await twice(make, on, async () => {
          equal(await on.indexes(A), [1001, 1002, 1003], 'A');
          equal(await on.indexes(B), [40], 'B: data below 50 is dead');
        });
      }),
  },
  {
    name: 'trim and the section that stands for what is trimmed are one commit',
    run: (make) =>
      withVolume(make, async (on) => {
        for (let round = 1; round <= 30; round += 1) {
          on.commit(
            state(A, round, { body: [bytesOf(300, round)] }),
            { do: 'section', actor: A, name: 'core', asOf: round, body: bytesOf(50, round) },
            { do: 'trim', actor: A, data: 1, state: round },
          );
        }
        await on.synced(on.commit());
        await twice(make, on, async () => {
          equal(await on.indexes(A), [30], 'living');
          equal(names(on.info(A)), ['core@30:50'], 'section');
          equal(await on.current.section(A, 'core'), bytesOf(50, 30), 'bytes');
        });
      }),
  },
  {
    name: 'due is kept, moved and taken back',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1), { do: 'due', actor: A, at: START_MS }, { do: 'due', actor: B, at: 0 }, { do: 'due', actor: C, at: 5 });
        await on.store({ do: 'due', actor: A, at: Number.MAX_SAFE_INTEGER }, { do: 'due', actor: C, at: null });
        await twice(make, on, async () => {
          equal(on.info(A).due, Number.MAX_SAFE_INTEGER, 'A');
          equal(on.info(B).due, 0, 'B, due at 0, which is not never');
          equal(on.current.info(C)?.due ?? null, null, 'C');
        });
      }),
  },
  {
    name: 'remove takes an actor away, and no other',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(
          append(A, 1),
          append(B, 1),
          { do: 'section', actor: A, name: 'core', asOf: 1, body: bytesOf(5, 1) },
          { do: 'section', actor: B, name: 'core', asOf: 1, body: bytesOf(5, 2) },
          { do: 'due', actor: A, at: 1 },
        );
        on.commit(append(A, 2), { do: 'remove', actor: A });
        equal(on.current.info(A), undefined, 'info, before it is written');
        await on.synced(on.commit());
        await twice(make, on, async () => {
          equal(on.current.info(A), undefined, 'info');
          equal(
            [...on.current.actors()].map((info) => info.key),
            [B],
            'actors',
          );
          equal(on.current.stats().actors, 1, 'stats().actors');
          equal(await on.indexes(A), [], 'entries');
          equal(await on.current.section(A, 'core'), undefined, 'section');
          equal(await on.indexes(B), [1], 'entries of the other');
          equal(await on.current.section(B, 'core'), bytesOf(5, 2), 'section of the other');
        });
      }),
  },
];
