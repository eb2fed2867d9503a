/**
 * A broker in a world of virtual time: over a volume in memory, or over the log volume on a simulated disk that a test can
 * cut, and make fail.
 *
 * Holds: nothing sleeps; the world runs on by itself for as long as a test awaits something.
 */
import { afterEach } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import type { NewMessage } from '../../src/core/batch/build.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { RecordCursor } from '../../src/core/batch/walk.ts';
import type { Block, Broker, ProduceInput, ProduceResult, StationInput } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import type { Code } from '../../src/core/errors.ts';
import { WaysideError } from '../../src/core/errors.ts';
import type { Limits } from '../../src/core/limits.ts';
import type { Volume } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import type { LogSettings } from '../../src/core/volume/settings.ts';
import { Disk } from '../simulation/faults/disk.ts';
import { SimFiles } from '../simulation/faults/files.ts';
import type { Process } from '../simulation/world.ts';
import { World } from '../simulation/world.ts';

export const NS = 'default';

const ends: (() => void)[] = [];
const strays = new Set<unknown[]>();
process.on('unhandledRejection', (error) => {
  for (const stray of strays) stray.push(error);
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

export interface Setup {
  readonly limits?: Partial<Limits>;
  /** `disk`: the log volume on a simulated disk. */
  readonly on?: 'memory' | 'disk';
  readonly settings?: Partial<LogSettings>;
  readonly callMs?: number;
}

/** One life of a broker at a time, on one disk. */
export class Bench {
  readonly world = new World(1);
  /** What the journal was told as an error. */
  readonly errors: string[] = [];
  /** What the event loop was told of promises that nobody looks after, and of events that threw. */
  readonly stray: unknown[] = [];
  process!: Process;
  files!: SimFiles;
  /** Where the stations are. */
  volume!: Volume;
  memory!: MemoryVolume;
  broker!: Broker;
  /** Has its way with the volume before a broker opens on it. */
  damage: (volume: Volume) => void = () => undefined;
  readonly #setup: Setup;
  #disk = new Disk();
  #lives = 0;

  constructor(setup: Setup = {}) {
    this.#setup = setup;
    ends.push(this.world.drive((error) => this.stray.push(error)));
    strays.add(this.stray);
    ends.push(() => strays.delete(this.stray));
  }

  /** @param wallOffset ms by which the wall clock is off in this life */
  async open(wallOffset = 0): Promise<Broker> {
    const life = this.world.process(`p${++this.#lives}`);
    life.wallOffset = wallOffset;
    life.error = (text) => void this.errors.push(text);
    this.process = life;
    this.files = new SimFiles({
      chance: this.world.chance.fork(`files ${this.#lives}`),
      timers: life,
      disk: this.#disk,
      ...(this.#setup.callMs !== undefined && { callMs: this.#setup.callMs }),
    });
    this.volume =
      this.#setup.on === 'disk'
        ? new LogVolume({
            files: this.files,
            clock: life,
            timers: life,
            random: life,
            journal: life,
            settings: { segmentBytes: 64 * 1024, ...this.#setup.settings },
          })
        : new MemoryVolume(life);
    this.memory = new MemoryVolume(life);
    this.damage(this.volume);
    this.broker = await openBroker({
      volume: this.volume,
      memory: this.memory,
      clock: life,
      timers: life,
      random: life,
      journal: life,
      limits: this.#setup.limits ?? {},
    });
    // A volume in memory promises `memory`, and stations of that durability are kept in the other one.
    if (this.#setup.on !== 'disk') this.volume = this.memory;
    return this.broker;
  }

  /** The process is killed. What the system was given stays on the disk. */
  kill(): void {
    this.process.kill();
    this.#disk = this.files.kill();
  }

  /** The power goes: what was not synced is gone. */
  cut(): void {
    this.process.kill();
    this.#disk = this.files.crash({ kept: 0, torn: 0, garbage: 0, names: 0, sizes: 0, sectorGarbage: false });
  }

  async pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.world.at(ms, resolve);
    });
  }

  /** Until what is at hand in this turn is over. */
  async turn(): Promise<void> {
    await this.pass(0);
  }
}

/** A broker with the station `s`. */
export async function openBench(station: StationInput = {}, setup: Setup = {}): Promise<Bench> {
  const bench = new Bench(setup);
  await bench.open();
  await bench.broker.putStation(NS, 's', station);
  return bench;
}

export type Told = string | (Partial<Omit<NewMessage, 'payload'>> & { payload?: string | Uint8Array });

export function batch(...messages: Told[]): Uint8Array {
  const builder = new BatchBuilder();
  for (const message of messages) {
    const { payload, ...rest }: Exclude<Told, string> = typeof message === 'string' ? { payload: message } : message;
    builder.append({ ...rest, payload: payload instanceof Uint8Array ? payload : new TextEncoder().encode(payload ?? '') });
  }
  return builder.finish();
}

export function produce(broker: Broker, messages: Told[], input: ProduceInput = {}): Promise<ProduceResult> {
  return broker.produce(NS, 's', batch(...messages), input);
}

/** `partition.sequence payload` of each message. */
export function texts(blocks: readonly Block[]): string[] {
  return blocks.flatMap(({ partition, first, bytes, start, end }) => {
    const cursor = new RecordCursor(bytes, start, end);
    const found: string[] = [];
    for (let sequence = first; cursor.next(); sequence++)
      found.push(`${partition}.${sequence} ${new TextDecoder().decode(cursor.payload)}`);
    return found;
  });
}

export function receipts(blocks: readonly (Block & { readonly lease: string })[]): string[] {
  return blocks.flatMap(({ partition, first, count, lease }) =>
    Array.from({ length: count }, (_, i) => `${partition}.${first + i}.${lease}`),
  );
}

/** The code that a call is refused with; the error itself where it has none; `answered` otherwise. */
export async function codeOf(call: Promise<unknown> | (() => Promise<unknown>)): Promise<Code | 'answered' | unknown> {
  try {
    await (typeof call === 'function' ? call() : call);
    return 'answered';
  } catch (error) {
    return error instanceof WaysideError ? error.code : error;
  }
}
