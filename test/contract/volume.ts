/**
 * The contract of a volume, every sentence of `Volume` in ports.ts as a check. Whoever brings a volume (a folder of
 * segments, SQLite, IndexedDB, memory) runs this list with a factory of theirs.
 *
 * Holds: imports nothing of a runtime or a test framework. What differs between volumes is declared as a trait, and
 * checks that need a trait which is not there are named as skipped.
 * Elsewhere: what a crash leaves (test/simulation/volume.ts): no check in here can cut the power.
 */

import { commitChecks } from './volume/commit.ts';
import { findChecks } from './volume/find.ts';
import { lifeChecks } from './volume/life.ts';
import { progressChecks } from './volume/progress.ts';
import { readChecks } from './volume/read.ts';
import { sectionChecks } from './volume/sections.ts';
import { spaceChecks } from './volume/space.ts';
import type { VolumeCheck } from './volume/subject.ts';

export { runChecks } from './checks.ts';
export type { VolumeCheck, VolumeFactory, VolumePlace, VolumeTrait } from './volume/subject.ts';

/** Checks there are. Whoever adds or removes one says so here, so that none goes missing. */
export const CHECKS = 88;

export const volumeChecks: readonly VolumeCheck[] = [
  ...commitChecks,
  ...progressChecks,
  ...readChecks,
  ...findChecks,
  ...sectionChecks,
  ...lifeChecks,
  ...spaceChecks,
];
