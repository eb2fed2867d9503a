/**
 * What the checks of a volume work with: how to get one on an empty place, and short ways to write, wait and compare.
 *
 * Holds: nothing of a runtime in here. Waiting goes by the subject's timers, which may be virtual.
 */

import type { ActorInfo, ActorKey, EntryHead, StoredEntry, Timers, Volume, VolumeListener, Write } from '../../../src/core/ports.ts';
import { actorKey } from '../../../src/core/ports.ts';
import type { Check, Checkable } from '../checks.ts';
import { assert, equal, within } from '../checks.ts';

export type VolumeTrait =
  /** A volume finds what an earlier one left on its place. */
  | 'persistent'
  /** A second volume on a place is refused while the first is open. */
  | 'exclusive'
  /** Disk stays within 1.5 × live bytes + 2 segments; `segmentBytes` is at most 4 MiB. */
  | 'copiesForward'
  /** `fail` of the place works. */
  | 'faults';

export interface VolumeFactory extends Checkable<VolumeTrait> {
  readonly timers: Timers;
  /** An empty place. */
  place(): Promise<VolumePlace>;
}

export interface VolumePlace {
  /** A volume on this place, not opened yet. Each call is another opener. */
  volume(): Volume;
  /** The next write, or the next sync, fails once. */
  fail?(what: 'write' | 'sync'): void;
  cleanUp?(): Promise<void>;
}

export type VolumeCheck = Check<VolumeFactory, VolumeTrait>;

/** Opens a volume on an empty place, gives it to `use`, and closes it, also after a failure. */
export async function withVolume(make: VolumeFactory, use: (opened: Opened) => Promise<void>): Promise<void> {
  const place = await make.place();
  try {
    const opened = await Opened.on(make, place);
    try {
      await use(opened);
    } finally {
      await opened.current.close();
    }
  } finally {
    await place.cleanUp?.();
  }
}

export const A = actorKey(1, 1, 0);
export const B = actorKey(1, 2, 0);
export const C = actorKey(1, 2, 1);

/** A volume that is open, and what it told its listener. */
export class Opened implements VolumeListener {
  readonly make: VolumeFactory;
  readonly place: VolumePlace;
  readonly failures: Error[] = [];
  /** Calls of `progressed`. */
  progress = 0;
  /** Called at the end of each `progressed`. */
  onProgress: () => void = () => {};
  /** Write a section and trim when the volume asks for it. */
  settles = false;
  current: Volume;
  #waiting: (() => void)[] = [];
  #lows = { written: 0, synced: 0 };

  static async on(make: VolumeFactory, place: VolumePlace): Promise<Opened> {
    const opened = new Opened(make, place);
    await opened.current.open(opened);
    opened.#lows = { written: opened.current.written, synced: opened.current.synced };
    return opened;
  }

  private constructor(make: VolumeFactory, place: VolumePlace) {
    this.make = make;
    this.place = place;
    this.current = place.volume();
  }

  progressed(): void {
    const { written, synced } = this.current;
    assert(synced <= written, 'synced is never above written');
    assert(written >= this.#lows.written && synced >= this.#lows.synced, 'positions never fall');
    this.#lows = { written, synced };
    this.progress += 1;
    this.#wake();
    this.onProgress();
  }

  failed(error: Error): void {
    this.failures.push(error);
    this.#wake();
  }

  settle(actor: ActorKey): void {
    if (!this.settles) return;
    // Not from inside the volume's own call: a broker answers a hint in a turn of its own.
    this.make.timers.endOfTurn(() => this.writeSections(actor));
  }

  writeSections(actor: ActorKey): void {
    const info = this.current.info(actor);
    if (info === undefined || info.last === 0) return;
    this.current.commit([
      { do: 'section', actor, name: 'core', asOf: info.last, body: bytesOf(200, info.last) },
      { do: 'trim', actor, data: info.data, state: info.last + 1 },
    ]);
  }

  commit(...writes: Write[]): number {
    return this.current.commit(writes);
  }

  /** Until `holds`, asked after each word from the volume. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    };
    await within(this.make.timers, 20_000, what, wait());
  }

  async written(position: number): Promise<void> {
    await this.until(`position ${position} written`, () => this.current.written >= position);
  }

  async synced(position: number): Promise<void> {
    this.current.sync(position);
    await this.until(`position ${position} synced`, () => this.current.synced >= position);
  }

  /** Commits and waits until the commit is synced. */
  async store(...writes: Write[]): Promise<void> {
    await this.synced(this.commit(...writes));
  }

  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.make.timers.after(ms, resolve);
    });
  }

  /** Closes, and opens another volume on the same place. */
  async again(): Promise<void> {
    await this.current.close();
    this.current = this.place.volume();
    this.#lows = { written: 0, synced: 0 };
    await this.current.open(this);
    this.#lows = { written: this.current.written, synced: this.current.synced };
  }

  /** After a failure. */
  async reopen(): Promise<void> {
    this.#lows = { written: 0, synced: 0 };
    await this.current.reopen();
  }

  info(actor: ActorKey): ActorInfo {
    const info = this.current.info(actor);
    assert(info !== undefined, `${actor} is there`);
    return info;
  }

  async read(actor: ActorKey, from = 1, bytesMax = 2 ** 40, what: 'all' | 'data' = 'all'): Promise<readonly StoredEntry[]> {
    return await this.current.read(actor, from, bytesMax, what);
  }

  async indexes(actor: ActorKey, from = 1, bytesMax = 2 ** 40, what: 'all' | 'data' = 'all'): Promise<number[]> {
    return (await this.read(actor, from, bytesMax, what)).map((entry) => entry.index);
  }

  /** All entries that are there, by as many reads as it takes. */
  async everything(actor: ActorKey, bytesMax = 2 ** 20): Promise<StoredEntry[]> {
    const all: StoredEntry[] = [];
    for (;;) {
      const some = await this.read(actor, (all.at(-1)?.index ?? 0) + 1, bytesMax);
      if (some.length === 0) return all;
      all.push(...some);
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}

export type Append = Extract<Write, { do: 'append' }>;

/** An append of a data entry with one message, unless `more` says otherwise. */
export function append(actor: ActorKey, index: number, more: Partial<Append> = {}): Append {
  return {
    do: 'append',
    actor,
    index,
    kind: 1,
    version: 1,
    first: index,
    count: 1,
    time: START_MS + index,
    data: true,
    body: [bytesOf(50, index)],
    ...more,
  };
}

/** An append of a state entry, which holds no messages. */
export function state(actor: ActorKey, index: number, more: Partial<Append> = {}): Append {
  return append(actor, index, { kind: 2, first: 0, count: 0, data: false, ...more });
}

export const START_MS = 1_900_000_000_000;

/** `length` bytes that differ from place to place and from `seed` to `seed`. */
export function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let word = Math.imul(seed + 1, 0x9e3779b1);
  for (let at = 0; at < length; at += 1) {
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d) + at;
    bytes[at] = word >>> 24;
  }
  return bytes;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Is `entry` what `write` appended, in every field and byte? */
export function equalEntry(entry: StoredEntry | undefined, write: Append, epoch: number): void {
  assert(entry !== undefined, `entry ${write.index} of ${write.actor} is there`);
  const body = joined(write.body);
  equalHead(entry, write, epoch);
  equal(entry.body.length, body.length, `body length of entry ${write.index}`);
  // Compared by CRC first and by byte after, so that eight MiB do not take seconds where the CRC is enough to blame.
  assert(
    entry.body.every((byte, at) => byte === body[at]),
    `the body of entry ${write.index} of ${write.actor} is what was committed`,
  );
}

export function equalHead(head: EntryHead | undefined, write: Append, epoch: number): void {
  assert(head !== undefined, `head ${write.index} of ${write.actor} is there`);
  const { index, kind, version, first, count, time, data } = write;
  const body = joined(write.body);
  const expected = { index, kind, version, epoch, first, count, time, data, crc: crcOf(body), bodyBytes: body.length };
  const actual = {
    index: head.index,
    kind: head.kind,
    version: head.version,
    epoch: head.epoch,
    first: head.first,
    count: head.count,
    time: head.time,
    data: head.data,
    crc: head.crc,
    bodyBytes: head.bodyBytes,
  };
  equal(actual, expected, `entry ${write.index} of ${write.actor}`);
}

/** CRC-32C once more, byte by byte from the polynomial, so that the checks do not believe the code they check. */
export function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
