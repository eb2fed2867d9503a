/**
 * What crosses partitions: a group takes orders, makes steps of them, rejects some, has dead letters sent elsewhere and
 * copied; and somebody exports all of it meanwhile, and imports it in the end.
 *
 * Holds: each order comes to exactly one end: its outputs are there, each once; or it was redriven, and is there once; or it is
 * a dead letter. So in the original at rest, and in what an export holds of one moment, once that is drained. Whoever has no
 * answer to a step asks for the same again. A dead letter is copied once.
 * Elsewhere: what a lease may do, and the order of things (clients.ts).
 */
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import type { Block, LeasedBlock, StepInput } from '../../../src/core/calls.ts';
import { Violation } from '../checkers/told.ts';
import type { Chance } from '../world.ts';
import { pickWeighted } from './broker.ts';
import type { Stage } from './clients.ts';

const HOME = 'steps';
const COPY = 'steps-copy';
const ORDER = 255;
const DRAINS_MAX = 400;
/** Exports that are looked at in the end: the last ones. */
const EXPORTS_KEPT = 5;

export interface SteppingHabits {
  readonly partitions: number;
  readonly weights: Readonly<Record<'produce' | 'step' | 'reject' | 'redrive' | 'purge' | 'export' | 'block', number>>;
}

export function drawStepping(chance: Chance): SteppingHabits | undefined {
  if (!chance.happens(0.35)) return undefined;
  return {
    partitions: chance.pick([1, 1, 2]),
    weights: {
      produce: 2,
      step: chance.pick([1, 3]),
      reject: chance.pick([0, 1, 1]),
      redrive: chance.pick([0, 1]),
      purge: chance.pick([0, 0.3]),
      export: chance.pick([0, 0.3, 1]),
      block: chance.pick([0, 0.3]),
    },
  };
}

/** An order or what became of it: `part` is 0 and up for outputs, ORDER for the order itself. */
interface Found {
  readonly uid: number;
  readonly part: number;
}

interface Exported {
  readonly pieces: readonly Uint8Array[];
  readonly sure: ReadonlySet<number>;
}

export class Stepping {
  readonly #habits: SteppingHabits;
  /** Orders that were sent and not refused, and those that were answered. */
  readonly #orders = new Set<number>();
  readonly #sure = new Set<number>();
  #uid = 0;
  /** A step whose answer did not come. */
  #open: StepInput | undefined;
  #exporting: Promise<void> | undefined;
  /** The last exports that came to their end, and the orders that were surely there when they began. */
  readonly #exported: Exported[] = [];

  constructor(habits: SteppingHabits) {
    this.#habits = habits;
  }

  async run(stage: Stage, chance: Chance, calls: number): Promise<void> {
    if (!(await this.#make(stage))) return;
    for (let call = 0; call < calls && !stage.isOver(); call++) {
      await this.#do(stage, chance, pickWeighted(chance, this.#habits.weights) ?? 'produce');
      await stage.pause(chance.fraction() * stage.habits.pauseMs);
    }
    await this.#exporting;
  }

  async #make(stage: Stage): Promise<boolean> {
    for (const [name, config] of [
      ['out', { partitions: 2 }],
      ['dead', {}],
      ['in', { partitions: this.#habits.partitions, deadLetter: { station: 'dead' } }],
    ] as const) {
      const made = await stage.call(`make ${name} of ${HOME}`, (broker) => broker.putStation(HOME, name, config));
      const isThere = made.is === 'answered' || (made.is === 'refused' && made.code === 'STATION_EXISTS');
      if (!isThere) return false;
    }
    const group = await stage.call(`make the group of ${HOME}`, (broker) =>
      broker.putGroup(HOME, 'in', 'g', { leaseMs: 50, maxDeliveries: 1_000 }),
    );
    return group.is === 'answered';
  }

  async #do(stage: Stage, chance: Chance, what: keyof SteppingHabits['weights']): Promise<void> {
    if (what === 'produce') return this.#produce(stage, chance);
    if (what === 'export') return this.#exportMeanwhile(stage);
    if (what === 'block') {
      await this.#block(stage, HOME, chance.happens(0.6));
      return;
    }
    if (what === 'redrive') {
      const to = chance.pick(['group', { station: 'out' }] as const);
      await stage.call(`redrive of ${HOME}`, (broker) => broker.redrive(HOME, 'in', { all: true, to }));
      return;
    }
    if (what === 'purge') {
      // Only what is settled: what is not must not be lost here. A purge whose answer is lost may be carried out later.
      const info = await stage.call(`the group of ${HOME}`, (broker) => broker.group(HOME, 'in', 'g'));
      const station = await stage.call(`the station of ${HOME}`, (broker) => broker.station(HOME, 'in'));
      if (info.is !== 'answered' || station.is !== 'answered' || !this.#isQuiet) return;
      if (info.value.unread + info.value.inFlight > 0) return;
      for (const { partition, last } of station.value.counts)
        if (last > 0) await stage.call(`purge of ${HOME}`, (broker) => broker.purge(HOME, 'in', { partition, upTo: last }));
      return;
    }
    // Before anybody else has the same messages.
    if (this.#open !== undefined) return this.#step(stage, this.#open);
    const blocks = await this.#take(stage, HOME);
    if (blocks === undefined || blocks.length === 0) return;
    if (what === 'reject') {
      await stage.call(`reject in ${HOME}`, (broker) =>
        broker.settle(HOME, 'in', 'g', 'reject', { receipts: receiptsOf(blocks), reason: 'no' }),
      );
      return;
    }
    await this.#step(stage, stepOf(blocks));
  }

  /** The station of the outputs takes none, and they wait. */
  async #block(stage: Stage, namespace: string, isBlocked: boolean): Promise<void> {
    const retention = isBlocked ? ({ maxMessages: 1, discard: 'refuse' } as const) : null;
    await stage.call(`${isBlocked ? 'block' : 'unblock'} ${namespace}`, (broker) => broker.patchStation(namespace, 'out', { retention }));
  }

  /** Nobody produces while this is asked: one loop does it all. */
  get #isQuiet(): boolean {
    return this.#orders.size === this.#sure.size;
  }

  async #produce(stage: Stage, chance: Chance): Promise<void> {
    const builder = new BatchBuilder();
    const uids = Array.from({ length: chance.between(1, 4) }, () => ++this.#uid);
    for (const uid of uids) builder.append({ key: `k${chance.below(4)}`, payload: payloadOf(uid, ORDER, chance.pick([0, 0, 400])) });
    const produced = await stage.call(`produce in ${HOME}`, (broker) => {
      for (const uid of uids) this.#orders.add(uid);
      return broker.produce(HOME, 'in', builder.finish());
    });
    if (produced.is === 'refused') for (const uid of uids) this.#orders.delete(uid);
    if (produced.is !== 'answered') return;
    for (const uid of uids) this.#sure.add(uid);
    stage.count('orders produced', uids.length);
  }

  /** Messages of one partition. */
  async #take(stage: Stage, namespace: string): Promise<readonly LeasedBlock[] | undefined> {
    const taken = await stage.call(`fetch in ${namespace}`, (broker) =>
      broker.fetch(namespace, 'in', 'g', { consumer: 'stepper', max: 4 }),
    );
    if (taken.is !== 'answered') return undefined;
    const [first] = taken.value.blocks;
    return taken.value.blocks.filter(({ partition }) => partition === first?.partition);
  }

  async #step(stage: Stage, input: StepInput, namespace = HOME): Promise<void> {
    this.#open = input;
    const done = await stage.call(`step in ${namespace}`, (broker) => broker.step(namespace, 'in', 'g', input));
    if (done.is === 'unknown') return;
    this.#open = undefined;
    if (done.is === 'refused') {
      // Nobody else settles anything: it was this step, whose answer was lost.
      if (done.text.includes('settled already')) throw new Violation('step: a repeat is not known');
      // Its lease may have run out; for a full outbox or disk it comes again.
      if (!['LEASE_EXPIRED', 'LIMIT_EXCEEDED'].includes(done.code)) throw new Violation(`step: refused with ${done.code}: ${done.text}`);
      return;
    }
    const { acked, produced, repeated } = done.value;
    stage.count(repeated ? 'steps repeated' : 'steps');
    const outputs = input.outputs.reduce((sum, { batch }) => sum + countOf(batch), 0);
    if (acked !== input.receipts.length || produced !== outputs)
      throw new Violation(`step: ${acked} of ${input.receipts.length} acked, ${produced} of ${outputs} produced`);
  }

  /** Other things go on while it is made. */
  async #exportMeanwhile(stage: Stage): Promise<void> {
    await this.#exporting;
    this.#exporting = this.#export(stage);
    // Whoever waits for it is told.
    this.#exporting.catch(() => undefined);
  }

  async #export(stage: Stage): Promise<void> {
    const sure = new Set(this.#sure);
    const exported = await stage.call(`export ${HOME}`, async (broker) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of (await broker.exportStream(HOME, {})).bytes) pieces.push(piece);
      return pieces;
    });
    if (exported.is !== 'answered') return;
    this.#exported.push({ pieces: exported.value, sure });
    if (this.#exported.length > EXPORTS_KEPT) this.#exported.shift();
    stage.count('exports');
  }

  /** All faults are over: everything comes to its end. */
  async finish(stage: Stage): Promise<void> {
    if (!(await this.#make(stage))) throw new Violation('step: the stations are not made at rest');
    await this.#block(stage, HOME, false);
    if (this.#open !== undefined) await this.#step(stage, this.#open);
    await this.#drain(stage, HOME);
    await this.#check(stage, HOME, this.#sure);
    for (const [i, exported] of this.#exported.entries()) await this.#import(stage, `${COPY}-${i}`, exported);
  }

  async #import(stage: Stage, copy: string, { pieces, sure }: Exported): Promise<void> {
    const imported = await stage.call(`import into ${copy}`, (broker) => broker.importStream(copy, {}, given(pieces)));
    if (imported.is !== 'answered') throw new Violation(`import: not answered at rest: ${JSON.stringify(imported)}`);
    stage.count('imports');
    await this.#block(stage, copy, false);
    await this.#drain(stage, copy);
    await this.#check(stage, copy, sure);
    for (const name of ['in', 'out', 'dead']) await stage.call(`remove ${name} of ${copy}`, (broker) => broker.removeStation(copy, name));
  }

  /** @returns whether what waits can go */
  async unblock(stage: Stage): Promise<boolean> {
    if (!(await this.#make(stage))) return false;
    await this.#block(stage, HOME, false);
    return true;
  }

  /** How much is on its way. */
  async outbox(stage: Stage): Promise<number | undefined> {
    const station = await stage.call(`the station of ${HOME}`, (broker) => broker.station(HOME, 'in'));
    return station.is === 'answered' ? station.value.outbox : undefined;
  }

  async #drain(stage: Stage, namespace: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      const blocks = await this.#take(stage, namespace);
      if (blocks !== undefined && blocks.length > 0) {
        await this.#step(stage, stepOf(blocks), namespace);
        continue;
      }
      const group = await stage.call(`the group of ${namespace}`, (broker) => broker.group(namespace, 'in', 'g'));
      const station = await stage.call(`the station of ${namespace}`, (broker) => broker.station(namespace, 'in'));
      if (group.is !== 'answered' || station.is !== 'answered') throw new Violation(`step: ${namespace} is not described at rest`);
      const left = group.value.unread + group.value.inFlight + station.value.outbox;
      if (left === 0) return;
      if (tries > DRAINS_MAX) throw new Violation(`step: ${namespace} does not drain: ${left} are left`);
      await stage.pause(100);
    }
  }

  async #check(stage: Stage, namespace: string, sure: ReadonlySet<number>): Promise<void> {
    // Copies wait for their station, and are looked for again in a while.
    await stage.pause(20_000);
    const out = await this.#read(stage, namespace, 'out');
    const listed = await stage.call(`letters of ${namespace}`, (broker) => broker.deadLetters(namespace, 'in', { limit: 1000 }));
    const audited = await stage.call(`audit of ${namespace}`, (broker) => broker.audit(namespace, 'in', 'g'));
    if (listed.is !== 'answered' || audited.is !== 'answered') throw new Violation(`step: ${namespace} is not described at rest`);
    const letters = listed.value.items.map(({ message }) => foundIn(message)[0]!);
    const ends = endsOf(out.flatMap(foundIn), letters);
    for (const uid of sure) if (!ends.has(uid)) throw new Violation(`step: order ${uid} of ${namespace} is lost`);
    for (const [uid, end] of ends) {
      if (!this.#orders.has(uid)) throw new Violation(`step: order ${uid} of ${namespace} was never accepted`);
      const wanted = [`letter`, `${ORDER}`, Array.from({ length: outputsOf(uid) }, (_, part) => part).join()];
      if (!wanted.includes(end.join())) throw new Violation(`step: order ${uid} of ${namespace} has come to ${end.join()}`);
    }
    if (!audited.value.balanced) throw new Violation(`step: the sum of ${namespace} is wrong: ${JSON.stringify(audited.value)}`);
    this.#checkCopies(await this.#read(stage, namespace, 'dead'), new Set(listed.value.items.map(({ id }) => placeOf(id))), namespace);
  }

  #checkCopies(copies: readonly Block[], letters: ReadonlySet<string>, namespace: string): void {
    const seen = new Set<string>();
    for (const id of copies.flatMap(originsOf)) {
      if (seen.has(id)) throw new Violation(`copy: dead letter ${id} of ${namespace} is copied twice`);
      seen.add(id);
    }
    for (const id of letters) if (!seen.has(id)) throw new Violation(`copy: dead letter ${id} of ${namespace} is not copied`);
  }

  async #read(stage: Stage, namespace: string, station: string): Promise<Block[]> {
    const blocks: Block[] = [];
    for (let cursor: string | undefined; ; ) {
      const read = await stage.call(`read ${station} of ${namespace}`, (broker) =>
        broker.read(namespace, station, { cursor, limit: 1000 }),
      );
      if (read.is !== 'answered') throw new Violation(`step: ${station} of ${namespace} is not read at rest`);
      blocks.push(...read.value.blocks);
      ({ cursor } = read.value);
      if (read.value.end) return blocks;
    }
  }
}

/** What each order has come to: parts in order, or that it is a letter. */
/** All of a letter's id but its tag: copies that were imported name the letters of the station as it was. */
function placeOf(id: string): string {
  return id.split('-').slice(0, 3).join('-');
}

function endsOf(out: readonly Found[], letters: readonly Found[]): Map<number, (number | string)[]> {
  const ends = new Map<number, (number | string)[]>();
  const add = (uid: number, end: number | string) => ends.set(uid, [...(ends.get(uid) ?? []), end]);
  for (const { uid, part } of [...out].sort((a, b) => a.part - b.part)) add(uid, part);
  for (const { uid } of letters) add(uid, 'letter');
  return ends;
}

/** Orders with an even number have two outputs, the others one. */
function outputsOf(uid: number): number {
  return uid % 2 === 0 ? 2 : 1;
}

function payloadOf(uid: number, part: number, more = 0): Uint8Array {
  const payload = new Uint8Array(5 + more);
  new DataView(payload.buffer).setUint32(0, uid, true);
  payload[4] = part;
  return payload;
}

function* records({ bytes, start, end }: Pick<Block, 'bytes' | 'start' | 'end'>): Generator<RecordCursor> {
  const cursor = new RecordCursor(bytes, start, end);
  while (cursor.next()) yield cursor;
}

function foundIn(block: Pick<Block, 'bytes' | 'start' | 'end'>): Found[] {
  return Array.from(records(block), ({ payload }) => ({
    uid: new DataView(payload.buffer, payload.byteOffset).getUint32(0, true),
    part: payload[4]!,
  }));
}

function originsOf(block: Block): string[] {
  return Array.from(records(block), ({ headers }) => headers?.find(([name]) => name === 'wayside-dead-letter')?.[1] ?? 'none').map(placeOf);
}

function receiptsOf(blocks: readonly LeasedBlock[]): string[] {
  return blocks.flatMap(({ partition, first, count, lease }) =>
    Array.from({ length: count }, (_, i) => `${partition}.${first + i}.${lease}`),
  );
}

function stepOf(blocks: readonly LeasedBlock[]): StepInput {
  const builder = new BatchBuilder();
  for (const { uid } of blocks.flatMap(foundIn))
    for (let part = 0; part < outputsOf(uid); part++) builder.append({ key: `o${uid % 5}`, payload: payloadOf(uid, part) });
  return { receipts: receiptsOf(blocks), outputs: [{ station: 'out', batch: builder.finish() }] };
}

function countOf(batch: Uint8Array): number {
  return new DataView(batch.buffer, batch.byteOffset).getUint32(5, true);
}

async function* given(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
