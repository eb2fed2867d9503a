/** The contract of a volume in a Durable Object, over its own SQLite: answers with what came out. */
import type { ObjectState } from '../../src/adapters/cloudflare/platform.ts';
import { SqliteRows } from '../../src/adapters/cloudflare/rows.ts';
import { systemClock, systemTimers } from '../../src/adapters/memory/timers.ts';
import type { RowChange, RowMark, RowRange } from '../../src/core/ports.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';
import type { VolumeFactory } from '../contract/volume.ts';
import { runChecks, volumeChecks } from '../contract/volume.ts';

const TABLES = ['place', 'data', 'state', 'parts', 'sections', 'actors'];

/** Fails when it is told to, before a write or after it. */
class FaultyRows extends SqliteRows {
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

export class ContractObject {
  readonly #state: ObjectState;

  constructor(state: ObjectState) {
    this.#state = state;
  }

  async fetch(): Promise<Response> {
    const { passed, skipped, failed } = await runChecks(volumeChecks, this.#factory());
    const told = failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`);
    return Response.json({ passed, skipped: skipped.length, failed: told });
  }

  #factory(): VolumeFactory {
    const { storage } = this.#state;
    const timers = systemTimers();
    return {
      name: 'the log over the SQLite of an object',
      timers,
      // The runtime has one instance of an object at a time: there is no second opener.
      traits: { persistent: true, exclusive: false, copiesForward: true, faults: true },
      place: async () => {
        for (const table of TABLES) storage.sql.exec(`DROP TABLE IF EXISTS ${table}`);
        let current: FaultyRows | undefined;
        return {
          volume: () => {
            current = new FaultyRows(storage, { abort: (reason) => this.#state.abort(reason) });
            return new RowVolume({ rows: current, timers, clock: systemClock });
          },
          fail(what) {
            if (current !== undefined) current.fails = what;
          },
        };
      },
    };
  }
}

export default {
  fetch(request: Request, env: { CONTRACT: { getByName(name: string): { fetch(request: Request): Promise<Response> } } }) {
    return env.CONTRACT.getByName('one').fetch(request);
  },
};
