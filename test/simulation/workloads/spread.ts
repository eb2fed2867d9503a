/**
 * What a spread broker is asked for, and what fails: the broker's own profile, with objects, fronts and links in the place of a disk.
 *
 * Elsewhere: the calls (clients.ts, bells.ts, stale.ts), how it fails (../faults/objects.ts).
 */
import type { StationInput } from '../../../src/core/calls.ts';
import type { RowSettings } from '../../../src/core/rows/volume.ts';
import type { Habitat, Weather } from '../faults/objects.ts';
import { CALM } from '../faults/objects.ts';
import type { FrontHabits } from '../spread.ts';
import type { Chance } from '../world.ts';
import type { Profile } from './broker.ts';
import { drawProfile } from './broker.ts';

export interface SpreadProfile
  extends Pick<Profile, 'stations' | 'habits' | 'counting' | 'stepping' | 'producers' | 'consumers' | 'readers' | 'lives' | 'calls'>,
    Pick<Profile, 'lifeMs' | 'limits' | 'audits'> {
  readonly weather: Weather;
  readonly habitat: Habitat;
  readonly rows: Partial<RowSettings>;
  readonly isolates: number;
  readonly fronts: FrontHabits;
  readonly bells: boolean;
  readonly stale: boolean;
}

const WORST: Weather = { lost: 0.05, unheard: 0.05, breaks: 0.1, kills: 0.02, fails: 0.005 };

export function drawSpread(chance: Chance): SpreadProfile {
  const drawn = drawProfile(chance.fork('broker'));
  const weather: { -readonly [fault in keyof Weather]: number } = { ...CALM };
  for (const fault of Object.keys(WORST) as (keyof Weather)[]) if (chance.happens(0.5)) weather[fault] = WORST[fault] * chance.fraction();
  return {
    ...drawn,
    // There is one durability: what an object has written is synced.
    stations: drawn.stations.map(({ config, groups }) => ({ groups, config: { ...config, durability: 'synced' } as StationInput })),
    stepping: drawn.stepping && { ...drawn.stepping, weights: { ...drawn.stepping.weights, export: 0 } },
    // Others have the rest of what a seed does.
    lives: Math.min(drawn.lives, 2),
    calls: chance.pick([10, 30, 50]),
    lifeMs: chance.pick([300, 1000, 4000]),
    weather,
    // Somebody waits longer than anything may take.
    limits: { ...drawn.limits, waitMsMax: 3_600_000 },
    // Whoever slept sooner would never do what is put off for a tenth of a second (partition/trimming.ts); platforms wait for 10 s.
    habitat: {
      delayMs: chance.pick([0.5, 3, 20]),
      sleepMs: chance.pick([undefined, 150, 150, 1_000]),
      writeMs: chance.pick([0, 0, 2, 10]),
    },
    rows: { idleMs: chance.pick([2, 50, 1000]), settleFlushes: chance.pick([3, 50, 1000]), tailBytes: chance.pick([1000, 1_000_000]) },
    isolates: chance.pick([1, 2, 3]),
    fronts: { perCall: chance.pick([0, 0.5, 1]), ends: chance.pick([0, 0.02, 0.1]) },
    bells: chance.happens(0.5),
    stale: chance.happens(0.4),
  };
}
