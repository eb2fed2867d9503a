/**
 * Seeds of a campaign in the world of virtual time: run once, or twice to see that nothing but the seed has a say, and the command line.
 *
 * Elsewhere: what a campaign does (broker.ts, spread.ts); many seeds on all cores (main.ts).
 */
import { planted } from '../../src/core/faults.ts';
import { Violation } from './checkers/told.ts';
import type { Chance } from './world.ts';
import { World } from './world.ts';

export interface SeedResult<Profile> {
  readonly seed: number;
  readonly profile: Profile;
  readonly hash: string;
  readonly failure: string | undefined;
  readonly lines: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** Virtual milliseconds. */
  readonly time: number;
}

interface Campaign {
  readonly counts: Readonly<Record<string, number>>;
  run(): Promise<void>;
}

/** @param full keeps every line of the trace, not only the last */
export type RunSeed<Profile> = (seed: number, full?: boolean) => Promise<SeedResult<Profile>>;

export function seedsOf<Profile>(draw: (chance: Chance) => Profile, begin: (world: World, profile: Profile) => Campaign): RunSeed<Profile> {
  return async (seed, full = false) => {
    const world = new World(seed);
    const lines: string[] = [];
    if (full) {
      const trace = world.trace.bind(world);
      world.trace = (text) => {
        lines.push(`${world.time.toFixed(3)} ${text}`);
        trace(text);
      };
    }
    const profile = draw(world.chance.fork('profile'));
    const campaign = begin(world, profile);
    let failure: string | undefined;
    try {
      await campaign.run();
    } catch (error) {
      failure = error instanceof Violation ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    return { seed, profile, hash: world.hash, failure, lines: full ? lines : world.lines, counts: campaign.counts, time: world.time };
  };
}

/** Runs a seed twice. A difference means that something other than the seed had a say. */
export function twice<Profile>(runSeed: RunSeed<Profile>): RunSeed<Profile> {
  return async (seed, full = false) => {
    const first = await runSeed(seed, full);
    if (first.failure !== undefined) return first;
    const second = await runSeed(seed);
    if (first.hash === second.hash) return first;
    return { ...first, failure: `The seed ran differently the second time: ${first.hash}, then ${second.hash}.` };
  };
}

/** The command line of one campaign: `--seed N --seeds M --plant BUG`, `--once` and `--all`. @returns the exit code */
export async function seedsMain<Profile>(runSeed: RunSeed<Profile>, campaign: string, args: readonly string[]): Promise<number> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const first = Number(option('--seed') ?? 1);
  const seeds = Number(option('--seeds') ?? 1);
  const plant = option('--plant');
  if (plant !== undefined) planted.add(plant);
  const run = args.includes('--once') ? runSeed : twice(runSeed);
  const counts: Record<string, number> = {};
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await run(seed, seeds === 1);
    for (const [what, count] of Object.entries(result.counts)) counts[what] = (counts[what] ?? 0) + count;
    if (seeds === 1) console.log(`seed ${seed}`, JSON.stringify(result.profile, undefined, 1), `\n${result.lines.join('\n')}`);
    if (result.failure === undefined) continue;
    failed++;
    console.log(`seed ${seed} FAILED: ${result.failure}\nReplay: ${replayOf(campaign, seed)}`);
    if (!args.includes('--all')) return 1;
  }
  console.log(`${seeds} seeds: ${failed} failed`, counts);
  return failed > 0 ? 1 : 0;
}

export function replayOf(campaign: string, seed: number): string {
  return `npm run simulate -- --seed ${seed} --campaign ${campaign}`;
}
