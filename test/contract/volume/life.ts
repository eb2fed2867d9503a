/** Opening, closing, opening again, two at once, and what follows a failure. */

import { assert, equal, refusal } from '../checks.ts';
import type { Append, Opened, VolumeCheck } from './subject.ts';
import { A, append, B, bytesOf, C, equalEntry, state, withVolume } from './subject.ts';

/** Every call that can refuse, by name. */
function calls(on: Opened): [name: string, call: () => unknown][] {
  const { current } = on;
  return [
    ['commit', () => current.commit([append(C, 1)])],
    ['read', () => current.read(A, 1, 100, 'all')],
    ['heads', () => current.heads(A, 1, 100, 'all')],
    ['find', () => current.find(A, 'sequence', 1)],
    ['section', () => current.section(A, 'core')],
    ['makeRoom', () => current.makeRoom(1)],
  ];
}

export const lifeChecks: VolumeCheck[] = [
  {
    name: 'the first open of a place has epoch 1, and nothing is there',
    run: (make) =>
      withVolume(make, async (on) => {
        equal(on.current.epoch, 1, 'epoch');
        equal([...on.current.actors()], [], 'actors');
        assert(on.current.synced <= on.current.written, 'synced is not above written');
      }),
  },
  {
    name: 'epoch rises by one at each open, and entries keep theirs',
    needs: ['persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        for (let epoch = 1; epoch <= 8; epoch += 1) {
          equal(on.current.epoch, epoch, 'epoch');
          // Every other life writes nothing: its epoch counts all the same.
          if (epoch % 2 === 1) await on.store(append(A, (epoch + 1) / 2));
          await on.again();
        }
        equal(
          (await on.read(A)).map((entry) => entry.epoch),
          [1, 3, 5, 7],
          'epochs',
        );
      }),
  },
  {
    name: 'everything is there after opening again, and again',
    needs: ['persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        const wrote: { write: Append; epoch: number }[] = [];
        for (let life = 1; life <= 6; life += 1) {
          for (let at = 0; at < 40; at += 1) {
            const write = append(A, wrote.length + 1, { body: [bytesOf(at * 90, wrote.length)], data: at % 5 !== 0 });
            wrote.push({ write, epoch: on.current.epoch });
            on.commit(write, { do: 'section', actor: B, name: `life:${life}`, asOf: 0, body: bytesOf(at, life) });
          }
          await on.again();
          const read = await on.everything(A);
          equal(read.length, wrote.length, 'entries');
          for (const [at, { write, epoch }] of wrote.entries()) equalEntry(read[at], write, epoch);
          for (let old = 1; old <= life; old += 1) equal(await on.current.section(B, `life:${old}`), bytesOf(39, old), `section ${old}`);
        }
      }),
  },
  {
    name: 'opening without writing does not fill the disk',
    needs: ['persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1));
        await on.again();
        const { diskBytes, segmentBytes } = on.current.stats();
        for (let life = 0; life < 12; life += 1) await on.again();
        assert(
          on.current.stats().diskBytes <= diskBytes + 2 * segmentBytes,
          `${on.current.stats().diskBytes} bytes, ${diskBytes} at first`,
        );
        equal(await on.indexes(A), [1], 'entries');
      }),
  },
  {
    name: 'close writes and syncs what was committed, and tells the listener first',
    run: (make) =>
      withVolume(make, async (on) => {
        on.commit(append(A, 1));
        const position = on.commit(append(A, 2, { body: [bytesOf(10_000, 2)] }));
        const closing = on.current.close();
        let told = false;
        on.onProgress = () => {
          told ||= on.current.synced >= position;
        };
        await closing;
        assert(told || on.current.synced >= position, 'the last commit is synced');
        assert(told, 'the listener was told before close ended');
        equal(on.failures, [], 'failures');
        if (!make.traits.persistent) return;
        await on.again();
        equal(await on.indexes(A), [1, 2], 'entries');
      }),
  },
  {
    name: 'closing twice is fine, also at the same time',
    run: (make) =>
      withVolume(make, async (on) => {
        on.commit(append(A, 1));
        await Promise.all([on.current.close(), on.current.close()]);
        await on.current.close();
      }),
  },
  {
    name: 'after close every call refuses',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1));
        await on.current.close();
        for (const [name, call] of calls(on)) await refusal(call, name);
      }),
  },
  {
    name: 'a second opener is refused, and harms nothing',
    needs: ['exclusive', 'persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1));
        const other = on.place.volume();
        equal((await refusal(() => other.open(on), 'the second open')).code, 'UNAVAILABLE', 'code');
        await on.store(append(A, 2));
        await other.close();
        await on.store(append(A, 3));
        await on.again();
        equal(on.current.epoch, 2, 'the refused open took no epoch');
        equal(await on.indexes(A), [1, 2, 3], 'entries');
      }),
  },
  {
    name: 'another opener has the place once the first has closed',
    needs: ['exclusive', 'persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(append(A, 1));
        const first = on.current;
        await on.again();
        await first.close();
        await on.store(append(A, 2));
        equal(await on.indexes(A), [1, 2], 'entries');
      }),
  },
  ...(['write', 'sync'] as const).flatMap((what): VolumeCheck[] => [
    {
      name: `after a failed ${what} every call refuses with STORAGE_FAILED`,
      needs: ['faults'],
      run: (make) =>
        withVolume(make, async (on) => {
          await on.store(append(A, 1));
          on.place.fail?.(what);
          on.current.sync(on.commit(append(A, 2)));
          await on.until('failed', () => on.failures.length > 0);
          for (const [name, call] of calls(on)) equal((await refusal(call, name)).code, 'STORAGE_FAILED', `code of ${name}`);
          await on.pause(200);
          equal(on.failures.length, 1, 'calls of failed');
        }),
    },
    {
      name: `after a failed ${what}, reopen keeps what was synced and goes on`,
      needs: ['faults', 'persistent'],
      run: (make) =>
        withVolume(make, async (on) => {
          await on.store(append(A, 1), { do: 'section', actor: A, name: 'core', asOf: 1, body: bytesOf(20, 1) });
          const { epoch } = on.current;
          on.place.fail?.(what);
          on.current.sync(on.commit(append(A, 2), append(B, 1), state(B, 2)));
          on.commit(append(A, 3));
          await on.until('failed', () => on.failures.length > 0);
          await on.reopen();
          assert(on.current.epoch > epoch, 'the epoch has risen');
          const survived = on.info(A).last;
          assert(survived >= 1 && survived <= 3, 'a prefix of the commits');
          const check = async (): Promise<void> => {
            equalEntry((await on.read(A))[0], append(A, 1), epoch);
            equal(await on.current.section(A, 'core'), bytesOf(20, 1), 'section');
            // All or nothing of a commit.
            equal(on.current.info(B)?.last ?? 0, survived >= 2 ? 2 : 0, 'the other actor of the commit');
          };
          await check();
          const { last } = on.info(A);
          const progress = on.progress;
          await on.store(append(A, last + 1));
          assert(on.progress > progress, 'the same listener is told');
          await on.again();
          equal(on.info(A).last, last + 1, 'last');
          await check();
        }),
    },
    {
      name: `after a failed ${what}, close ends and opening again works`,
      needs: ['faults', 'persistent'],
      run: (make) =>
        withVolume(make, async (on) => {
          await on.store(append(A, 1));
          on.place.fail?.(what);
          on.current.sync(on.commit(append(A, 2)));
          await on.until('failed', () => on.failures.length > 0);
          await on.again();
          assert(on.info(A).last >= 1, 'what was synced is there');
          equalEntry((await on.read(A))[0], append(A, 1), 1);
        }),
    },
  ]),
];
