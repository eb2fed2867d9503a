/** Space: figures that make sense, room, and that what is dead gives its bytes back. */

import { actorKey } from '../../../src/core/ports.ts';
import { assert, equal } from '../checks.ts';
import type { Append, Opened, VolumeCheck } from './subject.ts';
import { A, append, B, bytesOf, equalEntry, state, withVolume } from './subject.ts';

/** Until the volume says that it is within its bound: at most 1.5 × what lives, and two segments. */
async function settled(on: Opened): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const { diskBytes, liveBytes, segmentBytes } = on.current.stats();
    if (diskBytes <= 1.5 * liveBytes + 2 * segmentBytes) return;
    await on.pause(50);
  }
  throw new Error(`The disk is not given back: ${JSON.stringify(on.current.stats())}`);
}

export const spaceChecks: VolumeCheck[] = [
  {
    name: 'stats make sense',
    run: (make) =>
      withVolume(make, async (on) => {
        const before = on.current.stats();
        equal(before.actors, 0, 'actors at first');
        for (const [name, value] of Object.entries(before))
          assert(Number.isSafeInteger(value) && value >= 0, `${name} is a count: ${value}`);
        await on.store(append(A, 1, { body: [bytesOf(100_000, 1)] }), {
          do: 'section',
          actor: B,
          name: 'core',
          asOf: 0,
          body: bytesOf(50_000, 2),
        });
        const after = on.current.stats();
        equal(after.actors, 2, 'actors');
        const grown = after.liveBytes - before.liveBytes;
        assert(grown >= 150_000 && grown <= 160_000, `live bytes grow by what was written: ${grown}`);
        assert(after.diskBytes >= after.liveBytes, 'the disk holds what lives');
        assert(after.segments >= 1, 'there is a segment');
        if (make.traits.persistent) assert(after.syncs > before.syncs, 'syncs are counted');
      }),
  },
  {
    name: 'stats count what is trimmed, replaced and removed as dead',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store();
        const empty = on.current.stats().liveBytes;
        const core = { do: 'section', actor: A, name: 'core', asOf: 0 } as const;
        await on.store(append(A, 1, { body: [bytesOf(40_000, 1)] }), state(A, 2, { body: [bytesOf(20_000, 1)] }), {
          ...core,
          body: bytesOf(10_000, 1),
        });
        await on.store(append(B, 1, { body: [bytesOf(80_000, 1)] }));
        const steps: [string, Parameters<Opened['store']>, number][] = [
          ['all', [], 150_000],
          ['data trimmed', [{ do: 'trim', actor: A, data: 3, state: 1 }], 110_000],
          ['state trimmed', [{ do: 'trim', actor: A, data: 3, state: 3 }], 90_000],
          ['section replaced', [{ ...core, body: bytesOf(1000, 2) }], 81_000],
          ['section removed', [{ ...core, body: null }], 80_000],
          ['actor removed', [{ do: 'remove', actor: B }], 0],
        ];
        for (const [what, writes, bytes] of steps) {
          await on.store(...writes);
          const live = on.current.stats().liveBytes - empty;
          assert(live >= bytes && live <= bytes + 5000, `live bytes, ${what}: ${live}, expected about ${bytes}`);
        }
      }),
  },
  {
    name: 'there is room, and makeRoom gives it',
    run: (make) =>
      withVolume(make, async (on) => {
        assert(on.current.hasRoom(0), 'room for nothing');
        await on.current.makeRoom(100_000);
        assert(on.current.hasRoom(100_000), 'room after makeRoom');
        await on.store(append(A, 1, { body: [bytesOf(100_000, 1)] }));
        equal(await on.indexes(A), [1], 'entries');
      }),
  },
  {
    name: 'the disk is given back after a trim of all',
    needs: ['copiesForward', 'persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        on.settles = true;
        const { segmentBytes } = on.current.stats();
        assert(segmentBytes <= 4 * 1024 * 1024, 'segments are small enough for this check');
        const body = bytesOf(Math.floor(segmentBytes / 20), 1);
        let index = 0;
        for (let round = 0; round < 40; round += 1) {
          for (let at = 0; at < 5; at += 1) {
            index += 1;
            on.commit(append(A, index, { body: [body] }));
          }
          await on.synced(on.commit());
        }
        assert(on.current.stats().diskBytes > 8 * segmentBytes, 'there is something to give back');
        await on.store({ do: 'trim', actor: A, data: index + 1, state: index + 1 });
        await settled(on);
        await on.again();
        await settled(on);
        equal(on.info(A).last, index, 'last');
      }),
  },
  {
    name: 'leftovers stay as they were while the disk around them is given back',
    needs: ['copiesForward', 'persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        on.settles = true;
        const epoch = on.current.epoch;
        const { segmentBytes } = on.current.stats();
        const body = bytesOf(Math.floor(segmentBytes / 10), 1);
        const leftovers: Append[] = [];
        let index = 0;
        for (let round = 0; round < 60; round += 1) {
          // An actor that writes little and keeps it, among one that writes much and forgets it.
          const other = actorKey(7, 1, round % 20);
          const left = append(other, Math.floor(round / 20) + 1, { body: [bytesOf(100 + round, round)], first: round * 3 + 1, count: 3 });
          leftovers.push(left);
          on.commit(left, { do: 'section', actor: other, name: 'core', asOf: left.index - 1, body: bytesOf(30 + round, round) });
          for (let at = 0; at < 5; at += 1) {
            index += 1;
            on.commit(append(A, index, { body: [body] }));
          }
          await on.store({ do: 'trim', actor: A, data: index + 1, state: index + 1 });
        }
        await settled(on);
        const check = async (): Promise<void> => {
          for (const left of leftovers) {
            const [entry] = await on.read(left.actor, left.index, 1);
            equalEntry(entry, left, epoch);
            equal(await on.current.find(left.actor, 'sequence', left.first + 1), left.index, 'find');
          }
          for (let at = 0; at < 20; at += 1)
            equal(await on.current.section(actorKey(7, 1, at), 'core'), bytesOf(30 + 40 + at, 40 + at), 'section');
        };
        await check();
        await on.again();
        await check();
        await settled(on);
      }),
  },
  {
    name: 'sections that are written again and again do not fill the disk',
    needs: ['copiesForward', 'persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        on.settles = true;
        const { segmentBytes } = on.current.stats();
        const length = Math.floor(segmentBytes / 8);
        for (let round = 1; round <= 120; round += 1) {
          on.commit(
            state(A, round),
            { do: 'section', actor: A, name: 'core', asOf: round, body: bytesOf(length, round) },
            { do: 'trim', actor: A, data: 1, state: round + 1 },
          );
          if (round % 6 === 0) await on.synced(on.commit());
        }
        await settled(on);
        await on.again();
        equal(await on.current.section(A, 'core'), bytesOf(length, 120), 'section');
        equal(await on.indexes(A), [], 'entries');
      }),
  },
];
