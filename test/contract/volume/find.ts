/** `find`: the first living data entry at or after a sequence or a time. */

import { equal } from '../checks.ts';
import type { Opened, VolumeCheck } from './subject.ts';
import { A, append, B, C, state, withVolume } from './subject.ts';

/** Sequences 1–10, 11, 12–14 and 15–24, at times 1000, 2000, 2000 and 5000, among state entries and one without messages. */
async function fill(on: Opened): Promise<void> {
  await on.store(
    state(A, 1, { time: 900 }),
    append(A, 2, { first: 1, count: 10, time: 1000 }),
    append(A, 3, { first: 11, count: 1, time: 2000 }),
    append(A, 4, { first: 0, count: 0, time: 2000 }),
    append(A, 5, { first: 12, count: 3, time: 2000 }),
    state(A, 6, { time: 4000 }),
    append(A, 7, { first: 15, count: 10, time: 5000 }),
    state(A, 8, { time: 9000 }),
    append(B, 1, { first: 500, count: 1, time: 3000 }),
  );
}

const bySequence: readonly (readonly [value: number, index: number])[] = [
  [0, 2],
  [1, 2],
  [10, 2],
  [11, 3],
  [12, 5],
  [14, 5],
  [15, 7],
  [24, 7],
  [25, 9],
  [Number.MAX_SAFE_INTEGER, 9],
];

const byTime: readonly (readonly [value: number, index: number])[] = [
  [0, 2],
  [1000, 2],
  [1001, 3],
  [2000, 3],
  [2001, 7],
  [5000, 7],
  [5001, 9],
  [Number.MAX_SAFE_INTEGER, 9],
];

async function check(on: Opened): Promise<void> {
  for (const [value, index] of bySequence) equal(await on.current.find(A, 'sequence', value), index, `sequence ${value}`);
  for (const [value, index] of byTime) equal(await on.current.find(A, 'time', value), index, `time ${value}`);
  equal(await on.current.find(B, 'sequence', 1), 1, 'in another actor');
}

export const findChecks: VolumeCheck[] = [
  {
    name: 'find goes by the last sequence of an entry, or its time, over data alone',
    run: (make) =>
      withVolume(make, async (on) => {
        await fill(on);
        await check(on);
      }),
  },
  {
    name: 'find works the same after opening again',
    needs: ['persistent'],
    run: (make) =>
      withVolume(make, async (on) => {
        await fill(on);
        await on.again();
        await check(on);
      }),
  },
  {
    name: 'find passes over what was trimmed',
    run: (make) =>
      withVolume(make, async (on) => {
        await fill(on);
        await on.store({ do: 'trim', actor: A, data: 5, state: 1 });
        equal(await on.current.find(A, 'sequence', 1), 5, 'sequence 1');
        equal(await on.current.find(A, 'time', 0), 5, 'time 0');
        await on.store({ do: 'trim', actor: A, data: 8, state: 1 });
        equal(await on.current.find(A, 'sequence', 1), 9, 'with nothing left');
      }),
  },
  {
    name: 'find in an actor without data gives its last index + 1',
    run: (make) =>
      withVolume(make, async (on) => {
        await on.store(state(A, 1), state(A, 2), { do: 'due', actor: C, at: 5 });
        equal(await on.current.find(A, 'sequence', 1), 3, 'state alone');
        equal(await on.current.find(C, 'time', 1), 1, 'no entry');
      }),
  },
  {
    name: 'find is right for every sequence and time of a long log',
    run: (make) =>
      withVolume(make, async (on) => {
        const ends: { first: number; last: number; time: number; index: number }[] = [];
        let sequence = 1;
        for (let index = 1; index <= 500; index += 1) {
          const count = (index * 7) % 5;
          const time = 1000 + Math.floor(index / 3) * 10;
          on.commit(index % 6 === 0 ? state(A, index, { time }) : append(A, index, { first: count === 0 ? 0 : sequence, count, time }));
          if (index % 6 !== 0 && count > 0) {
            ends.push({ first: sequence, last: sequence + count - 1, time, index });
            sequence += count;
          }
          if (index % 50 === 0) await on.synced(on.commit());
        }
        if (make.traits.persistent) await on.again();
        for (let value = 0; value <= sequence + 1; value += 1) {
          const expected = ends.find((end) => end.last >= value)?.index ?? 501;
          equal(await on.current.find(A, 'sequence', value), expected, `sequence ${value}`);
        }
        for (let value = 990; value <= 2700; value += 5) {
          const expected = ends.find((end) => end.time >= value)?.index ?? 501;
          equal(await on.current.find(A, 'time', value), expected, `time ${value}`);
        }
      }),
  },
];
