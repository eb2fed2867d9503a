/**
 * An import: takes an exported stream piece by piece, lays its messages into the volume under a station that nobody sees, and
 * makes it visible when the stream is whole.
 *
 * Holds: until `finish` no call finds anything of it; what does not come to an end leaves nothing (the catalog knows what was
 * begun, and the data is removed, after a crash too). Sequences, times, ids, groups and dead letters are those of the stream.
 * An imported partition goes on behind the last index of the exported one, so that whatever names an entry still does.
 * Elsewhere: the bytes (format.ts), fitting the state in (partition/rebase.ts), who may import how much (broker/transfers.ts).
 */

import type { Level } from '../actor/gate.ts';
import { OWN_SECTION, ownLayout } from '../actor/log.ts';
import { checkBatch } from '../batch/walk.ts';
import type { Context } from '../broker/context.ts';
import type { ImportedStation } from '../calls.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { checkName, stationConfig } from '../config.ts';
import type { StationRecord } from '../entry/catalog.ts';
import { decode, encode } from '../entry/codec.ts';
import { kindOf } from '../entry/kinds.ts';
import { recordsEnd } from '../entry/produce.ts';
import { WaysideError } from '../errors.ts';
import { PartitionMachine } from '../partition/machine.ts';
import { rebase } from '../partition/rebase.ts';
import { PartitionState } from '../partition/state.ts';
import type { ActorKey, Durability, Write } from '../ports.ts';
import { actorKey } from '../ports.ts';
import type { Frame } from './format.ts';
import { FrameReader, importRefused } from './format.ts';
import type { ImportTarget, TransferPlaces } from './port.ts';

/** Bytes that are laid down at once, of what is fed at once. */
const LAID_BYTES = 1024 * 1024;
/** Bytes that are laid down before it waits for them to be written. */
const WRITTEN_BYTES = 8 * 1024 * 1024;
const STRENGTH: readonly Durability[] = ['memory', 'buffered', 'local', 'synced', 'replicated'];

/** Bounds of a batch were checked when it was produced, by the limits of then. */
const NO_LIMITS = {
  messageBytesMax: Infinity,
  batchBytesMax: Infinity,
  batchCountMax: Infinity,
  headerBytesMax: Infinity,
  keyBytesMax: Infinity,
  idBytesMax: Infinity,
};

type FrameOf<T extends Frame['type']> = Extract<Frame, { type: T }>;

/** A partition on its way in. */
interface Incoming {
  readonly key: ActorKey;
  readonly target: ImportTarget;
  /** The life of the target in which all of it is laid down; undefined where nothing is yet. */
  life: number | undefined;
  isBegun: boolean;
  readonly state: PartitionState;
  readonly sourceLast: number;
  readonly arrived: readonly number[];
  /** Where each data entry lies now, by where it lay. */
  readonly places: Map<number, number>;
  time: number;
  last: number;
  /** The sequences that have come: `first … next − 1`; 0 and 0 where none has. */
  first: number;
  next: number;
  entryTime: number;
  sourceIndex: number;
}

interface Arriving {
  readonly record: StationRecord;
  readonly groups: ReadonlyMap<number, number>;
  readonly partitions: readonly Incoming[];
  readonly loweredFrom: Durability | undefined;
}

interface Waiting {
  readonly for: Incoming;
  readonly commits: Write[][];
  bytes: number;
}

export interface ImportParts {
  readonly context: Context;
  readonly catalog: Catalog;
  readonly places: TransferPlaces;
}

export class Import {
  readonly #context: Context;
  readonly #catalog: Catalog;
  readonly #places: TransferPlaces;
  readonly #namespace: string;
  readonly #name: string | undefined;
  readonly #reader = new FrameReader();
  readonly #stations: Arriving[] = [];
  /** New id of a station by its old one. */
  readonly #ids = new Map<number, number>();
  #expected: FrameOf<'begin'> | undefined;
  #sections = 0;
  #entries = 0;
  /** The end of the stream has come. */
  isWhole = false;
  /** What one partition is to be given next. */
  #waiting: Waiting | undefined;
  #unwritten = 0;

  /** @param name what the one station of the stream is to be called; its own name unless given */
  constructor({ context, catalog, places }: ImportParts, namespace: string, name: string | undefined) {
    this.#context = context;
    this.#catalog = catalog;
    this.#places = places;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Bytes of the stream that need not be sent again. */
  get offset(): number {
    return this.#reader.offset;
  }

  /** The stream goes on from `offset`. */
  resume(): void {
    this.#reader.rewind();
  }

  /** @throws IMPORT_REFUSED · STORAGE_FULL · INVALID_NAME · LIMIT_EXCEEDED: the import is over then */
  async feed(piece: Uint8Array): Promise<void> {
    if (piece.length > 0 && this.isWhole) throw importRefused('Something follows the end of the stream.');
    this.#reader.feed(piece);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) await this.#take(frame);
    await this.#lay();
  }

  async #take(frame: Frame): Promise<void> {
    if (this.isWhole) throw importRefused('Something follows the end of the stream.');
    if ((frame.type === 'begin') !== (this.#expected === undefined)) throw damaged('it does not begin once');
    switch (frame.type) {
      case 'begin':
        this.#expected = frame;
        return;
      case 'station':
        return this.#station(frame);
      case 'section':
        return this.#section(frame);
      case 'entry':
        return this.#entry(frame);
      case 'end':
        return this.#end(frame);
    }
  }

  async #station({ station: found, partitions }: FrameOf<'station'>): Promise<void> {
    const { limits } = this.#context;
    if (this.#name !== undefined && this.#expected?.stations !== 1)
      throw importRefused(`The stream holds ${this.#expected?.stations} stations: only one can be given another name.`);
    const name = this.#name ?? found.name;
    checkName('station', name);
    if (partitions.length !== found.config.partitions) throw damaged('a partition is missing');
    if (this.#stations.some(({ record }) => record.name === name)) throw damaged('a station is in it twice');
    const { durability, loweredFrom } = this.#durabilityOf(found.config.durability);
    const config = stationConfig({ ...found.config, durability }, limits, durability);
    if (found.groups.length > limits.groupsPerStationMax)
      throw new WaysideError(
        'LIMIT_EXCEEDED',
        `Station ${name} has ${found.groups.length} groups: ${limits.groupsPerStationMax} is the most.`,
      );
    const { namespace, id } = this.#catalog.beginImport(this.#namespace, name, found.groups.length);
    const groups = found.groups.map((group, i) => ({ ...group, id: id + 1 + i }));
    this.#ids.set(found.id, id);
    const record = { ...found, id, namespace, name, config, secret: this.#context.random.u32(), groups };
    this.#stations.push({
      record,
      groups: new Map(found.groups.map((group, i) => [group.id, id + 1 + i])),
      partitions: partitions.map((noted, partition) =>
        this.#incoming(actorKey(namespace, id, partition), durability === 'memory', partition, noted),
      ),
      loweredFrom,
    });
    // Nothing lies anywhere under an id that the catalog might forget, and give out again.
    await this.#catalog.durable();
  }

  #incoming(key: ActorKey, isMemory: boolean, partition: number, { last, arrived }: Pick<Incoming, 'last' | 'arrived'>): Incoming {
    return {
      key,
      target: this.#places.target(key, isMemory),
      life: undefined,
      isBegun: false,
      state: new PartitionState(partition, this.#context.random.u32(), this.#context.limits),
      sourceLast: last,
      arrived,
      places: new Map(),
      time: 0,
      last,
      first: 0,
      next: 0,
      entryTime: 0,
      sourceIndex: 0,
    };
  }

  #durabilityOf(wanted: Durability): { durability: Durability; loweredFrom: Durability | undefined } {
    const { offered } = this.#catalog;
    if (offered.includes(wanted)) return { durability: wanted, loweredFrom: undefined };
    // What is not offered under its name is what comes nearest: a stronger one that the host has is no loss.
    const strongest = offered.at(-1)!;
    return { durability: strongest, loweredFrom: STRENGTH.indexOf(strongest) < STRENGTH.indexOf(wanted) ? wanted : undefined };
  }

  #find(station: number, partition: number): Incoming {
    const incoming = this.#stations[station]?.partitions[partition];
    if (incoming === undefined) throw damaged('it speaks of a partition that it has not named');
    return incoming;
  }

  #section({ station, partition, name, body }: FrameOf<'section'>): void {
    const incoming = this.#find(station, partition);
    this.#sections++;
    understood(() => {
      if (name === OWN_SECTION) incoming.time = decode(ownLayout, body).time;
      else new PartitionMachine(incoming.state).loadSection(name, body);
    });
  }

  async #entry(frame: FrameOf<'entry'>): Promise<void> {
    const incoming = this.#find(frame.station, frame.partition);
    this.#entries++;
    checkEntry(frame, incoming);
    const { body, kind, version, first, count, time } = frame;
    incoming.last++;
    incoming.places.set(frame.index, incoming.last);
    const waiting = await this.#waitingFor(incoming);
    waiting.bytes += body.length;
    const { key: actor, last: index } = incoming;
    waiting.commits.push([{ do: 'append', actor, index, kind, version, first, count, time, data: true, body: [body] }]);
  }

  async #waitingFor(incoming: Incoming): Promise<Waiting> {
    if (this.#waiting?.for !== incoming || this.#waiting.bytes >= LAID_BYTES) await this.#lay();
    this.#waiting ??= { for: incoming, commits: [], bytes: 0 };
    return this.#waiting;
  }

  /** Gives a partition what waits for it. */
  async #lay(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.#unwritten += waiting.bytes;
    const isMuch = this.#unwritten >= WRITTEN_BYTES;
    if (isMuch) this.#unwritten = 0;
    await layDown(waiting.for, waiting.commits, isMuch ? 'written' : 'made');
  }

  #end({ stations, sections, entries }: FrameOf<'end'>): void {
    const isAll = stations === this.#stations.length && stations === this.#expected?.stations;
    if (!isAll || sections !== this.#sections || entries !== this.#entries) throw damaged('its end does not count what came before');
    this.isWhole = true;
  }

  /**
   * Makes the stations visible. @throws IMPORT_REFUSED the stream is not whole, or a station of that name was made meanwhile
   */
  async finish(): Promise<readonly ImportedStation[]> {
    if (this.isWhole && this.#reader.hasRest) throw importRefused('Something follows the end of the stream.');
    if (!this.isWhole) throw importRefused(`The stream breaks off at byte ${this.#reader.offset}.`);
    for (const { record } of this.#stations) this.#catalog.checkImport(this.#namespace, record.name);
    for (const arriving of this.#stations) for (const incoming of arriving.partitions) await this.#settle(arriving, incoming);
    for (const { record } of this.#stations) this.#catalog.checkImport(this.#namespace, record.name);
    // From here on they are stations: nothing of them is to be dropped.
    const stations = this.#stations.splice(0);
    this.#catalog.imported(stations.map(({ record }) => record));
    await this.#catalog.durable();
    return stations.map(({ record, partitions, loweredFrom }) => ({
      name: record.name,
      messages: partitions.reduce((sum, { state }) => sum + state.next - state.first, 0),
      durability: record.config.durability,
      loweredFrom,
    }));
  }

  async #settle({ record, groups }: Arriving, incoming: Incoming): Promise<void> {
    const { state, key, last, arrived } = incoming;
    checkState(incoming);
    const epoch = await begin(incoming);
    const indexOf = (index: number): number => {
      const place = incoming.places.get(index);
      if (place === undefined) throw damaged('an entry is missing');
      return place;
    };
    understood(() => {
      const machine = new PartitionMachine(state);
      machine.loaded();
      if (state.groups.size !== groups.size) throw damaged('a group is missing');
      const stationOf = (id: number) => this.#ids.get(id);
      rebase(state, { station: record, epoch, groups, indexOf, stationOf, arrived });
    });
    const machine = new PartitionMachine(state);
    const writes: Write[] = [];
    const own = encode(ownLayout, { layout: 1, time: Math.max(incoming.time, incoming.entryTime) });
    writes.push({ do: 'section', actor: key, name: OWN_SECTION, asOf: last, body: own });
    for (const [name, body] of machine.takeSections())
      if (body !== null) writes.push({ do: 'section', actor: key, name, asOf: last, body });
    const due = machine.due();
    writes.push({ do: 'due', actor: key, at: Number.isFinite(due) ? due : null });
    writes.push({ do: 'trim', actor: key, data: incoming.sourceLast + 1, state: last + 1 });
    await layDown(incoming, [writes], 'synced');
  }

  /** Removes what was laid down. */
  async drop(): Promise<void> {
    const stations = this.#stations.splice(0);
    const begun = stations.flatMap(({ partitions }) => partitions).filter(({ life }) => life !== undefined);
    await Promise.all(begun.map(({ target }) => target.remove()));
    this.#catalog.dropImports(stations.map(({ record }) => record.id));
    await this.#catalog.durable();
  }
}

/** @returns the life in which the partition is laid down */
async function begin(incoming: Incoming): Promise<number> {
  incoming.life ??= await incoming.target.begin();
  return incoming.life;
}

async function layDown(incoming: Incoming, commits: readonly (readonly Write[])[], until: 'made' | Level): Promise<void> {
  const life = await begin(incoming);
  await incoming.target.lay(life, incoming.isBegun ? commits : [[beginning(incoming)], ...commits], until);
  incoming.isBegun = true;
}

/** The first thing of an actor: it goes on behind the last index of the one that was exported. */
function beginning({ key, sourceLast }: Incoming): Write {
  return { do: 'trim', actor: key, data: sourceLast + 1, state: sourceLast + 1 };
}

function checkEntry({ index, kind, version, first, count, time, body }: FrameOf<'entry'>, incoming: Incoming): void {
  const found = understood(() => kindOf(kind, version));
  if (!found.data || index <= incoming.sourceIndex || index > incoming.sourceLast || time < incoming.entryTime)
    throw damaged('an entry is out of turn');
  incoming.sourceIndex = index;
  incoming.entryTime = time;
  if (count > 0) {
    if (incoming.next !== 0 && first !== incoming.next) throw damaged('messages are missing');
    if (incoming.next === 0) incoming.first = first;
    incoming.next = first + count;
  }
  const end = body.length < 13 ? 0 : recordsEnd(body);
  if (end === 0 || end > body.length) throw damaged('a batch is cut short');
  const batch = new Uint8Array(end + 4);
  batch.set(body.subarray(0, end));
  try {
    const view = checkBatch(batch, NO_LIMITS, () => 0);
    if (count > 0 && view.count !== count) throw damaged('a batch does not hold what it says');
  } catch (error) {
    throw error instanceof WaysideError && error.code === 'INVALID_RECORDS' ? damaged('a batch is malformed') : error;
  }
}

function checkState({ state, first, next }: Incoming): void {
  if (state.config === undefined) throw damaged('a partition has no state');
  if (state.first < 1 || state.next < state.first) throw damaged('a partition makes no sense');
  if (state.next > state.first && (first === 0 || first > state.first || next !== state.next)) throw damaged('messages are missing');
  for (const [sequence, { carried }] of state.pins)
    if (carried === 0 && (first === 0 || sequence < first || sequence >= next)) throw damaged('the message of a dead letter is missing');
  for (const { runs } of state.groups.values()) if (runs.next > state.next) throw damaged('a group is ahead of its station');
}

/** What cannot be understood is a reason to refuse, and nothing that would be wrong here. */
function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WaysideError && error.code === 'UNAVAILABLE')
      throw importRefused(error.message.replace('The data holds', 'The stream holds'));
    if (error instanceof WaysideError && error.code !== 'CORRUPTION') throw error;
    throw damaged('a part of it has another layout');
  }
}

function damaged(what: string): WaysideError {
  return importRefused(`The stream is damaged: ${what}.`);
}
