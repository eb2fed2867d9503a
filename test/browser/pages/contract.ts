/** The contract of a volume over IndexedDB: `contract()` answers with what came out, in a page or in a worker. */
import { databaseName, IndexedDbRows, ownerLock } from '../../../src/adapters/browser/rows.ts';
import { systemClock, systemTimers } from '../../../src/adapters/memory/timers.ts';
import type { RowChange, RowMark, RowRange } from '../../../src/core/ports.ts';
import { RowVolume } from '../../../src/core/rows/volume.ts';
import type { VolumeFactory } from '../../contract/volume.ts';
import { runChecks, volumeChecks } from '../../contract/volume.ts';

/** Fails when it is told to, before a write or after it. */
class FaultyRows extends IndexedDbRows {
  fails: 'write' | 'sync' | undefined;

  override async write(changes: readonly RowChange[], asked?: readonly RowRange[]): Promise<readonly (RowMark | undefined)[]> {
    const { fails } = this;
    this.fails = undefined;
    if (fails === 'write') throw new Error('The write fails.');
    const firsts = await super.write(changes, asked);
    if (fails === 'sync') throw new Error('The sync fails.');
    return firsts;
  }
}

/** A second opener is refused after so long. */
const WAIT_MS = 200;

function factory(): VolumeFactory {
  const timers = systemTimers();
  let places = 0;
  return {
    name: 'the log over IndexedDB',
    timers,
    // What a browser's database takes on the disk is the browser's, and not told.
    traits: { persistent: true, exclusive: true, copiesForward: true, faults: true },
    async place() {
      const name = `contract-${++places}`;
      let current: FaultyRows | undefined;
      return {
        volume: () => {
          const rows = new FaultyRows(name, WAIT_MS);
          current ??= rows;
          return new RowVolume({ rows, timers, clock: systemClock });
        },
        fail(what) {
          if (current !== undefined) current.fails = what;
        },
        cleanUp: async () => {
          indexedDB.deleteDatabase(databaseName(name));
        },
      };
    },
  };
}

async function contract() {
  const { passed, skipped, failed } = await runChecks(volumeChecks, factory());
  return {
    passed,
    skipped: skipped.length,
    failed: failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`),
  };
}

/** An opener whose lock is stolen writes on: what becomes of it, and what is there afterwards. */
async function stale() {
  const name = 'stale';
  const put = (id: number): RowChange => {
    return { do: 'put', table: 'data', row: { id, sequence: id, time: 0, begin: 0, end: 1, parts: [Uint8Array.of(id)] } };
  };
  const [first, second] = [new IndexedDbRows(name, WAIT_MS), new IndexedDbRows(name, WAIT_MS)];
  const lost = () => undefined;
  const epochs = [await first.open(lost)];
  await first.write([put(1)]);
  await navigator.locks.request(ownerLock(name), { steal: true }, () => undefined);
  epochs.push(await second.open(lost));
  const refused = await Promise.all(
    [[put(2), put(3)], [put(1)]].map((changes) => first.write(changes).then(String, (error: Error) => error.message)),
  );
  await second.write([put(4)]);
  const ids = (await second.list('data', 0, 100, Infinity)).map(({ id }) => id);
  await second.close();
  return { epochs, refused, ids };
}

Object.assign(globalThis, { contract, stale });
