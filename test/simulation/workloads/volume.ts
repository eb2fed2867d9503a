/**
 * Random commits for a volume: several actors, entries small and large, sections, trims, due times, removals.
 *
 * Holds: every commit keeps the contract (indexes in turn, times that never fall, no removed key used again). How often
 * each kind of write comes is drawn once a seed, so that some seeds trim all the time and some never.
 * Elsewhere: when to commit, and what else happens (../volume.ts).
 */

import type { ActorKey, Write } from '../../../src/core/ports.ts';
import { actorKey } from '../../../src/core/ports.ts';
import type { Model } from '../checkers/volume.ts';
import type { Chance } from '../world.ts';
import { Chance as Source } from '../world.ts';

export interface Habits {
  readonly actors: number;
  /** Weights of the kinds of write. */
  readonly append: number;
  readonly section: number;
  readonly trim: number;
  readonly due: number;
  readonly remove: number;
  /** Share of entries that are state. */
  readonly state: number;
  /** Share of entries and sections that are large, and how large. */
  readonly large: number;
  readonly largeBytes: number;
  readonly smallBytes: number;
  /** Most writes in one commit. */
  readonly writes: number;
}

export function drawHabits(chance: Chance, segmentBytes: number): Habits {
  return {
    actors: chance.pick([1, 2, 3, 5, 12]),
    append: 10,
    section: chance.pick([0, 1, 3, 8]),
    trim: chance.pick([0, 1, 3, 6]),
    due: chance.pick([0, 1]),
    remove: chance.pick([0, 0, 0.2]),
    state: chance.pick([0, 0.3, 0.8]),
    large: chance.pick([0, 0.05, 0.3]),
    largeBytes: Math.floor(segmentBytes * chance.pick([0.2, 0.6, 1.4])),
    smallBytes: chance.pick([40, 400, 3000]),
    writes: chance.pick([1, 3, 8]),
  };
}

export class Workload {
  readonly #habits: Habits;
  readonly #chance: Chance;
  /** Keys made so far: a removed actor is followed by one with another partition. */
  #born = 0;

  constructor(habits: Habits, chance: Chance) {
    this.#habits = habits;
    this.#chance = chance;
  }

  /** Writes that may follow what `model` holds. @param data whether data entries may be among them */
  commit(model: Model, data: boolean): Write[] {
    const { writes } = this.#habits;
    const next = model.clone();
    const list: Write[] = [];
    for (let count = this.#chance.between(1, writes); count > 0; count -= 1) {
      const write = this.#write(next, data);
      next.apply([write], 0);
      list.push(write);
    }
    return list;
  }

  /** What an actor does when the volume asks for it: sections that stand for its state, and a trim. */
  settle(model: Model, actor: ActorKey): Write[] {
    const last = model.actors.get(actor)?.last ?? 0;
    const data = model.actors.get(actor)?.data ?? 1;
    return [
      { do: 'section', actor, name: 'core', asOf: last, body: this.#bytes(this.#chance.between(0, 300)) },
      { do: 'trim', actor, data, state: last + 1 },
    ];
  }

  /** Trims all data of the actor that has most of it: what a user does when the disk is full. */
  relieve(model: Model): Write[] {
    let most: ActorKey | undefined;
    let bytesMost = 0;
    for (const [key, actor] of model.actors) {
      const bytes = actor.entries.reduce((sum, entry) => sum + entry.body.length, 0);
      if (bytes > bytesMost) [most, bytesMost] = [key, bytes];
    }
    if (most === undefined) return [];
    const last = model.actors.get(most)?.last ?? 0;
    return [{ do: 'trim', actor: most, data: last + 1, state: last + 1 }];
  }

  actor(model: Model): ActorKey {
    const keys = [...model.actors.keys()];
    if (keys.length < this.#habits.actors && this.#chance.happens(0.3)) return this.#newborn(model);
    return keys.length === 0 ? this.#newborn(model) : this.#chance.pick(keys);
  }

  /** Keys never come back, also not when a crash took the commit with their first use: `#born` only rises. */
  #newborn(model: Model): ActorKey {
    for (;;) {
      this.#born += 1;
      const key = actorKey(1, 1 + (this.#born % 4), this.#born);
      if (!model.actors.has(key)) return key;
    }
  }

  #write(model: Model, data: boolean): Write {
    const chance = this.#chance;
    const { append, section, trim, due, remove } = this.#habits;
    const actor = this.actor(model);
    const mine = model.actors.get(actor);
    const last = mine?.last ?? 0;
    let draw = chance.fraction() * (append + section + trim + due + remove);
    draw -= append;
    if (draw < 0) return this.#append(model, actor, data);
    draw -= section;
    if (draw < 0) {
      const body = chance.happens(0.1) ? null : this.#body();
      return { do: 'section', actor, name: chance.pick(['core', 'ids', 'group:a', 'group:b']), asOf: chance.between(0, last), body };
    }
    draw -= trim;
    if (draw < 0) {
      const all = chance.happens(0.4);
      return {
        do: 'trim',
        actor,
        data: all ? last + 1 : chance.between(0, last + 1),
        state: all || chance.happens(0.5) ? last + 1 : chance.between(0, last + 1),
      };
    }
    draw -= due;
    if (draw < 0) return { do: 'due', actor, at: chance.happens(0.3) ? null : chance.u32() };
    return mine === undefined ? this.#append(model, actor, data) : { do: 'remove', actor };
  }

  #append(model: Model, actor: ActorKey, data: boolean): Write {
    const chance = this.#chance;
    const mine = model.actors.get(actor);
    const isData = data && !chance.happens(this.#habits.state);
    const entries = mine?.entries ?? [];
    // Sequences go on from the last one that lives, or jump ahead where none does: they need only rise.
    const before = entries.findLast((entry) => entry.data && entry.count > 0);
    const count = isData && !chance.happens(0.1) ? chance.between(1, 20) : 0;
    const first = count === 0 ? 0 : before === undefined ? ((mine?.last ?? 0) + 1) * 1000 : before.first + before.count;
    const body = this.#body();
    const cut = chance.below(body.length + 1);
    return {
      do: 'append',
      actor,
      index: (mine?.last ?? 0) + 1,
      kind: chance.between(1, 255),
      version: chance.between(1, 3),
      first,
      count,
      time: (mine?.last ?? 0) * 10 + chance.below(10),
      data: isData,
      body: chance.happens(0.3) ? [body.subarray(0, cut), body.subarray(cut)] : [body],
    };
  }

  #body(): Uint8Array {
    const { large, largeBytes, smallBytes } = this.#habits;
    return this.#bytes(this.#chance.below(1 + (this.#chance.happens(large) ? largeBytes : smallBytes)));
  }

  #bytes(length: number): Uint8Array {
    const at = this.#chance.below(POOL.length - length);
    return POOL.subarray(at, at + length);
  }
}

/** Bodies are cut from here at random places: as good as fresh bytes, and cheaper than drawing them. */
const POOL = new Source(42, 'bodies').bytes(1024 * 1024);
