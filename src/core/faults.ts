/**
 * Planted bugs: the places where a test can break the core on purpose, to see that the simulator notices.
 *
 * Holds: empty outside of tests, and then every question is answered with false.
 * Elsewhere: which bug must be caught within how many seeds (test/simulation).
 */

/** Names of the bugs that are in force now. Only tests put any in. */
export const planted = new Set<string>();

export function isPlanted(name: string): boolean {
  return planted.size > 0 && planted.has(name);
}
