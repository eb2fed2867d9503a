/**
 * Clients of the broker: producers, consumers, readers and an administrator, each a loop of random calls, each noting what
 * it was told and holding it against what was told before.
 *
 * Holds: a client that hears nothing, or a code of 500 and above, knows nothing; it sends messages with an id again until it
 * knows. Of names that are being removed or made again nothing is concluded until that is over.
 * Elsewhere: what may be concluded (checkers/), when a life ends and what is checked at rest (../broker.ts).
 */
import type {
  Broker,
  FetchResult,
  GroupInput,
  ProduceInput,
  ProduceResult,
  ReadResult,
  ReceiptFailure,
  ReceiptRange,
  SettleVerb,
  Signal,
} from '../../../src/core/calls.ts';
import { parseCursor } from '../../../src/core/cursor.ts';
import { FILTERS } from '../checkers/choice.ts';
import { checkDuplicate } from '../checkers/dedup.ts';
import type { Settling } from '../checkers/leases.ts';
import { delivered, releaseBegins, settleBegins, settleEnds } from '../checkers/leases.ts';
import { checkLetter } from '../checkers/letters.ts';
import { checkGone, checkRead, lasts, place, readBlock } from '../checkers/log.ts';
import { settlePast } from '../checkers/retention.ts';
import type { Base, GroupPartition, GroupSlot, Lease, PartitionLog, Sent, StationSlot, Told, Track } from '../checkers/told.ts';
import { GroupLife, StationLife, Violation } from '../checkers/told.ts';
import type { Chance } from '../world.ts';
import type { AdminCall, Habits } from './broker.ts';
import { batchOf, drawGroup, drawPatch, drawPlace, makeMessage, pickWeighted } from './broker.ts';

export const NAMESPACE = 'n';

/** What came of a call. */
export type Outcome<T> =
  | { readonly is: 'answered'; readonly value: T }
  /** Nothing was stored (4xx). */
  | { readonly is: 'refused'; readonly code: string; readonly text: string }
  /** Nobody knows. */
  | { readonly is: 'unknown' };

/** What the campaign does for its clients. */
export interface Stage {
  readonly told: Told;
  readonly habits: Habits;
  /** World time. */
  now(): number;
  /** The broker's time, at the latest and at the earliest. */
  brokerNow(): number;
  brokerLeast(): number;
  isOver(): boolean;
  call<T>(what: string, ask: (broker: Broker) => Promise<T>, waitMs?: number): Promise<Outcome<T>>;
  /** Resolves after `ms`, or when life is over; and not while everything is held for an audit. */
  pause(ms: number): Promise<void>;
  count(what: string, more?: number): void;
  /** A fetch that was answered may have leased more than it tells, as a call from part to part of the broker was lost. */
  losesLeases?(isCancelled: boolean): boolean;
}

/** That nothing has moved a station, or a group of it, since it was taken. */
interface Token {
  readonly life: StationLife | undefined;
  isSure(): boolean;
}

export class Clients {
  readonly #stage: Stage;
  readonly #chance: Chance;

  constructor(stage: Stage, chance: Chance) {
    this.#stage = stage;
    this.#chance = chance;
  }

  // ── Loops ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async produce(calls: number): Promise<void> {
    for (let call = 0; call < calls && !this.#stage.isOver(); call++) {
      await this.#produce(this.#slot());
      await this.#pause();
    }
  }

  async consume(name: string, calls: number): Promise<void> {
    const consumer = new Consumer(this.#stage, this.#chance, name);
    for (let call = 0; call < calls && !this.#stage.isOver(); call++) {
      await consumer.step(this.#slot());
      await this.#pause();
    }
  }

  async readOn(calls: number): Promise<void> {
    let place: { slot: StationSlot; cursor: string } | undefined;
    for (let call = 0; call < calls && !this.#stage.isOver(); call++) {
      const slot: StationSlot = place?.slot ?? this.#slot();
      const read: ReadResult | undefined = await this.read(slot, place?.cursor, this.#chance.happens(this.#stage.habits.waits) ? 200 : 0);
      place = read === undefined || this.#chance.happens(0.1) ? undefined : { slot, cursor: read.cursor };
      await this.#pause();
    }
  }

  async administer(calls: number): Promise<void> {
    for (let call = 0; call < calls && !this.#stage.isOver(); call++) {
      const what = pickWeighted(this.#chance, this.#stage.habits.admin);
      const slot = this.#slot();
      if (slot.changing !== undefined) await this.resolve(slot);
      else if (slot.life === undefined) await this.makeStation(slot);
      else if (what !== undefined) await this.#administer(what, slot);
      for (const group of slot.groups)
        if (slot.life !== undefined && group.life === undefined && !this.#stage.isOver()) await this.makeGroup(group);
      await this.#stage.pause(this.#chance.fraction() * 20);
    }
  }

  #slot(): StationSlot {
    return this.#chance.pick(this.#stage.told.slots);
  }

  async #pause(): Promise<void> {
    await this.#stage.pause(this.#chance.fraction() * this.#stage.habits.pauseMs);
  }

  #token(slot: StationSlot): Token {
    const { turn, life, changing } = slot;
    return { life: changing === undefined ? life : undefined, isSure: () => changing === undefined && slot.turn === turn };
  }

  // ── Producing ──────────────────────────────────────────────────────────────────────────────────────────────────

  async #produce(slot: StationSlot): Promise<void> {
    const { habits, told } = this.#stage;
    const chance = this.#chance;
    const partitions = slot.config.partitions ?? 1;
    let partition = partitions > 1 && chance.happens(habits.named) ? chance.below(partitions) : undefined;
    let messages: Sent[];
    const again = slot.retry.length > 0 && chance.happens(0.4) ? slot.retry.splice(chance.below(slot.retry.length), 1)[0] : undefined;
    if (again !== undefined) {
      partition = again.partition;
      messages = [again];
    } else {
      const count = chance.happens(habits.batch) ? chance.between(1, habits.batchMost) : 1;
      messages = Array.from({ length: count }, () => makeMessage(chance, habits, told, slot, this.#stage.now(), partition));
    }
    const isOne = partitions === 1 || partition !== undefined;
    const log = slot.life?.logs[partition ?? 0];
    const expected = isOne && log && chance.happens(habits.expected) ? log.last + chance.pick([1, 1, 1, 2, 0]) : undefined;
    const input: ProduceInput = {
      partition,
      atomic: isOne && chance.happens(habits.atomic),
      expectedSequence:
        expected !== undefined && expected > 0 && messages.every(({ delayMs }) => delayMs === undefined) ? expected : undefined,
    };
    await this.#send(slot, messages, input);
  }

  /** A plain message to any partition. */
  async produceOne(slot: StationSlot): Promise<Sent> {
    const plain = { ...this.#stage.habits, ids: 0, repeats: 0, tooLarge: 0, large: 0, keys: 0, expires: 0, delays: 0 };
    const sent = makeMessage(
      this.#chance,
      plain,
      this.#stage.told,
      slot,
      this.#stage.now(),
      this.#chance.below(slot.config.partitions ?? 1),
    );
    await this.#send(slot, [sent], { partition: sent.partition });
    return sent;
  }

  async #send(slot: StationSlot, messages: readonly Sent[], input: ProduceInput): Promise<void> {
    const stage = this.#stage;
    const token = this.#token(slot);
    const before = token.life ? lasts(token.life) : [];
    const isAbsent = slot.life === undefined && slot.changing === undefined;
    const askedAt = stage.brokerLeast();
    for (const sent of messages) {
      sent.possible++;
      if (sent.places.length === 0) slot.unplaced.add(sent);
    }
    const batch = batchOf(messages);
    const what = `produce ${slot.name} ${messages.map(({ uid, id, key }) => `${uid}${id === undefined ? '' : `=${id}`}${key === undefined ? '' : `@${key}`}`).join(' ')} ${JSON.stringify(input)}`;
    const outcome = await stage.call(what, (broker) => broker.produce(NAMESPACE, slot.name, batch, input));
    if (outcome.is === 'answered') {
      stage.count('messages produced', messages.length);
      if (isAbsent && token.isSure()) throw new Violation(`identity: station ${slot.name} was removed, and takes messages`);
      this.#produced(slot, token, messages, input, outcome.value, before, askedAt);
    } else if (outcome.is === 'refused') {
      this.#refused(slot, token, messages, input, outcome);
    } else {
      for (const sent of messages) if (sent.id !== undefined && !slot.retry.includes(sent)) slot.retry.push(sent);
    }
  }

  #refused(
    slot: StationSlot,
    token: Token,
    messages: readonly Sent[],
    input: ProduceInput,
    { code, text }: { code: string; text: string },
  ): void {
    // A batch over several partitions may have been stored in some when its station was removed; what it was stored in is gone.
    const inPart =
      code === 'STATION_NOT_FOUND' && messages.length > 1 && input.partition === undefined && (slot.config.partitions ?? 1) > 1;
    if (!inPart) for (const sent of messages) this.#notStored(sent);
    const sure = token.life !== undefined && token.isSure();
    if (code === 'SEQUENCE_MISMATCH') {
      if (input.expectedSequence === undefined) throw new Violation('produce: a sequence that nobody named is another');
      const log = token.life?.logs[input.partition ?? 0];
      const next = Number(/next sequence is (\d+)/.exec(text)?.[1] ?? 0);
      // I13: the next sequence was told, so what comes before it is durable.
      if (sure && log !== undefined) log.last = Math.max(log.last, next - 1);
    } else if (code === 'STATION_NOT_FOUND') {
      if (sure) throw new Violation(`identity: station ${slot.name} is there, and is not found`);
    } else if (code === 'MESSAGE_TOO_LARGE') {
      if (input.atomic !== true || !messages.some(({ isTooLarge }) => isTooLarge))
        throw new Violation(`produce: refused with ${code}, and no message is too large`);
    } else if (code === 'LIMIT_EXCEEDED') {
      if (input.atomic !== true || slot.config.retention?.discard !== 'refuse')
        throw new Violation(`produce: refused with ${code} by a station that discards`);
    } else throw new Violation(`produce: refused with ${code}: ${text}`);
  }

  #notStored(sent: Sent): void {
    sent.possible--;
    if (sent.possible === 0) sent.slot.unplaced.delete(sent);
    if (sent.possible <= 0 && sent.places.length > 0) throw new Violation(`I2: message ${sent.uid} is refused, and was seen`);
  }

  #produced(
    slot: StationSlot,
    token: Token,
    messages: readonly Sent[],
    input: ProduceInput,
    result: ProduceResult,
    before: readonly number[],
    askedAt: number,
  ): void {
    const { ranges, duplicates, scheduled, errors, partitions } = result;
    const stored = ranges.reduce((sum, [, , count]) => sum + count, 0);
    if (result.count !== messages.length || stored + duplicates.length + scheduled.length + errors.length !== messages.length) {
      throw new Violation(
        `produce: ${messages.length} messages were sent; ${stored} stored, ${duplicates.length} repeated, ${errors.length} refused are answered`,
      );
    }
    if (input.atomic === true && errors.length > 0) throw new Violation('produce: an atomic batch is stored in part');
    const sure = token.life !== undefined && token.isSure();
    const logs = sure ? token.life.logs : undefined;
    const repeated = new Map(duplicates.map(([index, partition, sequence]) => [index, { partition, sequence }]));
    const delayed = new Map(scheduled.map((each) => [each.index, each]));
    const refused = new Map(errors.map((error) => [error.index, error]));
    const next = new Map<number, { first: number; count: number }[]>();
    for (const [partition, first, count] of ranges) next.set(partition, [...(next.get(partition) ?? []), { first, count }]);
    const only = ranges[0]?.[0] ?? duplicates[0]?.[1] ?? 0;
    messages.forEach((sent, index) => {
      const error = refused.get(index);
      if (sent.isTooLarge !== (error?.code === 'MESSAGE_TOO_LARGE'))
        throw new Violation(`produce: message ${sent.uid} of ${sent.record.length} bytes is ${error?.code ?? 'stored'}`);
      if (error !== undefined) {
        if (error.code !== 'MESSAGE_TOO_LARGE' && (error.code !== 'LIMIT_EXCEEDED' || slot.config.retention?.discard !== 'refuse'))
          throw new Violation(`produce: message ${sent.uid} is refused with ${error.code}`);
        this.#notStored(sent);
        return;
      }
      const later = delayed.get(index);
      if (later !== undefined) {
        this.#delayed(sent, later, logs);
        return;
      }
      if (sent.delayMs !== undefined && !repeated.has(index))
        throw new Violation(`delay: message ${sent.uid} is delayed by ${sent.delayMs} ms, and stored at once`);
      const repeat = repeated.get(index);
      if (repeat !== undefined) {
        this.#repeated(sent, repeat, logs, askedAt);
        return;
      }
      const partition = partitions === undefined ? only : partitions[index]!;
      if (input.partition !== undefined && partition !== input.partition)
        throw new Violation(`produce: sent to partition ${input.partition}, stored in ${partition}`);
      const range = next.get(partition)?.[0];
      if (range === undefined) throw new Violation(`produce: message ${sent.uid} has no sequence in partition ${partition}`);
      const sequence = range.first++;
      range.count--;
      if (range.count === 0) next.get(partition)?.shift();
      if (logs === undefined) return;
      if (sequence <= (before[partition] ?? 0))
        throw new Violation(`I4: message ${sent.uid} is stored at ${sequence}; ${before[partition]} was told of before it was sent`);
      place(logs[partition]!, sequence, sent, undefined, true);
    });
    const first = ranges[0];
    if (input.expectedSequence !== undefined && first !== undefined && first[1] !== input.expectedSequence)
      throw new Violation(`produce: sequence ${input.expectedSequence} was expected, ${first[1]} was given`);
  }

  /** @param logs of the station, where it is surely the one that was asked */
  #delayed(
    sent: Sent,
    { scheduleId, dueAt, duplicate }: ProduceResult['scheduled'][number],
    logs: readonly PartitionLog[] | undefined,
  ): void {
    if (duplicate) {
      if (sent.id === undefined) throw new Violation(`I5: message ${sent.uid} has no id, and is called a repeat of ${scheduleId}`);
      sent.possible--;
      if (sent.possible === 0) sent.slot.unplaced.delete(sent);
      return;
    }
    this.#stage.count('messages delayed');
    const log = logs?.[Number(scheduleId.split('-')[0])];
    // The partition's clock may be ahead of the broker's.
    const ahead = Math.max(0, dueAt - (sent.delayMs ?? 0) - this.#stage.brokerNow());
    if (log !== undefined) sent.delayed = { log, scheduleId, dueAt, ahead, isSure: true, cancelled: 'no' };
  }

  async #cancel(slot: StationSlot): Promise<void> {
    const { told } = this.#stage;
    const waiting = [...told.sent.values()].filter((each) => each.slot === slot && each.delayed?.cancelled === 'no');
    if (waiting.length === 0) return;
    const sent = this.#chance.pick(waiting);
    const delayed = sent.delayed!;
    const token = this.#token(slot);
    delayed.cancelled = 'maybe';
    const outcome = await this.#stage.call(`cancel ${delayed.scheduleId} of ${slot.name}`, (broker) =>
      broker.cancelSchedule(NAMESPACE, slot.name, delayed.scheduleId),
    );
    const isSure = delayed.isSure && token.isSure() && slot.life?.logs[delayed.log.partition] === delayed.log;
    if (outcome.is === 'answered' && isSure) {
      delayed.cancelled = 'yes';
      // Sent more than once, and its id is not remembered so long: it may be there for another time.
      if (sent.possible <= 1 && sent.places.some((place) => place.log === delayed.log))
        throw new Violation(`delay: message ${sent.uid} is there, and can be cancelled`);
      sent.possible--;
      if (sent.possible === 0) sent.slot.unplaced.delete(sent);
    } else if (outcome.is === 'refused' && isSure && outcome.code === 'NOT_FOUND') {
      if (delayed.dueAt - delayed.ahead > this.#stage.brokerNow())
        throw new Violation(`delay: message ${sent.uid} is not due, and not found`);
      delayed.cancelled = 'no';
    }
  }

  #repeated(
    sent: Sent,
    { partition, sequence }: { partition: number; sequence: number },
    logs: readonly PartitionLog[] | undefined,
    askedAt: number,
  ): void {
    sent.possible--;
    const log = logs?.[partition];
    if (log !== undefined) {
      checkDuplicate(log, sequence, sent, askedAt);
      const claim = log.claims.get(sequence) ?? sent.id;
      if (claim !== sent.id) throw new Violation(`I5: ${sequence} is called the place of id ${claim}, and of id ${sent.id}`);
      if (sent.id !== undefined) log.claims.set(sequence, sent.id);
      log.last = Math.max(log.last, sequence);
      // What it repeats is itself, or another with its id that nobody has seen yet.
      if (log.stored.get(sequence)?.sent === sent && sent.possible <= 0)
        throw new Violation(`I5: message ${sent.uid} repeats itself, and was never sent before`);
    }
    if (sent.possible === 0) sent.slot.unplaced.delete(sent);
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────

  async read(slot: StationSlot, cursor: string | undefined, waitMs: number, all = false): Promise<ReadResult | undefined> {
    const stage = this.#stage;
    const chance = this.#chance;
    const token = this.#token(slot);
    const before = token.life ? lasts(token.life) : [];
    const firsts = token.life?.logs.map((log) => log.first) ?? [];
    const from = cursor !== undefined ? undefined : all ? 'start' : drawPlace(chance, Math.max(0, ...before), stage.brokerNow());
    const signal = waitMs > 0 && chance.happens(stage.habits.cancels) ? this.#signal(chance.fraction() * waitMs) : undefined;
    const input = {
      from,
      cursor,
      waitMs,
      signal,
      limit: all ? 1000 : chance.pick([1, 5, 1000]),
      maxBytes: all ? 1_000_000 : chance.pick([1, 500, 1_000_000]),
    };
    const outcome = await stage.call(
      `read ${slot.name} ${JSON.stringify({ ...input, signal: signal !== undefined })}`,
      (broker) => broker.read(NAMESPACE, slot.name, input),
      waitMs,
    );
    if (outcome.is === 'refused') {
      // A cursor of a removed station leads nowhere.
      if (outcome.code === 'INVALID_REQUEST' && cursor !== undefined) return undefined;
      if (outcome.code !== 'STATION_NOT_FOUND' || (token.life !== undefined && token.isSure()))
        throw new Violation(`read: refused with ${outcome.code}: ${outcome.text}`);
      return undefined;
    }
    if (outcome.is !== 'answered') return undefined;
    this.#wasRead(slot, token, outcome.value, before, firsts, input);
    return outcome.value;
  }

  #wasRead(
    slot: StationSlot,
    token: Token,
    read: ReadResult,
    before: readonly number[],
    firsts: readonly number[],
    input: { limit: number; maxBytes: number },
  ): void {
    const { told } = this.#stage;
    const seen = read.blocks.flatMap((block) => readBlock(told, slot.name, block));
    if (seen.length > input.limit) throw new Violation(`read: ${seen.length} messages where ${input.limit} were asked for`);
    const bytes = read.blocks.reduce((sum, block) => sum + block.end - block.start, 0);
    const largest = Math.max(0, ...seen.map(({ sent }) => sent.record.length));
    if (bytes - largest > input.maxBytes) throw new Violation(`read: ${bytes} bytes where ${input.maxBytes} were asked for`);
    if (token.life === undefined || !token.isSure()) return;
    const start = parseCursor(read.start);
    const end = parseCursor(read.cursor);
    told.nameStation(token.life, start.station);
    for (const log of token.life.logs) {
      const { partition } = log;
      const from = start.next[partition]!;
      checkRead(
        log,
        from,
        seen.filter((each) => each.partition === partition),
        firsts[partition]!,
        { now: this.#stage.brokerNow() },
      );
      const last = seen.findLast((each) => each.partition === partition)?.sequence;
      const next = end.next[partition]!;
      if (last !== undefined && next <= last) throw new Violation(`read: the cursor stands at ${next} after message ${last}`);
      // What was trimmed meanwhile is passed over.
      if (next > (last ?? from - 1) + 1) checkGone(log, (last ?? from - 1) + 1, next, { now: this.#stage.brokerNow() });
      if (read.end && next <= before[partition]! && from <= before[partition]!)
        throw new Violation(`I1: a read of ${slot.name}/${partition} ends at ${next}, and message ${before[partition]} was told of`);
    }
  }

  #signal(ms: number): Signal {
    return new SimSignal((abort) => void this.#stage.pause(ms).then(abort));
  }

  // ── Administering ──────────────────────────────────────────────────────────────────────────────────────────────

  async #administer(what: AdminCall, slot: StationSlot): Promise<void> {
    const group = this.#chance.pick(slot.groups);
    if (group.life === undefined || group.changing !== undefined) {
      await this.makeGroup(group);
      return;
    }
    const calls: Record<AdminCall, () => Promise<unknown>> = {
      info: () => this.info(slot),
      read: () => this.read(slot, undefined, 0),
      message: () => this.#message(slot),
      group: () => this.#group(group),
      pending: () => this.#pending(group),
      letters: () => this.letters(slot),
      cancel: () => this.#cancel(slot),
      redrive: () => this.#redrive(slot),
      removeLetter: () => this.#removeLetter(slot),
      patch: () => this.#patch(slot),
      purge: () => this.#purge(slot),
      seek: () => this.#seek(group),
      patchGroup: () => this.#patchGroup(group),
      remakeGroup: () => this.#removeGroup(group),
      remakeStation: () => this.#removeStation(slot),
      list: () => this.#list(),
      absent: () => this.#absent(slot),
    };
    await calls[what]();
  }

  /** Finishes what has an unknown outcome. */
  async resolve(slot: StationSlot): Promise<void> {
    if (slot.changing === 'make') await this.makeStation(slot);
    if (slot.changing === 'remove') await this.#removeStation(slot);
    if (slot.life === undefined || slot.changing !== undefined) return;
    for (const group of slot.groups) {
      if (group.changing === 'remove') await this.#removeGroup(group);
      if (group.life === undefined || group.changing === 'make') await this.makeGroup(group);
    }
  }

  async makeStation(slot: StationSlot): Promise<void> {
    slot.changing = 'make';
    slot.turn++;
    const outcome = await this.#stage.call(`make ${slot.name} ${JSON.stringify(slot.config)}`, (broker) =>
      broker.putStation(NAMESPACE, slot.name, slot.config),
    );
    if (outcome.is === 'refused') throw new Violation(`making station ${slot.name} is refused with ${outcome.code}: ${outcome.text}`);
    if (outcome.is !== 'answered') return;
    slot.life = new StationLife(slot, slot.config);
    slot.changing = undefined;
    slot.turn++;
  }

  async #removeStation(slot: StationSlot): Promise<void> {
    const wasUnknown = slot.changing === 'remove';
    slot.changing = 'remove';
    slot.turn++;
    const outcome = await this.#stage.call(`remove ${slot.name}`, (broker) => broker.removeStation(NAMESPACE, slot.name));
    if (outcome.is === 'unknown') return;
    if (outcome.is === 'refused' && (outcome.code !== 'STATION_NOT_FOUND' || !wasUnknown))
      throw new Violation(`removing station ${slot.name} is refused with ${outcome.code}: ${outcome.text}`);
    slot.life = undefined;
    slot.changing = undefined;
    slot.turn++;
    for (const group of slot.groups) {
      group.life = undefined;
      group.changing = undefined;
      group.turn++;
    }
  }

  async makeGroup(group: GroupSlot): Promise<void> {
    const { slot } = group;
    const { life } = slot;
    const token = this.#token(slot);
    if (life === undefined) return;
    const before = lasts(life);
    if (group.changing !== 'make') group.config = drawGroup(this.#chance, Math.max(0, ...before), this.#stage.brokerNow());
    const wasUnknown = group.changing !== undefined;
    group.changing = 'make';
    group.turn++;
    const outcome = await this.#stage.call(`make group ${group.name} of ${slot.name} ${JSON.stringify(group.config)}`, (broker) =>
      broker.putGroup(NAMESPACE, slot.name, group.name, group.config),
    );
    if (outcome.is === 'unknown' || !token.isSure()) return;
    if (outcome.is === 'refused') {
      // A fetch that came while it was removed has made it as fetches do.
      if (outcome.code !== 'GROUP_EXISTS')
        throw new Violation(`making group ${group.name} is refused with ${outcome.code}: ${outcome.text}`);
      await this.#removeGroup(group);
      return;
    }
    // Asked for twice, it may have been made at the first time: what was produced between counts for `end` only if so.
    const place = wasUnknown || !outcome.value.created ? 'unknown' : placeOf(group.config);
    const base: Base = {
      place: place === 'unknown' && group.config.startAt === 'start' ? 'start' : place,
      at: this.#stage.now(),
      lasts: before,
    };
    for (const log of life.logs) settlePast(log, this.#stage.brokerNow());
    group.life = new GroupLife(group, life, group.config, base);
    for (const gp of group.life.partitions) gp.lost = group.blind;
    group.changing = undefined;
    group.turn++;
  }

  async #removeGroup(group: GroupSlot): Promise<void> {
    const { slot } = group;
    const token = this.#token(slot);
    group.changing = 'remove';
    group.turn++;
    const outcome = await this.#stage.call(`remove group ${group.name} of ${slot.name}`, (broker) =>
      broker.removeGroup(NAMESPACE, slot.name, group.name),
    );
    if (outcome.is === 'unknown' || !token.isSure()) return;
    if (outcome.is === 'refused' && outcome.code !== 'GROUP_NOT_FOUND')
      throw new Violation(`removing group ${group.name} is refused with ${outcome.code}: ${outcome.text}`);
    group.life = undefined;
    group.changing = undefined;
    group.turn++;
  }

  async info(slot: StationSlot): Promise<void> {
    const token = this.#token(slot);
    const before = token.life ? lasts(token.life) : [];
    const firsts = token.life?.logs.map((log) => log.first) ?? [];
    const outcome = await this.#stage.call(`info ${slot.name}`, (broker) => broker.station(NAMESPACE, slot.name));
    if (token.life === undefined || !token.isSure() || outcome.is === 'unknown') return;
    if (outcome.is === 'refused') throw new Violation(`info: ${slot.name} is there, and is refused with ${outcome.code}`);
    for (const { partition, first, last, messages } of outcome.value.counts) {
      const log = token.life.logs[partition]!;
      const where = `${slot.name}/${partition}`;
      if (last < before[partition]!) throw new Violation(`I1: ${where} ends with ${last}, and message ${before[partition]} was told of`);
      if (first < firsts[partition]!)
        throw new Violation(`I3: ${where} begins with ${first}, and was told to begin with ${firsts[partition]}`);
      if (messages !== last - first + 1) throw new Violation(`info: ${where} has ${messages} messages, ${first} to ${last}`);
      checkGone(log, log.seenFirst, first, { now: this.#stage.brokerNow() });
      log.first = Math.max(log.first, first);
      log.last = Math.max(log.last, last);
    }
  }

  async #message(slot: StationSlot): Promise<void> {
    const token = this.#token(slot);
    const partition = this.#chance.below(slot.config.partitions ?? 1);
    const log = token.life?.logs[partition];
    const before = log?.last ?? 0;
    const first = log?.first ?? 1;
    const sequence = this.#chance.between(1, before + 2);
    const outcome = await this.#stage.call(`message ${slot.name}/${partition}/${sequence}`, (broker) =>
      broker.message(NAMESPACE, slot.name, partition, sequence),
    );
    if (outcome.is === 'answered') {
      const [seen] = readBlock(this.#stage.told, slot.name, outcome.value);
      if (seen?.sequence !== sequence || outcome.value.count !== 1)
        throw new Violation(`message: asked for ${sequence}, got ${seen?.sequence}`);
      if (log === undefined || !token.isSure()) return;
      if (sequence < first)
        throw new Violation(`I3: message ${sequence} of ${slot.name}/${partition} is served, and was trimmed below ${first}`);
      place(log, sequence, seen.sent, seen.producedAt, false);
    } else if (outcome.is === 'refused' && log !== undefined && token.isSure()) {
      if (outcome.code === 'MESSAGE_TRIMMED') {
        checkGone(log, log.seenFirst, sequence + 1, { now: this.#stage.brokerNow() });
        log.first = Math.max(log.first, sequence + 1);
      } else if (outcome.code !== 'MESSAGE_NOT_FOUND' || sequence <= before)
        throw new Violation(`I1: message ${sequence} of ${slot.name}/${partition} is refused with ${outcome.code}; ${before} was told of`);
    }
  }

  async #group(group: GroupSlot): Promise<void> {
    const outcome = await this.#stage.call(`group ${group.name} of ${group.slot.name}`, (broker) =>
      broker.group(NAMESPACE, group.slot.name, group.name),
    );
    if (outcome.is !== 'answered') return;
    const { unread, inFlight, redelivered, dead } = outcome.value;
    if (Math.min(unread, inFlight, redelivered, dead) < 0 || redelivered > inFlight)
      throw new Violation(`I7: group ${group.name} says ${unread} unread, ${inFlight} in flight, ${redelivered} redelivered, ${dead} dead`);
  }

  async #pending(group: GroupSlot): Promise<void> {
    const outcome = await this.#stage.call(`pending ${group.name} of ${group.slot.name}`, (broker) =>
      broker.pending(NAMESPACE, group.slot.name, group.name, { limit: 1000 }),
    );
    if (outcome.is !== 'answered') return;
    const seen = new Set(outcome.value.items.map(({ partition, sequence }) => `${partition}.${sequence}`));
    if (seen.size !== outcome.value.items.length) throw new Violation(`leases: group ${group.name} has two leases of one message`);
  }

  // ── Dead letters ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Letters known by name, with what they are of. An id is of one station: made again, it has others. */
  readonly #letters = new Map<string, { readonly slot: StationSlot; readonly life: StationLife; readonly track: Track | undefined }>();

  /** Pages through all of them. @returns `GROUP PARTITION.SEQUENCE` by id, or undefined when it was cut short */
  async letters(slot: StationSlot, limit = this.#chance.pick([1, 3, 1000])): Promise<Map<string, string> | undefined> {
    const token = this.#token(slot);
    const listed = new Map<string, string>();
    const must = [...(token.life === undefined ? [] : surelyRejected(slot))];
    const ids = new Set<string>();
    for (let after: string | undefined; ; ) {
      const page = { limit, after };
      const outcome = await this.#stage.call(`letters of ${slot.name} ${JSON.stringify(page)}`, (broker) =>
        broker.deadLetters(NAMESPACE, slot.name, page),
      );
      if (outcome.is !== 'answered') return undefined;
      for (const letter of outcome.value.items) {
        if (ids.has(letter.id)) throw new Violation(`letters: ${letter.id} is listed twice`);
        ids.add(letter.id);
        if (token.life === undefined || !token.isSure()) continue;
        const track = checkLetter(this.#stage.told, token.life, letter);
        if (track !== undefined) track.wasDead = true;
        this.#letters.set(letter.id, { slot, life: token.life, track });
        listed.set(letter.id, `${letter.group} ${letter.message.partition}.${letter.message.first}`);
      }
      if (outcome.value.next === null) break;
      after = outcome.value.next;
    }
    if (!token.isSure()) return undefined;
    // Pages follow one another: what died before the first of them is on one of them.
    const names = new Set(listed.values());
    for (const track of must) {
      const name = `${track.of.group.slot.name} ${track.of.log.partition}.${track.sequence}`;
      const isStill =
        track.of.group.slot.life === track.of.group &&
        track.of.tracks.get(track.sequence) === track &&
        !track.letterGone &&
        !track.redriven &&
        track.rejected;
      if (isStill && typeof slot.config.deadLetter?.maxAgeMs !== 'number' && !names.has(name))
        throw new Violation(`letters: ${name} of ${slot.name} was rejected, and is not among the dead letters`);
    }
    return listed;
  }

  async #redrive(slot: StationSlot): Promise<void> {
    const letters = [...this.#letters].filter(([, letter]) => letter.slot === slot && letter.life === slot.life);
    const all = letters.length === 0 || this.#chance.happens(0.2);
    const chosen = all ? undefined : this.#chance.pick(letters);
    const token = this.#token(slot);
    const groups = slot.groups.flatMap(({ life }) => life?.partitions ?? []);
    // As the group has it now: a letter may be from before the group was moved, and then its track is another.
    const known = chosen?.[1].track;
    const one = known?.of.track(known.sequence);
    const touched = chosen === undefined ? groups.flatMap((gp) => [...gp.tracks.values()]) : one === undefined ? [] : [one];
    for (const gp of groups) gp.anyRedrive = true;
    for (const track of touched) {
      track.redriven = true;
      // What was certain may be undone now.
      if (track.acked) track.ackOpen++;
      if (track.rejected) track.rejectOpen++;
      track.acked = undefined;
      track.rejected = undefined;
    }
    const input = chosen === undefined ? { all: true } : { ids: [chosen[0]] };
    const turn = one?.of.turn;
    if (all) {
      slot.redriving++;
      slot.redrives++;
    }
    const outcome = await this.#stage.call(`redrive in ${slot.name} ${JSON.stringify(input)}`, (broker) =>
      broker.redrive(NAMESPACE, slot.name, input),
    );
    if (chosen === undefined) for (const [id] of letters) this.#letters.delete(id);
    if (all) slot.redrives++;
    if (all && outcome.is !== 'unknown') slot.redriving--;
    if (chosen === undefined || outcome.is !== 'answered' || !token.isSure()) return;
    const track = one;
    this.#letters.delete(chosen[0]);
    if (outcome.value.redriven > 1) throw new Violation(`letters: ${outcome.value.redriven} are redriven of one`);
    if (track === undefined || outcome.value.redriven === 0 || track.of.turn !== turn || track.of.tracks.get(track.sequence) !== track)
      return;
    if (track.of.group.slot.life !== track.of.group) return;
    // Owed again, whatever was before: what was under way has older receipts, or none.
    track.of.tracks.delete(track.sequence);
    const anew = track.of.track(track.sequence);
    anew.redriven = true;
    anew.owed = true;
    this.#stage.count('letters redriven');
  }

  async #removeLetter(slot: StationSlot): Promise<void> {
    const known = [...this.#letters].filter(([, letter]) => letter.slot === slot && letter.life === slot.life);
    if (known.length === 0) return;
    const [id, { track }] = this.#chance.pick(known);
    if (track !== undefined) track.letterGone = true;
    this.#letters.delete(id);
    await this.#stage.call(`remove letter ${id} of ${slot.name}`, (broker) => broker.removeDeadLetter(NAMESPACE, slot.name, id));
  }

  // ── Changing ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #patch(slot: StationSlot): Promise<void> {
    const { life } = slot;
    const patch = drawPatch(this.#chance);
    if (life === undefined) return;
    const retention = patch.retention === null ? {} : { ...life.configs.at(-1)?.retention, ...patch.retention };
    life.configs.push({ ...life.configs.at(-1), ...patch, retention });
    slot.patched++;
    await this.#stage.call(`patch ${slot.name} ${JSON.stringify(patch)}`, (broker) => broker.patchStation(NAMESPACE, slot.name, patch));
  }

  async #patchGroup(group: GroupSlot): Promise<void> {
    const patch: GroupInput = this.#chance.pick([
      { maxInFlight: this.#chance.pick([1, 5, null]) },
      { maxDeliveries: this.#chance.pick([1, 2, 5]) },
      { order: this.#chance.pick(['none', 'partition', 'key']) },
      { leaseMs: 30 },
      { paused: true },
      { filter: this.#chance.pick([null, ...Object.keys(FILTERS)]) },
    ]);
    await this.patch(group, patch);
    if (patch.paused !== true) return;
    await this.#stage.pause(this.#chance.fraction() * 100);
    await this.patch(group, { paused: false });
  }

  async patch(group: GroupSlot, patch: GroupInput): Promise<void> {
    const { life } = group;
    life?.configs.push({ ...life.configs.at(-1), ...patch });
    if (life !== undefined && patch.paused !== undefined) life.pausedAt = undefined;
    const outcome = await this.#stage.call(`patch group ${group.name} of ${group.slot.name} ${JSON.stringify(patch)}`, (broker) =>
      broker.patchGroup(NAMESPACE, group.slot.name, group.name, patch),
    );
    if (life === undefined || patch.paused === undefined) return;
    // Several administrators change it at once: only the last of those that are over tells.
    life.pausedAt = outcome.is === 'answered' && patch.paused && life.configs.at(-1)?.paused === true ? this.#stage.now() : undefined;
  }

  async #purge(slot: StationSlot): Promise<void> {
    const token = this.#token(slot);
    const partitions = slot.config.partitions ?? 1;
    const partition = this.#chance.happens(0.5) ? this.#chance.below(partitions) : undefined;
    const upTo = this.#chance.happens(0.7) ? this.#chance.between(1, Math.max(1, ...(token.life ? lasts(token.life) : []))) : undefined;
    const logs = (token.life?.logs ?? []).filter((log) => partition === undefined || log.partition === partition);
    const before = logs.map((log) => log.last);
    const purgedBefore = logs.map((log) => log.purgedTo);
    for (const log of logs) log.purgedTo = Math.max(log.purgedTo, upTo ?? Number.POSITIVE_INFINITY);
    const outcome = await this.#stage.call(`purge ${slot.name} ${JSON.stringify({ upTo, partition })}`, (broker) =>
      broker.purge(NAMESPACE, slot.name, { upTo, partition }),
    );
    if (outcome.is !== 'answered' || !token.isSure()) return;
    logs.forEach((log, i) => {
      log.purgedTo = Math.max(purgedBefore[i]!, upTo ?? log.last + slot.unplaced.size);
      const first = Math.min(upTo ?? before[i]!, before[i]!) + 1;
      log.first = Math.max(log.first, first);
      log.seenFirst = Math.max(log.seenFirst, first);
    });
  }

  async #seek(group: GroupSlot): Promise<void> {
    const { slot, life } = group;
    const token = this.#token(slot);
    if (life === undefined || token.life === undefined) return;
    const before = lasts(token.life);
    const place = drawPlace(this.#chance, Math.max(0, ...before), this.#stage.brokerNow());
    const partition = this.#chance.happens(0.5) ? this.#chance.below(slot.config.partitions ?? 1) : undefined;
    const moved = life.partitions.filter((gp) => partition === undefined || gp.log.partition === partition);
    for (const gp of moved) settlePast(gp.log, this.#stage.brokerNow());
    for (const gp of moved) gp.moves();
    const turns = moved.map((gp) => gp.turn);
    const outcome = await this.#stage.call(`seek ${group.name} of ${slot.name} ${JSON.stringify({ place, partition })}`, (broker) =>
      broker.seek(NAMESPACE, slot.name, group.name, place, partition),
    );
    if (outcome.is === 'unknown' || !token.isSure()) return;
    moved.forEach((gp, i) => {
      if (gp.turn === turns[i]) gp.moved({ place: outcome.is === 'answered' ? place : 'unknown', at: this.#stage.now(), lasts: before });
    });
  }

  async #list(): Promise<void> {
    const slots = this.#stage.told.slots;
    const tokens = slots.map((slot) => this.#token(slot));
    const outcome = await this.#stage.call('list', (broker) => broker.stations(NAMESPACE, { limit: 1000 }));
    if (outcome.is !== 'answered') return;
    const names = new Set(outcome.value.items.map(({ name }) => name));
    slots.forEach((slot, i) => {
      if (slot.changing === undefined && tokens[i]!.isSure() && names.has(slot.name) !== (slot.life !== undefined))
        throw new Violation(`identity: the list ${names.has(slot.name) ? 'has' : 'lacks'} station ${slot.name}`);
    });
  }

  /** What was never made is not found. */
  async #absent(slot: StationSlot): Promise<void> {
    const station = await this.#stage.call('info of nothing', (broker) => broker.station(NAMESPACE, 'nothing'));
    if (station.is === 'answered') throw new Violation('identity: a station that nobody made is there');
    const group = await this.#stage.call('group of nothing', (broker) => broker.group(NAMESPACE, slot.name, 'nothing'));
    if (group.is === 'answered') throw new Violation('identity: a group that nobody made is there');
  }
}

function placeOf({ startAt }: GroupInput): Base['place'] {
  if (typeof startAt === 'number' || startAt === 'end') return startAt;
  if (typeof startAt === 'string' && startAt.startsWith('time:')) return { time: Number(startAt.slice(5)) };
  return 'start';
}

function* surelyRejected(slot: StationSlot): Generator<Track> {
  for (const { life, changing } of slot.groups) {
    if (life === undefined || changing !== undefined) continue;
    for (const gp of life.partitions) for (const track of gp.tracks.values()) if (track.rejected && !gp.isUncertain) yield track;
  }
}

/** Someone who fetches from groups, and settles what it was given: at once, late, twice, or never. */
export class Consumer {
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #name: string;
  /** What it was given and may still settle. */
  #hand: Lease[] = [];

  constructor(stage: Stage, chance: Chance, name: string) {
    this.#stage = stage;
    this.#chance = chance;
    this.#name = name;
  }

  async step(slot: StationSlot): Promise<void> {
    const group = this.#chance.pick(slot.groups);
    const { habits } = this.#stage;
    // Where the group is surely not there, a fetch would make it: that is the administrator's to do.
    if (group.life === undefined && group.changing === undefined) return;
    if (this.#chance.happens(habits.release)) return this.#release(group);
    const wantsToSettle = this.#chance.fraction() * (habits.fetch + habits.settle) < habits.settle;
    if (wantsToSettle && this.#hand.some((lease) => lease.track.of.group.slot === group)) await this.#settle(group);
    else await this.fetch(group, {});
  }

  /** @returns how many messages came; undefined when it was cut short */
  async fetch(group: GroupSlot, fixed: { max?: number; maxBytes?: number; waitMs?: number }): Promise<Lease[] | undefined> {
    const stage = this.#stage;
    const chance = this.#chance;
    const { slot, life } = group;
    const { turn } = group;
    const stationTurn = slot.turn;
    const { redrives } = slot;
    const isKnown = life !== undefined && group.changing === undefined && slot.changing === undefined;
    const isSure = (): boolean => isKnown && group.turn === turn && slot.turn === stationTurn && group.life === life;
    const turns = life?.partitions.map((gp) => gp.turn) ?? [];
    const { era } = stage.told;
    const askedAt = stage.now();
    const askedLeast = stage.brokerLeast();
    const waitMs = fixed.waitMs ?? (chance.happens(stage.habits.waits) ? chance.pick([5, 100, 1000]) : 0);
    const signal =
      waitMs > 0 && fixed.waitMs === undefined && chance.happens(stage.habits.cancels)
        ? new SimSignal((abort) => void stage.pause(chance.fraction() * waitMs).then(abort))
        : undefined;
    const leaseMs = chance.happens(0.3) ? chance.pick([10, 60, 300]) : undefined;
    const acks = isKnown && chance.happens(0.2) ? this.#take(group).slice(0, 3) : [];
    const settling = acks.map((lease) => settleBegins('ack', lease, 0, 0, askedAt, era));
    const input = {
      consumer: this.#name,
      max: fixed.max ?? chance.pick([1, 3, 10, 100]),
      maxBytes: fixed.maxBytes ?? chance.pick([1, 300, 100_000]),
      waitMs,
      leaseMs,
      signal,
      ack: acks.map(({ text }) => text),
    };
    const partitions = life?.partitions ?? [];
    for (const gp of partitions) gp.lost++;
    const outcome = await stage.call(
      `fetch ${slot.name} ${group.name} ${JSON.stringify({ ...input, signal: signal !== undefined })}`,
      (broker) => broker.fetch(NAMESPACE, slot.name, group.name, input),
      waitMs,
    );
    const isLost = stage.losesLeases?.(signal?.aborted === true) === true;
    if (outcome.is !== 'unknown' && !isLost) for (const gp of partitions) gp.lost--;
    if (!isSure()) {
      // It may have leased from a group that has come into being meanwhile, or is about to; or before the storage failed.
      group.blind++;
      for (const gp of group.life?.partitions ?? []) gp.lost++;
    }
    if (outcome.is === 'unknown') return undefined;
    if (outcome.is === 'refused') {
      const isMissing = outcome.code === 'STATION_NOT_FOUND' || outcome.code === 'GROUP_NOT_FOUND';
      if (!isMissing || isSure())
        throw new Violation(`fetch: group ${group.name} of ${slot.name} is there, and is refused with ${outcome.code}: ${outcome.text}`);
      return undefined;
    }
    const result = outcome.value;
    this.#checkSize(slot.name, result, input);
    settled(settling, result.failed, isSure() && era === stage.told.era, stage.now(), stage.brokerNow());
    const leases: Lease[] = [];
    for (const block of result.blocks) {
      const seen = readBlock(stage.told, slot.name, block);
      if (life === undefined) continue;
      // A lease that was given out while the group was unknown to us is settled like others, and tells nothing.
      const gp: GroupPartition = life.partitions[block.partition]!;
      const isMoved = gp.isUncertain || gp.turn !== turns[block.partition] || slot.redrives !== redrives;
      const sure = isSure() && !isMoved && era === stage.told.era;
      if (!isSure()) continue;
      for (const each of seen) {
        place(gp.log, each.sequence, each.sent, each.producedAt, false);
        const lease = delivered(stage.told, life, {
          seen: each,
          lease: block.lease,
          deliveries: block.deliveries,
          consumer: this.#name,
          leaseMs: leaseMs ?? Math.min(...life.configs.map((config) => config.leaseMs ?? 400)),
          askedAt,
          toldAt: stage.now(),
          isSure: sure,
          era,
          brokerNow: stage.brokerNow(),
          askedLeast,
        });
        leases.push(lease);
      }
    }
    stage.count('messages delivered', leases.length);
    this.#hand.push(...leases);
    return leases;
  }

  #checkSize(slotName: string, { blocks }: FetchResult, { max, maxBytes }: { max: number; maxBytes: number }): void {
    const count = blocks.reduce((sum, block) => sum + block.count, 0);
    const bytes = blocks.reduce((sum, block) => sum + block.end - block.start, 0);
    if (count > max) throw new Violation(`fetch: ${count} messages where ${max} were asked for`);
    // Each partition gives one message at least, as long as there is room: one may go beyond it.
    const largest = Math.max(
      0,
      ...blocks.flatMap((block) => readBlock(this.#stage.told, slotName, block).map(({ sent }) => sent.record.length)),
    );
    if (bytes - largest > maxBytes) throw new Violation(`fetch: ${bytes} bytes where ${maxBytes} were asked for`);
  }

  /** Takes some of the group's leases out of the hand. */
  #take(group: GroupSlot): Lease[] {
    const mine = this.#hand.filter((lease) => lease.track.of.group === group.life);
    const old = this.#hand.filter((lease) => lease.track.of.group.slot === group && lease.track.of.group !== group.life);
    if (group.changing === undefined && group.slot.changing === undefined)
      for (const lease of old) group.slot.oldReceipts.push({ text: lease.text, group: lease.track.of.group });
    const count = this.#chance.between(1, 5);
    const taken = mine.slice(0, count);
    this.#hand = this.#hand.filter((lease) => !taken.includes(lease) && !old.includes(lease));
    // Some are kept, to be settled late, or once more.
    for (const lease of taken) if (this.#chance.happens(this.#stage.habits.late)) this.#hand.push(lease);
    return this.#chance.happens(this.#stage.habits.late * 0.3) ? [] : taken;
  }

  async #settle(group: GroupSlot): Promise<void> {
    const chance = this.#chance;
    const leases = this.#take(group);
    const verb = pickWeighted(chance, this.#stage.habits.verbs) ?? 'ack';
    await this.settle(group, verb, leases);
  }

  /** @returns whether it was answered */
  async settle(group: GroupSlot, verb: SettleVerb, leases: readonly Lease[]): Promise<boolean> {
    const stage = this.#stage;
    const chance = this.#chance;
    const { slot, turn, life } = group;
    const stationTurn = slot.turn;
    const isKnown = life !== undefined && group.changing === undefined && slot.changing === undefined;
    const { era } = stage.told;
    const delayMs = verb === 'nack' ? chance.pick([0, 0, 20, 200]) : 0;
    const leaseMs = verb === 'extend' ? chance.pick([10, 100, 500]) : 0;
    const foreign = chance.happens(stage.habits.foreign) ? this.#foreign(group) : [];
    const ranges = chance.happens(stage.habits.ranges) ? rangesOf(leases) : [];
    const told = ranges.length > 0 ? [] : leases.map(({ text }) => text);
    const receipts = [...told, ...foreign, ...(chance.happens(0.05) && leases[0] ? [leases[0].text] : [])];
    if (receipts.length + ranges.length === 0) return true;
    const settling = leases.map((lease) => settleBegins(verb, lease, delayMs, leaseMs, stage.now(), era));
    const input = {
      receipts,
      ...(ranges.length > 0 && { ranges }),
      ...(verb === 'nack' && { delayMs, reason: 'returned' }),
      ...(verb === 'extend' && { leaseMs }),
      ...(verb === 'reject' && { reason: 'rejected' }),
    };
    const outcome = await stage.call(`${verb} ${slot.name} ${group.name} ${JSON.stringify(input)}`, (broker) =>
      broker.settle(NAMESPACE, slot.name, group.name, verb, input),
    );
    if (outcome.is !== 'answered') return false;
    const sure = isKnown && group.turn === turn && slot.turn === stationTurn && group.life === life && era === stage.told.era;
    stage.count(`${verb}s`, leases.length);
    stage.count('ranges settled', ranges.length);
    settled(settling, outcome.value, sure, stage.now(), stage.brokerNow());
    for (const text of foreign) {
      if (!outcome.value.some(({ receipt }) => receipt === text))
        throw new Violation(`leases: receipt ${text} is not of group ${group.name} of ${slot.name}, and counts`);
    }
    return true;
  }

  /** All that it holds in the group goes back. */
  async #release(group: GroupSlot): Promise<void> {
    const stage = this.#stage;
    const { slot, turn, life } = group;
    const stationTurn = slot.turn;
    const isKnown = life !== undefined && group.changing === undefined && slot.changing === undefined;
    const { era } = stage.told;
    const held = life === undefined ? undefined : releaseBegins(life, this.#name, stage.now(), era);
    const outcome = await stage.call(`release ${slot.name} ${group.name} ${this.#name}`, (broker) =>
      broker.release(NAMESPACE, slot.name, group.name, this.#name),
    );
    const isSure = isKnown && group.turn === turn && slot.turn === stationTurn && group.life === life && era === stage.told.era;
    if (outcome.is === 'refused' && isSure) throw new Violation(`release: refused with ${outcome.code}: ${outcome.text}`);
    if (outcome.is !== 'answered') return;
    stage.count('released', outcome.value.released);
    const least = isSure ? (held?.(stage.now(), stage.brokerNow()) ?? 0) : 0;
    if (outcome.value.released < least)
      throw new Violation(`leases: ${outcome.value.released} messages of ${this.#name} in group ${group.name} go back; it holds ${least}`);
  }

  /** Receipts of another group, or of one that is gone. */
  #foreign(group: GroupSlot): string[] {
    const others = this.#hand
      .filter((lease) => lease.track.of.group.slot !== group && lease.track.of.group.slot.slot === group.slot)
      .map(({ text }) => text);
    const old = group.slot.oldReceipts.map(({ text }) => text);
    const all = [...others, ...old];
    return all.length === 0 ? [] : [this.#chance.pick(all)];
  }
}

function settled(settling: readonly Settling[], failed: readonly ReceiptFailure[], isSure: boolean, now: number, brokerNow: number): void {
  const codes = new Map<string, string>();
  for (const { receipt, to, code } of failed) {
    const [partition, from, lease] = receipt.split('.');
    for (let sequence = Number(from); sequence <= (to ?? Number(from)); sequence++) codes.set(`${partition}.${sequence}.${lease}`, code);
  }
  for (const each of settling) {
    const code = codes.get(each.lease.text);
    settleEnds(each, code ?? 'counted', isSure, now, brokerNow);
  }
}

/** Leases as ranges, where they are neighbours. */
function rangesOf(leases: readonly Lease[]): ReceiptRange[] {
  const ranges: [number, string, number, number][] = [];
  for (const { track, text } of [...leases].sort((a, b) => a.track.sequence - b.track.sequence)) {
    const { partition } = track.of.log;
    const lease = text.split('.')[2]!;
    const last = ranges.findLast((range) => range[0] === partition && range[1] === lease);
    if (last !== undefined && last[3] + 1 >= track.sequence) last[3] = track.sequence;
    else ranges.push([partition, lease, track.sequence, track.sequence]);
  }
  return ranges;
}

/** As much of an AbortSignal as the core asks for, without a runtime's own. */
export class SimSignal implements Signal {
  aborted = false;
  readonly #listeners = new Set<() => void>();

  /** @param arm is given how to abort */
  constructor(arm: (abort: () => void) => void) {
    arm(() => {
      if (this.aborted) return;
      this.aborted = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }
}
