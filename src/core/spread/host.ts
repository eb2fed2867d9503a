/**
 * One partition in a process of its own: what others ask of it, what is due, and what it has for others.
 *
 * Holds: a place that is empty begins only where the catalog knows the station, so that nobody brings back one that was removed; what
 * waits to be stored is bounded; after a failure of the storage nothing is answered any more, and the process has to begin anew.
 * Elsewhere: who asks (remote.ts), the catalog (catalog.ts).
 */
import { Gate, storageFailed } from '../actor/gate.ts';
import { Time } from '../actor/time.ts';
import { checkBatch, trustedCrc } from '../batch/walk.ts';
import type { Context } from '../broker/context.ts';
import { Sending } from '../broker/outbox.ts';
import { Partitions } from '../broker/partitions.ts';
import { Sleepers } from '../broker/sleepers.ts';
import type { Station } from '../catalog/state.ts';
import { stationConfig } from '../config.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { Ask, LetterPage, PartitionCalls, ReadBlocks } from '../partition/calls.ts';
import type { Partition } from '../partition/partition.ts';
import type { Part, PartResult } from '../partition/produce.ts';
import type { ActorKey, Clock, Journal, Random, Soon, Timers, Volume } from '../ports.ts';
import { actorKey, actorParts } from '../ports.ts';
import type { ExportSource, ImportTarget } from '../transfer/port.ts';
import { LocalSource } from '../transfer/source.ts';
import { Laying } from './laying.ts';
import type { CatalogLink, KeptChannel, Lookups, PartitionLink } from './links.ts';
import { remoteLookups } from './lookups.ts';
import { packedBlock } from './pack.ts';
import { Parked } from './parked.ts';
import { RemotePlaces } from './places.ts';
import type { Where } from './wire.ts';

export interface HostOptions {
  readonly volume: Volume;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly journal: Journal;
  readonly limits: Limits;
  readonly catalog: CatalogLink;
  /** To other partitions. */
  readonly partitions: PartitionLink;
  /** The storage has failed: the process has to begin anew. */
  readonly failed: (error: Error) => void;
}

/** @throws what `Volume.open` throws */
export async function openHost(options: HostOptions): Promise<PartitionHost> {
  const host = new PartitionHost(options);
  await host.open();
  return host;
}

export class PartitionHost {
  readonly #options: HostOptions;
  readonly #context: Context;
  readonly #lookups: Lookups;
  readonly #partitions: Partitions;
  readonly #sleepers: Sleepers;
  readonly #laying: Laying;
  /** What is exported from here. */
  #source: LocalSource | undefined;
  readonly #parked = new Map<KeptChannel, Parked>();
  /** Whether the catalog knows the station, while the place is empty. */
  #known: Promise<void> | undefined;
  /** Bytes of batches that have no answer yet. */
  #pending = 0;
  #ended: WaysideError | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    const { volume, clock, timers, random, journal, limits, catalog, partitions } = options;
    const storage = { volume, gate: new Gate(volume) };
    // There is one storage: what may be lost with the process is kept all the same.
    this.#context = { limits, time: new Time(clock), timers, random, journal, durable: storage, memory: storage, places: undefined };
    this.#lookups = remoteLookups(catalog);
    this.#partitions = new Partitions(
      this.#context,
      (key) => this.#sleepers.open(key),
      () => true,
    );
    const sending = new Sending(new RemotePlaces(partitions, timers), this.#lookups, this.#context);
    this.#partitions.send = (partition) => sending.look(partition);
    this.#laying = new Laying(storage, this.#lookups, timers, LAYING_ASKS * limits.importIdleMs);
    this.#sleepers = new Sleepers(this.#context, this.#partitions, (key) => this.#asleep(key));
  }

  async open(): Promise<void> {
    const { volume, gate } = this.#context.durable;
    await volume.open({
      progressed: () => gate.progressed(),
      failed: (error) => this.#fail(error),
      settle: (key) => this.#sleepers.settle(key),
    });
    // What is just imported has nothing to do yet.
    if (this.#laying.isUnderway) this.#laying.askLater();
    else this.#sleepers.wake();
  }

  #fail(error: Error): void {
    this.#ended ??= storageFailed();
    this.#context.durable.gate.failed();
    this.#partitions.discard(this.#context.durable.volume);
    this.#partitions.close(this.#ended);
    this.#options.failed(error);
  }

  /** What stands for the station where only its partition's own log knows it: it changes nothing. */
  #asleep(key: ActorKey): Station | undefined {
    if (this.#ended !== undefined) return undefined;
    const [namespace, id] = actorParts(key);
    const config = stationConfig({}, this.#context.limits, 'synced');
    return { id, namespace, name: '', secret: 0, createdAt: 0, config, version: 0, groups: new Map() };
  }

  /** A call, as `RemotePartition` sends it. @throws the refusal */
  async ask(where: Where, method: string, args: readonly unknown[]): Promise<unknown> {
    if (method === 'remove') return this.#remove(where);
    if (method.startsWith('export.')) return this.#export(where, method.slice('export.'.length) as keyof ExportSource, args);
    if (method.startsWith('import.')) return this.#import(where, method.slice('import.'.length) as keyof ImportTarget, args);
    const call: Call | undefined = Object.hasOwn(CALLS, method) ? CALLS[method as keyof typeof CALLS] : undefined;
    if (call === undefined) throw new TypeError(`A partition cannot be asked for ${method.slice(0, 50)}.`);
    if (method !== 'produce') return call(await this.#partition(where), ...(args as never[]));
    return this.#produce(where, args[0] as Part);
  }

  async #produce(where: Where, part: Part): Promise<PartResult> {
    const { pendingBytesMax } = this.#context.limits;
    const bytes = part.view.bytes.length;
    if (this.#pending + bytes > pendingBytesMax)
      throw new WaysideError(
        'OVERLOADED',
        `More than ${pendingBytesMax} bytes wait to be stored. Nothing of this call was stored; send it again in a moment.`,
        { retryAfterMs: 100 },
      );
    this.#pending += bytes;
    try {
      const opened = this.#partition(where);
      const partition = opened instanceof Promise ? await opened : opened;
      for (;;) {
        try {
          return await partition.produce(this.#judged(part, partition));
        } catch (error) {
          // It was changed while the part waited for the end of the turn: it comes again at once, before others that come now.
          if (!(error instanceof WaysideError) || error.code !== 'STALE_CONFIG') throw error;
        }
      }
    } finally {
      this.#pending -= bytes;
    }
  }

  /** By the configuration of now, where its sender knows an older one: so what one sender sends stays in its order. */
  #judged(part: Part, { state: { config, version } }: Partition): Part {
    if (part.version >= version || config === undefined) return part;
    const limits = { ...this.#context.limits, messageBytesMax: config.maxMessageBytes };
    return { ...part, view: checkBatch(part.view.bytes, limits, trustedCrc), version };
  }

  async #export(where: Where, method: keyof ExportSource, args: readonly unknown[]): Promise<unknown> {
    const partition = await this.#partition(where);
    this.#source ??= new LocalSource(partition, this.#context);
    if (!EXPORT.includes(method)) throw new TypeError('An export cannot ask for that.');
    return (this.#source[method] as (...args: readonly unknown[]) => unknown)(...args);
  }

  async #import(where: Where, method: keyof ImportTarget, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    if (!IMPORT.includes(method)) throw new TypeError('An import cannot ask for that.');
    const { namespace, station, partition } = where;
    if (method === 'begin' && !(await this.#lookups.isAwaited(station)))
      throw new WaysideError('UNAVAILABLE', 'The import is over. Begin it again.');
    const target = this.#laying.target(actorKey(namespace, station, partition));
    return (target[method] as (...args: readonly unknown[]) => unknown)(...args);
  }

  #partition(where: Where): Soon<Partition> {
    if (this.#ended !== undefined) throw this.#ended;
    const { namespace, station, partition } = where;
    const at = stationOf(where);
    const isThere = this.#context.durable.volume.info(actorKey(namespace, station, partition)) !== undefined;
    return isThere && !this.#laying.isUnderway ? this.#partitions.of(at, partition) : this.#begin(at, partition);
  }

  async #begin(station: Station, partition: number): Promise<Partition> {
    this.#known ??= this.#know(station).finally(() => {
      this.#known = undefined;
    });
    await (isPlanted('begin-without-asking') ? this.#known.catch(() => undefined) : this.#known);
    if (this.#ended !== undefined) throw this.#ended;
    return this.#partitions.of(station, partition);
  }

  /** @throws STATION_NOT_FOUND */
  async #know({ id, name }: Station): Promise<void> {
    if ((await this.#lookups.byId(id)) === undefined) throw wasRemoved(name);
    await this.#laying.done();
  }

  async #remove(where: Where): Promise<void> {
    await this.#partitions.remove(stationOf(where), where.partition);
    this.#ended ??= wasRemoved(where.name);
  }

  /** Nothing is here: the place can be given back. */
  get isEmpty(): boolean {
    for (const _ of this.#context.durable.volume.actors()) return false;
    return true;
  }

  // ── Hints ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A channel has been opened, or found again after a sleep. */
  async connect(where: Where, channel: KeptChannel): Promise<void> {
    const partition = await this.#partition(where);
    if (!this.#parked.has(channel)) this.#parked.set(channel, new Parked(partition, channel));
  }

  message(channel: KeptChannel, text: string): void {
    this.#parked.get(channel)?.message(text);
  }

  closed(channel: KeptChannel): void {
    this.#parked.get(channel)?.closed();
    this.#parked.delete(channel);
  }
}

/** As much of it as a partition needs: nobody here looks at its groups, nor when it was made. */
function stationOf({ namespace, station, name, given }: Where): Station {
  if (given === undefined) throw new TypeError('What is asked needs the station.');
  return { id: station, namespace, name, createdAt: 0, groups: new Map(), ...given };
}

function wasRemoved(name: string): WaysideError {
  return new WaysideError('STATION_NOT_FOUND', `Station ${name} was removed.`);
}

const EXPORT: readonly (keyof ExportSource)[] = [
  'holdSending',
  'note',
  'releaseSending',
  'arrived',
  'section',
  'entries',
  'dropSections',
  'renew',
  'release',
];
const IMPORT: readonly (keyof ImportTarget)[] = ['begin', 'lay', 'remove'];
/** So many times what an import may be idle, until it is asked whether anybody awaits it. */
const LAYING_ASKS = 2;

const CALLS = {
  produce: (partition: Partition, part: Part) => partition.produce(part),
  read: async (partition: Partition, from: number, count: number, bytesMax: number): Promise<ReadBlocks> => {
    const read = await partition.read(from, count, bytesMax);
    return { ...read, blocks: read.blocks.map(packedBlock) };
  },
  message: async (partition: Partition, sequence: number) => packedBlock(await partition.message(sequence)),
  take: async (partition: Partition, ask: Ask) => {
    const taken = await partition.take(ask, () => false);
    return (await taken.blocks).map(packedBlock);
  },
  letters: async (partition: Partition, ...args: Parameters<Partition['letters']>): Promise<LetterPage> => {
    const page = await partition.letters(...args);
    return { ...page, items: page.items.map((item) => ({ ...item, message: packedBlock(item.message) })) };
  },
  letter: async (partition: Partition, ...args: Parameters<Partition['letter']>) => {
    const found = await partition.letter(...args);
    return found && { ...found, message: packedBlock(found.message) };
  },
  ...asTheyAre('place', 'undo', 'settle', 'step', 'release', 'info', 'groupShare', 'audit', 'pending', 'removeLetter'),
  ...asTheyAre('redrive', 'lastIndex', 'delayed', 'cancelDelayed', 'carryOut', 'synced'),
};

type Plain = {
  [M in keyof PartitionCalls]: PartitionCalls[M] extends (...args: never[]) => Promise<unknown> ? M : never;
}[keyof PartitionCalls];

type Call = (partition: Partition, ...args: never[]) => unknown;

/** Calls whose values need nothing done to them. */
function asTheyAre<M extends Plain>(...methods: readonly M[]): Record<M, Call> {
  const calls = {} as Record<M, Call>;
  for (const method of methods)
    calls[method] = (partition: PartitionCalls, ...args: never[]) => (partition[method] as (...args: never[]) => unknown)(...args);
  return calls;
}
