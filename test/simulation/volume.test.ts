/**
 * The fault campaign on the log volume, and the proof that it can fail: a canary, and bugs planted in the volume.
 *
 * `WAYSIDE_SEEDS` says how many seeds, `WAYSIDE_SEED` the first of them. A failing seed names the command that replays it.
 */

import { afterEach, expect, test } from 'vitest';
import { planted } from '../../src/core/faults.ts';
import type { File, Files } from '../../src/core/ports.ts';
import type { SimFiles } from './faults/files.ts';
import { NO_FAULTS } from './faults/files.ts';
import type { SeedOptions } from './volume.ts';
import { replayCommand, runSeed, runSeedTwice } from './volume.ts';

const SEEDS = Number(process.env.WAYSIDE_SEEDS ?? 250);
const FIRST = Number(process.env.WAYSIDE_SEED ?? 1);
/** Within so many seeds every planted bug is caught; most need fewer than 20. */
const CATCH_SEEDS = 300;

const PLANTED = [
  'skip-sync',
  'wrong-watermark',
  'later-writes-count-as-synced',
  'forget-body-crc-check',
  'cut-tail-that-was-not-torn',
  'epoch-stays',
  'trust-the-page-cache',
  'half-commit',
  'copy-forward-forgets-one',
  'copy-forward-wrong-entry',
  'drop-segment-before-copy-synced',
  'trim-too-much',
  'section-asof-off-by-one',
  'folder-not-synced',
  'removed-actor-comes-back',
];

afterEach(() => {
  planted.clear();
});

test(`${SEEDS} seeds, each twice with the same trace`, { timeout: 60_000 + SEEDS * 200 }, async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const { failure, lines, profile } = await runSeedTwice(seed);
    if (failure === undefined) continue;
    throw new Error(`${failure}\n\n${JSON.stringify(profile)}\n${lines.slice(-40).join('\n')}\n\nReplay: ${replayCommand(seed)}`);
  }
});

for (const seed of [5, 6, 7, 8]) {
  test(`power cut at every call of a short life (seed ${seed}), and again while the next ones open`, { timeout: 120_000 }, async () => {
    const profile = { odds: NO_FAULTS, capacityBytes: Number.POSITIVE_INFINITY, lives: 3, steps: 12, flips: 0 };
    for (let call = 1; ; call += 1) {
      const { failure, counts } = await runSeed(seed, { profile, cutAt: [call, 1 + (call % 17), 1 + (call % 23)] });
      expect(failure, `cut at call ${call}`).toBeUndefined();
      // The first life was over before the power went.
      if (call > (counts['calls of life 1'] ?? 0)) break;
    }
  });
}

test('canary: a disk that syncs nothing is noticed', async () => {
  expect(await firstFailing({ wrap: syncsNothing }, 20)).toBeDefined();
});

for (const name of PLANTED) {
  test(`planted: ${name} is caught`, { timeout: 60_000 }, async () => {
    planted.add(name);
    const seed = await firstFailing({}, CATCH_SEEDS);
    console.log(`${name}: caught by seed ${seed}`);
    expect(seed).toBeDefined();
  });
}

async function firstFailing(options: SeedOptions, seeds: number): Promise<number | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) if ((await runSeed(seed, options)).failure !== undefined) return seed;
  return undefined;
}

/** Says that it has synced, and has not. The count of calls is blinded too: the power cut has to notice. */
function syncsNothing(files: SimFiles): Files {
  files.syncedCall = Number.POSITIVE_INFINITY;
  const wrap = (file: File): File => ({
    get size() {
      return file.size;
    },
    read: (at, length) => file.read(at, length),
    write: (at, bytes) => file.write(at, bytes),
    writeAhead: (at, bytes) => file.writeAhead(at, bytes),
    sync: async () => {
      await file.read(0, 1);
    },
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  return {
    lock: () => files.lock(),
    unlock: () => files.unlock(),
    list: () => files.list(),
    open: async (name, create) => wrap(await files.open(name, create)),
    remove: (name) => files.remove(name),
    rename: (from, to) => files.rename(from, to),
    syncFolder: () => files.syncFolder(),
  };
}
