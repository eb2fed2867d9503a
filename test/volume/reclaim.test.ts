/** Copying forward comes to an end, also where its goal cannot be reached. Elsewhere: that it reaches it (test/contract, test/simulation). */
import { expect, test } from 'vitest';
import type { ActorKey, VolumeListener, Write } from '../../src/core/ports.ts';
import { actorKey } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { append, bytesOf, state } from '../contract/volume/subject.ts';
import { SimFiles } from '../simulation/faults/files.ts';
import { World } from '../simulation/world.ts';

const listener: VolumeListener = { progressed() {}, failed() {}, settle() {} };
const SEGMENT_BYTES = 16 * 1024;

/** Small ones: their names take more in each directory than they do themselves. */
const sectionsOf = (actor: ActorKey, count: number, step = 1): Write[] =>
  Array.from({ length: count / step }, (_, nth) => ({ do: 'section', actor, name: `s${nth * step}`, asOf: 1, body: bytesOf(8, nth) }));

test.each([2, 15, 20, 25, 40])('with %i sections of each of eight actors nothing is written at rest', async (sections) => {
  const world = new World(1);
  const process = world.process('p');
  const files = new SimFiles({ chance: world.chance.fork('files'), timers: process, callMs: 0.05 });
  const settings = { segmentBytes: SEGMENT_BYTES, chunkBytes: 4096, tailBytes: 4096, settleMs: 20 };
  const volume = new LogVolume({ files, clock: process, timers: process, random: process, journal: process, settings });
  await world.wait(volume.open(listener));
  const commit = async (writes: Write[]): Promise<void> => {
    await world.wait(volume.makeRoom(4000));
    const position = volume.commit(writes);
    volume.sync(position);
    await world.run(() => volume.synced >= position);
  };
  const actors = Array.from({ length: 8 }, (_, nth) => actorKey(1, nth + 1, 0));
  for (const actor of actors) await commit([state(actor, 1), ...sectionsOf(actor, sections)]);
  // Every second message goes: what is left has to be put together.
  for (let index = 2; index <= 40; index++)
    for (const [nth, actor] of actors.entries())
      await commit([append(actor, index, { body: [bytesOf(900, index)] }), ...(nth % 2 === 0 ? [] : trimmed(actor, index))]);
  for (const actor of actors) await commit(sectionsOf(actor, sections, 2));
  await world.pass(60_000);
  const { syncs } = volume.stats();
  await world.pass(60_000);
  expect(volume.stats().syncs).toBe(syncs);
  await world.wait(volume.close());
});

function trimmed(actor: ActorKey, index: number): Write[] {
  return [{ do: 'trim', actor, data: index, state: 1 }];
}
