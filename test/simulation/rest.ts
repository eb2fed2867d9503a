/**
 * What is checked of a broker while no client does anything: all that there is is read, every group is drained, and the books balance.
 *
 * Holds: nothing fails while it is asked, or the answer is that it could not be had; what is missing then is a violation.
 * Elsewhere: what may be concluded (checkers/), when it is rest (broker.ts, spread.ts).
 */
import type { Ends } from './checkers/groups.ts';
import { checkCounts, checkDrained, checkPending } from './checkers/groups.ts';
import { checkListed } from './checkers/letters.ts';
import type { Seen } from './checkers/log.ts';
import { checkComplete, checkRead, forgetFrom, readBlock, recordBytes } from './checkers/log.ts';
import { checkProducers } from './checkers/producers.ts';
import { checkBounds, mayBeTrimmed } from './checkers/retention.ts';
import { checkCame } from './checkers/schedule.ts';
import type { StationSlot as Slot } from './checkers/told.ts';
import { Violation } from './checkers/told.ts';
import type { Stage } from './workloads/clients.ts';
import { Clients, Consumer, NAMESPACE } from './workloads/clients.ts';
import type { Chance } from './world.ts';

export interface RestOptions {
  /** Whoever has a part of it draws from a fork of this. */
  readonly chance: Chance;
  readonly own: Chance;
  /** The clock may have gone by years: age tells nothing. */
  readonly yearJumps: boolean;
  /** The station may have lost its latest messages. */
  hasLost(slot: Slot): boolean;
  /** After the groups are drained: until the storage has let go of what it may. */
  settled(): Promise<void>;
}

export class Rest {
  readonly #stage: Stage;
  readonly #options: RestOptions;

  constructor(stage: Stage, options: RestOptions) {
    this.#stage = stage;
    this.#options = options;
  }

  /**
   * Reads all that there is, while no client does anything.
   *
   * @returns whether it was answered
   */
  async audit(): Promise<boolean> {
    for (const slot of this.#stage.told.slots) {
      const { life } = slot;
      if (life === undefined || slot.changing !== undefined) continue;
      const looked = await this.#lookAtAll(slot);
      if (looked === undefined) return false;
      const { ends, seen, later } = looked;
      for (const log of life.logs) {
        const { first, next, bytes } = ends[log.partition]!;
        const mine = seen.filter((each) => each.partition === log.partition);
        // The prefix that is left says what it said before; what is behind its end was never certain.
        if (this.#options.hasLost(slot)) {
          forgetFrom(log, first, next);
          for (const group of slot.groups) group.life?.partitions[log.partition]?.forgetFrom(next);
        }
        checkRead(log, mine[0]?.sequence ?? first, mine, log.first, { now: this.#stage.brokerNow() });
        checkComplete(log, first, next, { now: this.#stage.brokerNow() });
        checkProducers(log);
        const end = (mine.at(-1)?.sequence ?? next - 1) + 1;
        // What was trimmed while it was read is passed over.
        if (end !== next && later[log.partition]!.first < next)
          throw new Violation(`I3: ${slot.name}/${log.partition} says that it ends before ${next}, and is read up to ${end}`);
        const stored = recordBytes(log, first, next);
        if (later[log.partition]!.first === first && stored !== undefined && stored !== bytes)
          throw new Violation(`I3: ${slot.name}/${log.partition} says ${bytes} bytes, and has ${stored}`);
      }
    }
    return true;
  }

  /** What is there, at a time when nothing comes that was delayed. */
  async #lookAtAll(slot: Slot) {
    for (let tries = 0; ; tries++) {
      const ends = await this.#ends(slot);
      const seen = ends && (await this.readAll(slot));
      const later = seen && (await this.#ends(slot));
      if (ends === undefined || seen === undefined || later === undefined) return undefined;
      if (ends.every(({ next }, partition) => later[partition]!.next === next)) return { ends, seen, later };
      if (tries > 1000) throw new Violation(`I9: messages come to ${slot.name} without end, and nobody sends any`);
    }
  }

  async #ends(slot: Slot): Promise<(Ends[number] & { bytes: number })[] | undefined> {
    const outcome = await this.#stage.call(`info ${slot.name}`, (broker) => broker.station(NAMESPACE, slot.name));
    if (outcome.is === 'refused') throw new Violation(`I1: station ${slot.name} is refused with ${outcome.code}`);
    if (outcome.is !== 'answered') return undefined;
    return outcome.value.counts.map(({ first, last, bytes }) => ({ first, next: last + 1, bytes }));
  }

  async readAll(slot: Slot): Promise<Seen[] | undefined> {
    const seen: Seen[] = [];
    for (let cursor: string | undefined; ; ) {
      const from = cursor === undefined ? ('start' as const) : undefined;
      const outcome = await this.#stage.call(`read all of ${slot.name}`, (broker) =>
        broker.read(NAMESPACE, slot.name, { from, cursor, limit: 1000 }),
      );
      if (outcome.is === 'refused') throw new Violation(`I1: reading ${slot.name} is refused with ${outcome.code}: ${outcome.text}`);
      if (outcome.is !== 'answered') return undefined;
      for (const block of outcome.value.blocks) seen.push(...readBlock(this.#stage.told, slot.name, block));
      cursor = outcome.value.cursor;
      if (outcome.value.end) return seen;
    }
  }

  /** Nothing is under way: what is said of each group, and that each gets all that it is owed. */
  async check(): Promise<void> {
    for (const slot of this.#stage.told.slots) {
      const ends = await this.#ends(slot);
      if (ends === undefined) throw new Violation(`I9: ${slot.name} is not described at rest`);
      for (const group of slot.groups) {
        if (group.life === undefined || group.changing !== undefined)
          throw new Violation(`I9: group ${group.name} of ${slot.name} was not made at rest`);
        const info = await this.#stage.call(`group ${group.name}`, (broker) => broker.group(NAMESPACE, slot.name, group.name));
        const askedAt = this.#stage.now();
        const pending = await this.#stage.call(`pending ${group.name}`, (broker) =>
          broker.pending(NAMESPACE, slot.name, group.name, { limit: 1000 }),
        );
        const after = await this.#ends(slot);
        if (info.is !== 'answered' || pending.is !== 'answered')
          throw new Violation(`I9: group ${group.name} of ${slot.name} is not described at rest`);
        // Where something was trimmed meanwhile the two do not speak of the same.
        if (JSON.stringify(after) === JSON.stringify(ends)) checkCounts(group.life, info.value, ends, askedAt, this.#stage.told.era);
        checkPending(group.life, pending.value.items, after ?? ends, this.#stage.now(), this.#stage.told.era);
      }
    }
    for (const slot of this.#stage.told.slots) for (const group of slot.groups) await this.#resume(group);
    // What is delayed longest comes before it is looked whether anything is left.
    await this.#stage.pause(3000);
    for (const slot of this.#stage.told.slots) for (const group of slot.groups) await this.#drain(slot, group);
    for (const slot of this.#stage.told.slots) await this.#checkWake(slot, this.#options.own.pick(slot.groups));
    // Retention by number, age and acknowledgements catches up, and so does the volume.
    // After this nothing changes by itself any more: no age and no lease is longer.
    await this.#stage.pause(4000);
    await this.#options.settled();
    for (const slot of this.#stage.told.slots) await this.#checkSettled(slot);
  }

  /** A crash may have come while it was paused. */
  async #resume(group: Slot['groups'][number]): Promise<void> {
    await new Clients(this.#stage, this.#options.chance.fork(`resume ${group.name}`)).patch(group, { paused: false });
  }

  /** Takes and acknowledges until nothing is left: leases that are out run out, what is delayed comes. */
  async #drain(slot: Slot, group: Slot['groups'][number]): Promise<void> {
    const consumer = new Consumer(this.#stage, this.#options.chance.fork(`drain ${slot.name} ${group.name}`), 'drain');
    for (let tries = 0; ; ) {
      const leases = await consumer.fetch(group, { max: 1000, maxBytes: 100_000, waitMs: 0 });
      if (leases === undefined) throw new Violation(`I9: a fetch of group ${group.name} of ${slot.name} has no answer at rest`);
      if (leases.length > 0) {
        if (!(await consumer.settle(group, 'ack', leases)))
          throw new Violation(`I9: an acknowledgement of group ${group.name} of ${slot.name} has no answer at rest`);
        continue;
      }
      const info = await this.#stage.call(`group ${group.name}`, (broker) => broker.group(NAMESPACE, slot.name, group.name));
      if (info.is === 'answered' && info.value.unread === 0 && info.value.inFlight === 0) return;
      tries++;
      if (tries > 200)
        throw new Violation(
          `I9: group ${group.name} of ${slot.name} does not drain: ${JSON.stringify(info.is === 'answered' ? info.value : info)}`,
        );
      await this.#stage.pause(250);
    }
  }

  /** Who waits is woken by what comes. */
  async #checkWake(slot: Slot, group: Slot['groups'][number]): Promise<void> {
    const chance = this.#options.chance.fork(`wake ${slot.name}`);
    const consumer = new Consumer(this.#stage, chance, 'waiter');
    const waiting = consumer.fetch(group, { max: 1000, maxBytes: 100_000, waitMs: 2000 });
    await this.#stage.pause(10);
    const sent = await new Clients(this.#stage, chance).produceOne(slot);
    const leases = await waiting;
    const [at] = sent.places;
    // Where much is stored it may have gone at once.
    if (at !== undefined && leases?.length === 0 && !mayBeTrimmed(at.log, at.sequence, this.#stage.brokerNow()))
      throw new Violation(`I9: group ${group.name} of ${slot.name} waits for messages, and is not woken by message ${sent.uid}`);
    if (leases !== undefined) await consumer.settle(group, 'ack', leases);
    for (const other of slot.groups) if (other !== group) await this.#drain(slot, other);
  }

  async #checkSettled(slot: Slot): Promise<void> {
    const admin = new Clients(this.#stage, this.#options.chance.fork(`letters of ${slot.name}`));
    const listed = await admin.letters(slot, 1000);
    const ends = await this.#ends(slot);
    const outcome = await this.#stage.call(`info ${slot.name}`, (broker) => broker.station(NAMESPACE, slot.name));
    if (listed === undefined || ends === undefined || outcome.is !== 'answered' || slot.life === undefined)
      throw new Violation(`I9: ${slot.name} is not described at rest`);
    // After a step of years what is old by the clock stays for a while, or as long as the clock is behind (partition/trust.ts).
    checkBounds(slot.life, outcome.value, this.#options.yearJumps ? 0 : this.#stage.brokerLeast());
    const all = await this.readAll(slot);
    if (all === undefined) throw new Violation(`I9: ${slot.name} is not read at rest`);
    const firsts = outcome.value.counts.map(({ first }) => first);
    checkCame(slot, this.#stage.told.sent.values(), new Set(all.map(({ sent }) => sent)), firsts, this.#stage.brokerLeast());
    if (outcome.value.scheduled > 0) throw new Violation(`delay: ${outcome.value.scheduled} messages of ${slot.name} wait at rest`);
    const lettersAge = typeof slot.config.deadLetter?.maxAgeMs === 'number';
    for (const group of slot.groups) {
      const info = await this.#stage.call(`group ${group.name}`, (broker) => broker.group(NAMESPACE, slot.name, group.name));
      if (info.is !== 'answered' || group.life === undefined) throw new Violation(`I9: group ${group.name} is not described at rest`);
      const mine = [...listed.values()]
        .filter((name) => name.startsWith(`${group.name} `))
        .map((name) => name.slice(group.name.length + 1));
      // A message may have died more than once, where the group was moved back.
      if (!lettersAge && info.value.dead !== mine.length)
        throw new Violation(`I7: group ${group.name} of ${slot.name} says ${info.value.dead} dead, ${mine.length} are listed`);
      const dead = new Set(mine);
      checkDrained(group.life, ends, dead, lettersAge);
      if (!lettersAge) checkListed(group.life, dead);
    }
  }
}
