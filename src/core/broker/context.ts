/** What the parts of a broker share. Made by openBroker, handed down, changed by nobody. */
import type { Gate } from '../actor/gate.ts';
import type { Time } from '../actor/time.ts';
import type { Limits } from '../limits.ts';
import type { Journal, Random, Timers, Volume } from '../ports.ts';
import type { TransferPlaces } from '../transfer/port.ts';
import type { Places } from './places.ts';

/** A volume with the gate that holds the answers which rest on it. */
export interface Storage {
  readonly volume: Volume;
  readonly gate: Gate;
}

export interface Context {
  readonly limits: Limits;
  readonly time: Time;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  readonly durable: Storage;
  /** For stations whose durability is `memory`. */
  readonly memory: Storage;
  /** Where partitions are, if not in this process. */
  readonly places: (Places & TransferPlaces) | undefined;
}
