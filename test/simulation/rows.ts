/**
 * A fault campaign on the volume over rows: random commits of several actors, reads in between, and lives that end in the middle of a
 * transaction, whose outcome nobody knows then.
 *
 * Checked, for every seed: what a life finds is what was committed up to some position at or above the last that was synced, and nothing
 * of what came later; what is read while it is written, evicted or trimmed is what the model has; `find` is right; space is given back.
 *
 *   node test/simulation/rows.ts --seed 7 [--seeds 100]
 */
import { parseArgs } from 'node:util';
import type { ActorKey, Volume, Write } from '../../src/core/ports.ts';
import { actorKey } from '../../src/core/ports.ts';
import { RowVolume } from '../../src/core/rows/volume.ts';
import { RowPlace, SimRows } from './faults/rows.ts';
import type { Chance, Process } from './world.ts';
import { World } from './world.ts';

interface ModelEntry {
  readonly index: number;
  readonly data: boolean;
  readonly first: number;
  readonly count: number;
  readonly time: number;
  readonly body: string;
}

interface ModelActor {
  last: number;
  data: number;
  state: number;
  due: number | null;
  sequence: number;
  time: number;
  entries: ModelEntry[];
  sections: Record<string, { asOf: number; body: string }>;
}

type Model = Record<string, ModelActor>;

const ACTORS = 4;
const ROUNDS = 6;
const STEPS = 60;

export async function runRows(seed: number): Promise<void> {
  const world = new World(seed);
  const campaign = new RowsCampaign(world, seed);
  const process = world.process('campaign');
  world.drive((error) => {
    throw error;
  });
  await campaign.run(process);
}

class RowsCampaign {
  readonly #world: World;
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #place = new RowPlace();
  readonly #tailBytes: number;
  /** The model after each commit that may be what a crash leaves, oldest first; the first is synced. */
  #history: { position: number; model: Model }[] = [{ position: 0, model: {} }];
  #lives = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#seed = seed;
    this.#chance = world.chance.fork('rows');
    this.#tailBytes = this.#chance.pick([0, 2_000, 20_000, 1_000_000]);
  }

  get #model(): Model {
    return this.#history.at(-1)!.model;
  }

  async run(process: Process): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const { volume, die } = await this.#open();
      await this.#check(volume);
      for (let step = 0; step < STEPS; step++) {
        this.#commit(volume);
        if (this.#chance.happens(0.3)) await pause(process, this.#chance.between(0, 3));
        if (this.#chance.happens(0.15)) await this.#check(volume);
        this.#settle(volume);
      }
      if (this.#chance.happens(0.3)) {
        await volume.close();
        this.#history = [{ position: 0, model: this.#model }];
      } else {
        this.#settle(volume);
        die(this.#chance.happens(0.5));
      }
    }
    const { volume } = await this.#open();
    await this.#check(volume);
    await this.#empty(volume, process);
    await volume.close();
  }

  async #open() {
    const process = this.#world.process(`life ${++this.#lives}`);
    const rows = new SimRows({ place: this.#place, timers: process, exclusive: false, rowBytesMax: 2_000_000 });
    const volume = new RowVolume({
      rows,
      timers: process,
      clock: process,
      settings: { tailBytes: this.#tailBytes, idleMs: 20, settleFlushes: 8 },
    });
    await volume.open({ progressed: () => undefined, failed: () => undefined, settle: () => undefined });
    const found = await stateOf(volume);
    const fits = this.#history.find(({ model }) => JSON.stringify(shown(model)) === found);
    if (fits === undefined)
      throw new Error(
        `seed ${this.#seed}, life ${this.#lives}: what is there is no prefix of what was committed.\n${found}\n${JSON.stringify(shown(this.#history[0]!.model))}`,
      );
    this.#history = [{ position: 0, model: fits.model }];
    const die = (isWritten: boolean) => {
      process.kill();
      // A transaction that is under way comes to its end, or does not: whoever asked is not there any more.
      rows.cut(isWritten);
    };
    return { volume, die };
  }

  /** What is synced by now is all that a crash can leave at least. */
  #settle({ synced }: Volume): void {
    const from = this.#history.findLastIndex(({ position }) => position <= synced);
    this.#history.splice(0, Math.max(0, from));
  }

  #commit(volume: Volume): void {
    const model = structuredClone(this.#model);
    const writes = Array.from({ length: this.#chance.between(1, 4) }, () => this.#write(model));
    const position = volume.commit(writes);
    this.#history.push({ position, model });
  }

  #write(model: Model): Write {
    const chance = this.#chance;
    const actor = actorKey(1, chance.between(1, ACTORS), 0);
    const known = model[actor];
    const of = known ?? { last: 0, data: 0, state: 0, due: null, sequence: 0, time: 1_000, entries: [], sections: {} };
    model[actor] = of;
    const what = chance.between(0, 99);
    if (what < 60) return append(actor, of, chance);
    if (what < 75) return section(actor, of, chance);
    if (what < 92) {
      const data = Math.max(of.data, chance.between(1, of.last + 2));
      const state = Math.max(of.state, chance.between(1, of.last + 2));
      Object.assign(of, { data, state });
      of.last = Math.max(of.last, Math.min(data, state) - 1);
      of.entries = of.entries.filter((entry) => entry.index >= (entry.data ? data : state));
      return { do: 'trim', actor, data, state };
    }
    if (what < 97 || known === undefined) {
      of.due = chance.happens(0.3) ? null : chance.between(0, 1_000_000);
      return { do: 'due', actor, at: of.due };
    }
    delete model[actor];
    return { do: 'remove', actor };
  }

  /** All that can be read, against the model. */
  async #check(volume: Volume): Promise<void> {
    const model = structuredClone(this.#model);
    for (const [key, actor] of Object.entries(model)) {
      const from = this.#chance.between(1, actor.last + 1);
      const what = this.#chance.pick(['all', 'data'] as const);
      const expected = actor.entries.filter(({ index, data }) => index >= from && (data || what === 'all'));
      const read = await volume.read(key as ActorKey, from, 1_000_000_000, what);
      this.#same(read.map(entryOf), expected, `entries of ${key} from ${from}`);
      const heads = await volume.heads(key as ActorKey, from, 3, what);
      this.#same(
        heads.map(({ index }) => index),
        expected.slice(0, 3).map(({ index }) => index),
        `heads of ${key} from ${from}`,
      );
      const value = this.#chance.between(0, actor.sequence + 1);
      const first = actor.entries.find((entry) => entry.data && entry.count > 0 && entry.first + entry.count - 1 >= value);
      this.#same(await volume.find(key as ActorKey, 'sequence', value), first?.index ?? actor.last + 1, `find of ${value} in ${key}`);
      for (const [name, { body }] of Object.entries(actor.sections))
        this.#same(textOf((await volume.section(key as ActorKey, name)) ?? new Uint8Array()), body, `section ${name} of ${key}`);
    }
  }

  /** When all is dead, nothing is left but records. */
  async #empty(volume: Volume, process: Process): Promise<void> {
    for (const { key } of [...volume.actors()]) volume.commit([{ do: 'remove', actor: key }]);
    const position = volume.commit([]);
    while (volume.synced < position) await pause(process, 1);
    this.#same(this.#place.used, 0, 'bytes of an empty place');
  }

  #same(actual: unknown, expected: unknown, what: string): void {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (a !== b) throw new Error(`seed ${this.#seed}, life ${this.#lives}: ${what}: ${a}, expected ${b}`);
  }
}

function append(actor: ActorKey, of: ModelActor, chance: Chance): Write {
  const index = of.last + 1;
  const data = chance.happens(0.6);
  const count = data && chance.happens(0.9) ? chance.between(1, 5) : 0;
  of.time += chance.between(0, 10);
  const text = `${index}.`.repeat(chance.pick([1, 20, 300, 3_000]));
  const entry = { index, data, first: count === 0 ? 0 : of.sequence + 1, count, time: of.time, body: text };
  of.sequence += count;
  of.last = index;
  if (index >= (data ? of.data : of.state)) of.entries.push(entry);
  return {
    do: 'append',
    actor,
    index,
    kind: data ? 1 : 9,
    version: 1,
    first: entry.first,
    count,
    time: of.time,
    data,
    body: [bytesOf(text)],
  };
}

function section(actor: ActorKey, of: ModelActor, chance: Chance): Write {
  const name = `s:${chance.between(1, 5)}`;
  if (chance.happens(0.2)) {
    delete of.sections[name];
    return { do: 'section', actor, name, asOf: of.last, body: null };
  }
  const body = `${name} ${of.last} `.repeat(chance.pick([1, 50, 2_000]));
  // In the order in which they were written last, as the volume has them.
  delete of.sections[name];
  of.sections[name] = { asOf: of.last, body };
  return { do: 'section', actor, name, asOf: of.last, body: bytesOf(body) };
}

/** Everything that a volume has, as a text. */
async function stateOf(volume: Volume): Promise<string> {
  const found: [string, object][] = [];
  for (const { key, last, data, state, due, sections } of volume.actors()) {
    const entries = (await volume.read(key, 1, 1_000_000_000, 'all')).map(entryOf);
    const bodies: [string, number, string][] = [];
    for (const { name, asOf } of sections) bodies.push([name, asOf, textOf((await volume.section(key, name)) ?? new Uint8Array())]);
    found.push([key, { last, data, state, due, entries, sections: bodies.sort() }]);
  }
  return JSON.stringify(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shown(model: Model): [string, object][] {
  return Object.entries(model)
    .map(([key, { last, data, state, due, entries, sections }]): [string, object] => [
      key,
      {
        last,
        data,
        state,
        due,
        entries,
        sections: Object.entries(sections)
          .map(([name, { asOf, body }]) => [name, asOf, body])
          .sort(),
      },
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function entryOf({
  index,
  data,
  first,
  count,
  time,
  body,
}: {
  index: number;
  data: boolean;
  first: number;
  count: number;
  time: number;
  body: Uint8Array;
}) {
  return { index, data, first, count, time, body: textOf(body) };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);
const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

function pause(process: Process, ms: number): Promise<void> {
  return new Promise((resolve) => void process.after(ms, resolve));
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, seeds: { type: 'string', default: '1' } } });
  const first = Number(values.seed);
  let failed = 0;
  for (let seed = first; seed < first + Number(values.seeds); seed++) {
    try {
      await runRows(seed);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${(error as Error).message.slice(0, 1_000)}`);
    }
  }
  console.log(`${values.seeds} seeds, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
