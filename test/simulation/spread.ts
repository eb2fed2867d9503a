/**
 * A fault campaign on the broker that is spread over objects: the production fronts, catalog and hosts over the real volume of rows, with
 * calls that are lost, or carried out and not answered, channels that break, objects that die or fall asleep, storage that fails,
 * fronts that end or know old things, and the clients of the broker's campaign, which remember what they were told.
 *
 * Checked, for every seed: all that the broker's campaign checks of one process (broker.ts), but what a disk may do; and
 * - whoever waits is woken in bounded time, whatever becomes of the channels (workloads/bells.ts);
 * - what a front knows is never the last word, and what is removed stays so (workloads/stale.ts);
 * - what is on its way to others goes by itself; the objects of what was removed have given their storage back.
 *
 * Elsewhere: how the parts are wired (site.ts), how objects live (faults/objects.ts).
 *
 *   node test/simulation/spread.ts --seed 7            replays one seed and prints what happened
 *   node test/simulation/spread.ts --seed 1 --seeds 1000
 */
import type { Broker } from '../../src/core/broker.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { KeptStations } from '../../src/core/spread/kept.ts';
import { remoteLookups } from '../../src/core/spread/lookups.ts';
import { StationSlot, Told, Violation } from './checkers/told.ts';
import { CALM, Caller, Platform } from './faults/objects.ts';
import { Rest } from './rest.ts';
import { replayOf, seedsMain, seedsOf, twice } from './seeds.ts';
import type { Isolate, OpenFront } from './site.ts';
import { Site } from './site.ts';
import { Bells } from './workloads/bells.ts';
import type { Outcome, Stage } from './workloads/clients.ts';
import { Clients } from './workloads/clients.ts';
import type { CountedName } from './workloads/counting.ts';
import { countedNames, countingProducers } from './workloads/counting.ts';
import type { SpreadProfile } from './workloads/spread.ts';
import { drawSpread } from './workloads/spread.ts';
import { Stale } from './workloads/stale.ts';
import { Stepping } from './workloads/stepping.ts';
import type { Chance, World } from './world.ts';
import { EPOCH_MS } from './world.ts';

export const runSeed = seedsOf(drawSpread, (world, profile) => new SpreadCampaign(world, profile));
export const runSeedTwice = twice(runSeed);

/** Everything else is answered within this, of virtual time. */
const ANSWER_MS_MAX = 60_000;
/** What is on its way goes within this, without anybody asking. */
const OUTBOX_MS_MAX = 90_000;
/** A removal may wait for what is on its way. */
const GONE_MS_MAX = 30_000;

export class SpreadCampaign {
  readonly counts: Record<string, number> = {};
  readonly told: Told;
  readonly world: World;
  readonly profile: SpreadProfile;
  readonly site: Site;
  readonly isolates: readonly Isolate[];
  /** Clients end what they do. */
  isOver = false;
  readonly #chance: Chance;
  readonly #counted: readonly CountedName[];
  readonly #stepping: Stepping | undefined;
  #problem: unknown;
  #sessions = 0;
  /** Something may fail, or has just done so. */
  #isRough = false;

  constructor(world: World, profile: SpreadProfile) {
    this.world = world;
    this.profile = profile;
    this.#chance = world.chance.fork('campaign');
    const report = {
      count: (what: string) => this.count(what),
      wrong: (what: string) => this.fail(new Violation(what)),
      // A lease's own entry is waited for by nobody (partition/fetch.ts).
      lost: () => {
        this.told.era++;
      },
    };
    this.site = new Site(new Platform(world, profile.habitat, report), { limits: profile.limits, rows: profile.rows });
    this.isolates = Array.from({ length: profile.isolates }, () => ({ kept: new KeptStations(), ledger: { pending: 0 } }));
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
    this.told.era = 1;
    this.#stepping = profile.stepping && new Stepping(profile.stepping);
    this.#counted = countedNames(this.#chance.fork('counted'), profile.counting, this.told.slots);
  }

  async run(): Promise<void> {
    for (let phase = 1; phase <= this.profile.lives; phase++) await this.#phase(phase);
    await this.#heal();
    if (this.profile.bells) await this.#wait(new Bells(this, this.world.chance.fork('bells')).run());
    if (this.profile.stale) await this.#wait(new Stale(this, this.world.chance.fork('stale')).run());
    await this.#checkGone();
  }

  count(what: string, more = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + more;
  }

  fail(error: unknown): void {
    this.#problem ??= error;
  }

  /** @param front how often its front ends */
  session(name: string, fronts: Partial<FrontHabits> = {}): Session {
    this.#sessions++;
    return new Session(this, this.world.chance.fork(`session ${this.#sessions} ${name}`), { ...this.profile.fronts, ...fronts });
  }

  // ── Weather ────────────────────────────────────────────────────────────────────────────────────────────────────

  get isRough(): boolean {
    return this.#isRough;
  }

  storm(): void {
    this.#isRough = true;
    this.site.platform.weather = this.profile.weather;
  }

  /** Nothing fails any more; resolves when nothing is under way of what may still have failed. */
  async calm(): Promise<void> {
    this.site.platform.weather = CALM;
    for (const { place } of this.site.platform.objects.values()) place.fails = undefined;
    await this.sleep(KILLS_LAST_MS);
    for (let tries = 0; this.site.platform.underway > 0; tries++) {
      if (tries > 6_000) throw new Violation(`I9: ${this.site.platform.underway} calls between objects have no end`);
      await this.sleep(10);
    }
    await this.sleep(KILLS_LAST_MS);
    this.#isRough = false;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.world.at(ms, resolve));
  }

  // ── Phases ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #phase(phase: number): Promise<void> {
    this.world.trace(`phase ${phase}`);
    const clients = (name: string): Clients => new Clients(this.session(name), this.world.chance.fork(`${name} of phase ${phase}`));
    await this.#wait(this.#settleNames(clients('opener')));
    this.storm();
    this.isOver = false;
    const { producers, consumers, readers, calls } = this.profile;
    const loops: Promise<void>[] = [];
    for (let i = 0; i < producers; i++) loops.push(clients(`producer ${i}`).produce(calls));
    const chance = this.world.chance.fork(`counting in phase ${phase}`);
    for (const each of this.#counting(chance)) loops.push(each.run(calls));
    for (let i = 0; i < consumers; i++) loops.push(clients(`consumer ${i}`).consume(`c${i}`, calls));
    for (let i = 0; i < readers; i++) loops.push(clients(`reader ${i}`).readOn(calls));
    loops.push(clients('administrator').administer(calls));
    if (this.#stepping)
      loops.push(this.#stepping.run(this.session('stepping'), this.world.chance.fork(`stepping in phase ${phase}`), calls));
    this.world.at(this.profile.lifeMs, () => {
      this.isOver = true;
    });
    await this.#wait(Promise.all(loops));
    this.isOver = false;
    await this.#wait(this.calm());
    await this.#wait(this.#resolve(clients('resolver')));
    if (this.profile.audits && !(await this.#wait(this.#rest().audit()))) throw new Violation('I9: not everything can be read in a calm');
  }

  /** What one sends goes over one front at a time: whoever counts needs its order. */
  #counting(chance: Chance) {
    return this.#counted.flatMap((name) => countingProducers(this.session(name.id, { perCall: 0 }), chance, this.profile.counting, [name]));
  }

  /** What had no answer is done by now, or never will be. */
  async #resolve(admin: Clients): Promise<void> {
    for (const slot of this.told.slots) if (slot.life !== undefined && slot.changing === undefined) await admin.info(slot);
    for (const slot of this.told.slots) {
      slot.redriving = 0;
      for (const group of slot.groups)
        for (const gp of group.life?.partitions ?? []) if (gp.isUncertain) gp.moved({ place: 'unknown', at: this.world.time, lasts: [] });
      for (const log of slot.life?.logs ?? []) if (log.purgedTo === Number.POSITIVE_INFINITY) log.purgedTo = log.last + slot.unplaced.size;
    }
    await this.#settleNames(admin);
  }

  async #settleNames(admin: Clients): Promise<void> {
    for (const slot of this.told.slots) {
      await admin.resolve(slot);
      if (slot.life === undefined && slot.changing === undefined) await admin.makeStation(slot);
      if (slot.life !== undefined && slot.changing === undefined)
        for (const group of slot.groups) if (group.life === undefined) await admin.makeGroup(group);
    }
  }

  // ── At rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  #rest(): Rest {
    return new Rest(this.session('rest'), {
      chance: this.world.chance,
      own: this.#chance,
      yearJumps: false,
      hasLost: () => false,
      settled: () => this.sleep(500),
    });
  }

  async #heal(): Promise<void> {
    this.world.trace('heals');
    await this.#wait(this.calm());
    const admin = new Clients(this.session('healer'), this.world.chance.fork('healer'));
    await this.#wait(this.#resolve(admin));
    if (this.#stepping) await this.#wait(this.#outboxesGo(this.#stepping));
    if (!(await this.#wait(this.#rest().audit()))) throw new Violation('I9: not everything can be read after all faults are over');
    await this.#wait(Promise.all(this.#counting(this.world.chance.fork('counting at rest')).map((each) => each.finish())));
    if (this.#stepping) await this.#wait(this.#stepping.finish(this.session('stepping at rest')));
    await this.#wait(this.#rest().check());
    for (const object of this.site.platform.objects.values()) object.kill();
    if (!(await this.#wait(this.#rest().audit()))) throw new Violation('I9: not everything can be read at last');
  }

  /** What waits for nothing but its turn gets where it should, though nobody asks for it. */
  async #outboxesGo(stepping: Stepping): Promise<void> {
    const session = this.session('outbox');
    if (!(await stepping.unblock(session))) return;
    for (const object of this.site.platform.objects.values()) object.kill();
    await this.sleep(OUTBOX_MS_MAX);
    const left = await stepping.outbox(session);
    if (left !== undefined && left > 0) throw new Violation(`I9: ${left} messages wait to be sent elsewhere, and nobody sends them`);
  }

  /** Of what was removed nothing is left, and all that is left is of a station. */
  async #checkGone(): Promise<void> {
    await this.#wait(this.calm());
    const caller = new Caller(this.world.process('checker'));
    const lookups = remoteLookups(this.site.catalogLink(caller));
    this.site.catalog.kill();
    await this.#wait(lookups.byId(0));
    await this.#wait(this.sleep(GONE_MS_MAX));
    for (const object of this.site.partitions) {
      const [, id] = object.name.split('.').map(Number);
      const found = await this.#wait(lookups.byId(id!));
      const rows = Object.values(object.place.tables).reduce((sum, table) => sum + table.size, 0);
      if (found === undefined && rows > 0) throw new Violation(`space: partition ${object.name} was removed, and has ${rows} rows`);
    }
  }

  async #wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.world.run(() => {
      if (this.#problem !== undefined) throw this.#problem;
      return settled;
    }, 4_000_000);
    return promise;
  }
}

/** Whatever a storm has begun has come by then. */
const KILLS_LAST_MS = 50;

export interface FrontHabits {
  /** Share of clients that have a front for each call. */
  readonly perCall: number;
  /** Share of calls during which the front ends, with whatever is under way. */
  readonly ends: number;
}

/** One client's way to the broker: over one front after another, of one isolate or another. */
export class Session implements Stage {
  readonly #campaign: SpreadCampaign;
  readonly #chance: Chance;
  readonly #habits: FrontHabits;
  readonly #isPerCall: boolean;
  #front: OpenFront | undefined;
  /** What was under way over a front that has ended is over. */
  #ready: Promise<void> = Promise.resolve();
  /** Calls without an answer, by front: how to end them. */
  readonly #open = new Map<Caller, Set<() => void>>();

  constructor(campaign: SpreadCampaign, chance: Chance, habits: FrontHabits) {
    this.#campaign = campaign;
    this.#chance = chance;
    this.#habits = habits;
    this.#isPerCall = chance.happens(habits.perCall);
  }

  get told(): Told {
    return this.#campaign.told;
  }

  get habits(): Stage['habits'] {
    return this.#campaign.profile.habits;
  }

  now(): number {
    return this.#campaign.world.time;
  }

  brokerNow(): number {
    return Math.ceil(EPOCH_MS + this.#campaign.world.time);
  }

  /** Each object has begun in the middle of a millisecond. */
  brokerLeast(): number {
    return Math.floor(EPOCH_MS + this.#campaign.world.time) - 1;
  }

  isOver(): boolean {
    return this.#campaign.isOver;
  }

  /** What is given back uncounted is given back later, if at all; and one partition may be heard while another is not. */
  losesLeases(isCancelled: boolean): boolean {
    return isCancelled || this.#campaign.isRough;
  }

  pause(ms: number): Promise<void> {
    return this.#campaign.sleep(ms);
  }

  count(what: string, more = 1): void {
    this.#campaign.count(what, more);
  }

  async call<T>(what: string, ask: (broker: Broker) => Promise<T>, waitMs = 0): Promise<Outcome<T>> {
    for (let ready: Promise<void> | undefined; ready !== this.#ready; ) {
      ready = this.#ready;
      await ready;
    }
    const { world, isRough } = this.#campaign;
    const front = this.#take();
    world.trace(`${front.caller.process.name}: ${what}`);
    this.count('calls');
    if (isRough && this.#chance.happens(this.#habits.ends))
      world.at(this.#chance.fraction() * Math.max(waitMs, 20), () => this.#end(front), front.caller.process);
    const outcome = await this.#outcome(front, what, ask(front.broker), waitMs);
    world.trace(`  ${textOf(outcome)} ← ${what}`);
    if (this.#isPerCall) await front.broker.close();
    return outcome;
  }

  #take(): OpenFront {
    if (this.#front !== undefined && !this.#isPerCall) return this.#front;
    this.#front = this.#campaign.site.openFront(this.#chance.pick(this.#campaign.isolates));
    return this.#front;
  }

  /** The front that it has now dies. */
  end(): void {
    if (this.#front !== undefined && !this.#front.caller.process.dead) this.#end(this.#front);
  }

  /** A front dies: what it has asked for goes on without it. */
  #end(front: OpenFront): void {
    this.count('fronts ended');
    front.caller.die();
    if (this.#front === front) this.#front = undefined;
    this.#ready = Promise.all([this.#ready, this.#landed(front)]).then(() => undefined);
  }

  /** Whoever waits for it hears that nobody knows, before anything is sent over another one. */
  async #landed({ caller }: OpenFront): Promise<void> {
    while (caller.underway > 0) await this.#campaign.sleep(5);
    for (const giveUp of this.#open.get(caller) ?? []) giveUp();
    await this.#campaign.sleep(0);
  }

  #outcome<T>(front: OpenFront, what: string, asked: Promise<T>, waitMs: number): Promise<Outcome<T>> {
    const { world } = this.#campaign;
    return new Promise((resolve) => {
      let isOpen = true;
      const { caller } = front;
      const open = this.#open.get(caller) ?? new Set();
      this.#open.set(caller, open);
      const hear = (outcome: Outcome<T>): void => {
        if (!isOpen) return;
        isOpen = false;
        late();
        open.delete(giveUp);
        if (open.size === 0) this.#open.delete(caller);
        resolve(outcome);
      };
      const giveUp = (): void => hear({ is: 'unknown' });
      open.add(giveUp);
      const late = world.at(waitMs + ANSWER_MS_MAX, () => {
        this.#campaign.fail(new Violation(`I9: no answer within ${waitMs + ANSWER_MS_MAX} ms to: ${what}`));
      });
      asked.then(
        (value) => {
          if (!caller.process.dead) hear({ is: 'answered', value });
        },
        (error: unknown) => {
          // Nobody hears of what a front that has died would have said.
          if (isOpen && !caller.process.dead) hear(this.#refusal(what, error));
        },
      );
    });
  }

  /** Is this refusal one that a client may see? */
  #refusal(what: string, error: unknown): Outcome<never> {
    if (!(error instanceof WaysideError)) {
      this.#campaign.fail(new Violation(`a call threw: ${what}: ${error instanceof Error ? error.stack : String(error)}`));
      return { is: 'unknown' };
    }
    const { code, status, message } = error;
    this.count(`refused ${code}`);
    if (status < 500) return { is: 'refused', code, text: message };
    const isExplained = this.#campaign.isRough && (code === 'UNAVAILABLE' || code === 'STORAGE_FAILED');
    if (!isExplained) this.#campaign.fail(new Violation(`refused without a fault: ${what}: ${code}: ${message}`));
    return { is: 'unknown' };
  }
}

/** An answer in the trace, without the bytes of messages. */
function textOf(outcome: Outcome<unknown>): string {
  if (outcome.is !== 'answered') return outcome.is === 'refused' ? outcome.code : 'unknown';
  return (
    JSON.stringify(outcome.value, (name, part: unknown) =>
      part instanceof Uint8Array ? `${part.length} bytes` : name === 'detail' ? undefined : part,
    ) ?? 'nothing'
  );
}

export function replayCommand(seed: number): string {
  return replayOf('spread', seed);
}

if (import.meta.main) process.exitCode = await seedsMain(runSeed, 'spread', process.argv.slice(2));
