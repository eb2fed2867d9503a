/**
 * Waiting: consumers that wait at long fetches over fronts of their own, and somebody who rings, again and again.
 *
 * Holds: each message that was stored, or is due, or whose lease has run out while nobody acked it, is given to one who waits within
 * bounded time: nobody's own time-out comes so soon. While a round begins things fail, fronts end and clients go; then they do not.
 * A reader that waits hears of each message too. Elsewhere: who is told what (src/core/spread/hints.ts, parked.ts).
 */
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import type { Block } from '../../../src/core/calls.ts';
import { Violation } from '../checkers/told.ts';
import type { Session, SpreadCampaign } from '../spread.ts';
import type { Chance } from '../world.ts';
import type { Stage } from './clients.ts';
import { SimSignal } from './clients.ts';

const SPACE = 'bells';
const STATION = 's';
/** Longer than anybody may wait where there is something: such a wait ends by a hint alone. */
const WAIT_MS = 300_000;
/** A fetch that looked in vain, or came to nothing, is asked again after this. */
const AGAIN_MS = 20;
/** Beside leases and delays: until what is there is given out. Less than a front keeps a channel that nobody waits at. */
const BOUND_MS = 3_500;
const ROUNDS = 12;

interface Waiter {
  /** Some share one, and so a front and its channels. */
  readonly session: Session;
  readonly group: string;
  /** It stays away until the next round: what it was told of is for another. */
  isAway: boolean;
  abort: () => void;
}

export class Bells {
  readonly #campaign: SpreadCampaign;
  readonly #chance: Chance;
  readonly #admin: Session;
  readonly #partitions: number;
  readonly #leaseMs: number;
  readonly #groups: readonly string[];
  /** Messages that were stored, by uid: groups that have not acked it, and when it is there. */
  readonly #owed = new Map<number, { readonly groups: Set<string>; at: number }>();
  /** `GROUP UID` of what was acked, or may have been: it need not come again. */
  readonly #acked = new Set<string>();
  readonly #read = new Set<number>();
  readonly #waiters: Waiter[] = [];
  readonly #loops: Promise<void>[] = [];
  #uid = 0;
  #isReading = false;
  /** Consumers drop some of what they get: its lease runs out. */
  #isRough = false;
  #isOver = false;

  constructor(campaign: SpreadCampaign, chance: Chance) {
    this.#campaign = campaign;
    this.#chance = chance;
    this.#admin = campaign.session('bells');
    this.#partitions = chance.pick([1, 1, 2, 3]);
    this.#leaseMs = chance.pick([30, 200, 1000]);
    this.#groups = chance.pick([['g'], ['g', 'h']]);
  }

  async run(): Promise<void> {
    await this.#calmly('make the station of bells', (broker) => broker.putStation(SPACE, STATION, { partitions: this.#partitions }));
    for (const group of this.#groups)
      await this.#calmly('make a group of bells', (broker) =>
        broker.putGroup(SPACE, STATION, group, { leaseMs: this.#leaseMs, maxDeliveries: 10_000 }),
      );
    this.#isReading = this.#chance.happens(0.5);
    for (const group of this.#groups) for (let i = this.#chance.between(1, 4); i > 0; i--) this.#begin(group);
    if (this.#isReading) this.#goOn(this.#reads(this.#campaign.session('bells reader')));
    for (let round = 1; round <= ROUNDS; round++) await this.#round(round);
    this.#isOver = true;
    for (const waiter of this.#waiters) waiter.abort();
    this.#stopReading();
    await Promise.all(this.#loops);
  }

  #stopReading: () => void = () => undefined;

  async #calmly(what: string, ask: Parameters<Stage['call']>[1]): Promise<void> {
    const outcome = await this.#admin.call(what, ask);
    if (outcome.is !== 'answered') throw new Violation(`bells: no answer to: ${what}: ${JSON.stringify(outcome)}`);
  }

  async #round(round: number): Promise<void> {
    const chance = this.#chance;
    if (chance.happens(0.5)) {
      this.#campaign.storm();
      this.#isRough = true;
    }
    await this.#campaign.sleep(chance.pick([0, 10, 200, 2_000, 7_000]));
    // Its front may stay, with a channel over which hints come for nobody.
    if (chance.happens(0.5)) this.#leave();
    const rung = this.#ring();
    if (this.#isRough) {
      for (let leave = chance.between(0, 4); leave > 0; leave--) {
        await this.#campaign.sleep(chance.fraction() * chance.pick([2, 30]));
        this.#leave();
      }
    }
    await rung;
    await this.#campaign.calm();
    this.#isRough = false;
    await this.#heard(round);
    for (const waiter of this.#waiters) waiter.isAway = false;
  }

  /** One who waits goes, alone or with its front, where others wait for the same. */
  #leave(): void {
    const first = this.#chance.pick(this.#waiters);
    const isWhole = this.#chance.happens(0.5);
    const gone = this.#waiters.filter((each) => each === first || (isWhole && each.session === first.session));
    const others = this.#waiters.filter((each) => !each.isAway && !gone.includes(each));
    if (!gone.every(({ group }) => others.some((other) => other.group === group))) return;
    this.#campaign.count('waiters that go', gone.length);
    for (const waiter of gone) waiter.isAway = true;
    if (isWhole) first.session.end();
    else first.abort();
  }

  async #ring(): Promise<void> {
    const chance = this.#chance;
    const builder = new BatchBuilder();
    const uids = Array.from({ length: chance.pick([1, 1, 1, 3]) }, () => ++this.#uid);
    const delayMs = chance.happens(0.2) ? chance.pick([20, 500, 3000]) : undefined;
    for (const uid of uids) builder.append({ payload: payloadOf(uid), ...(delayMs !== undefined && { delayMs }) });
    const partition = chance.below(this.#partitions);
    const outcome = await this.#admin.call(`ring ${uids.join(' ')} ${delayMs ?? ''}`, (broker) =>
      broker.produce(SPACE, STATION, builder.finish(), { partition }),
    );
    if (outcome.is === 'refused') throw new Violation(`bells: ringing is refused with ${outcome.code}: ${outcome.text}`);
    if (outcome.is !== 'answered') return;
    const at = this.#admin.now() + (delayMs ?? 0);
    for (const uid of uids)
      this.#owed.set(uid, { groups: new Set(this.#groups.filter((group) => !this.#acked.has(`${group} ${uid}`))), at });
  }

  /** Nothing fails now: all that is owed is given out, and acked. */
  async #heard(round: number): Promise<void> {
    const due = Math.max(this.#admin.now(), ...Array.from(this.#owed.values(), ({ at }) => at));
    const end = due + this.#leaseMs + BOUND_MS;
    const isHeard = () => [...this.#owed].every(([uid, { groups }]) => groups.size === 0 && (!this.#isReading || this.#read.has(uid)));
    while (!isHeard()) {
      if (this.#admin.now() > end) {
        const [uid, { groups }] = [...this.#owed].find(
          ([each, { groups }]) => groups.size > 0 || (this.#isReading && !this.#read.has(each)),
        )!;
        const who = groups.size > 0 ? `a consumer of ${[...groups].join()}` : 'a reader';
        throw new Violation(`hints: message ${uid} is there in round ${round}, ${who} waits for it, and is not told`);
      }
      await this.#campaign.sleep(10);
    }
    this.#campaign.count('bells heard', this.#owed.size);
    this.#owed.clear();
  }

  // ── Who waits ──────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(group: string): void {
    const shared = this.#chance.happens(0.5) ? this.#waiters.at(-1)?.session : undefined;
    const session = shared ?? this.#campaign.session(`waiter at ${group}`);
    const waiter = { session, group, isAway: false, abort: () => undefined };
    this.#waiters.push(waiter);
    this.#goOn(this.#consume(waiter, group, `w${this.#waiters.length}`));
  }

  #goOn(loop: Promise<void>): void {
    loop.catch((error: unknown) => this.#campaign.fail(error));
    this.#loops.push(loop);
  }

  async #consume(waiter: Waiter, group: string, consumer: string): Promise<void> {
    while (!this.#isOver) {
      const signal = new SimSignal((abort) => {
        waiter.abort = abort;
      });
      const max = this.#chance.pick([1, 1, 10]);
      const taken = await waiter.session.call(
        `wait at ${group} as ${consumer}`,
        (broker) => broker.fetch(SPACE, STATION, group, { consumer, max, waitMs: WAIT_MS, signal }),
        WAIT_MS,
      );
      if (taken.is === 'refused') throw new Violation(`bells: waiting is refused with ${taken.code}: ${taken.text}`);
      const blocks = taken.is === 'answered' ? taken.value.blocks : [];
      const isDropped = this.#isRough && this.#chance.happens(0.3);
      if (blocks.length > 0 && !isDropped) await this.#ack(waiter.session, group, blocks);
      if (blocks.length === 0) await this.#campaign.sleep(AGAIN_MS);
      while (waiter.isAway && !this.#isOver) await this.#campaign.sleep(AGAIN_MS);
    }
  }

  async #ack(session: Session, group: string, blocks: readonly (Block & { readonly lease: string })[]): Promise<void> {
    const leased = blocks.flatMap((block) =>
      uidsOf(block).map((uid, i) => ({ uid, receipt: `${block.partition}.${block.first + i}.${block.lease}` })),
    );
    const receipts = leased.map(({ receipt }) => receipt);
    const acked = await session.call(`ack ${receipts.join(' ')}`, (broker) => broker.settle(SPACE, STATION, group, 'ack', { receipts }));
    if (acked.is === 'refused') throw new Violation(`bells: acking is refused with ${acked.code}: ${acked.text}`);
    // What does not count has no lease any more: somebody else has it, or will. What has no answer may count.
    const failed = new Set(acked.is === 'answered' ? acked.value.map(({ receipt }) => receipt) : []);
    for (const { uid, receipt } of leased) {
      if (failed.has(receipt)) continue;
      this.#acked.add(`${group} ${uid}`);
      this.#owed.get(uid)?.groups.delete(group);
    }
  }

  async #reads(session: Session): Promise<void> {
    for (let cursor: string | undefined; !this.#isOver; ) {
      const signal = new SimSignal((abort) => {
        this.#stopReading = abort;
      });
      const read = await session.call(
        'read bells',
        (broker) => broker.read(SPACE, STATION, { cursor, from: cursor === undefined ? 'start' : undefined, waitMs: WAIT_MS, signal }),
        WAIT_MS,
      );
      if (read.is === 'refused') throw new Violation(`bells: reading is refused with ${read.code}: ${read.text}`);
      if (read.is === 'answered') {
        ({ cursor } = read.value);
        for (const uid of read.value.blocks.flatMap(uidsOf)) this.#read.add(uid);
      }
      if (read.is !== 'answered' || read.value.blocks.length === 0) await this.#campaign.sleep(AGAIN_MS);
    }
  }
}

function payloadOf(uid: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, uid, true);
  return payload;
}

function uidsOf({ bytes, start, end }: Block): number[] {
  const uids: number[] = [];
  const cursor = new RecordCursor(bytes, start, end);
  while (cursor.next()) uids.push(new DataView(cursor.bytes.buffer, cursor.bytes.byteOffset + cursor.payloadStart, 4).getUint32(0, true));
  return uids;
}
