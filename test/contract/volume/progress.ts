/** How a commit becomes written, then synced, and who is told when. */

import { assert, equal } from '../checks.ts';
import type { VolumeCheck } from './subject.ts';
import { A, append, B, bytesOf, withVolume } from './subject.ts';

export const progressChecks: VolumeCheck[] = [
  {
    name: 'progressed is never called from inside commit',
    run: (make) =>
      withVolume(make, async (on) => {
        for (let index = 1; index <= 50; index += 1) {
          const calls = on.progress;
          const { written, synced } = on.current;
          const position = on.commit(append(A, index, { body: [bytesOf(5000, index)] }));
          on.current.sync(position);
          equal(on.progress, calls, 'calls of progressed');
          equal([on.current.written, on.current.synced], [written, synced], 'positions inside the turn');
        }
        await on.synced(on.commit(append(A, 51)));
      }),
  },
  {
    name: 'progressed tells when a commit is written, and when it is synced',
    run: (make) =>
      withVolume(make, async (on) => {
        const position = on.commit(append(A, 1));
        await on.written(position);
        assert(on.progress > 0, 'progressed was called');
        await on.synced(position);
      }),
  },
  {
    name: 'a commit is synced although nobody asks',
    run: (make) =>
      withVolume(make, async (on) => {
        const position = on.commit(append(A, 1));
        await on.until('synced unasked', () => on.current.synced >= position);
      }),
  },
  {
    name: 'sync of a position covers all before it',
    run: (make) =>
      withVolume(make, async (on) => {
        const positions: number[] = [];
        for (let index = 1; index <= 30; index += 1) positions.push(on.commit(append(index % 2 ? A : B, Math.ceil(index / 2))));
        await on.synced(positions[29] as number);
        assert(
          positions.every((position) => position <= on.current.synced),
          'all are synced',
        );
      }),
  },
  {
    name: 'sync of what is synced, or of nothing, is fine',
    run: (make) =>
      withVolume(make, async (on) => {
        on.current.sync(0);
        const position = on.commit(append(A, 1));
        await on.synced(position);
        on.current.sync(position);
        on.current.sync(0);
        await on.synced(on.commit(append(A, 2)));
      }),
  },
  {
    name: 'a listener may commit and sync from inside progressed',
    run: (make) =>
      withVolume(make, async (on) => {
        let index = 1;
        let position = on.commit(append(A, 1));
        on.onProgress = () => {
          if (on.current.synced < position || index >= 20) return;
          index += 1;
          position = on.commit(append(A, index));
          on.current.sync(position);
        };
        on.current.sync(position);
        await on.until('20 entries synced', () => index === 20 && on.current.synced >= position);
        equal((await on.indexes(A)).length, 20, 'entries');
      }),
  },
  {
    name: 'commits that come while a sync runs are synced by a later one',
    run: (make) =>
      withVolume(make, async (on) => {
        let index = 0;
        let last = 0;
        for (let round = 0; round < 20; round += 1) {
          for (let at = 0; at < 5; at += 1) {
            index += 1;
            last = on.commit(append(A, index, { body: [bytesOf(300, index)] }));
            on.current.sync(last);
          }
          await on.written(last);
        }
        await on.synced(last);
        equal((await on.everything(A)).length, 100, 'entries');
      }),
  },
];
