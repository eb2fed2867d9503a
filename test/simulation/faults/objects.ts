/**
 * Processes that a platform runs as it likes, as Durable Objects are: each has a place for rows, is begun by whatever comes for it, and
 * may die at any time, or sleep where nothing is under way; calls between them, and channels that survive a sleep.
 *
 * Holds: calls of one caller to one object arrive in their order, and so do their answers; a call may be lost, or carried out and not answered, and is rejected
 * then; whoever dies hears nothing more, and whoever called it is rejected; an alarm that was set rings at least once, whether or not the
 * object is there. What a socket keeps, and who is at its other end, outlives a sleep and no death.
 * Elsewhere: what the objects are (../site.ts), when what fails (../spread.ts).
 */
import type { Timers } from '../../../src/core/ports.ts';
import type { Channel, ChannelListener, KeptChannel } from '../../../src/core/spread/links.ts';
import type { Where } from '../../../src/core/spread/wire.ts';
import type { Chance, Process, World } from '../world.ts';
import { RowPlace, SimRows } from './rows.ts';

/** What fails, in shares of what comes. */
export interface Weather {
  /** Calls that never arrive. */
  readonly lost: number;
  /** Calls that are carried out, and whose answer is lost. */
  readonly unheard: number;
  /** Texts at which their channel breaks. */
  readonly breaks: number;
  /** Whatever comes for an object may kill it, soon after. */
  readonly kills: number;
  /** Whatever comes for an object may let the next write to its storage fail. */
  readonly fails: number;
}

export const CALM: Weather = { lost: 0, unheard: 0, breaks: 0, kills: 0, fails: 0 };

export interface Habitat {
  /** The longest that anything is on its way. */
  readonly delayMs: number;
  /** The longest that a write to its storage takes. */
  readonly writeMs: number;
  /** So long at least an object lies idle before it sleeps; undefined: it never does. */
  readonly sleepMs: number | undefined;
}

/** An alarm whose object died as it rang rings again. */
const ALARM_AGAIN_MS = 2_000;
/** The longest that an object lives on after the event that kills it. */
const KILL_MS = 3;
/** One after another, whatever the rounding of times. */
const STEP_MS = 1e-6;
/** What is nearly due rings together, as in the adapter's timers. */
const GRAIN_MS = 5;

export class Platform {
  readonly world: World;
  readonly chance: Chance;
  readonly habitat: Habitat;
  readonly objects = new Map<string, SimObject<unknown>>();
  weather: Weather = CALM;
  /** Calls that have not come to their end. */
  underway = 0;
  readonly #count: (what: string) => void;
  /** Something that must never happen. */
  readonly wrong: (what: string) => void;
  /** An object has died, or its storage is about to fail: what it had not written is lost. */
  readonly lost: () => void;

  constructor(world: World, habitat: Habitat, report: { count(what: string): void; wrong(what: string): void; lost(): void }) {
    this.world = world;
    this.habitat = habitat;
    this.chance = world.chance.fork('platform');
    this.#count = (what) => report.count(what);
    this.wrong = (what) => report.wrong(what);
    this.lost = () => report.lost();
  }

  get delay(): number {
    return this.chance.fraction() * this.habitat.delayMs;
  }

  writeTakes(): readonly [before: number, after: number] {
    const { writeMs } = this.habitat;
    if (writeMs === 0) return [0, 0];
    const ms = this.chance.fraction() * writeMs;
    return this.chance.happens(0.5) ? [ms, 0] : [0, ms];
  }

  happens(fault: keyof Weather): boolean {
    if (!this.chance.happens(this.weather[fault])) return false;
    this.#count(`fault ${fault}`);
    return true;
  }

  count(what: string): void {
    this.#count(what);
  }

  /** Carries a call of `caller` to an object, and its answer back. */
  carry<T>(caller: Caller, to: SimObject<unknown>, run: () => Promise<T>): Promise<T> {
    this.underway++;
    caller.underway++;
    caller.waiting++;
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void): void => {
        this.underway--;
        caller.underway--;
        this.world.at(
          caller.arrival(`from ${to.name}`, this),
          () => {
            caller.waiting--;
            settle();
          },
          caller.process,
        );
      };
      const lose = (why: string): void => answer(() => reject(new Error(why)));
      this.world.at(caller.arrival(to.name, this), () => {
        if (this.happens('lost')) lose('The call was lost.');
        else
          run().then(
            (value) => {
              if (this.happens('unheard')) lose('The answer was lost.');
              else answer(() => resolve(structuredClone(value)));
            },
            (error: unknown) => lose(String(error)),
          );
      });
    });
  }
}

/** A process that calls objects. */
export class Caller {
  readonly process: Process;
  /** Calls of it that may still do something elsewhere, and those whose answer it waits for. */
  underway = 0;
  waiting = 0;
  readonly sockets = new Set<Socket>();
  readonly #arrivals = new Map<string, number>();

  constructor(process: Process) {
    this.process = process;
  }

  /** In how many milliseconds what it sends now arrives: never before what it sent before. */
  arrival(to: string, { world, delay }: Platform): number {
    const at = Math.max(world.time + delay, (this.#arrivals.get(to) ?? 0) + STEP_MS);
    this.#arrivals.set(to, at);
    return at - world.time;
  }

  /** It is gone: nobody is at its ends of channels any more. */
  die(): void {
    this.process.kill();
    for (const socket of [...this.sockets]) socket.nearIsGone();
  }
}

/** Time in an object: what somebody waits for keeps it awake; what is due some time is the platform's alarm. */
class LifeTimers implements Timers {
  /** What is asked for and has not come. */
  pending = 0;
  readonly #process: Process;
  readonly #setAlarm: (at: number) => void;
  readonly #due = new Set<{ readonly at: number; readonly run: () => void }>();
  #armed = Infinity;

  constructor(process: Process, setAlarm: (at: number) => void) {
    this.#process = process;
    this.#setAlarm = setAlarm;
  }

  endOfTurn(run: () => void): void {
    this.pending++;
    this.#process.endOfTurn(() => {
      this.pending--;
      run();
    });
  }

  after(ms: number, run: () => void): () => void {
    this.pending++;
    let isOn = true;
    const off = () => {
      if (isOn) this.pending--;
      isOn = false;
    };
    const stop = this.#process.after(ms, () => {
      off();
      run();
    });
    return () => {
      off();
      stop();
    };
  }

  wake(ms: number, run: () => void): () => void {
    const due = { at: this.#process.now() + ms, run };
    this.#due.add(due);
    this.#arm(due.at);
    return () => this.#due.delete(due);
  }

  rang(): void {
    this.#armed = Infinity;
    const now = this.#process.now() + GRAIN_MS;
    for (const due of [...this.#due]) if (due.at <= now && this.#due.delete(due)) due.run();
    const least = Math.min(...Array.from(this.#due, ({ at }) => at));
    if (least < Infinity) this.#arm(least);
  }

  #arm(at: number): void {
    if (at >= this.#armed) return;
    this.#armed = at;
    this.#setAlarm(Math.ceil(at));
  }
}

/** Rows that notice a write after their place was given back. */
class ObjectRows extends SimRows {
  isGivenBack = false;
  wrong: () => void = () => undefined;

  /** How long the next write takes, before it is carried out and after. */
  takes: () => readonly [before: number, after: number] = () => [0, 0];
  readonly #timers: Timers;

  constructor(options: { readonly place: RowPlace; readonly timers: Timers }) {
    super(options);
    this.#timers = options.timers;
  }

  override async write(...args: Parameters<SimRows['write']>): ReturnType<SimRows['write']> {
    if (this.isGivenBack) this.wrong();
    const [before, after] = this.takes();
    await this.#pause(before);
    const firsts = await super.write(...args);
    await this.#pause(after);
    return firsts;
  }

  #pause(ms: number): Promise<void> | undefined {
    return ms === 0 ? undefined : new Promise((resolve) => void this.#timers.after(ms, resolve));
  }
}

/** One instance of an object. */
export class Life<Opened> {
  readonly process: Process;
  readonly caller: Caller;
  readonly timers: LifeTimers;
  /** By socket, as the instance knows them. */
  readonly channels = new Map<Socket, KeptChannel>();
  opened: Promise<Opened> | undefined;
  rows: ObjectRows | undefined;
  /** Events that are being handled. */
  busy = 0;
  readonly cuts = new Set<() => void>();

  constructor(process: Process, setAlarm: (at: number) => void) {
    this.process = process;
    this.caller = new Caller(process);
    this.timers = new LifeTimers(process, setAlarm);
  }

  get isIdle(): boolean {
    return this.busy === 0 && this.timers.pending === 0 && this.caller.waiting === 0;
  }
}

export abstract class SimObject<Opened> {
  readonly name: string;
  readonly sockets = new Set<Socket>();
  protected readonly platform: Platform;
  place = new RowPlace();
  #life: Life<Opened> | undefined;
  #lives = 0;
  #stopAlarm: (() => void) | undefined;
  #isSleepPlanned = false;
  /** When the last event was over. */
  #lastAt = 0;

  constructor(platform: Platform, name: string) {
    this.platform = platform;
    this.name = name;
  }

  protected abstract open(life: Life<Opened>): Promise<Opened>;

  get life(): Life<Opened> | undefined {
    return this.#life;
  }

  // ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something has come for it. Rejects where it dies meanwhile. */
  protected handle<T>(run: (life: Life<Opened>) => Promise<T>): Promise<T> {
    const life = this.#life ?? this.#begin();
    life.busy++;
    if (this.platform.happens('fails')) this.place.fails = this.platform.chance.pick(['write', 'sync']);
    if (this.platform.happens('kills')) this.platform.world.at(this.platform.chance.fraction() * KILL_MS, () => this.kill(), life.process);
    return new Promise((resolve, reject) => {
      const over = (settle: () => void) => () => {
        if (!life.cuts.delete(cut)) return;
        life.busy--;
        this.#lastAt = this.platform.world.time;
        settle();
        this.#sleepLater();
      };
      const cut = (): void => reject(new Error(`The object ${this.name} has ended.`));
      life.cuts.add(cut);
      run(life).then(
        (value) => over(() => resolve(value))(),
        (error: unknown) => over(() => reject(error instanceof Error ? error : new Error(String(error))))(),
      );
    });
  }

  protected opened(life: Life<Opened>): Promise<Opened> {
    life.opened ??= this.open(life).catch((error: unknown) => {
      life.opened = undefined;
      throw error;
    });
    return life.opened;
  }

  protected rows(life: Life<Opened>): SimRows {
    const { place } = this;
    // Within one instance nobody else has it any more.
    place.owner = undefined;
    life.rows = new ObjectRows({ place, timers: life.timers });
    life.rows.takes = () => this.platform.writeTakes();
    life.rows.wrong = () => this.platform.wrong(`object ${this.name} writes to a storage that was given back`);
    return life.rows;
  }

  #begin(): Life<Opened> {
    this.#lives++;
    const process = this.platform.world.process(`${this.name}#${this.#lives}`);
    this.#life = new Life(process, (at) => this.#setAlarm(at - process.now()));
    return this.#life;
  }

  // ── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  kill(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.platform.count('kills');
    this.platform.world.trace(`${life.process.name} dies`);
    this.#end(life);
    this.platform.lost();
    life.rows?.cut(this.platform.chance.happens(0.5));
    for (const socket of [...this.sockets]) socket.farIsGone();
    for (const cut of [...life.cuts]) cut();
  }

  #end(life: Life<Opened>): void {
    this.#life = undefined;
    life.caller.die();
    this.place.owner = undefined;
  }

  #sleepLater(): void {
    const { sleepMs } = this.platform.habitat;
    if (sleepMs === undefined || this.#isSleepPlanned) return;
    this.#isSleepPlanned = true;
    this.platform.world.at(sleepMs * (1 + this.platform.chance.fraction()), () => {
      this.#isSleepPlanned = false;
      const life = this.#life;
      if (life === undefined) return;
      if (!life.isIdle || this.platform.world.time < this.#lastAt + sleepMs) {
        this.#sleepLater();
        return;
      }
      this.platform.count('sleeps');
      this.#end(life);
    });
  }

  /** Its storage is as if it had never been. */
  protected giveBack(life: Life<Opened>): void {
    life.opened = undefined;
    if (life.rows !== undefined) life.rows.isGivenBack = true;
    for (const socket of [...this.sockets]) socket.closeFar();
    this.platform.count('given back');
    this.place = new RowPlace();
    this.#stopAlarm?.();
    this.#stopAlarm = undefined;
  }

  // ── The alarm ──────────────────────────────────────────────────────────────────────────────────────────────────

  #setAlarm(ms: number): void {
    this.#stopAlarm?.();
    this.#stopAlarm = this.platform.world.at(Math.max(0, ms) + this.platform.delay, () => this.#ring());
  }

  #ring(): void {
    this.#stopAlarm = undefined;
    const rung = this.handle(async (life) => {
      await this.opened(life);
      life.timers.rang();
    });
    rung.catch(() => {
      if (this.#stopAlarm === undefined) this.#setAlarm(ALARM_AGAIN_MS);
    });
  }

  // ── Channels ───────────────────────────────────────────────────────────────────────────────────────────────────

  abstract heard(socket: Socket, text: string): void;
  abstract hungUp(socket: Socket): void;
}

/** A channel to an object. Its near end is of a caller, its far end of the object, whichever instance that has. */
export class Socket {
  readonly where: Where;
  kept: readonly number[] = [];
  readonly #platform: Platform;
  readonly #object: SimObject<unknown>;
  readonly #caller: Caller;
  readonly #listener: ChannelListener;
  #isOpen = true;
  /** When the last text arrives, by direction. */
  readonly #last = { near: 0, far: 0 };

  constructor(platform: Platform, object: SimObject<unknown>, caller: Caller, where: Where, listener: ChannelListener) {
    this.#platform = platform;
    this.#object = object;
    this.#caller = caller;
    this.#listener = listener;
    this.where = where;
    caller.sockets.add(this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The object has taken it; whoever opened it may have gone meanwhile. */
  accepted(): void {
    this.#object.sockets.add(this);
    if (!this.#isOpen) this.#tellFar();
  }

  /** The end of whoever has opened it. */
  get near(): Channel {
    return {
      send: (text) => this.#send('far', () => this.#object.heard(this, text)),
      close: () => this.#closeNear(),
    };
  }

  sendFar(text: string): void {
    this.#send('near', () => this.#listener.message(text));
  }

  #send(to: 'near' | 'far', arrive: () => void): void {
    if (!this.#isOpen) return;
    if (this.#platform.happens('breaks')) {
      this.break();
      return;
    }
    this.#later(to, () => {
      if (this.#isOpen) arrive();
    });
  }

  #later(to: 'near' | 'far', arrive: () => void): void {
    const { world, delay } = this.#platform;
    this.#last[to] = Math.max(world.time + delay, this.#last[to] + STEP_MS);
    world.at(this.#last[to] - world.time, arrive, to === 'near' ? this.#caller.process : undefined);
  }

  /** The network fails between them: both learn of it, each in its time. */
  break(): void {
    if (!this.#over()) return;
    this.#tellNear();
    this.#tellFar();
  }

  #closeNear(): void {
    if (!this.#isOpen) return;
    this.#later('far', () => {
      if (this.#over()) this.#object.hungUp(this);
    });
  }

  closeFar(): void {
    if (!this.#isOpen) return;
    this.#object.sockets.delete(this);
    this.#later('near', () => {
      if (this.#over()) this.#listener.closed();
    });
  }

  nearIsGone(): void {
    if (this.#over()) this.#tellFar();
  }

  farIsGone(): void {
    this.#object.sockets.delete(this);
    if (this.#over()) this.#tellNear();
  }

  #tellNear(): void {
    this.#later('near', () => this.#listener.closed());
  }

  #tellFar(): void {
    this.#later('far', () => {
      if (this.#object.sockets.has(this)) this.#object.hungUp(this);
    });
  }

  /** @returns whether it was open until now */
  #over(): boolean {
    const was = this.#isOpen;
    this.#isOpen = false;
    this.#caller.sockets.delete(this);
    return was;
  }
}
