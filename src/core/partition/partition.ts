/**
 * A partition as the broker uses it: its state, its log, and who waits at it.
 *
 * Holds: one thing after another: a step is one synchronous turn, and what needs several turns (trimming) is done one at
 * a time; an answer waits in the gate for what it rests on; whoever waits for messages is woken by a hint, takes what it
 * can and passes the hint on.
 * Elsewhere: each verb has its file; several partitions (broker/); time (actor/alarms.ts).
 */
import type { Gate, Level } from '../actor/gate.ts';
import { storageFailed } from '../actor/gate.ts';
import { ActorLog } from '../actor/log.ts';
import type { Time } from '../actor/time.ts';
import type { Audit, Block, DeadLetter, LeasedBlock, PendingInfo, Place, StepResult } from '../calls.ts';
import { WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { ActorKey, Journal, Soon, Timers, Volume } from '../ports.ts';
import { parseLease } from '../receipt.ts';
import type { Settling, Span } from './acknowledge.ts';
import { expireLeases, giveBack, settle } from './acknowledge.ts';
import type {
  Ask,
  DelayedPage,
  DelayedPlace,
  GroupShare,
  LetterFilter,
  LetterPage,
  LetterPlace,
  PartitionCalls,
  PartitionCommand,
  PartitionInfo,
  ReadBlocks,
  RedriveShare,
  RedriveSlice,
  Refusal,
  Taken,
} from './calls.ts';
import type { Given } from './configure.ts';
import { changeGroup, configure, makeGroup, removeGroup, resolvePlace, seek } from './configure.ts';
import { audit, countGroup } from './counts.ts';
import { agedLetters, letterBlock, removeLetters } from './dead.ts';
import type { MissingIds } from './dedup.ts';
import { produceDue } from './due.ts';
import type { Fetched } from './fetch.ts';
import { fetch, isAvailable, isStalled } from './fetch.ts';
import type { Committed } from './inbox.ts';
import { Inbox } from './inbox.ts';
import { Letters } from './letters.ts';
import { PartitionMachine } from './machine.ts';
import { Members } from './members.ts';
import { Outgoing } from './outgoing.ts';
import { pendingOf } from './pending.ts';
import type { Part, PartResult } from './produce.ts';
import { decideProduce, eachId } from './produce.ts';
import { Redrive } from './redrive.ts';
import { purgeGoal } from './retain.ts';
import { Scheduled } from './scheduled.ts';
import type { Group } from './state.ts';
import { PartitionState } from './state.ts';
import type { Output } from './step.ts';
import { step } from './step.ts';
import type { Found } from './stored.ts';
import { isTrimmed, Stored, soon } from './stored.ts';
import { Trimming } from './trimming.ts';
import { Trust } from './trust.ts';
import type { Waiter } from './waiters.ts';
import { Waiters } from './waiters.ts';

/** Until giving out what is due is tried again after it failed. */
const DUE_AGAIN_MS = 5_000;
/** Where something is on its way to others it is looked after so often: a process that ends meanwhile has to begin again for it. */
const SEND_AGAIN_MS = 30_000;

const NOTHING_TAKEN: Taken = { count: 0, bytes: 0, blocks: Promise.resolve([]) };

export interface PartitionPorts {
  readonly key: ActorKey;
  readonly partition: number;
  readonly volume: Volume;
  readonly gate: Gate;
  readonly time: Time;
  readonly timers: Timers;
  readonly limits: Limits;
  readonly journal: Journal;
  readonly hashSeed: number;
  /** There is something on its way to other partitions. */
  outbox(partition: Partition): void;
  /** Something of the partition changes by itself at this time (ms since 1970; Infinity: never). */
  alarm(at: number): void;
}

export class Partition implements PartitionCalls {
  readonly state: PartitionState;
  readonly log: ActorLog;
  readonly outgoing: Outgoing;
  readonly #ports: PartitionPorts;
  readonly #machine: PartitionMachine;
  readonly #stored: Stored;
  readonly #waiters = new Waiters();
  readonly #members: Members;
  readonly #inbox: Inbox;
  readonly #trust: Trust;
  readonly #trimming: Trimming;
  readonly #letters: Letters;
  readonly #redrive: Redrive;
  readonly #scheduled: Scheduled;
  #alarm = Infinity;
  /** When what is on its way is looked after again; Infinity: nothing is. */
  #sendAt = Infinity;
  #isProducingDue = false;
  #removed = false;

  constructor(ports: PartitionPorts) {
    this.#ports = ports;
    this.state = new PartitionState(ports.partition, ports.hashSeed, ports.limits);
    this.#machine = new PartitionMachine(this.state);
    this.#members = new Members(ports.time);
    this.log = new ActorLog({ ...ports, machine: this.#machine, settleBytes: ports.limits.settleBytes });
    this.#stored = new Stored(this.log, this.state);
    this.#trust = new Trust(this.log, ports.time, ports.limits.clockTrustMs);
    this.#trimming = new Trimming(this.log, this.#stored, this.state, ports, this.#trust, () => this.#changed());
    this.outgoing = new Outgoing({
      log: this.log,
      state: this.state,
      stored: this.#stored,
      ports,
      isOver: () => this.isOver,
      changed: () => this.#changed(),
      letterBlock: (letter) => letterBlock(this.state, this.#stored, letter),
    });
    const parts = {
      log: this.log,
      state: this.state,
      stored: this.#stored,
      limits: ports.limits,
      durable: () => this.durable(),
      changed: () => this.#changed(),
      produced: () => this.#produced(),
      reopened: () => {
        this.#changed();
        this.#wakeEach();
      },
      leaving: () => {
        this.#changed();
        this.#sendAll();
      },
    };
    this.#letters = new Letters(parts);
    this.#redrive = new Redrive(parts);
    this.#scheduled = new Scheduled(parts);
    this.#inbox = new Inbox(
      ports.volume,
      ports.timers,
      (parts) => this.#readIds(parts),
      (parts) => this.#store(parts),
    );
  }

  async open(): Promise<void> {
    await this.log.open();
    while (this.state.dedup.index()) {
      await new Promise<void>((resolve) => {
        this.#ports.timers.endOfTurn(resolve);
      });
    }
    this.#changed();
  }

  /** It is open, and may be asked by others. */
  begin(): void {
    this.#sendAll();
  }

  /** What is on its way is seen to. */
  #sendAll(): void {
    if (this.#isSending) this.#ports.outbox(this);
  }

  get #isSending(): boolean {
    return this.state.outbox.count + this.state.uncopied.size > 0;
  }

  /** Which one of its station it is, from 0. */
  get number(): number {
    return this.state.partition;
  }

  /** Nothing is done here any more. */
  get isOver(): boolean {
    return this.#removed || this.log.closed !== undefined;
  }

  /** All that was appended so far, whatever the station asks for. */
  async synced(): Promise<void> {
    await this.log.wait(this.log.last, 'synced');
  }

  // ── Produce ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves once the part is as durable as the station says. */
  produce(part: Part): Promise<PartResult> {
    return this.#inbox.send(part);
  }

  /** Sections of ids that may hold one of the parts' ids; undefined when none is needed, or all are there. */
  #readIds(parts: readonly Part[]): Promise<void> | undefined {
    const { dedup } = this.state;
    const missing = dedup.missing((visit) => eachId(parts, visit));
    return missing.length === 0 ? undefined : this.#readSections(missing);
  }

  async #readSections(missing: readonly MissingIds[]): Promise<void> {
    const { volume, key } = this.log;
    for (const { name, take } of missing) {
      const bytes = await volume.section(key, name);
      if (this.log.closed !== undefined) throw this.log.closed;
      // Its ids may have left the window meanwhile.
      if (bytes !== undefined) take(bytes);
      else if (this.state.dedup.needs(name)) throw new WaysideError('CORRUPTION', `Section ${name} of ${key} is not there.`);
    }
  }

  #store(parts: readonly Part[]): Committed {
    const { log, state } = this;
    if (this.#removed) throw stationRemoved();
    const { now } = log;
    const { drafts, results } = decideProduce(state, parts, now, this.#ports.limits);
    state.dedup.decided();
    if (drafts.length > 0) log.append(drafts, now);
    if (state.dedup.isCrowded) log.settle();
    if (state.schedule.earliest <= now) this.#produceDue();
    const open = log.wait(state.produced, this.#level);
    if (drafts.length > 0) this.#produced();
    return { results, open };
  }

  #produced(): void {
    this.#waiters.wakeReaders();
    if (!isPlanted('forget-to-wake')) this.#wakeEach();
    this.#changed();
  }

  // ── Read ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Blocks from `from` on, without a group: as many as fit. They may be given on when `wait` resolves. */
  async read(from: number, count: number, bytesMax: number): Promise<ReadBlocks> {
    const blocks: Block[] = [];
    let rests = 0;
    let left = count;
    let bytesLeft = bytesMax;
    let sequence = Math.max(from, this.state.first);
    while (sequence < this.state.next && left > 0 && (blocks.length === 0 || bytesLeft > 0)) {
      const found = await this.#takeUnlessTrimmed(sequence, left, bytesLeft);
      if (found === undefined || found.block.first < this.state.first) {
        sequence = Math.max(sequence, this.state.first);
        continue;
      }
      const { block, index } = found;
      if (blocks.length > 0 && block.end - block.start > bytesLeft) break;
      blocks.push(block);
      rests = Math.max(rests, index);
      left -= block.count;
      bytesLeft -= block.end - block.start;
      sequence += block.count;
    }
    await this.log.wait(rests, this.#level);
    return { blocks, next: sequence, isEnd: sequence >= this.state.next };
  }

  /** Undefined when it was trimmed while its bytes were read. */
  async #takeUnlessTrimmed(sequence: number, count: number, bytesMax: number): Promise<Found | undefined> {
    try {
      return await this.#stored.take(sequence, count, bytesMax);
    } catch (error) {
      if (isTrimmed(error)) return undefined;
      throw error;
    }
  }

  /** @throws MESSAGE_TRIMMED · MESSAGE_NOT_FOUND */
  async message(sequence: number): Promise<Block> {
    const { state } = this;
    if (sequence < state.first) {
      await this.log.wait(this.log.last, this.#level);
      throw new WaysideError(
        'MESSAGE_TRIMMED',
        `Message ${sequence} of partition ${state.partition} is gone: the first that is left is ${state.first}.`,
      );
    }
    if (sequence >= state.next) {
      throw new WaysideError(
        'MESSAGE_NOT_FOUND',
        `Partition ${state.partition} has no message ${sequence}: the next sequence is ${state.next}.`,
      );
    }
    const { blocks } = await this.read(sequence, 1, 1);
    const [block] = blocks;
    if (block?.first !== sequence) return this.message(sequence);
    return block;
  }

  place(place: Place): Promise<number> {
    return Promise.resolve(resolvePlace(this.log, this.state, place));
  }

  addReader(waiter: Waiter): () => void {
    return this.#waiters.addReader(waiter);
  }

  // ── Groups ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What may go out now, under a lease; the blocks once what they rest on is durable. */
  take(ask: Ask, gone: () => boolean): Soon<Taken> {
    const group = this.group(ask.group);
    this.#members.seen(group.id, ask.consumer);
    return soon(this.#lease(group, ask), (fetched) => this.#taken(group, fetched, gone));
  }

  #lease(group: Group, ask: Ask): Soon<Fetched> {
    return soon(
      fetch(this.log, this.#stored, this.state, { ...ask, group, leaseMs: ask.leaseMs ?? group.config.leaseMs }, this.#ports.limits),
      (fetched) => {
        this.#changed();
        if (this.state.uncopied.size > 0) this.#sendAll();
        // Much was passed by, and nothing found: others have their turn before the next look.
        return fetched.isCut && fetched.blocks.length === 0 ? this.#leaseLater(ask) : fetched;
      },
    );
  }

  async #leaseLater(ask: Ask): Promise<Fetched> {
    await new Promise<void>((resolve) => {
      this.#ports.timers.endOfTurn(resolve);
    });
    if (this.log.closed !== undefined) throw this.log.closed;
    // The group may be gone, or another one of its name.
    return this.#lease(this.group(ask.group), ask);
  }

  #taken(group: Group, fetched: Fetched, gone: () => boolean): Taken {
    let [count, bytes] = [0, 0];
    for (const block of fetched.blocks) {
      count += block.count;
      bytes += block.end - block.start;
    }
    return count === 0 ? NOTHING_TAKEN : { count, bytes, blocks: this.#deliver(group, fetched, gone) };
  }

  async #deliver(group: Group, fetched: Fetched, gone: () => boolean): Promise<readonly LeasedBlock[]> {
    await this.log.wait(isPlanted('deliver-before-the-gate') ? 0 : fetched.rests, this.#level);
    const lost = gone();
    if (lost) giveBack(this.log, group, ({ epoch, index }) => index === fetched.index && epoch === this.log.volume.epoch);
    this.#changed();
    this.#wakeOne(group.id);
    return lost ? [] : fetched.blocks;
  }

  async undo(id: number, lease: string): Promise<void> {
    const group = this.state.groups.get(id);
    if (group === undefined || this.isOver) return;
    const { epoch, index } = parseLease(lease, this.number, this.state.secret);
    giveBack(this.log, group, (run) => run.epoch === epoch && run.index === index);
    this.#changed();
    this.#wakeOne(id);
  }

  async settle(id: number, settling: Settling): Promise<readonly Refusal[]> {
    const { refused, rests } = settle(this.log, this.state, this.group(id), settling);
    this.#changed();
    if (this.state.uncopied.size > 0) this.#sendAll();
    this.#wakeOne(id);
    await this.log.wait(rests, this.#level);
    return refused.map(({ error: { code, message }, ...where }) => ({ ...where, code, detail: message }));
  }

  async step(id: number, spans: readonly Span[], outputs: readonly Output[]): Promise<StepResult> {
    const bytes = outputs.reduce((sum, { start, end }) => sum + end - start, 0);
    if (!this.log.volume.hasRoom(bytes)) {
      await this.log.volume.makeRoom(bytes);
      return this.step(id, spans, outputs);
    }
    const { result, rests } = step(this.log, this.state, this.group(id), spans, outputs, this.#ports.limits);
    this.#changed();
    this.#wakeOne(id);
    this.#sendAll();
    await this.log.wait(rests, this.#level);
    return result;
  }

  async release(id: number, consumer: string): Promise<number> {
    const { released, rests } = giveBack(this.log, this.group(id), (run) => run.consumer === consumer);
    this.#changed();
    this.#wakeOne(id);
    await this.log.wait(rests, this.#level);
    return released;
  }

  /** @throws GROUP_NOT_FOUND it was removed meanwhile */
  group(id: number): Group {
    if (this.#removed) throw stationRemoved();
    const group = this.state.groups.get(id);
    if (group === undefined) throw new WaysideError('GROUP_NOT_FOUND', 'The group was removed.');
    return group;
  }

  addFetcher(group: number, waiter: Waiter): () => void {
    return this.#waiters.addFetcher(group, waiter);
  }

  #wakeOne(id: number): void {
    if (!this.#waiters.isWaitedFor(id)) return;
    const group = this.state.groups.get(id);
    if (group === undefined || isAvailable(this.state, group, this.log.now, this.#ports.limits)) this.#waiters.wakeFetcher(id);
  }

  #wakeEach(): void {
    for (const group of this.#waiters.groups()) this.#wakeOne(group);
  }

  /** A waiter that was woken is gone: another one may be glad of the hint. */
  passOn(group: number): void {
    this.#wakeOne(group);
  }

  async groupShare(id: number): Promise<GroupShare> {
    const group = this.group(id);
    const { holders, ...counts } = countGroup(this.state, group);
    const isStalledNow = isStalled(group, this.#ports.limits);
    const members = this.#members.with(id, holders);
    const [oldest] = await Promise.all([this.#oldestPending(group), this.durable()]);
    return { ...counts, members, isStalled: isStalledNow, oldest };
  }

  async audit(id: number): Promise<Audit> {
    const audited = audit(this.state, this.group(id));
    await this.durable();
    return audited;
  }

  async pending(id: number, after: number, most: number): Promise<readonly PendingInfo[]> {
    await this.durable();
    return pendingOf(this.state, this.group(id), after, most);
  }

  /** When the oldest message that the group has not settled was produced; undefined when there is none. */
  async #oldestPending({ runs }: Group): Promise<number | undefined> {
    const first = Math.max(runs.floor, runs.list.length === 0 ? this.state.first : 0);
    if (first >= this.state.next) return undefined;
    const found = await this.#takeUnlessTrimmed(first, 1, 1);
    return found?.block.producedAt;
  }

  /** Resolves when all that the partition says now is as durable as the station says. */
  durable(): Promise<void> | undefined {
    return this.log.wait(this.log.last, this.#level);
  }

  async info(): Promise<PartitionInfo> {
    const { partition, first, next, bytes, schedule, outbox } = this.state;
    const counts = { partition, messages: next - first, bytes, first, last: next - 1 };
    const info = { counts, scheduled: schedule.count, outbox: outbox.count };
    await this.durable();
    return info;
  }

  // ── Dead letters ───────────────────────────────────────────────────────────────────────────────────────────────

  letters(filter: LetterFilter, after: LetterPlace | undefined, most: number, bytesMax: number): Promise<LetterPage> {
    return this.#letters.page(filter, after, most, bytesMax);
  }

  letter(name: LetterPlace): Promise<DeadLetter | undefined> {
    return this.#letters.one(name);
  }

  removeLetter(name: LetterPlace): Promise<boolean> {
    return this.#letters.remove(name);
  }

  redrive(slice: RedriveSlice): Promise<RedriveShare> {
    return this.#redrive.slice(slice);
  }

  lastIndex(): Promise<number> {
    return Promise.resolve(this.log.last);
  }

  // ── Delayed messages ───────────────────────────────────────────────────────────────────────────────────────────

  delayed(after: DelayedPlace | undefined, most: number): Promise<DelayedPage> {
    return this.#scheduled.page(after, most);
  }

  cancelDelayed(number: number): Promise<boolean> {
    return this.#scheduled.cancel(number);
  }

  // ── Commands of the catalog ────────────────────────────────────────────────────────────────────────────────────

  /** Takes over a configuration that came along with a call. */
  update(given: Given): void {
    configure(this.log, this.state, given, 0);
  }

  async carryOut(command: PartitionCommand): Promise<number> {
    if (command.verb === 'purge') return this.#purge(command.index, command.upTo);
    await this.log.wait(await this.#change(command), this.#level);
    return 0;
  }

  /** @returns the index that its answer rests on */
  async #change(command: Exclude<PartitionCommand, { verb: 'purge' }>): Promise<number> {
    const { log, state } = this;
    const { index } = command;
    let rests: number;
    switch (command.verb) {
      case 'configure':
        rests = configure(log, state, command.given, index);
        break;
      case 'make-group':
        rests = await makeGroup(log, state, index, command.group, command.name, command.config, command.at);
        break;
      case 'change-group':
        rests = changeGroup(log, state, index, command.group, command.config);
        this.#wakeOne(command.group);
        break;
      case 'remove-group':
        rests = removeGroup(log, state, index, command.group);
        this.#waiters.wakeGroup(command.group);
        this.#members.forget(command.group);
        break;
      case 'seek':
        rests = await seek(log, state, index, command.group, command.to);
        this.#wakeOne(command.group);
    }
    this.#changed();
    return rests;
  }

  async #purge(command: number, upTo: number | undefined): Promise<number> {
    if (command <= this.state.command) return 0;
    const before = this.state.first;
    await this.log.wait(await this.#trimming.towards(purgeGoal(this.state, upTo, command)), this.#level);
    return this.state.first - before;
  }

  /** The station is gone, and everything in it. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    this.#trimming.stop();
    this.log.remove();
    this.close(stationRemoved());
    await this.log.wait(this.log.last, this.#level);
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Does what is due: leases run out, messages and letters get too old. */
  tick(): void {
    if (this.#removed) return;
    const { log, state } = this;
    const { now } = log;
    for (const group of state.groups.values()) {
      const drafts = expireLeases(state, group, now);
      if (drafts.length > 0) log.append(drafts, now);
      if (group.runs.earliest <= now) group.runs.refreshEarliest(now);
      this.#wakeOne(group.id);
    }
    this.#machine.timersMoved();
    if (this.#trust.isGiven) removeLetters(log, agedLetters(state, now), 'age');
    if (state.schedule.earliest <= now) this.#produceDue();
    if (this.#trimming.isDue(this.#trust.due(this.#machine.ageDue()))) this.#trimming.retain();
    const isSendDue = this.#sendAt <= now;
    if (isSendDue) this.#sendAt = Infinity;
    if (state.uncopied.size > 0 || isSendDue) this.#sendAll();
    this.#stored.forget();
    this.#alarm = Infinity;
    this.#changed();
  }

  /** One slice after another, and others have their turn between; what fails is tried again in a while. */
  #produceDue(): void {
    if (this.#isProducingDue) return;
    this.#isProducingDue = true;
    const { timers, journal, limits } = this.#ports;
    const again = (ms: number) =>
      timers.after(ms, () => {
        this.#isProducingDue = false;
        if (!this.#removed && this.log.closed === undefined) this.#changed();
      });
    produceDue(this.log, this.#stored, this.state, limits).then(
      (isMore) => {
        if (isMore) this.#produced();
        again(0);
      },
      (error: unknown) => {
        if (this.log.closed !== undefined || this.#removed) return;
        journal.error(`Partition ${this.log.key} cannot give out what is due: ${error instanceof Error ? error.message : String(error)}`);
        again(DUE_AGAIN_MS);
      },
    );
  }

  /** After anything that may move what is due. */
  #changed(): void {
    if (this.#removed) return;
    const timersDue = this.#isProducingDue && this.state.schedule.earliest <= this.log.now ? Infinity : this.#machine.timersDue();
    const lettersDue = this.#trust.due(this.#machine.lettersDue());
    if (!this.#isSending) this.#sendAt = Infinity;
    else if (this.#sendAt === Infinity && !isPlanted('outbox-without-alarm')) this.#sendAt = this.log.now + SEND_AGAIN_MS;
    const due = Math.min(timersDue, lettersDue, this.#sendAt, this.#trimming.due(this.#trust.due(this.#machine.ageDue())));
    if (due === this.#alarm) return;
    this.#alarm = due;
    this.#ports.alarm(this.log.brokerTime(due));
  }

  // ── End ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whoever waits is told; nothing more is done here. */
  close(error: WaysideError = storageFailed()): void {
    this.log.close(error);
    this.#inbox.refuse(error);
    this.#waiters.wakeAll();
    this.#ports.alarm(Infinity);
  }

  get #level(): Level {
    const durability = this.state.config?.durability;
    return durability === 'buffered' || durability === 'memory' ? 'written' : 'synced';
  }
}

function stationRemoved(): WaysideError {
  return new WaysideError('STATION_NOT_FOUND', 'The station was removed.');
}
