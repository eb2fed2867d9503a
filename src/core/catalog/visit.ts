/**
 * Carries the catalog's commands to the partitions of a station.
 *
 * Holds: the commands of a station go one after another, in the order of their entries; a command that a crash
 * interrupted is carried on when the broker opens, before it answers anything; a partition does it once.
 */
import type { Places } from '../broker/places.ts';
import { parsePlace } from '../calls.ts';
import { isPlanted } from '../faults.ts';
import type { PartitionCommand } from '../partition/calls.ts';
import type { Catalog } from './catalog.ts';
import { unpackPlace } from './catalog.ts';
import type { Command, Station } from './state.ts';

export class Visits {
  readonly #catalog: Catalog;
  readonly #partitions: Places;
  readonly #elsewhere: boolean;
  /** By station: when its last command is done. */
  readonly #queues = new Map<number, Promise<unknown>>();
  readonly #counts = new WeakMap<Station, number>();

  /** @param elsewhere partitions lie in other volumes: what they did must not outlive the command */
  constructor(catalog: Catalog, partitions: Places, elsewhere: boolean) {
    this.#catalog = catalog;
    this.#partitions = partitions;
    this.#elsewhere = elsewhere;
  }

  /**
   * Carries on what was on its way when the broker stopped. What cannot be carried on now (a partition whose data is
   * damaged, say) keeps nobody else from opening: it is tried again when somebody asks for the station.
   */
  async resume(failed: (error: unknown) => void): Promise<void> {
    await Promise.all([...this.#catalog.state.commands.values()].map((command) => this.run(command).catch(failed)));
  }

  /** Resolves with the messages purged (0 for other commands) once every partition has done it, durably. */
  run(command: Command): Promise<number> {
    const { id } = command.station;
    this.#counts.set(command.station, this.count(command.station) + 1);
    const done = (this.#queues.get(id) ?? Promise.resolve()).then(() => this.#visit(command));
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (this.#queues.get(id) === settled) this.#queues.delete(id);
      });
    this.#queues.set(id, settled);
    return done;
  }

  /** How many commands have been sent to the station's partitions: who finds the same number again knows that none was. */
  count(station: Station): number {
    return this.#counts.get(station) ?? 0;
  }

  /**
   * Until the station's partitions know everything that the catalog has told them; undefined when they do. One that could
   * not be told (its data could not be read just then, say) is told now.
   */
  quiet(station: Station): Promise<unknown> | undefined {
    let open: Command | undefined;
    for (const command of this.#catalog.state.commands.values()) if (command.station.id === station.id) open = command;
    const told = open === undefined ? this.#queues.get(station.id) : this.run(open);
    const gone = this.gone(station.namespace, station.name);
    return gone === undefined ? told : Promise.all([told, gone]);
  }

  /**
   * Until nothing is left of those that had the name and were removed; undefined when nothing is. Elsewhere somebody may know them
   * as they were, and what that one stores would be lost: so it is not said before that they are gone, nor what has their name now.
   */
  gone(namespace: number | undefined, name: string): Promise<unknown> | undefined {
    if (!this.#elsewhere) return undefined;
    const open = [...this.#catalog.state.commands.values()].filter(
      ({ verb, station }) => verb === 'remove' && station.namespace === namespace && station.name === name,
    );
    return open.length === 0 ? undefined : Promise.all(open.map((command) => this.run(command)));
  }

  /** A partition passes over what is older than what it has done last: so what did not come through goes first. */
  async #visit(command: Command): Promise<number> {
    let count = 0;
    for (const each of [...this.#catalog.state.commands.values()]) {
      if (each.station.id === command.station.id && each.index <= command.index) count = await this.#carry(each);
    }
    return count;
  }

  async #carry(command: Command): Promise<number> {
    // The station was removed while the command waited: its own command does the rest.
    if (!this.#catalog.state.commands.has(command.index)) return 0;
    if (this.#elsewhere) await this.#catalog.durable();
    const { station } = command;
    const only = 'asked' in command ? command.asked.partition : undefined;
    const partitions = only === undefined ? Array.from({ length: station.config.partitions }, (_, partition) => partition) : [only];
    if (partitions.length > 1 && isPlanted('visit-forgets-a-partition')) partitions.pop();
    const counts = await Promise.all(partitions.map((partition) => this.#visitOne(command, partition)));
    this.#catalog.visited(command);
    await this.#catalog.durable();
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #visitOne(command: Command, number: number): Promise<number> {
    if (command.verb === 'remove') {
      await this.#partitions.remove(command.station, number);
      return 0;
    }
    const partition = await this.#partitions.of(command.station, number);
    return partition.carryOut(commandFor(command));
  }
}

function commandFor(command: Exclude<Command, { verb: 'remove' }>): PartitionCommand {
  const { index, verb } = command;
  switch (verb) {
    case 'configure': {
      const { config, version, secret } = command.station;
      return { verb, index, given: { config, version, secret } };
    }
    case 'make-group': {
      const { id, name, config } = command.group;
      return { verb, index, group: id, name, config, at: parsePlace(config.startAt) ?? 'start' };
    }
    case 'change-group':
      return { verb, index, group: command.group.id, config: command.group.config };
    case 'remove-group':
      return { verb, index, group: command.group.id };
    case 'purge':
      return { verb, index, upTo: command.asked.place?.value };
    case 'seek':
      return { verb, index, group: command.asked.group ?? 0, to: unpackPlace(command.asked.place ?? { kind: 'start', value: 0 }) };
  }
}
