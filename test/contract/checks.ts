/**
 * Checks as plain data: a list of named promises to keep, and a runner that any runtime can call.
 *
 * Holds: imports nothing of a runtime or a test framework, so that the same list runs in Node, Deno, Bun, workerd and a
 * browser. A check fails by throwing. What a subject does not claim to have is skipped by name, never in silence.
 * Elsewhere: the lists (volume.ts); the tables of subjects, and how many checks each must pass (`*.test.ts`).
 */

import type { Timers } from '../../src/core/ports.ts';

export interface Check<Subject, Trait extends string> {
  readonly name: string;
  /** Traits without which there is nothing to check. */
  readonly needs?: readonly Trait[];
  run(subject: Subject): Promise<void>;
}

export interface Checkable<Trait extends string> {
  readonly name: string;
  readonly traits: Readonly<Record<Trait, boolean>>;
  readonly timers: Timers;
}

export interface Outcome {
  readonly passed: number;
  readonly skipped: readonly string[];
  readonly failed: readonly { readonly name: string; readonly error: unknown }[];
}

/** Runs one after another. @param msMax after which a check has failed, by the subject's timers */
export async function runChecks<Trait extends string, Subject extends Checkable<Trait>>(
  checks: readonly Check<Subject, Trait>[],
  subject: Subject,
  msMax = 60_000,
): Promise<Outcome> {
  let passed = 0;
  const skipped: string[] = [];
  const failed: { name: string; error: unknown }[] = [];
  for (const check of checks) {
    if (check.needs?.some((trait) => !subject.traits[trait])) {
      skipped.push(check.name);
      continue;
    }
    try {
      await within(subject.timers, msMax, 'the check', check.run(subject));
      passed += 1;
    } catch (error) {
      failed.push({ name: check.name, error });
    }
  }
  return { passed, skipped, failed };
}

export async function within<T>(timers: Timers, ms: number, what: string, work: Promise<T>): Promise<T> {
  let cancel = (): void => {};
  const late = new Promise<never>((_, reject) => {
    cancel = timers.after(ms, () => reject(new Error(`${what} has not ended within ${ms} ms`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`Does not hold: ${what}`);
}

/** By value: numbers, strings, lists, plain objects and bytes. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (!same(actual, expected)) throw new Error(`${what}: ${show(actual)}, expected ${show(expected)}`);
}

/** Whatever `act` throws, at once or by its promise; fails when it throws nothing. */
export async function refusal(act: () => unknown, what: string): Promise<{ name: string; code: string | undefined }> {
  try {
    await act();
  } catch (thrown) {
    assert(thrown instanceof Error, `${what} throws an Error`);
    return { name: thrown.name, code: (thrown as { code?: string }).code };
  }
  throw new Error(`${what}: refuses nothing`);
}

function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one instanceof Uint8Array && other instanceof Uint8Array) {
    return one.length === other.length && one.every((byte, at) => byte === other[at]);
  }
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => same((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]));
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes [${value.slice(0, 8).join(' ')} …]`;
  const text = JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? `${part.length} bytes` : part)) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
