/**
 * A partition of this process, for exports that may be elsewhere.
 *
 * Holds: what is noted is one turn of the partition; it is kept until it is released, or until nobody has asked for it for
 * longer than an export may be idle. Bytes that leave are in memory of their own.
 * Elsewhere: what may be asked (port.ts), keeping (actor/log.ts), holding what leaves (partition/valve.ts).
 */
import type { Hold } from '../actor/log.ts';
import { alone } from '../bytes.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { Partition } from '../partition/partition.ts';
import type { Random, Timers } from '../ports.ts';
import type { ExportSource, Noted, NotedEntry } from './port.ts';
import { SENDING_HELD_MS } from './port.ts';

/** Whoever exports says so in time, and ends it when nobody reads. */
const IDLE_FACTOR = 1.5;

interface Kept {
  readonly held: Hold;
  readonly last: number;
  /** Takes back what would end it. */
  unset: () => void;
}

export class LocalSource implements ExportSource {
  readonly #partition: Partition;
  readonly #random: Random;
  readonly #timers: Timers;
  readonly #idleMs: number;
  /** By the name of the hold. */
  readonly #kept = new Map<string, Kept>();

  constructor(partition: Partition, { random, timers, limits }: { random: Random; timers: Timers; limits: Limits }) {
    this.#partition = partition;
    this.#random = random;
    this.#timers = timers;
    this.#idleMs = limits.exportIdleMs * IDLE_FACTOR;
  }

  async holdSending(): Promise<string> {
    this.#check();
    const hold = this.#random.u32().toString(36) + this.#random.u32().toString(36);
    await this.#partition.outgoing.valve.hold(hold, SENDING_HELD_MS);
    return hold;
  }

  async note(hold: string): Promise<Noted | undefined> {
    this.#check();
    const { log, outgoing } = this.#partition;
    if (!outgoing.valve.isHeldBy(hold)) return undefined;
    const noted = this.#noted();
    const kept = { held: log.hold(), last: log.last, unset: () => undefined };
    this.#kept.set(hold, kept);
    this.#endLater(hold, kept);
    const sections = log.volume.info(log.key)?.sections.map(({ name }) => name) ?? [];
    // What it says has to be true after a crash too.
    await this.#partition.synced();
    return { ...noted, sections };
  }

  /** What it is in this turn. */
  #noted(): Omit<Noted, 'sections'> {
    const { log, state, outgoing } = this.#partition;
    const intents = Array.from(state.outbox.all(), ({ number, station, partition, place }) => ({ number, station, partition, place }));
    return { last: log.last, sender: outgoing.senderName, intents, arrivals: outgoing.arrivals() };
  }

  async releaseSending(hold: string): Promise<boolean> {
    return this.#partition.outgoing.valve.release(hold) && !this.#partition.isOver;
  }

  async arrived(senders: readonly string[]): Promise<readonly number[]> {
    this.#check();
    const places = senders.map((sender) => this.#partition.outgoing.nextOf(sender));
    await this.#partition.synced();
    return places;
  }

  async section(hold: string, name: string): Promise<Uint8Array | undefined> {
    const kept = this.#find(hold);
    if (!kept.held.sections) throw gone();
    const { volume, key } = this.#partition.log;
    const body = await volume.section(key, name);
    // Another one may lie there by now.
    if (this.#find(hold) !== kept || !kept.held.sections) throw gone();
    return body && alone(body);
  }

  async entries(hold: string, from: number, bytesMax: number): Promise<readonly NotedEntry[]> {
    const { held, last } = this.#find(hold);
    const { volume, key } = this.#partition.log;
    const first = Math.max(from, held.data);
    const entries = first > last ? [] : await volume.read(key, first, bytesMax, 'data');
    this.#find(hold);
    return entries
      .filter(({ index }) => index <= last)
      .map(({ index, kind, version, first, count, time, body }) => ({ index, kind, version, first, count, time, body: alone(body) }));
  }

  async dropSections(hold: string): Promise<void> {
    this.#find(hold).held.sections = false;
  }

  async renew(hold: string): Promise<void> {
    this.#find(hold);
  }

  async release(hold: string): Promise<void> {
    const { log, outgoing } = this.#partition;
    outgoing.valve.release(hold);
    const kept = this.#kept.get(hold);
    if (kept === undefined) return;
    kept.unset();
    this.#kept.delete(hold);
    log.release(kept.held);
  }

  /** Somebody wants it: it stays for a while. */
  #find(hold: string): Kept {
    this.#check();
    const kept = this.#kept.get(hold);
    if (kept === undefined) throw gone();
    this.#endLater(hold, kept);
    return kept;
  }

  #endLater(hold: string, kept: Kept): void {
    kept.unset();
    kept.unset = this.#timers.after(this.#idleMs, () => void this.release(hold));
  }

  #check(): void {
    const { isOver, log } = this.#partition;
    if (isOver) throw log.closed ?? new WaysideError('STATION_NOT_FOUND', 'The station was removed.');
  }
}

function gone(): WaysideError {
  return new WaysideError('UNAVAILABLE', 'What was exported is not kept any more. Ask for a new export.');
}
