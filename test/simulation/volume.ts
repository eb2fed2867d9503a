/**
 * A fault campaign on the log volume alone: random commits over a simulated disk that fails, lies still, fills up, flips
 * bits and loses power at any call, also while the volume opens, reclaims or reopens.
 *
 * Checked, for every seed:
 * - after any end of a life the volume holds the commits up to some position, all of them and nothing else: at least the
 *   last reported synced after a power cut, the last reported written after a kill, all of them after a close;
 * - every living entry and section is what was committed, byte for byte; reads and finds agree while commits go on;
 * - synced never moves without a sync that began after the commit; nothing fails without a fault; nothing hangs;
 * - a flipped byte is reported as CORRUPTION or does no harm; what it hit is back when the byte is;
 * - epochs rise; at rest the disk is within 1.5 × live bytes + 2 segments; a full disk refuses and recovers.
 *
 * Elsewhere: the world (world.ts), the disk (faults/), the model (checkers/volume.ts), the commits (workloads/volume.ts).
 *
 *   node test/simulation/volume.ts --seed 7            replays one seed and prints what happened
 *   node test/simulation/volume.ts --seed 1 --seeds 10000
 *   node test/simulation/volume.ts --seed 1 --plant skip-sync
 */

import { planted } from '../../src/core/faults.ts';
import type { ActorKey, Files, Volume, VolumeListener, Write } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import type { LogSettings } from '../../src/core/volume/settings.ts';
import { excess } from './checkers/space.ts';
import { difference, directoryOf, Model, sameBytes, wrongEntry, wrongHead, wrongRead } from './checkers/volume.ts';
import { Disk } from './faults/disk.ts';
import type { FaultOdds } from './faults/files.ts';
import { NO_FAULTS, SimFiles } from './faults/files.ts';
import type { Habits } from './workloads/volume.ts';
import { drawHabits, Workload } from './workloads/volume.ts';
import type { Chance, Process } from './world.ts';
import { World } from './world.ts';

export interface Profile {
  readonly habits: Habits;
  readonly settings: Partial<LogSettings>;
  readonly odds: FaultOdds;
  readonly capacityBytes: number;
  readonly lives: number;
  readonly steps: number;
  /** Longest time between two steps. */
  readonly stepMs: number;
  /** Weights of the ways in which a life ends. */
  readonly ends: Readonly<Record<End, number>>;
  /** Share of clean ends after which bytes are flipped. */
  readonly flips: number;
  readonly callMs: number;
}

type End = 'cut at a call' | 'kill at a call' | 'cut' | 'kill' | 'close';

export interface SeedResult {
  readonly seed: number;
  readonly profile: Profile;
  readonly hash: string;
  readonly failure: string | undefined;
  readonly lines: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

export interface SeedOptions {
  /** Stands between the volume and its disk, to plant a bug there. */
  readonly wrap?: (files: SimFiles) => Files;
  /** Replaces parts of what the seed draws. */
  readonly profile?: Partial<Profile>;
  /** The call at which each life in turn is cut off, as far as the list goes. */
  readonly cutAt?: readonly number[];
}

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const world = new World(seed);
  const profile = { ...drawProfile(world.chance.fork('profile')), ...options.profile };
  const campaign = new Campaign(world, profile, options);
  let failure: string | undefined;
  try {
    await campaign.run();
  } catch (error) {
    failure = error instanceof Violation ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return { seed, profile, hash: world.hash, failure, lines: world.lines, counts: campaign.counts };
}

/** Runs a seed twice. A difference means that something other than the seed had a say. */
export async function runSeedTwice(seed: number, options?: SeedOptions): Promise<SeedResult> {
  const first = await runSeed(seed, options);
  if (first.failure !== undefined) return first;
  const second = await runSeed(seed, options);
  if (first.hash === second.hash) return first;
  return { ...first, failure: `The seed ran differently the second time: ${first.hash}, then ${second.hash}.` };
}

/** Swarm: each seed has few kinds of fault, and those often. */
export function drawProfile(chance: Chance): Profile {
  const segmentBytes = chance.pick([16, 32, 64, 64, 128]) * 1024;
  const chunkBytes = Math.floor(segmentBytes * chance.pick([0.25, 1, 2]));
  const odds = { ...NO_FAULTS };
  const most: [keyof FaultOdds, number][] = [
    ['write', 0.01],
    ['sync', 0.03],
    ['syncFolder', 0.05],
    ['read', 0.02],
    ['flippedRead', 0.02],
    ['folder', 0.03],
  ];
  if (chance.happens(0.6)) for (const [fault, share] of most) if (chance.happens(0.3)) odds[fault] = share * chance.fraction();
  if (odds.write > 0) odds.shortWrite = chance.pick([0, 0.5, 1]);
  const weight = (): number => chance.pick([0, 1, 1, 4]);
  return {
    habits: drawHabits(chance, segmentBytes),
    settings: {
      segmentBytes,
      chunkBytes,
      tailBytes: chunkBytes * chance.pick([1, 2, 8]),
      gatherMs: chance.pick([0, 0, 0, 2]),
      syncWithinMs: chance.pick([5, 50]),
      tableBytes: chance.pick([1024, 64 * 1024]),
      openFiles: chance.pick([2, 128]),
      settleMs: chance.pick([20, 500]),
      copyBytes: Math.floor(segmentBytes * chance.pick([0.1, 1])),
    },
    odds,
    capacityBytes: chance.happens(0.25) ? segmentBytes * chance.between(6, 16) : Number.POSITIVE_INFINITY,
    lives: chance.between(2, 6),
    steps: chance.pick([10, 30, 60]),
    stepMs: chance.pick([0.1, 1, 30]),
    ends: { 'cut at a call': 1 + weight(), 'kill at a call': weight(), cut: weight(), kill: weight(), close: weight() },
    flips: chance.pick([0, 0, 0.5]),
    callMs: chance.pick([0.05, 0.3, 3]),
  };
}

class Violation extends Error {}

interface Commit {
  readonly writes: readonly Write[];
  readonly epoch: number;
  readonly position: number;
  /** Calls to the disk before it. */
  readonly calls: number;
}

/** One process and its volume. */
interface Life {
  readonly process: Process;
  readonly files: SimFiles;
  readonly volume: Volume;
  /** What `failed` was told. */
  failure: Error | undefined;
  /** Killed at a chosen time. */
  ended: boolean;
  closing: boolean;
  /** What it holds is known, and `#history` is of its own commits. */
  ready: boolean;
  /** Share of reads that give a wrong bit once the volume is open. */
  readonly flippedRead: number;
  /** Bytes at rest are wrong: CORRUPTION is an answer. */
  readonly flipped: boolean;
  /** Actors that the volume asks to settle. */
  readonly asked: Set<ActorKey>;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

class Campaign implements VolumeListener {
  readonly counts: Record<string, number> = {};
  readonly #world: World;
  readonly #chance: Chance;
  readonly #profile: Profile;
  readonly #options: SeedOptions;
  readonly #workload: Workload;
  readonly #disk = new Disk();
  /** What the volume held when it was last opened, and all that was committed since. */
  #base = new Model();
  #history: Commit[] = [];
  #model = new Model();
  /** How many of `#history` are reported synced, and written. */
  #synced = 0;
  #written = 0;
  /** How many of `#history` the next opening must find: what was written counts until the power goes. */
  #floor = 0;
  #epoch = 0;
  #attempts = 0;
  #lives = 0;
  #largest = 0;
  #life: Life | undefined;
  #problem: string | undefined;

  constructor(world: World, profile: Profile, options: SeedOptions) {
    this.#world = world;
    this.#profile = profile;
    this.#options = options;
    this.#chance = world.chance.fork('campaign');
    this.#workload = new Workload(profile.habits, world.chance.fork('workload'));
    this.#disk.sectorsMax = Math.floor(profile.capacityBytes / 512);
  }

  async run(): Promise<void> {
    for (let count = 0; count < this.#profile.lives; count += 1) {
      await this.#live();
    }
    await this.#heal();
  }

  // The listener. What it is told when the disk is already cut off was never said.

  progressed(): void {
    const life = this.#life;
    if (life === undefined || life.files.stopped || life.process.dead) return;
    this.#watch(life);
  }

  failed(error: Error): void {
    const life = this.#life;
    if (life === undefined || life.files.stopped || life.process.dead) return;
    this.#trace(`failed: ${error.message}`);
    this.#count('failed');
    if (life.failure !== undefined) this.#problem ??= 'failed was called twice';
    life.failure = error;
    if (!life.flipped && !faulty(life)) this.#problem ??= `failed without a fault: ${error.message}`;
  }

  settle(actor: ActorKey): void {
    this.#life?.asked.add(actor);
  }

  // A life, from opening to its end.

  async #live(): Promise<void> {
    const cutAt = this.#options.cutAt?.[this.#lives];
    let end: End = cutAt === undefined ? this.#drawEnd() : 'cut at a call';
    const life = this.#begin(this.#profile.odds, end);
    if (cutAt !== undefined) life.files.lastCall = cutAt;
    this.#trace(`life ${this.#lives}: ${end}${life.files.lastCall < Number.POSITIVE_INFINITY ? ` ${life.files.lastCall}` : ''}`);
    if (await this.#open(life)) {
      for (let step = 0; step < this.#profile.steps && !over(life); step += 1) {
        if (life.failure !== undefined && this.#chance.happens(0.4)) {
          // A host may also give up and start again: the next process reads what the system remembers, not the disk.
          end = 'kill';
          break;
        }
        if (life.failure !== undefined && !(await this.#reopen(life))) break;
        await this.#step(life);
        await this.#pass(life, this.#chance.fraction() * this.#profile.stepMs);
      }
    }
    const closed = await this.#end(life, end);
    if (closed && this.#chance.happens(this.#profile.flips)) await this.#flippedLife();
  }

  #drawEnd(): End {
    const ends = Object.entries(this.#profile.ends) as [End, number][];
    let draw = this.#chance.fraction() * ends.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [end, weight] of ends) {
      draw -= weight;
      if (draw < 0) return end;
    }
    return 'cut';
  }

  #begin(odds: FaultOdds, end: End | 'flipped'): Life {
    this.#lives += 1;
    const process = this.#world.process(`p${this.#lives}`);
    process.wallOffset = this.#chance.pick([0, 0, -3_600_000, 86_400_000 * 3650]);
    const files = new SimFiles({
      chance: this.#world.chance.fork(`files ${this.#lives}`),
      timers: process,
      disk: this.#disk,
      odds: { ...odds },
      callMs: this.#profile.callMs,
      onCall: (call) => this.#world.trace(`  ${call.op} ${call.name} ${call.at}+${call.bytes}`),
    });
    // Half of the lives that end at a call do so early, while the volume opens.
    if (end.endsWith('at a call')) files.lastCall = this.#chance.between(1, this.#chance.pick([20, 20, 200, 1000]));
    // What an opening reads wrong at the very end of the log looks like a torn tail: no log can tell.
    files.odds.flippedRead = 0;
    const volume = new LogVolume({
      files: this.#options.wrap?.(files) ?? files,
      clock: process,
      timers: process,
      random: process,
      journal: process,
      settings: this.#profile.settings,
    });
    const life: Life = {
      process,
      files,
      volume,
      failure: undefined,
      ended: false,
      closing: false,
      ready: false,
      flippedRead: odds.flippedRead,
      flipped: end === 'flipped',
      asked: new Set(),
    };
    this.#life = life;
    if (end === 'cut' || end === 'kill') {
      const ms = this.#chance.fraction() * this.#profile.steps * this.#profile.stepMs;
      process.after(ms, () => {
        life.ended = true;
      });
    }
    return life;
  }

  /** Opens and checks what is there. @returns whether life goes on */
  async #open(life: Life): Promise<boolean> {
    this.#attempts += 1;
    const opened = await this.#outcome(life, life.volume.open(this));
    if (opened === undefined) return false;
    if ('error' in opened) {
      this.#trace(`open refuses: ${textOf(opened.error)}`);
      this.#count('open refused');
      // Garbage where the first header of a place was to be: nothing was ever confirmed there, and it is better to ask.
      const unborn = this.#epoch === 0;
      if (!faulty(life) && !(life.files.dealt.full ?? 0) && !unborn)
        throw new Violation(`open refuses without a fault: ${textOf(opened.error)}`);
      // Whoever cannot open on a full disk deletes something else on it.
      if (life.files.dealt.full) this.#disk.sectorsMax += (2 * (this.#profile.settings.segmentBytes ?? 0)) / 512;
      return false;
    }
    return this.#check(life);
  }

  async #reopen(life: Life): Promise<boolean> {
    this.#attempts += 1;
    this.#count('reopened');
    if (life.ready) this.#floor = this.#synced;
    life.failure = undefined;
    life.ready = false;
    life.files.odds.flippedRead = 0;
    const opened = await this.#outcome(life, life.volume.reopen());
    if (opened === undefined) return false;
    if ('error' in opened) {
      this.#trace(`reopen refuses: ${textOf(opened.error)}`);
      if (!faulty(life)) throw new Violation(`reopen refuses without a fault: ${textOf(opened.error)}`);
      return false;
    }
    return this.#check(life);
  }

  /** Finds the commits that the open volume holds, and goes on from there. */
  async #check(life: Life): Promise<boolean> {
    const { volume } = life;
    if (volume.epoch <= this.#epoch || volume.epoch > this.#epoch + this.#attempts) {
      throw new Violation(`epoch ${volume.epoch} after ${this.#epoch} and ${this.#attempts} openings`);
    }
    const before = this.#epoch;
    this.#epoch = volume.epoch;
    this.#attempts = 0;
    const seen = directoryOf(volume.actors());
    const model = this.#base.clone();
    const candidates: { count: number; model: Model }[] = [];
    let below: number | undefined;
    for (let count = 0; count <= this.#history.length; count += 1) {
      if (model.directory === seen) {
        if (count >= this.#floor) candidates.push({ count, model: model.clone() });
        else below = count;
      }
      const commit = this.#history[count];
      if (commit !== undefined) model.apply(commit.writes, commit.epoch);
    }
    const of = `of ${this.#history.length} commits, ${this.#floor} had to be there`;
    if (candidates.length === 0) {
      if (below !== undefined) throw new Violation(`lost: ${below} ${of}`);
      throw new Violation(`no prefix: ${of}; the volume says\n${seen}\nthe last commit would be\n${model.directory}`);
    }
    let wrong: string | undefined;
    for (const candidate of candidates.reverse()) {
      const compared = await this.#outcome(
        life,
        difference(candidate.model, volume, this.#chance.pick([0, 2000, 2 ** 30]), (error) => this.#refused(life, error)),
      );
      if (compared === undefined || life.failure !== undefined) {
        // Cut short: what was seen stays possible, is durable since the opening, and nothing was added to it.
        this.#history.length = candidates[0]?.count ?? 0;
        this.#synced = candidates.at(-1)?.count ?? 0;
        this.#floor = this.#synced;
        return compared !== undefined;
      }
      wrong = 'error' in compared ? textOf(compared.error) : compared.value;
      if (wrong !== undefined) continue;
      this.#trace(`epoch ${before} → ${volume.epoch}: ${candidate.count} ${of}`);
      this.#base = candidate.model;
      this.#model = this.#base.clone();
      this.#history = [];
      this.#synced = 0;
      this.#written = 0;
      this.#floor = 0;
      life.ready = true;
      life.files.odds.flippedRead = life.flippedRead;
      return true;
    }
    throw new Violation(`${wrong} (${candidates[0]?.count} ${of})`);
  }

  /** @returns whether it was closed, and all that was committed is synced and recorded as such */
  async #end(life: Life, end: End): Promise<boolean> {
    this.#count(end);
    let closed = false;
    if (end === 'close' && !over(life)) {
      life.closing = true;
      const outcome = await this.#outcome(life, life.volume.close());
      if (outcome !== undefined && 'error' in outcome && !faulty(life)) throw new Violation(`close refuses: ${textOf(outcome.error)}`);
      closed = outcome !== undefined && 'value' in outcome && life.failure === undefined && life.ready;
      if (closed && this.#synced < this.#history.length)
        throw new Violation(`close left ${this.#history.length - this.#synced} commits unsynced`);
    }
    life.process.kill();
    this.#life = undefined;
    const killed = end.startsWith('kill') || (end === 'close' && !closed);
    if (killed) {
      life.files.kill();
      // Of a volume that has failed only what was synced counts.
      if (life.ready) this.#floor = life.failure === undefined ? Math.max(this.#synced, this.#written) : this.#synced;
    } else {
      life.files.crash();
      this.#floor = this.#synced;
    }
    for (const [fault, count] of Object.entries(life.files.dealt)) this.#count(`fault ${fault}`, count);
    if (this.#lives === 1) this.#count('calls of life 1', life.files.calls);
    this.#trace(`ended: ${this.#floor} of ${this.#history.length} commits must be there`);
    return closed;
  }

  /** Bytes are wrong at rest: an opening and all reads must notice or not be harmed. Then the bytes are as they were. */
  async #flippedLife(): Promise<void> {
    const inodes = [...this.#disk.names].filter(([, inode]) => inode.size > 0);
    if (inodes.length === 0) return;
    this.#count('flipped');
    // One place, some bits: damage far apart at the same time may hit a block and all that tells of it.
    const [name, inode] = this.#chance.pick(inodes);
    const start = this.#chance.below(inode.size);
    const places = new Set<number>();
    for (let count = this.#chance.pick([1, 1, 3]); count > 0; count -= 1)
      places.add(Math.min(inode.size - 1, start + this.#chance.below(32)));
    const undo = [...places].map((at) => {
      this.#trace(`flips a bit of ${name} at ${at}`);
      return inode.flip(at, 1 << this.#chance.below(8));
    });
    const life = this.#begin(NO_FAULTS, 'flipped');
    this.#attempts += 1;
    const opened = await this.#outcome(life, life.volume.open(this));
    if (opened !== undefined && 'error' in opened) {
      // Opening writes too: on a full disk it may fail for that.
      if (codeOf(opened.error) !== 'CORRUPTION' && !life.files.dealt.full)
        throw new Violation(`open over flipped bits refuses with ${textOf(opened.error)}`);
      this.#count('flips refused at open');
    } else if (opened !== undefined) {
      // The next epoch is known to be higher, whatever the flips have hit.
      if (life.volume.epoch <= this.#epoch) throw new Violation(`epoch ${life.volume.epoch} after ${this.#epoch}, over flipped bits`);
      const seen = directoryOf(life.volume.actors());
      if (seen !== this.#model.directory)
        throw new Violation(`flipped bits changed the directory to\n${seen}\nfrom\n${this.#model.directory}`);
      const compared = await this.#outcome(
        life,
        difference(this.#model, life.volume, this.#chance.pick([0, 2 ** 30]), (error) => {
          this.#count('flips refused at read');
          this.#refused(life, error);
        }),
      );
      if (compared !== undefined && 'error' in compared) throw compared.error;
      if (compared?.value !== undefined) throw new Violation(`flipped bits are served: ${compared.value}`);
    }
    life.process.kill();
    this.#life = undefined;
    life.files.kill();
    for (const back of undo) back();
  }

  /** All faults are over: everything must be there, settle, and stay. */
  async #heal(): Promise<void> {
    this.#disk.sectorsMax = Number.POSITIVE_INFINITY;
    const life = this.#begin(NO_FAULTS, 'close');
    this.#trace('heals');
    if (!(await this.#open(life))) {
      if (this.#epoch === 0) return;
      throw new Violation('it does not open after all faults are over');
    }
    for (const actor of [...this.#model.actors.keys()]) this.#commit(life, this.#workload.settle(this.#model, actor));
    for (let tries = 0; ; tries += 1) {
      await this.#pass(life, 500);
      for (const actor of life.asked) if (this.#model.actors.has(actor)) this.#commit(life, this.#workload.settle(this.#model, actor));
      life.asked.clear();
      const excess = this.#excess(life);
      if (excess === undefined) break;
      if (tries > 60) throw new Violation(excess);
    }
    const compared = await this.#outcome(
      life,
      difference(this.#model, life.volume, 2 ** 30, (error) => this.#refused(life, error)),
    );
    if (compared === undefined || 'error' in compared || compared.value !== undefined) {
      throw new Violation(
        `at rest: ${compared === undefined ? 'cut short' : 'error' in compared ? textOf(compared.error) : compared.value}`,
      );
    }
    await this.#end(life, 'close');
    const last = this.#begin(NO_FAULTS, 'close');
    if (!(await this.#open(last))) throw new Violation('it does not open at last');
    await this.#end(last, 'close');
  }

  #excess(life: Life): string | undefined {
    const stats = life.volume.stats();
    const { diskBytes, liveBytes } = stats;
    const { bytes, things } = this.#model.live;
    if (liveBytes < bytes || liveBytes > bytes + 200 * things + 4096)
      return `stats say ${liveBytes} live bytes, the model ${bytes} in ${things}`;
    const { fileBytes } = life.files;
    if (fileBytes > diskBytes + 4096) return `stats say ${diskBytes} bytes on disk, the files have ${fileBytes}`;
    return excess(stats, life.files.disk, this.#largest + 4096);
  }

  // What happens in a life.

  async #step(life: Life): Promise<void> {
    for (const actor of life.asked) {
      life.asked.delete(actor);
      if (this.#model.actors.has(actor) && this.#chance.happens(0.7)) this.#commit(life, this.#workload.settle(this.#model, actor));
    }
    if (this.#chance.happens(0.3)) this.#read(life);
    const writes = this.#workload.commit(this.#model, true);
    const bytes = bytesOf(writes);
    if (!life.volume.hasRoom(bytes) && !(await this.#makeRoom(life, bytes))) return;
    this.#commit(life, writes);
    if (this.#chance.happens(0.2)) this.#read(life);
    const commits = this.#history.length;
    if (commits === 0 || life.failure !== undefined) return;
    if (this.#chance.happens(0.3)) life.volume.sync(this.#history[this.#chance.below(commits)]?.position ?? 0);
    if (this.#chance.happens(0.15)) {
      life.volume.sync(this.#history[commits - 1]?.position ?? 0);
      await this.#run(life, () => this.#synced >= commits || life.failure !== undefined);
    }
  }

  async #makeRoom(life: Life, bytes: number): Promise<boolean> {
    const made = await this.#outcome(life, life.volume.makeRoom(bytes));
    if (made === undefined || life.failure !== undefined) return false;
    if ('value' in made) return life.volume.hasRoom(bytes);
    if (codeOf(made.error) !== 'STORAGE_FULL') {
      if (!faulty(life)) throw new Violation(`makeRoom refuses with ${textOf(made.error)}`);
      return false;
    }
    if (!life.files.dealt.full) throw new Violation('STORAGE_FULL on a disk that has room');
    this.#count('full');
    const relief = this.#workload.relieve(this.#model);
    if (relief.length > 0) this.#commit(life, relief);
    await this.#pass(life, 300);
    return false;
  }

  #commit(life: Life, writes: readonly Write[]): void {
    if (life.failure !== undefined || over(life)) return;
    const { calls } = life.files;
    let position: number;
    try {
      position = life.volume.commit(writes);
    } catch (error) {
      if (codeOf(error) === 'STORAGE_FAILED' && faulty(life)) return;
      throw new Violation(`commit refuses: ${textOf(error)}`);
    }
    const last = this.#history.at(-1)?.position ?? 0;
    if (position <= last) throw new Violation(`position ${position} after ${last}`);
    this.#count('commits');
    this.#largest = Math.max(this.#largest, bytesOf(writes));
    this.#world.trace(`commit ${position}: ${writes.map((write) => `${write.do} ${write.actor}`).join(', ')}`);
    this.#history.push({ writes, epoch: this.#epoch, position, calls });
    this.#model.apply(writes, this.#epoch);
  }

  /** Asks something, and compares the answer when it comes with what was true then, or between. */
  #read(life: Life): void {
    const { volume } = life;
    const model = this.#model;
    const chance = this.#chance;
    const key = this.#workload.actor(model);
    const actor = model.actors.get(key);
    const changes = actor?.changes;
    const from = chance.between(0, (actor?.last ?? 0) + 1);
    const what = chance.pick(['all', 'data'] as const);
    const same = (): boolean => this.#life === life && this.#model === model && model.actors.get(key)?.changes === changes;
    const say = (wrong: string | undefined): void => {
      this.#count('reads');
      if (wrong !== undefined && this.#life === life) this.#problem ??= wrong;
    };
    const take = <T>(ask: () => T | Promise<T>, compare: (answer: T) => string | undefined): void => {
      let answer: T | Promise<T>;
      try {
        answer = ask();
      } catch (error) {
        this.#refused(life, error);
        return;
      }
      if (answer instanceof Promise)
        answer.then(
          (value) => say(compare(value)),
          (error: unknown) => this.#refused(life, error),
        );
      else say(compare(answer));
    };
    const kind = chance.below(4);
    if (kind === 0) {
      const by = chance.pick(['sequence', 'time'] as const);
      const value = chance.between(0, 1 + (by === 'time' ? 10 : 1100) * (actor?.last ?? 0));
      const expected = model.find(key, by, value);
      take(
        () => volume.find(key, by, value),
        (index) => (index === expected || !same() ? undefined : `find of ${by} ${value} in ${key} gives ${index}, expected ${expected}`),
      );
    } else if (kind === 1) {
      const name = chance.pick(['core', 'ids', 'group:a', 'never']);
      const expected = actor?.sections.get(name)?.body;
      take(
        () => volume.section(key, name),
        (body) => {
          const equal = body === undefined ? expected === undefined : expected !== undefined && sameBytes(body, expected);
          return equal || !same() ? undefined : `section ${name} of ${key} has ${body?.length} bytes, expected ${expected?.length}`;
        },
      );
    } else if (kind === 2) {
      const count = chance.between(1, 20);
      const expected = model.living(key, from, what);
      take(
        () => volume.heads(key, from, count, what),
        (heads) => {
          if (!same()) return undefined;
          if (heads.length !== Math.min(count, expected.length))
            return `${heads.length} heads of ${key} from ${from}, expected ${expected.length}`;
          return heads.map((head, at) => wrongHead(head, expected[at])).find((wrong) => wrong !== undefined);
        },
      );
    } else {
      const bytesMax = chance.pick([0, 500, 5000, 2 ** 30]);
      const last = actor?.last ?? 0;
      const expected = model.living(key, from, what);
      take(
        () => volume.read(key, from, bytesMax, what),
        (entries) => {
          if (same()) return wrongRead(entries, expected, bytesMax);
          // Commits went on meanwhile: no gap among what lived all the time, and nothing that never was.
          if (this.#life !== life || this.#model !== model) return undefined;
          const now = model.living(key, from, what);
          const known = new Map([...expected, ...now].map((entry) => [entry.index, entry]));
          // What was appended and trimmed since is in neither; it may have been read between.
          const checked = entries.filter((entry) => known.has(entry.index) || entry.index <= last);
          const wrong = checked.map((entry) => wrongEntry(entry, known.get(entry.index))).find((text) => text !== undefined);
          if (wrong !== undefined) return wrong;
          const lasting = expected.filter((entry) => now.includes(entry));
          const end = entries.at(-1)?.index ?? (lasting.length > 0 ? Number.POSITIVE_INFINITY : 0);
          const got = new Set(entries.map((entry) => entry.index));
          const missing = lasting.find((entry) => entry.index <= end && !got.has(entry.index));
          return missing === undefined ? undefined : `entry ${missing.index} of ${key} is missing in a read among commits`;
        },
      );
    }
  }

  /** Is this refusal one that the faults of this life explain? */
  #refused(life: Life, error: unknown): void {
    if (this.#life !== life || over(life)) return;
    const code = codeOf(error);
    this.#trace(`refused: ${textOf(error)}`);
    if (code === 'CORRUPTION' && (life.flipped || life.files.dealt.flippedRead)) return;
    if (code !== undefined && code !== 'CORRUPTION' && (faulty(life) || life.failure !== undefined || life.closing)) return;
    this.#problem ??= `refused without a fault: ${textOf(error)}`;
  }

  // Time.

  /** Runs until `promise` has settled; undefined where life has ended before. */
  async #outcome<T>(life: Life, promise: Promise<T>): Promise<Outcome<T> | undefined> {
    let outcome: Outcome<T> | undefined;
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

  async #pass(life: Life, ms: number): Promise<void> {
    let passed = false;
    this.#world.at(ms, () => {
      passed = true;
    });
    await this.#run(life, () => passed);
  }

  async #run(life: Life, until: () => boolean): Promise<void> {
    await this.#world.run(() => {
      if (this.#problem !== undefined) throw new Violation(this.#problem);
      if (over(life)) return true;
      this.#watch(life);
      return until();
    }, 200_000);
  }

  /** Notes how far the volume says it is, and that the disk was asked before. */
  #watch(life: Life): void {
    if (life.failure !== undefined || !life.ready) return;
    const { written, synced } = life.volume;
    if (synced > written) this.#problem ??= `synced ${synced} is above written ${written}`;
    for (
      let commit = this.#history[this.#written];
      commit !== undefined && commit.position <= written;
      commit = this.#history[this.#written]
    ) {
      this.#written += 1;
    }
    for (
      let commit = this.#history[this.#synced];
      commit !== undefined && commit.position <= synced;
      commit = this.#history[this.#synced]
    ) {
      this.#synced += 1;
      if (life.files.syncedCall <= commit.calls)
        this.#problem ??= `position ${commit.position} is said to be synced, and no sync began after its commit`;
    }
  }

  #trace(text: string): void {
    this.#world.trace(text);
  }

  #count(what: string, more = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + more;
  }
}

function over(life: Life): boolean {
  return life.ended || life.files.stopped;
}

/** Has anything gone wrong in this life that may let a call fail? A full disk alone may not. */
function faulty(life: Life): boolean {
  const { full: _, shortWrite: __, ...faults } = life.files.dealt;
  return Object.values(faults).some((count) => count > 0);
}

function bytesOf(writes: readonly Write[]): number {
  let bytes = 0;
  for (const write of writes) {
    bytes += 64;
    if (write.do === 'append') for (const part of write.body) bytes += part.length;
    else if (write.do === 'section') bytes += (write.body?.length ?? 0) + write.name.length;
  }
  return bytes;
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return codeOf(error) === undefined ? (error.stack ?? error.message) : `${codeOf(error)}: ${error.message}`;
}

export function replayCommand(seed: number): string {
  return `node test/simulation/volume.ts --seed ${seed}`;
}

/** The command line. */
async function main(args: readonly string[]): Promise<number> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const first = Number(option('--seed') ?? 1);
  const seeds = Number(option('--seeds') ?? 1);
  const plant = option('--plant');
  if (plant !== undefined) planted.add(plant);
  const counts: Record<string, number> = {};
  for (let seed = first; seed < first + seeds; seed += 1) {
    if (seeds === 1) console.log(`seed ${seed}`, drawProfile(new World(seed).chance.fork('profile')));
    const result = await runSeedTwice(seed);
    for (const [what, count] of Object.entries(result.counts)) counts[what] = (counts[what] ?? 0) + count;
    if (seeds === 1 || result.failure !== undefined) {
      console.log(result.lines.join('\n'));
      console.log(`seed ${seed}, trace ${result.hash}`);
    }
    if (result.failure === undefined) continue;
    console.log(`FAILED: ${result.failure}\nReplay: ${replayCommand(seed)}${plant === undefined ? '' : ` --plant ${plant}`}`);
    return 1;
  }
  console.log(`${seeds} seeds, each twice: no failure`, counts);
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
