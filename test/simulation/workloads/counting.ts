/**
 * Producers that count for themselves: several batches in flight, sent again in order when they had no answer, across
 * crashes and restarts; names that a newer epoch takes over while the older one goes on.
 *
 * Holds: what was answered is never answered otherwise; nobody whose epoch is surely over is answered; a gap is told only of
 * what has one. Elsewhere: the order in the log (checkers/producers.ts), each once and none lost (checkers/log.ts).
 */
import type { ProduceResult } from '../../../src/core/calls.ts';
import { lasts, place } from '../checkers/log.ts';
import type { PartitionLog, Sent, StationLife, StationSlot } from '../checkers/told.ts';
import { Violation } from '../checkers/told.ts';
import type { Chance } from '../world.ts';
import { batchOf, makeMessage } from './broker.ts';
import type { Outcome, Stage } from './clients.ts';
import { NAMESPACE } from './clients.ts';

export interface Counting {
  /** Names a station. */
  readonly names: number;
  readonly inFlight: number;
  readonly takeovers: number;
  readonly repeats: number;
  /** Shares: two batches are sent the wrong way round. */
  readonly swaps: number;
  /** Partitions forget producers soon: whoever has no answer goes on, and sends nothing again. */
  readonly isForgetful: boolean;
}

/** A name that producers claim, in one partition. */
export class CountedName {
  readonly id: string;
  readonly slot: StationSlot;
  readonly partition: number;
  readonly owners: Owner[] = [];
  /** The newest epoch that anybody took. */
  epoch = 0;
  /** The newest that an answer told of, and when: older ones are over. */
  heard = { epoch: 0, era: 0, life: undefined as StationLife | undefined };

  constructor(id: string, slot: StationSlot, partition: number) {
    this.id = id;
    this.slot = slot;
    this.partition = partition;
    this.owners.push(new Owner(this));
  }
}

/** Whoever sends under a name; it lives on when the broker does not. */
class Owner {
  readonly name: CountedName;
  epoch: number;
  life: StationLife | undefined;
  next = 1;
  /** In order. */
  unanswered: Batch[] = [];
  /** The last ones. */
  answered: Batch[] = [];
  /** Since then nothing that it was told was lost. */
  era = -1;
  /** Something came back without an answer: what is unanswered is sent again. */
  isBroken = false;
  /** The broker does not know it any more, or has lost what it was told: it begins a new epoch. */
  isLost = false;
  isFenced = false;

  constructor(name: CountedName) {
    this.name = name;
    this.epoch = ++name.epoch;
  }
}

interface Batch {
  sequence: number;
  readonly sent: readonly Sent[];
  readonly isAtomic: boolean;
  attempts: number;
  /** Attempts that may have stored it, until one is answered. */
  open: number;
  /** The last attempt had no answer, or was refused. */
  cameBack: boolean;
  isAnswered: boolean;
  /** Places in it of messages that were refused. */
  readonly refused: Set<number>;
}

export class CountingProducer {
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #counting: Counting;
  readonly #owner: Owner;
  readonly #flights = new Set<Promise<void>>();
  readonly #successors: Promise<void>[] = [];

  constructor(stage: Stage, chance: Chance, counting: Counting, owner: Owner) {
    this.#stage = stage;
    this.#chance = chance;
    this.#counting = counting;
    this.#owner = owner;
  }

  async run(calls: number): Promise<void> {
    const { habits } = this.#stage;
    for (let call = 0; call < calls && this.#goesOn(); call++) {
      await this.#step(calls - call);
      await this.#stage.pause(this.#chance.fraction() * habits.pauseMs);
    }
    await this.#landed();
    await Promise.all(this.#successors);
  }

  /** Nothing fails any more: what is unanswered gets its answer. */
  async finish(): Promise<void> {
    for (let tries = 0; tries < 5 && this.#goesOn() && this.#owner.unanswered.length > 0; tries++) {
      this.#owner.isBroken = true;
      await this.#step(0);
      await this.#landed();
    }
    if (this.#goesOn() && this.#owner.unanswered.length > 0)
      throw new Violation(`I9: producer ${this.#owner.name.id} gets no answer at rest`);
  }

  #goesOn(): boolean {
    return !this.#stage.isOver() && !this.#owner.isFenced;
  }

  async #landed(): Promise<void> {
    await Promise.all(this.#flights);
  }

  async #step(callsLeft: number): Promise<void> {
    const owner = this.#owner;
    const { name } = owner;
    const { slot } = name;
    if (slot.life === undefined || slot.changing !== undefined) return;
    if (owner.life !== slot.life) {
      await this.#landed();
      this.#begin([]);
      owner.life = slot.life;
    }
    if (owner.isBroken) {
      await this.#landed();
      if (!this.#goesOn() || owner.life !== slot.life) return;
      if (this.#counting.isForgetful) this.#begin([]);
      else if (owner.isLost) this.#beginAgain();
      owner.isBroken = false;
      for (const batch of owner.unanswered) this.#send(batch);
      return;
    }
    if (callsLeft > 1 && name.owners.length < 3 && this.#chance.happens(this.#counting.takeovers)) this.#takeOver(callsLeft);
    if (this.#flights.size >= this.#counting.inFlight || owner.unanswered.some(({ isAtomic }) => isAtomic)) await this.#landed();
    if (!this.#goesOn() || owner.isBroken || owner.life !== slot.life) return;
    const again = owner.answered.length > 0 && this.#chance.happens(this.#counting.repeats) && this.#mayRepeat();
    // What was refused in part tells more.
    const inPart = owner.answered.filter(({ refused }) => refused.size > 0);
    if (again) this.#send(this.#chance.pick(inPart.length > 0 && this.#chance.happens(0.5) ? inPart : owner.answered));
    else this.#sendNew();
    if (this.#chance.happens(0.3)) await this.#landed();
  }

  #sendNew(): void {
    const batch = this.#make();
    // The next one before it: that has a gap.
    const isSwapped = this.#chance.happens(this.#counting.swaps) && !batch.isAtomic && this.#owner.unanswered.length === 1;
    if (isSwapped) this.#send(this.#make());
    this.#send(batch);
  }

  /** What was answered may be lost, where the station promises less. */
  #mayRepeat(): boolean {
    return !this.#counting.isForgetful && (this.#owner.name.slot.isSynced || this.#owner.era === this.#stage.told.era);
  }

  #takeOver(calls: number): void {
    const { name } = this.#owner;
    const successor = new Owner(name);
    name.owners.push(successor);
    this.#stage.count('producers taken over');
    const chance = this.#chance.fork(`epoch ${successor.epoch}`);
    const run = new CountingProducer(this.#stage, chance, this.#counting, successor).run(calls);
    // Whoever began it hears of it.
    run.catch(() => undefined);
    this.#successors.push(run);
  }

  /** A new epoch, with what is to be sent in it. */
  #begin(batches: Batch[]): void {
    const owner = this.#owner;
    if (owner.life !== undefined) owner.epoch = ++owner.name.epoch;
    owner.next = 1;
    owner.era = this.#stage.told.era;
    owner.answered = [];
    owner.unanswered = batches;
    owner.isBroken = false;
    owner.isLost = false;
    for (const batch of batches) {
      this.#number(batch);
      batch.attempts = 0;
    }
  }

  /** Nothing of what is unanswered is there: all of it came after the gap. */
  #beginAgain(): void {
    const { unanswered } = this.#owner;
    for (const batch of unanswered) {
      for (const sent of batch.sent) this.#notStored(sent, batch.open);
      batch.open = 0;
    }
    this.#begin(unanswered);
  }

  #number(batch: Batch): void {
    const owner = this.#owner;
    batch.sequence = owner.next;
    owner.next += batch.sent.length;
    if (this.#counting.isForgetful) return;
    batch.sent.forEach((sent, i) => {
      sent.counted = { producer: owner.name.id, epoch: owner.epoch, sequence: batch.sequence + i };
    });
  }

  #make(): Batch {
    const { habits, told } = this.#stage;
    const { name, unanswered } = this.#owner;
    const chance = this.#chance;
    const plain = { ...habits, ids: 0, repeats: 0 };
    const count = chance.happens(habits.batch) ? chance.between(1, habits.batchMost) : 1;
    const make = () => makeMessage(chance, { ...plain, delays: 0 }, told, name.slot, this.#stage.now(), name.partition);
    const batch: Batch = {
      sequence: 0,
      sent: Array.from({ length: count }, make),
      // Refused, it would leave those behind it with a gap.
      isAtomic: unanswered.length === 0 && chance.happens(habits.atomic),
      attempts: 0,
      open: 0,
      cameBack: false,
      isAnswered: false,
      refused: new Set(),
    };
    this.#number(batch);
    this.#owner.unanswered.push(batch);
    return batch;
  }

  #send(batch: Batch): void {
    const flight = this.#sent(batch).finally(() => this.#flights.delete(flight));
    this.#flights.add(flight);
    // Whoever waits for the flights hears of it.
    flight.catch(() => undefined);
  }

  async #sent(batch: Batch): Promise<void> {
    const { told } = this.#stage;
    const owner = this.#owner;
    const { name, epoch, life } = owner;
    const { slot, partition } = name;
    const { turn } = slot;
    const { era } = told;
    const isOver = this.#isOver();
    const before = life === undefined ? 0 : lasts(life)[partition]!;
    const isEarly = owner.unanswered.slice(0, Math.max(0, owner.unanswered.indexOf(batch))).some(({ attempts }) => attempts === 0);
    batch.attempts++;
    if (!batch.isAnswered) batch.open++;
    batch.cameBack = false;
    for (const sent of batch.sent) {
      sent.possible++;
      if (sent.places.length === 0) slot.unplaced.add(sent);
    }
    const producer = { id: name.id, epoch, sequence: batch.sequence };
    const input = { partition, producer, atomic: batch.isAtomic };
    const what = `produce ${slot.name} ${batch.sent.map(({ uid }) => uid).join(' ')} ${JSON.stringify(input)}`;
    const bytes = batchOf(batch.sent);
    const outcome = await this.#stage.call(what, (broker) => broker.produce(NAMESPACE, slot.name, bytes, input));
    const isSure = slot.turn === turn && slot.changing === undefined && slot.life === life && owner.epoch === epoch;
    if (outcome.is === 'refused') this.#refused(batch, isSure, isEarly, era, outcome);
    else if (outcome.is === 'answered' && isSure) {
      if (isOver) throw new Violation(`I5: ${name.id} is answered in epoch ${epoch}, which was over when it was sent`);
      this.#answered(batch, outcome.value, life!.logs[partition]!, before);
      owner.era = era;
      this.#hear(epoch, era);
    } else {
      batch.cameBack = true;
      owner.isBroken = true;
    }
  }

  /** A newer epoch was told of, and nothing can have undone it. */
  #isOver(): boolean {
    const { name, epoch, life } = this.#owner;
    const { heard } = name;
    const stands = heard.life === life && (name.slot.isSynced || heard.era === this.#stage.told.era) && !this.#counting.isForgetful;
    return stands && heard.epoch > epoch;
  }

  #hear(epoch: number, era: number): void {
    const { name, life } = this.#owner;
    if (name.heard.life !== life || epoch >= name.heard.epoch) name.heard = { epoch, era, life };
  }

  #answered(batch: Batch, result: ProduceResult, log: PartitionLog, before: number): void {
    const owner = this.#owner;
    const { ranges, duplicates, errors } = result;
    this.#stage.count('counted messages', batch.sent.length);
    this.#stage.count('counted repeats', duplicates.length);
    const given = ranges.flatMap(([, first, count]) => Array.from({ length: count }, (_, i) => first + i));
    const repeated = new Map(duplicates.map(([index, , sequence]) => [index, sequence]));
    const refused = new Map(errors.map((error) => [error.index, error.code]));
    if (given.length + repeated.size + refused.size !== batch.sent.length)
      throw new Violation(`produce: ${owner.name.id} has sent ${batch.sent.length} messages, and is answered ${JSON.stringify(result)}`);
    if (batch.isAtomic && refused.size > 0) throw new Violation('produce: an atomic batch is stored in part');
    batch.sent.forEach((sent, index) => {
      const code = refused.get(index);
      if (sent.isTooLarge !== (code === 'MESSAGE_TOO_LARGE')) throw new Violation(`produce: message ${sent.uid} is ${code ?? 'stored'}`);
      if (code !== undefined) this.#refusedOne(batch, index, code);
      else this.#placed(batch, index, repeated.get(index) ?? given.shift()!, repeated.has(index), log, before);
    });
    if (batch.isAnswered) return;
    batch.open = 0;
    batch.isAnswered = true;
    owner.unanswered = owner.unanswered.filter((each) => each !== batch);
    owner.answered = [...owner.answered.slice(-2), batch];
  }

  #refusedOne(batch: Batch, index: number, code: string): void {
    const sent = batch.sent[index]!;
    const refuses = sent.slot.config.retention?.discard === 'refuse';
    // What had no room then has used its sequence.
    const isFine =
      code === 'MESSAGE_TOO_LARGE' || (refuses && (code === 'LIMIT_EXCEEDED' || (code === 'PRODUCER_GAP' && batch.attempts > 1)));
    if (!isFine || (batch.isAnswered && !batch.refused.has(index)))
      throw new Violation(`I5: message ${sent.uid} of ${this.#owner.name.id} is refused with ${code} at attempt ${batch.attempts}`);
    batch.refused.add(index);
    this.#notStored(sent, batch.isAnswered ? 1 : batch.open);
  }

  #notStored(sent: Sent, attempts: number): void {
    sent.possible -= attempts;
    if (sent.possible > 0) return;
    sent.slot.unplaced.delete(sent);
    if (sent.places.length > 0) throw new Violation(`I2: message ${sent.uid} is refused, and was seen`);
  }

  #placed(batch: Batch, index: number, sequence: number, isRepeat: boolean, log: PartitionLog, before: number): void {
    const sent = batch.sent[index]!;
    const where = `message ${sent.uid} of ${this.#owner.name.id} at ${sequence}`;
    if (batch.refused.has(index)) throw new Violation(`I5: ${where} was refused before`);
    if (isRepeat ? batch.attempts === 1 : batch.isAnswered)
      throw new Violation(`I5: ${where} is ${isRepeat ? 'a repeat, and was sent once' : 'new, and was answered before'}`);
    if (!isRepeat && sequence <= before) throw new Violation(`I4: ${where} is new; ${before} was told of before it was sent`);
    sent.possible -= batch.isAnswered ? 1 : batch.open - 1;
    place(log, sequence, sent, undefined, true);
  }

  #refused(batch: Batch, isSure: boolean, isEarly: boolean, era: number, { code, text }: Outcome<never> & { is: 'refused' }): void {
    const owner = this.#owner;
    const { name } = owner;
    // Nothing of it was stored by this attempt.
    if (!batch.isAnswered) batch.open--;
    for (const sent of batch.sent) this.#notStored(sent, 1);
    batch.cameBack = true;
    owner.isBroken = true;
    if (!isSure) return;
    if (code === 'PRODUCER_FENCED') {
      const current = Number(/is at epoch (\d+)/.exec(text)?.[1]);
      if (!(current > owner.epoch && current <= name.epoch))
        throw new Violation(`I5: ${name.id} is fenced in epoch ${owner.epoch}, and the newest is ${name.epoch}: ${text}`);
      owner.isFenced = true;
      name.owners.splice(name.owners.indexOf(owner), 1);
      // I13: whoever is told of a newer epoch may rely on it.
      this.#hear(current, era);
    } else if (code === 'PRODUCER_GAP') {
      if (!isEarly) this.#gap(batch, text);
    } else if (
      batch.isAtomic &&
      (code === 'MESSAGE_TOO_LARGE' || (code === 'LIMIT_EXCEEDED' && name.slot.config.retention?.discard === 'refuse'))
    )
      this.#refusedWhole(batch, code);
    else throw new Violation(`produce: ${name.id} is refused with ${code}: ${text}`);
  }

  #gap(batch: Batch, text: string): void {
    const owner = this.#owner;
    const { unanswered, name } = owner;
    if (unanswered.slice(0, Math.max(0, unanswered.indexOf(batch))).some(({ cameBack }) => cameBack)) return;
    const isLost = this.#counting.isForgetful || (!name.slot.isSynced && owner.era !== this.#stage.told.era);
    if (!isLost) throw new Violation(`I5: ${name.id} has no gap before ${owner.epoch}.${batch.sequence}, and is refused: ${text}`);
    owner.isLost = true;
  }

  /** None of its sequences is used. */
  #refusedWhole(batch: Batch, code: string): void {
    const owner = this.#owner;
    if (code === 'MESSAGE_TOO_LARGE' && !batch.sent.some(({ isTooLarge }) => isTooLarge))
      throw new Violation(`produce: ${owner.name.id} is refused with ${code}, and no message is too large`);
    if (batch.isAnswered) throw new Violation(`I5: a batch of ${owner.name.id} was stored, and is refused with ${code}`);
    for (const sent of batch.sent) this.#notStored(sent, batch.open);
    owner.unanswered = owner.unanswered.filter((each) => each !== batch);
    owner.next = batch.sequence;
    owner.isBroken = owner.unanswered.length > 0;
  }
}

/** One loop for each that sends under one of the names. */
export function countingProducers(stage: Stage, chance: Chance, counting: Counting, names: readonly CountedName[]): CountingProducer[] {
  return names.flatMap((name) =>
    name.owners.map((owner) => new CountingProducer(stage, chance.fork(`${name.id} ${owner.epoch}`), counting, owner)),
  );
}

export function countedNames(chance: Chance, counting: Counting, slots: readonly StationSlot[]): CountedName[] {
  return slots.flatMap((slot) =>
    Array.from(
      { length: counting.names },
      (_, i) => new CountedName(`${slot.name}-p${i}`, slot, chance.below(slot.config.partitions ?? 1)),
    ),
  );
}
