/**
 * The volume against a bare loop that appends the same bytes to a file and syncs as often; many actors against one; and how
 * long a large volume takes to open. Rounds alternate, so that what else the machine does hits both.
 *
 *   node bench/volume.ts [rounds] [folder]
 */
import fs from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nodeFiles } from '../src/adapters/node/files.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../src/adapters/node/timers.ts';
import { crc32c } from '../src/core/crc32c.ts';
import type { ActorKey, Journal, VolumeListener, Write } from '../src/core/ports.ts';
import { actorKey } from '../src/core/ports.ts';
import { LogVolume } from '../src/core/volume/log.ts';

const fdatasync = promisify(fs.fdatasync);
const MIB = 1024 * 1024;
const BATCH_BYTES = 100 * 1024;
const journal: Journal = { info() {}, warn: console.warn, error: console.error };

class Bench implements VolumeListener {
  readonly volume: LogVolume;
  readonly #indexes = new Map<ActorKey, number>();
  #wake = (): void => {};

  constructor(folder: string) {
    this.volume = new LogVolume({ files: nodeFiles(folder), clock: nodeClock, timers: nodeTimers(), random: nodeRandom(), journal });
  }

  progressed(): void {
    this.#wake();
  }

  failed(error: Error): void {
    throw error;
  }

  settle(): void {}

  commit(actor: ActorKey, body: Uint8Array, crc: number): number {
    const index = (this.#indexes.get(actor) ?? 0) + 1;
    this.#indexes.set(actor, index);
    const write: Write = {
      do: 'append',
      actor,
      index,
      kind: 1,
      version: 1,
      first: index * 100,
      count: 100,
      time: index,
      data: true,
      body: [body],
      crc,
    };
    return this.volume.commit([write]);
  }

  trim(actor: ActorKey): void {
    const last = this.#indexes.get(actor) ?? 0;
    this.volume.commit([{ do: 'trim', actor, data: last + 1, state: last + 1 }]);
  }

  async synced(position: number): Promise<void> {
    this.volume.sync(position);
    while (this.volume.synced < position) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

interface Load {
  /** Batches that a producer sends together. */
  readonly together: number;
  /** How many such groups are on their way at once: with more than one, copying and hashing go on while a sync runs. */
  readonly groups: number;
}

interface Pace {
  readonly mbPerSecond: number;
  readonly syncs: number;
}

/** As producers do. Every batch is hashed, since somebody has to. */
async function overVolume(bench: Bench, actors: readonly ActorKey[], body: Uint8Array, load: Load, bytes: number): Promise<Pace> {
  const start = performance.now();
  const { syncs } = bench.volume.stats();
  const sent: number[] = [];
  let next = 0;
  for (let done = 0; done < bytes; ) {
    let position = 0;
    for (let batch = 0; batch < load.together; batch++, done += body.length) {
      if (!bench.volume.hasRoom(body.length)) await bench.volume.makeRoom(body.length);
      position = bench.commit(actors[next++ % actors.length]!, body, crc32c(body));
    }
    bench.volume.sync(position);
    sent.push(position);
    // A turn for each group, as frames come in; otherwise groups would be one commit.
    await new Promise((resolve) => setImmediate(resolve));
    await bench.synced(sent.length < load.groups ? 0 : sent.shift()!);
  }
  await bench.synced(sent.at(-1) ?? 0);
  return { mbPerSecond: bytes / MIB / ((performance.now() - start) / 1000), syncs: bench.volume.stats().syncs - syncs };
}

/** The same bytes with as many syncs. */
async function overFile(file: string, body: Uint8Array, syncs: number, bytes: number): Promise<number> {
  const fd = fs.openSync(file, 'w');
  try {
    const start = performance.now();
    let synced = 0;
    for (let done = 0; done < bytes; ) {
      fs.writeSync(fd, body, 0, body.length, done);
      done += body.length;
      if (done < ((synced + 1) * bytes) / syncs && done < bytes) continue;
      await fdatasync(fd);
      synced++;
    }
    return bytes / MIB / ((performance.now() - start) / 1000);
  } finally {
    fs.closeSync(fd);
    fs.unlinkSync(file);
  }
}

const median = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[values.length >> 1]!;
const range = (values: readonly number[], digits = 0): string =>
  `${median(values).toFixed(digits)} [${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}]`;

async function throughput(folder: string, rounds: number): Promise<void> {
  const body = new Uint8Array(BATCH_BYTES).map((_, at) => at * 7);
  const one = [actorKey(1, 1, 0)];
  const many = Array.from({ length: 1000 }, (_, at) => actorKey(1, 2, at));
  const bench = new Bench(join(folder, 'volume'));
  await bench.volume.open(bench);
  console.log(
    '| batches together × on their way | KiB a sync | bare loop MB/s | growing | ratio | recycled | ratio | 1,000 actors | of one |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const load of [1, 4, 16].flatMap((together) => [1, 2].map((groups) => ({ together, groups })))) {
    const bytes = load.together === 1 ? 32 * MIB : 64 * MIB;
    const figures: Record<'bare' | 'growing' | 'recycled' | 'many', number[]> = { bare: [], growing: [], recycled: [], many: [] };
    let syncs = 0;
    for (let round = 0; round < rounds; round++) {
      // A new volume has no file to use again: each of its files is filled with zeros first.
      const place = join(folder, `fresh-${round}`);
      const fresh = new Bench(place);
      await fresh.volume.open(fresh);
      const growing = await overVolume(fresh, one, body, load, bytes);
      figures.growing.push(growing.mbPerSecond);
      figures.bare.push(await overFile(join(folder, 'bare'), body, growing.syncs, bytes));
      figures.recycled.push((await overVolume(bench, one, body, load, bytes)).mbPerSecond);
      figures.many.push((await overVolume(bench, many, body, load, bytes)).mbPerSecond);
      syncs += growing.syncs;
      for (const actor of [...one, ...many]) bench.trim(actor);
      await bench.synced(bench.volume.commit([]));
      await fresh.volume.close();
      fs.rmSync(place, { recursive: true });
    }
    const ratio = (upper: readonly number[], lower: readonly number[]): string =>
      range(
        upper.map((value, at) => value / lower[at]!),
        2,
      );
    const { bare, growing, recycled, many: thousand } = figures;
    console.log(
      `| ${load.together} × ${load.groups} | ${((bytes * rounds) / syncs / 1024).toFixed(0)} | ${range(bare)} | ${range(growing)} | ${ratio(growing, bare)} | ${range(recycled)} | ${ratio(recycled, bare)} | ${range(thousand)} | ${ratio(thousand, recycled)} |`,
    );
  }
  await bench.volume.close();
}

async function opening(folder: string, gib: number): Promise<void> {
  const place = join(folder, 'large');
  const body = new Uint8Array(BATCH_BYTES);
  const actors = Array.from({ length: 10_000 }, (_, at) => actorKey(1, at + 1, 0));
  const before = new Bench(place);
  await before.volume.open(before);
  await overVolume(before, actors, body, { together: 16, groups: 2 }, gib * 1024 * MIB);
  await before.volume.close();
  for (let round = 0; round < 3; round++) {
    const heap = process.memoryUsage();
    const start = performance.now();
    const bench = new Bench(place);
    await bench.volume.open(bench);
    const ms = performance.now() - start;
    const grown = process.memoryUsage().heapUsed - heap.heapUsed;
    const { diskBytes, segments, actors: count } = bench.volume.stats();
    console.log(
      `Opening ${(diskBytes / MIB / 1024).toFixed(2)} GiB, ${segments} segments, ${count} actors: ${ms.toFixed(0)} ms, heap ${(grown / MIB).toFixed(0)} MiB more.`,
    );
    await bench.volume.close();
  }
}

const rounds = Number(process.argv[2] ?? 5);
const folder = fs.mkdtempSync(join(process.argv[3] ?? tmpdir(), 'wayside-bench-'));
try {
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? '?'}. Median [least–most] of ${rounds} alternating rounds.\n`,
  );
  await throughput(folder, rounds);
  await opening(folder, 2);
} finally {
  fs.rmSync(folder, { recursive: true });
}
