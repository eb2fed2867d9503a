/**
 * Stations and groups that change, seen over fronts that know them as they were: one after another something is changed over one front,
 * and asked for over another.
 *
 * Holds: as soon as a change is answered everybody is answered by it: what is allowed now is taken, what is not any more is refused,
 * what was removed is not found and takes nothing, and what has its name now has only what was given to it.
 * Whoever has no answer asks again. Others ask for the same things all the time, so that something is always just being looked up.
 */
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import type { Broker } from '../../../src/core/broker.ts';
import { Violation } from '../checkers/told.ts';
import type { Session, SpreadCampaign } from '../spread.ts';
import type { Chance } from '../world.ts';
import type { Outcome } from './clients.ts';

const SPACE = 'stale';
const STATION = 's';
const GROUP = 'g';
const STEPS = 25;
const TRIES_MAX = 200;

/** As it is now. */
interface Truth {
  partitions: number;
  maxBytes: number;
  hasGroup: boolean;
  readonly stored: Set<number>;
}

export class Stale {
  readonly #campaign: SpreadCampaign;
  readonly #chance: Chance;
  readonly #sessions: readonly Session[];
  #truth: Truth | undefined;
  #uid = 0;
  /** A receipt of what has the name no more. */
  #oldReceipts: string[] = [];
  #isOver = false;

  constructor(campaign: SpreadCampaign, chance: Chance) {
    this.#campaign = campaign;
    this.#chance = chance;
    this.#sessions = Array.from({ length: 5 }, (_, i) => campaign.session(`stale ${i}`, { perCall: i % 2 }));
  }

  async run(): Promise<void> {
    if (this.#chance.happens(0.6)) this.#campaign.storm();
    const chatter = this.#sessions.map((session) => this.#chatters(session));
    for (const loop of chatter) loop.catch((error: unknown) => this.#campaign.fail(error));
    for (let step = 0; step < STEPS; step++) await this.#step();
    this.#isOver = true;
    await Promise.all(chatter);
    await this.#campaign.calm();
  }

  async #step(): Promise<void> {
    const chance = this.#chance;
    if (this.#truth === undefined) await this.#make();
    else await chance.pick([() => this.#patch(), () => this.#removeGroup(), () => this.#makeGroup(), () => this.#remove()])();
    for (let asks = chance.between(1, 3); asks > 0; asks--)
      await chance.pick([() => this.#produce(), () => this.#read(), () => this.#consume(), () => this.#join()])();
    if (chance.happens(0.3)) await this.#campaign.sleep(chance.pick([5, 100, 3_000, 8_000]));
  }

  /** Asks until there is an answer, over one front or another. */
  async #until<T>(what: string, ask: (broker: Broker) => Promise<T>): Promise<{ value: T } | { code: string; tries: number }> {
    for (let tries = 1; ; tries++) {
      const outcome: Outcome<T> = await this.#chance.pick(this.#sessions).call(what, ask);
      if (outcome.is === 'answered') return outcome;
      if (outcome.is === 'refused') return { code: outcome.code, tries };
      if (tries > TRIES_MAX) throw new Violation(`I9: no answer in ${tries} tries to: ${what}`);
      await this.#campaign.sleep(10);
    }
  }

  #wrong(what: string, { code }: { code: string }): Violation {
    return new Violation(`stale: ${what} is refused with ${code}, and the catalog knows ${JSON.stringify(this.#truth ?? 'no station')}`);
  }

  // ── Changes ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #make(): Promise<void> {
    const config = { partitions: this.#chance.pick([1, 2, 3]), maxMessageBytes: this.#chance.pick([200, 2000]), dedupWindowMs: 3_600_000 };
    const made = await this.#until(`make ${STATION} ${JSON.stringify(config)}`, (broker) => broker.putStation(SPACE, STATION, config));
    if ('code' in made) throw this.#wrong('making the station', made);
    this.#truth = { partitions: config.partitions, maxBytes: config.maxMessageBytes, hasGroup: false, stored: new Set() };
  }

  async #patch(): Promise<void> {
    const maxMessageBytes = this.#chance.pick([200, 2000]);
    const patched = await this.#until(`patch to ${maxMessageBytes}`, (broker) => broker.patchStation(SPACE, STATION, { maxMessageBytes }));
    if ('code' in patched) throw this.#wrong('patching', patched);
    this.#truth!.maxBytes = maxMessageBytes;
  }

  async #remove(): Promise<void> {
    const removed = await this.#until('remove the station', (broker) => broker.removeStation(SPACE, STATION));
    // The first try may have done it.
    if ('code' in removed && (removed.code !== 'STATION_NOT_FOUND' || removed.tries === 1)) throw this.#wrong('removing', removed);
    this.#truth = undefined;
  }

  async #makeGroup(): Promise<void> {
    const made = await this.#until('make the group', (broker) => broker.putGroup(SPACE, STATION, GROUP, { leaseMs: 60_000 }));
    // A fetch has made it as it likes.
    if ('code' in made && !(this.#truth!.hasGroup && made.code === 'GROUP_EXISTS')) throw this.#wrong('making the group', made);
    this.#truth!.hasGroup = true;
  }

  async #removeGroup(): Promise<void> {
    const removed = await this.#until('remove the group', (broker) => broker.removeGroup(SPACE, STATION, GROUP));
    const mayBeGone = 'code' in removed && removed.code === 'GROUP_NOT_FOUND' && (removed.tries > 1 || !this.#truth!.hasGroup);
    if ('code' in removed && !mayBeGone) throw this.#wrong('removing the group', removed);
    this.#truth!.hasGroup = false;
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #produce(): Promise<void> {
    const truth = this.#truth;
    const uid = ++this.#uid;
    const bytes = this.#chance.pick([10, 1000]);
    const partition = this.#chance.happens(0.5) ? this.#chance.below(3) : undefined;
    const builder = new BatchBuilder();
    const payload = new Uint8Array(bytes);
    new DataView(payload.buffer).setUint32(0, uid, true);
    builder.append({ id: `${uid}`, payload });
    const batch = builder.finish();
    const produced = await this.#until(`produce ${uid}, ${bytes} bytes, to ${partition}`, (broker) =>
      broker.produce(SPACE, STATION, batch, { partition, atomic: this.#chance.happens(0.5) }),
    );
    const refusal = 'code' in produced ? produced.code : produced.value.errors[0]?.code;
    const expected =
      truth === undefined
        ? 'STATION_NOT_FOUND'
        : (partition ?? 0) >= truth.partitions
          ? 'INVALID_REQUEST'
          : bytes > truth.maxBytes
            ? 'MESSAGE_TOO_LARGE'
            : undefined;
    // Both are wrong with it: either may be said.
    const isEither = expected === 'INVALID_REQUEST' && refusal === 'MESSAGE_TOO_LARGE' && bytes > truth!.maxBytes;
    if (refusal !== expected && !isEither)
      throw new Violation(`stale: message ${uid} is ${refusal ?? 'taken'}, and the catalog knows ${JSON.stringify(truth ?? 'no station')}`);
    if (refusal === undefined) truth!.stored.add(uid);
  }

  async #read(): Promise<void> {
    const truth = this.#truth;
    const read = await this.#until('read', (broker) => broker.read(SPACE, STATION, { from: 'start', limit: 1000 }));
    if ('code' in read) {
      if (truth !== undefined || read.code !== 'STATION_NOT_FOUND') throw this.#wrong('reading', read);
      return;
    }
    if (truth === undefined) throw new Violation('stale: a station that was removed is read');
    const uids = new Set(read.value.blocks.flatMap(uidsOf));
    for (const uid of truth.stored) if (!uids.has(uid)) throw new Violation(`stale: message ${uid} is not read`);
    for (const uid of uids) if (!truth.stored.has(uid)) throw new Violation(`stale: message ${uid} was never taken, and is read`);
  }

  /** Fetches, and acks; and tries the receipts of what has the name no more. */
  async #consume(): Promise<void> {
    const truth = this.#truth;
    const old = this.#oldReceipts.slice(-2);
    if (old.length > 0) await this.#settleOld(old);
    const taken = await this.#until('fetch', (broker) => broker.fetch(SPACE, STATION, GROUP, { consumer: 'c', max: 5 }));
    if ('code' in taken) {
      if (truth !== undefined || taken.code !== 'STATION_NOT_FOUND') throw this.#wrong('fetching', taken);
      return;
    }
    if (truth === undefined) throw new Violation('stale: a station that was removed is fetched from');
    truth.hasGroup = true;
    const receipts: string[] = [];
    for (const block of taken.value.blocks) {
      for (const uid of uidsOf(block)) if (!truth.stored.has(uid)) throw new Violation(`stale: message ${uid} was never taken, and comes`);
      for (let i = 0; i < block.count; i++) receipts.push(`${block.partition}.${block.first + i}.${block.lease}`);
    }
    if (receipts.length === 0) return;
    const acked = await this.#until('ack', (broker) => broker.settle(SPACE, STATION, GROUP, 'ack', { receipts }));
    if ('code' in acked) throw this.#wrong('acking', acked);
    if (acked.value.length > 0) throw new Violation(`stale: a receipt of now does not count: ${JSON.stringify(acked.value)}`);
    this.#oldReceipts = receipts;
  }

  /** Of now or of before: no harm is done, and what is said of the group is what the catalog says. */
  async #settleOld(receipts: readonly string[]): Promise<void> {
    const truth = this.#truth;
    const acked = await this.#until('ack of old', (broker) => broker.settle(SPACE, STATION, GROUP, 'ack', { receipts: [...receipts] }));
    const refusal = 'code' in acked ? acked.code : undefined;
    const expected = truth === undefined ? 'STATION_NOT_FOUND' : truth.hasGroup ? undefined : 'GROUP_NOT_FOUND';
    if (refusal !== expected)
      throw new Violation(`stale: an ack is ${refusal ?? 'taken'}, and the catalog knows ${JSON.stringify(truth ?? 'no station')}`);
  }

  /** A fetch that makes no group. */
  async #join(): Promise<void> {
    const truth = this.#truth;
    const taken = await this.#until('join', (broker) => broker.fetch(SPACE, STATION, 'none', { consumer: 'c', join: true }));
    const expected = truth === undefined ? 'STATION_NOT_FOUND' : 'GROUP_NOT_FOUND';
    if (!('code' in taken) || taken.code !== expected)
      throw new Violation(`stale: joining a group that is not there: ${'code' in taken ? taken.code : 'taken'}, not ${expected}`);
  }

  /** Asks for what changes nothing, again and again. */
  async #chatters(session: Session): Promise<void> {
    const chance = this.#chance.fork(`chatter ${this.#sessions.indexOf(session)}`);
    const asks: ((broker: Broker) => Promise<unknown>)[] = [
      (broker) => broker.release(SPACE, STATION, GROUP, 'nobody'),
      (broker) => broker.read(SPACE, STATION, { from: 'end', waitMs: chance.pick([0, 50]) }),
      (broker) => broker.message(SPACE, STATION, 0, 1),
      (broker) => broker.fetch(SPACE, STATION, 'none', { consumer: 'n', join: true, waitMs: 20 }),
      (broker) => broker.settle(SPACE, STATION, GROUP, 'ack', { receipts: [] }),
    ];
    while (!this.#isOver) {
      await session.call('chatter', chance.pick(asks), 50);
      await this.#campaign.sleep(chance.fraction() * chance.pick([1, 30]));
    }
  }
}

function uidsOf({ bytes, start, end }: { readonly bytes: Uint8Array; readonly start: number; readonly end: number }): number[] {
  const uids: number[] = [];
  const cursor = new RecordCursor(bytes, start, end);
  while (cursor.next()) uids.push(new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset + cursor.payloadStart, 4).getUint32(0, true));
  return uids;
}
