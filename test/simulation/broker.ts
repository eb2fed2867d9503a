/**
 * A fault campaign on the whole broker: the production broker over the real log volume, over a simulated disk that fails,
 * fills up, lies still, flips bits and loses power, with clients that remember what they were told.
 *
 * Checked, for every seed (RELIABILITY.md numbers them):
 * - I1 to I4: what was acknowledged is there, whole, in its place, in order, and nothing else (checkers/log.ts);
 * - I5: one append an id within the window, across crashes (checkers/dedup.ts); retention (checkers/retention.ts);
 *   producers that count: each message once, in order, nothing of an epoch that is over (workloads/counting.ts, checkers/producers.ts);
 * - I6, I7, I15: leases, deliveries, acknowledgements, dead letters (checkers/leases.ts, groups.ts, letters.ts);
 * - I10: a flipped bit is reported or does no harm; I13, I14: the power goes as an answer is heard, and what it said stands;
 * - what crosses partitions (steps, redrives, copies, exports): each comes to one end (workloads/stepping.ts);
 * - I9: every call is answered within bounded time, every group drains once the faults are over;
 * - I16: at rest the disk is within its bound; and the state of each actor is the same live and by replay (checkers/state.ts).
 *
 * Elsewhere: what is asked (workloads/), what is checked at rest (rest.ts), the disk (faults/), the world (world.ts).
 *
 *   node test/simulation/broker.ts --seed 7            replays one seed and prints what happened
 *   node test/simulation/broker.ts --seed 1 --seeds 1000
 *   node test/simulation/broker.ts --seed 1 --seeds 100 --plant forget-an-ack
 */
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { Time } from '../../src/core/actor/time.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import { WaysideError } from '../../src/core/errors.ts';
import type { Volume } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { checkRead } from './checkers/log.ts';
import { excess as overBound } from './checkers/space.ts';
import { difference, walk } from './checkers/state.ts';
import { StationLife, StationSlot, Told, Violation } from './checkers/told.ts';
import { apart } from './faults/apart.ts';
import type { CutOdds } from './faults/disk.ts';
import { Disk, drawCutOdds } from './faults/disk.ts';
import type { FaultOdds } from './faults/files.ts';
import { NO_FAULTS, SimFiles } from './faults/files.ts';
import { Rest } from './rest.ts';
import { replayOf, seedsMain, seedsOf, twice } from './seeds.ts';
import type { End, Profile } from './workloads/broker.ts';
import { drawProfile, pickWeighted } from './workloads/broker.ts';
import type { Outcome, Stage } from './workloads/clients.ts';
import { Clients } from './workloads/clients.ts';
import type { CountedName } from './workloads/counting.ts';
import { countedNames, countingProducers } from './workloads/counting.ts';
import { Stepping } from './workloads/stepping.ts';
import type { Chance, Process, World } from './world.ts';

export const runSeed = seedsOf(drawProfile, (world, profile) => new Campaign(world, profile));
export const runSeedTwice = twice(runSeed);

/** One process and its broker. */
interface Life {
  readonly process: Process;
  readonly files: SimFiles;
  readonly volume: LogVolume;
  readonly time: Time;
  /** World time at its beginning, and the broker's time then at the latest. */
  readonly bornAt: number;
  readonly latest: number;
  broker: Broker | undefined;
  /** It ends now, by a decision of the campaign. */
  ended: boolean;
  closing: boolean;
  /** Bytes at rest are wrong: CORRUPTION is an answer. */
  readonly flipped: boolean;
  /** The volume has failed, and is not open again. */
  failed: boolean;
  /** What waits: calls without an answer, and pauses. */
  readonly open: Set<() => void>;
  unanswered: number;
  answers: number;
  /** The answer at which it ends, counting only those of a kind. */
  lastAnswer: number;
  lastKind: AnswerKind;
  /** Clients wait, for an audit. */
  held: boolean;
  recovering: boolean;
}

/** Everything else is answered within this, of virtual time; the volume is tried again every 10 s at the latest. */
const ANSWER_MS_MAX = 30_000;
const OPEN_MS_MAX = 120_000;
const TEN_YEARS_MS = 86_400_000 * 3650;
/** Sections of a partition go in one commit, which may need a segment of its own. */
const LARGEST_COMMIT_BYTES = 40_000;

class Campaign implements Stage {
  readonly counts: Record<string, number> = {};
  readonly told: Told;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #profile: Profile;
  readonly #counted: readonly CountedName[];
  readonly #stepping: Stepping | undefined;
  /** Exports and imports find partitions as in other processes. */
  readonly #isApart: boolean;
  #disk = new Disk();
  #lives = 0;
  #life: Life | undefined;
  #problem: unknown;
  /** The last life ended in order. */
  #isClosed = false;
  /** The broker's time, at the latest, when the last life ended. */
  #latest = 0;

  constructor(world: World, profile: Profile) {
    this.#world = world;
    this.#profile = profile;
    this.#chance = world.chance.fork('campaign');
    this.#disk.sectorsMax = Math.floor(profile.capacityBytes / 512);
    this.told = new Told(
      profile.stations.map(
        ({ config, groups }, i) =>
          new StationSlot(
            `s${i}`,
            config,
            Array.from({ length: groups }, (_, group) => `g${group}`),
          ),
      ),
    );
    this.#stepping = profile.stepping && new Stepping(profile.stepping);
    this.#isApart = world.chance.fork('apart').happens(0.5);
    this.#counted = countedNames(this.#chance.fork('counted'), profile.counting, this.told.slots);
  }

  get habits(): Profile['habits'] {
    return this.#profile.habits;
  }

  async run(): Promise<void> {
    for (let count = 0; count < this.#profile.lives; count++) {
      const end = await this.#live();
      // Only of what was closed in order is it told what is damage, and what a torn tail.
      if (end === 'close' && this.#isClosed && this.#chance.happens(this.#profile.flips)) await this.#flippedLife();
    }
    await this.#heal();
  }

  // ── What clients see ───────────────────────────────────────────────────────────────────────────────────────────

  now(): number {
    return this.#world.time;
  }

  brokerNow(): number {
    const life = this.#life;
    return life === undefined ? this.#latest : Math.ceil(Math.max(life.latest + this.#world.time - life.bornAt, life.time.now()));
  }

  brokerLeast(): number {
    return this.#life?.time.now() ?? 0;
  }

  isOver(): boolean {
    const life = this.#life;
    return life === undefined || over(life) || life.closing || life.broker === undefined;
  }

  async pause(ms: number): Promise<void> {
    // Whoever is refused for the storage waits a little.
    await this.#sleep(this.#life?.failed === true ? ms + 50 : ms);
    while (this.#life?.held === true && !this.isOver()) await this.#sleep(5);
  }

  #sleep(ms: number): Promise<void> {
    const life = this.#life;
    if (life === undefined || over(life)) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        life.open.delete(wake);
        resolve();
      };
      life.open.add(wake);
      this.#world.at(ms, wake);
    });
  }

  call<T>(what: string, ask: (broker: Broker) => Promise<T>, waitMs = 0): Promise<Outcome<T>> {
    const life = this.#life;
    const broker = life?.broker;
    if (life === undefined || broker === undefined || over(life)) return Promise.resolve({ is: 'unknown' });
    this.#world.trace(what);
    this.count('calls');
    return new Promise((resolve) => {
      const late = this.#world.at(waitMs + ANSWER_MS_MAX, () => {
        if (!life.open.has(cutOff)) return;
        // What must be written first waits while the disk is full.
        if ((life.files.dealt.full ?? 0) > 0) {
          this.count('no answer on a full disk');
          cutOff();
        } else this.#problem ??= new Violation(`I9: no answer within ${waitMs + ANSWER_MS_MAX} ms to: ${what}`);
      });
      const cutOff = (): void => end({ is: 'unknown' });
      const end = (outcome: Outcome<T>): void => {
        if (!life.open.delete(cutOff)) return;
        life.unanswered--;
        late();
        resolve(outcome);
      };
      life.open.add(cutOff);
      life.unanswered++;
      const hear = (outcome: Outcome<T>): void => {
        if (over(life) || !life.open.has(cutOff)) return;
        this.#world.trace(
          `  ${outcome.is === 'answered' ? textOf(outcome.value) : outcome.is === 'refused' ? outcome.code : 'unknown'} ← ${what}`,
        );
        if (isOf(life.lastKind, what, outcome)) life.answers++;
        end(outcome);
        if (life.answers >= life.lastAnswer) life.ended = true;
      };
      ask(broker).then(
        (value) => hear({ is: 'answered', value }),
        (error: unknown) => hear(this.#refusal(life, what, error)),
      );
    });
  }

  count(what: string, more = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + more;
  }

  /** Is this refusal one that a client may see? */
  #refusal(life: Life, what: string, error: unknown): { is: 'refused'; code: string; text: string } | { is: 'unknown' } {
    if (!(error instanceof WaysideError)) {
      this.#problem ??= new Violation(`a call threw: ${what}: ${error instanceof Error ? error.stack : String(error)}`);
      return { is: 'unknown' };
    }
    const { code, status } = error;
    this.count(`refused ${code}`);
    if (status < 500) return { is: 'refused', code, text: error.message };
    const explained =
      code === 'CORRUPTION'
        ? life.flipped || (life.files.dealt.flippedRead ?? 0) > 0
        : code === 'SHUTTING_DOWN'
          ? life.closing
          : code === 'STORAGE_FULL'
            ? (life.files.dealt.full ?? 0) > 0
            : code === 'STORAGE_FAILED' || code === 'UNAVAILABLE'
              ? faulty(life) || life.closing
              : false;
    if (!explained && !over(life)) this.#problem ??= new Violation(`refused without a fault: ${what}: ${code}: ${error.message}`);
    return { is: 'unknown' };
  }

  // ── A life ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #live(): Promise<End> {
    const end = pickWeighted(this.#chance, this.#profile.ends) ?? 'cut';
    const life = this.#begin(this.#profile.odds, end);
    this.#world.trace(`life ${this.#lives}: ${end}`);
    const loops: Promise<void>[] = [];
    if (await this.#open(life)) {
      const clients = (name: string): Clients => new Clients(this, this.#world.chance.fork(`${name} of life ${this.#lives}`));
      const { producers, consumers, readers, calls } = this.#profile;
      for (let i = 0; i < producers; i++) loops.push(clients(`producer ${i}`).produce(calls));
      const chance = this.#world.chance.fork(`counting in life ${this.#lives}`);
      for (const each of countingProducers(this, chance, this.#profile.counting, this.#counted)) loops.push(each.run(calls));
      for (let i = 0; i < consumers; i++) loops.push(clients(`consumer ${i}`).consume(`c${i}`, calls));
      for (let i = 0; i < readers; i++) loops.push(clients(`reader ${i}`).readOn(calls));
      loops.push(clients('administrator').administer(calls));
      if (this.#stepping) loops.push(this.#stepping.run(this, this.#world.chance.fork(`stepping in life ${this.#lives}`), calls));
      for (const loop of loops)
        loop.catch((error: unknown) => {
          this.#problem ??= error;
        });
      let idle = false;
      Promise.all(loops).then(
        () => {
          idle = true;
        },
        () => undefined,
      );
      await this.#pass(life, this.#profile.lifeMs, () => idle);
    }
    await this.#end(life, end);
    return end;
  }

  #begin(odds: FaultOdds, end: End | 'flipped'): Life {
    this.#lives++;
    this.told.era++;
    const process = this.#world.process(`p${this.#lives}`);
    if (this.#isApart) apart.add(process);
    process.wallOffset = this.#chance.happens(this.#profile.wallJumps)
      ? this.#chance.pick([-3_600_000, -5000, 5000, 3_600_000, ...(this.#profile.yearJumps ? [-TEN_YEARS_MS, TEN_YEARS_MS] : [])])
      : 0;
    const files = new SimFiles({
      chance: this.#world.chance.fork(`files ${this.#lives}`),
      timers: process,
      disk: this.#disk,
      odds: { ...odds },
      callMs: this.#profile.callMs,
    });
    if (end.endsWith('at a call')) files.lastCall = this.#chance.between(1, this.#chance.pick([30, 200, 1000, 3000]));
    const volume = new LogVolume({
      files,
      clock: process,
      timers: process,
      random: process,
      journal: process,
      settings: this.#profile.settings,
    });
    const time = new Time(process);
    const life: Life = {
      process,
      files,
      volume,
      time,
      bornAt: this.#world.time,
      latest: Math.max(this.#latest, time.now()),
      broker: undefined,
      ended: false,
      closing: false,
      flipped: end === 'flipped',
      failed: false,
      open: new Set(),
      unanswered: 0,
      answers: 0,
      lastAnswer: end.endsWith('at an answer') ? this.#chance.between(1, this.#chance.pick([4, 20, 100])) : Number.POSITIVE_INFINITY,
      lastKind: this.habits.expected > 0 && this.#chance.happens(0.5) ? 'a refusal' : this.#chance.pick(ANSWER_KINDS),
      held: false,
      recovering: false,
    };
    this.#watch(life);
    this.#life = life;
    if (this.#chance.happens(this.#profile.wallJumps))
      process.after(this.#chance.fraction() * this.#profile.lifeMs, () => {
        process.wallOffset += this.#chance.pick([-3_600_000, 3_600_000, -TEN_YEARS_MS, TEN_YEARS_MS]);
      });
    if (end === 'cut' || end === 'kill')
      process.after(this.#chance.fraction() * this.#profile.lifeMs, () => {
        life.ended = true;
      });
    return life;
  }

  /** Learns of it when the volume fails and when it is open again, as a look at its listener tells. */
  #watch(life: Life): void {
    const { volume } = life;
    const open = volume.open.bind(volume);
    volume.open = (listener) =>
      open({
        progressed: () => listener.progressed(),
        settle: (actor) => listener.settle(actor),
        failed: (error) => {
          if (!over(life)) {
            this.#world.trace(`failed: ${error.message}`);
            this.count('storage failures');
            // Whoever closes on a full disk cannot wait for room, as one that goes on does.
            const isFullAtEnd = life.closing && (life.files.dealt.full ?? 0) > 0;
            if (!faulty(life) && !life.flipped && !isFullAtEnd)
              this.#problem ??= new Violation(`the storage failed without a fault: ${error.message}`);
            life.failed = true;
            this.told.era++;
            // Until what is left of them was read, nothing is concluded about buffered stations.
            for (const slot of this.told.slots) if (slot.config.durability === 'buffered') this.told.loseBuffered(slot);
            if (this.#hasBuffered) life.held = true;
          }
          listener.failed(error);
        },
      });
    const reopen = volume.reopen.bind(volume);
    volume.reopen = async () => {
      await reopen();
      life.failed = false;
      this.count('storage reopened');
      if (life.held && life.broker !== undefined)
        this.#recover(life).catch((error: unknown) => {
          this.#problem ??= error;
        });
    };
    const journal = life.process;
    const error = journal.error.bind(journal);
    journal.error = (text: string) => {
      error(text);
      if (!over(life) && !life.flipped && !life.closing && !faulty(life) && !(life.files.dealt.full ?? 0))
        this.#problem ??= new Violation(`the broker reports without a fault: ${text}`);
    };
  }

  get #hasBuffered(): boolean {
    return this.told.slots.some(({ config }) => config.durability === 'buffered');
  }

  /** After a failure: lets what is under way end, reads what is left, and lets the clients go on. */
  async #recover(life: Life): Promise<void> {
    if (life.recovering) return;
    life.recovering = true;
    for (;;) {
      await this.#sleep(500);
      if (over(life) || life.closing) return;
      if (!life.failed && (await this.#audit(true)) && !life.failed) break;
    }
    life.recovering = false;
    life.held = false;
  }

  /** @returns whether life goes on */
  async #open(life: Life): Promise<boolean> {
    // On a full disk it waits for room, as long as it takes: somebody deletes something else then.
    const late = this.#world.at(OPEN_MS_MAX, () => {
      if (life.broker !== undefined || !(life.files.dealt.full ?? 0)) return;
      this.count('open waits on a full disk');
      life.ended = true;
      this.#disk.sectorsMax += (2 * (this.#profile.settings.segmentBytes ?? 0)) / 512;
    });
    const opened = await this.#outcome(
      life,
      openBroker({
        volume: life.volume,
        memory: new MemoryVolume(life.process),
        clock: life.process,
        timers: life.process,
        random: life.process,
        journal: life.process,
        limits: this.#profile.limits,
      }),
    );
    late();
    if (opened === undefined) return false;
    if ('error' in opened) {
      this.#world.trace(`open refuses: ${messageOf(opened.error)}`);
      this.count('open refused');
      if (life.flipped) {
        if (codeOf(opened.error) !== 'CORRUPTION' && !(life.files.dealt.full ?? 0))
          throw new Violation(`I10: open over flipped bits refuses with ${messageOf(opened.error)}`);
      } else if (!faulty(life) && !(life.files.dealt.full ?? 0))
        throw new Violation(`open refuses without a fault: ${messageOf(opened.error)}`);
      // Whoever cannot open on a full disk deletes something else on it.
      if (life.files.dealt.full) this.#disk.sectorsMax += (2 * (this.#profile.settings.segmentBytes ?? 0)) / 512;
      return false;
    }
    life.broker = opened.value;
    if (life.flipped) return true;
    this.#begun();
    const admin = new Clients(this, this.#world.chance.fork(`opener of life ${this.#lives}`));
    await this.#during(life, this.#settleNames(admin));
    if ((this.#profile.audits || this.#hasBuffered) && !over(life)) await this.#during(life, this.#untilAudited(life));
    return !over(life);
  }

  /** What a new life begins with: memory stations are empty and new, and commands of unknown outcome are carried out. */
  #begun(): void {
    for (const slot of this.told.slots) {
      slot.redriving = 0;
      for (const group of slot.groups) {
        for (const gp of group.life?.partitions ?? []) if (gp.isUncertain) gp.moved({ place: 'unknown', at: this.now(), lasts: [] });
      }
      for (const log of slot.life?.logs ?? []) if (log.purgedTo === Number.POSITIVE_INFINITY) log.purgedTo = log.last + slot.unplaced.size;
      if (slot.config.durability !== 'memory') continue;
      slot.turn++;
      for (const group of slot.groups) {
        group.life = undefined;
        group.changing = undefined;
        group.turn++;
      }
      if (slot.life === undefined) continue;
      const configs = slot.life.configs;
      slot.life = new StationLife(slot, slot.config);
      slot.life.configs.splice(0, 1, ...configs);
    }
  }

  async #settleNames(admin: Clients): Promise<void> {
    for (const slot of this.told.slots) {
      await admin.resolve(slot);
      if (slot.life === undefined && slot.changing === undefined) await admin.makeStation(slot);
      if (slot.life !== undefined && slot.changing === undefined)
        for (const group of slot.groups) if (group.life === undefined) await admin.makeGroup(group);
    }
  }

  /** A storage that does not come back (a full disk, say) ends the life. */
  async #untilAudited(life: Life): Promise<void> {
    for (let tries = 0; !over(life) && !(await this.#audit(true)); tries++) {
      if (tries > 50) life.ended = true;
      await this.#sleep(100);
    }
  }

  async #end(life: Life, end: End | 'flipped'): Promise<void> {
    let closed = false;
    if (end === 'close' && !over(life) && life.broker !== undefined) {
      life.closing = true;
      life.held = false;
      const outcome = await this.#outcome(life, life.broker.close());
      if (outcome !== undefined && 'error' in outcome && !faulty(life)) throw new Violation(`close refuses: ${messageOf(outcome.error)}`);
      closed = outcome !== undefined && 'value' in outcome && !life.failed;
      // Whoever still waits hears of it at once.
      if (closed) await this.#pass(life, 500);
      const waiting = life.unanswered;
      if (closed && waiting > 0 && !over(life)) throw new Violation(`I9: the broker is closed, and ${waiting} calls have no answer`);
    }
    this.#isClosed = closed;
    this.count(`ended by ${end}`);
    this.#latest = this.brokerNow();
    life.process.kill();
    const isCut = end.startsWith('cut') && !closed;
    if (isCut) this.#disk = life.files.crash(this.#cutOdds(end));
    else this.#disk = life.files.kill();
    for (const [fault, count] of Object.entries(life.files.dealt)) this.count(`fault ${fault}`, count);
    if (!closed && (isCut || life.failed || faulty(life)))
      for (const slot of this.told.slots) if (slot.config.durability === 'buffered') this.told.loseBuffered(slot);
    this.#lost ||= isCut || (!closed && (life.failed || faulty(life)));
    life.ended = true;
    for (const cutOff of [...life.open]) cutOff();
    this.#world.trace(`ended by ${end}`);
    // What clients do when they hear of it is done before another life begins.
    await this.#world.pass(1);
    this.#life = undefined;
    if (this.#problem !== undefined) throw this.#problem;
  }

  /** Buffered stations may have lost their latest messages since they were last read. */
  #lost = false;

  /** An answer was heard: nothing but what was synced is to be relied on. */
  #cutOdds(end: End | 'flipped'): CutOdds {
    const drawn = drawCutOdds(this.#chance);
    return end === 'cut at an answer' && this.#chance.happens(0.7) ? { ...drawn, kept: 0, names: 0, sizes: 0, torn: 0 } : drawn;
  }

  /** Bytes are wrong at rest: what is read is right, or refused. Then the bytes are as they were. */
  async #flippedLife(): Promise<void> {
    const inodes = [...this.#disk.names].filter(([, inode]) => inode.size > 0);
    if (inodes.length === 0) return;
    const undo: (() => void)[] = [];
    const flipped = new Set<string>();
    for (let count = this.#chance.between(1, 3); count > 0; count--) {
      const [name, inode] = this.#chance.pick(inodes);
      const at = this.#chance.below(inode.size);
      // Two flips of one byte could not be told apart when they are taken back.
      if (flipped.has(`${name} ${at}`)) continue;
      flipped.add(`${name} ${at}`);
      this.#world.trace(`flips a bit of ${name} at ${at}`);
      this.count('fault bits flipped at rest');
      undo.push(inode.flip(at, 1 << this.#chance.below(8)));
    }
    const life = this.#begin(NO_FAULTS, 'flipped');
    if (await this.#open(life)) {
      for (const slot of this.told.slots) {
        if (slot.life === undefined || slot.changing !== undefined || slot.config.durability === 'memory') continue;
        const { logs } = slot.life;
        const seen = await this.#during(life, this.#rest(true).readAll(slot));
        for (const log of seen === undefined ? [] : logs)
          checkRead(
            log,
            log.first,
            seen!.filter((each) => each.partition === log.partition),
            log.first,
            { now: this.brokerNow() },
          );
      }
    }
    await this.#end(life, 'flipped');
    for (const back of undo) back();
  }

  // ── At rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Reads all that there is, while no client does anything.
   *
   * @returns whether it was answered
   */
  async #audit(afterLoss: boolean): Promise<boolean> {
    if (!(await this.#rest(afterLoss).audit())) return false;
    this.#lost = false;
    return true;
  }

  #rest(afterLoss: boolean): Rest {
    return new Rest(this, {
      chance: this.#world.chance,
      own: this.#chance,
      yearJumps: this.#profile.yearJumps,
      // The prefix that is left says what it said before; what is behind its end was never certain.
      hasLost: ({ config }) => config.durability === 'buffered' && afterLoss && this.#lost,
      settled: () => this.#spaceSettles(),
    });
  }

  async #spaceSettles(): Promise<void> {
    let excess: string | undefined = 'not asked';
    for (let tries = 0; excess !== undefined; tries++) {
      if (tries > 60) throw new Violation(excess);
      await this.#sleep(500);
      excess = overBound(this.#life!.volume.stats(), this.#disk, LARGEST_COMMIT_BYTES);
    }
  }

  /** All faults are over: everything is there, and every group is given everything. */
  async #heal(): Promise<void> {
    this.#disk.sectorsMax = Number.POSITIVE_INFINITY;
    const life = this.#begin(NO_FAULTS, 'close');
    this.#world.trace('heals');
    if (!(await this.#open(life))) throw new Violation('I9: the broker does not open after all faults are over');
    if (!(await this.#during(life, this.#audit(true)))) throw new Violation('I9: not everything can be read after all faults are over');
    const unanswered = countingProducers(this, this.#world.chance.fork('counting at rest'), this.#profile.counting, this.#counted);
    await this.#during(life, Promise.all(unanswered.map((each) => each.finish())));
    if (this.#stepping) await this.#during(life, this.#stepping.finish(this));
    await this.#during(life, this.#rest(true).check());
    const image = copyOf(this.#disk);
    await this.#end(life, 'close');
    await this.#compare(image);
    const last = this.#begin(NO_FAULTS, 'close');
    if (!(await this.#open(last))) throw new Violation('I9: the broker does not open at last');
    if (!(await this.#during(last, this.#audit(false)))) throw new Violation('I9: not everything can be read at last');
    await this.#end(last, 'close');
  }

  /** The state that the broker had when it closed, and the one that the log before makes, are the same. */
  async #compare(image: Disk): Promise<void> {
    const live = await this.#walk(copyOf(this.#disk), 'live');
    const replayed = await this.#walk(image, 'replay');
    const wrong = difference(live, replayed);
    if (wrong !== undefined) throw new Violation(`state: ${wrong}`);
  }

  async #walk(disk: Disk, name: string): Promise<Map<string, string>> {
    const process = this.#world.process(name);
    process.wallOffset = -86_400_000 * 3650;
    const files = new SimFiles({ chance: this.#world.chance.fork(name), timers: process, disk, callMs: 0.01 });
    const volume: Volume = new LogVolume({
      files,
      clock: process,
      timers: process,
      random: process,
      journal: process,
      settings: this.#profile.settings,
    });
    const listener = {
      progressed() {},
      failed: (error: Error) => {
        this.#problem ??= error;
      },
      settle() {},
    };
    const walked = await this.#world.wait(volume.open(listener).then(() => walk(volume, process, this.#profile.limits)));
    process.kill();
    return walked;
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #during<T>(life: Life, promise: Promise<T>): Promise<T | undefined> {
    const outcome = await this.#outcome(life, promise);
    if (outcome === undefined) {
      promise.catch(() => undefined);
      return undefined;
    }
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Runs until `promise` has settled; undefined where life has ended before. */
  async #outcome<T>(life: Life, promise: Promise<T>): Promise<{ value: T } | { error: unknown } | undefined> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.#run(life, () => outcome !== undefined);
    return over(life) ? undefined : outcome;
  }

  async #pass(life: Life, ms: number, orUntil: () => boolean = () => false): Promise<void> {
    let passed = false;
    this.#world.at(ms, () => {
      passed = true;
    });
    await this.#run(life, () => passed || orUntil());
  }

  async #run(life: Life, until: () => boolean): Promise<void> {
    await this.#world.run(() => {
      if (this.#problem !== undefined) throw this.#problem;
      return over(life) || until();
    }, 2_000_000);
  }
}

/** The disk as it is, all of it durable: of a broker that was killed, with all that the system has. */
function copyOf(disk: Disk): Disk {
  const copy = new Disk();
  for (const [name, inode] of disk.names) {
    const made = copy.create(name);
    made.write(0, inode.live.subarray(0, inode.size));
    made.syncBegins();
    made.syncEnds();
  }
  copy.durableNames = new Map(copy.names);
  copy.pending = [];
  return copy;
}

type AnswerKind = 'any' | 'a refusal' | 'a delivery' | 'of the catalog' | 'settling' | 'produced';

const ANSWER_KINDS: readonly AnswerKind[] = ['any', 'any', 'a refusal', 'a delivery', 'of the catalog', 'settling', 'produced'];

function isOf(kind: AnswerKind, what: string, outcome: Outcome<unknown>): boolean {
  if (kind === 'any') return true;
  if (kind === 'a refusal') return outcome.is === 'refused';
  if (outcome.is !== 'answered') return false;
  if (kind === 'a delivery') return what.startsWith('fetch') && (outcome.value as { blocks: unknown[] }).blocks.length > 0;
  if (kind === 'settling') return /^(ack|nack|reject|extend) /.test(what);
  if (kind === 'produced') return what.startsWith('produce ');
  return /^(make|remove|seek|purge|patch)/.test(what);
}

function over(life: Life): boolean {
  return life.ended || life.files.stopped;
}

/** Has anything gone wrong in this life that may let a call fail? A full disk alone may not. */
function faulty(life: Life): boolean {
  const { full: _, shortWrite: __, ...faults } = life.files.dealt;
  return Object.values(faults).some((count) => count > 0);
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return codeOf(error) === undefined ? (error.stack ?? error.message) : `${codeOf(error)}: ${error.message}`;
}

/** An answer in the trace, without the bytes of messages. */
function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (name, part: unknown) =>
      part instanceof Uint8Array ? `${part.length} bytes` : name === 'detail' ? undefined : part,
    ) ?? 'nothing'
  );
}

export function replayCommand(seed: number): string {
  return replayOf('broker', seed);
}

if (import.meta.main) process.exitCode = await seedsMain(runSeed, 'broker', process.argv.slice(2));
