/**
 * The partitions that are open: opened at their first call, with the configuration that the call brings.
 *
 * Holds: a partition is opened once, however many ask at the same time; one that could not be opened (its data is
 * damaged) is tried again at the next call, and disturbs no other.
 */
import { Alarms } from '../actor/alarms.ts';
import type { Station } from '../catalog/state.ts';
import { WaysideError } from '../errors.ts';
import { Partition } from '../partition/partition.ts';
import type { ActorKey, Soon, Volume } from '../ports.ts';
import { actorKey } from '../ports.ts';
import type { Context, Storage } from './context.ts';

export class Partitions {
  readonly #context: Context;
  readonly #open = new Map<ActorKey, Partition | Promise<Partition>>();
  readonly #alarms: Alarms;
  readonly #openSleeper: (key: ActorKey) => void;
  /** Sends what a partition has for others; set once, by whoever makes both. */
  send: (partition: Partition) => void = () => undefined;
  readonly #exists: (station: Station) => boolean;
  /** Why none is opened any more. */
  #closed: WaysideError | undefined;

  /**
   * @param openSleeper opens a partition that is not open, and has something to do now
   * @param exists whether a station that someone still holds is there
   */
  constructor(context: Context, openSleeper: (key: ActorKey) => void, exists: (station: Station) => boolean) {
    this.#context = context;
    this.#exists = exists;
    this.#openSleeper = openSleeper;
    this.#alarms = new Alarms(context.timers, context.time, (key) => this.#ring(key as ActorKey));
  }

  /** @throws STATION_NOT_FOUND it was removed since it was looked up */
  of(station: Station, partition: number): Soon<Partition> {
    if (!this.#exists(station)) throw new WaysideError('STATION_NOT_FOUND', `Station ${station.name} was removed.`);
    return this.#of(station, partition);
  }

  #of(station: Station, partition: number): Soon<Partition> {
    // A second one of a partition that another life of the broker has open would write between its entries.
    if (this.#closed !== undefined) throw this.#closed;
    const key = actorKey(station.namespace, station.id, partition);
    const found = this.#open.get(key);
    if (found === undefined) return this.#make(station, partition, key);
    if (found instanceof Promise) return found.then((opened) => updated(opened, station));
    return updated(found, station);
  }

  async all(station: Station): Promise<Partition[]> {
    return Promise.all(Array.from({ length: station.config.partitions }, (_, partition) => this.of(station, partition)));
  }

  /** Removes the data of a partition, whether or not it is open, or can be. */
  async remove(station: Station, partition: number): Promise<void> {
    const key = actorKey(station.namespace, station.id, partition);
    const { volume, gate } = this.storageOf(station);
    const opened = await Promise.resolve(this.#open.get(key)).catch(() => undefined);
    await opened?.outgoing.drained();
    if (this.#closed !== undefined) throw this.#closed;
    this.#open.delete(key);
    if (opened !== undefined) await opened.remove();
    else if (volume.info(key) !== undefined) await gate.wait(volume.commit([{ do: 'remove', actor: key }]), 'synced');
    this.#alarms.set(key, Infinity);
  }

  /** A partition that is not open will have something to do at `at`. */
  wakeAt(key: ActorKey, at: number): void {
    this.#alarms.set(key, at);
  }

  storageOf(station: Station): Storage {
    return station.config.durability === 'memory' ? this.#context.memory : this.#context.durable;
  }

  /** The open partition of that key, for what concerns only those. */
  get(key: ActorKey): Partition | undefined {
    const found = this.#open.get(key);
    return found instanceof Promise ? undefined : found;
  }

  /** Forgets all partitions of a volume: their state may be ahead of what it holds. */
  discard(volume: Volume): void {
    for (const [key, partition] of this.#open) {
      if (partition instanceof Promise) {
        this.#open.delete(key);
      } else if (partition.log.volume === volume) {
        this.#open.delete(key);
        partition.close();
      }
    }
  }

  /** Writes sections, so that the next opening is short. */
  settle(): void {
    for (const partition of this.#open.values()) if (!(partition instanceof Promise)) partition.log.settle();
  }

  close(error: WaysideError): void {
    this.#closed ??= error;
    this.#alarms.stop();
    for (const partition of this.#open.values()) if (!(partition instanceof Promise)) partition.close(error);
  }

  #make(station: Station, partition: number, key: ActorKey): Promise<Partition> {
    const { limits, time, timers, random, journal } = this.#context;
    const { volume, gate } = this.storageOf(station);
    const made = new Partition({
      key,
      partition,
      volume,
      gate,
      time,
      timers,
      limits,
      journal,
      hashSeed: random.u32(),
      alarm: (at) => this.#alarms.set(key, at),
      outbox: (partition) => this.send(partition),
    });
    const opening = made
      .open()
      .then(() => {
        if (this.#closed !== undefined) throw this.#closed;
        if (this.#open.get(key) !== opening)
          throw new WaysideError('UNAVAILABLE', 'The partition was closed while it opened. Send the call again.', { retryAfterMs: 1000 });
        made.update(station);
        this.#open.set(key, made);
        made.begin();
        return made;
      })
      .catch((error: unknown) => {
        if (this.#open.get(key) === opening) this.#open.delete(key);
        throw error;
      });
    // Whoever asked may have been refused meanwhile.
    opening.catch(() => undefined);
    this.#open.set(key, opening);
    return opening;
  }

  #ring(key: ActorKey): void {
    try {
      if (this.#open.has(key)) this.get(key)?.tick();
      else this.#openSleeper(key);
    } catch (error) {
      // A failed volume has thrown its actors away, or is about to.
      this.#context.journal.error(`Partition ${key} could not do what was due: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** A configuration with a new version arrives with the first call that knows it. */
function updated(partition: Partition, station: Station): Partition {
  if (partition.state.version < station.version) partition.update(station);
  return partition;
}
