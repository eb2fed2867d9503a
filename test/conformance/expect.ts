/**
 * Judging: each function throws a Failure that says what was expected and what came.
 */
import type { Answer } from './client.ts';

export class Failure extends Error {
  constructor(what: string, expected: unknown, got: unknown) {
    super(`${what}\n  expected ${shown(expected)}\n  got      ${shown(got)}`);
  }
}

export function ok(condition: boolean, what: string, got?: unknown): asserts condition {
  if (!condition) throw new Failure(what, 'this to hold', got);
}

/** Deep equality; bytes by their values, fields in any order. */
export function equal(got: unknown, expected: unknown, what: string): void {
  if (!alike(got, expected)) throw new Failure(what, expected, got);
}

/** Each field of `expected` is there with that value; there may be others. */
export function has(got: unknown, expected: Readonly<Record<string, unknown>>, what: string): void {
  for (const [name, value] of Object.entries(expected)) {
    if (!alike((got as Record<string, unknown> | undefined)?.[name], value)) throw new Failure(`${what}: ${name}`, value, got);
  }
}

export function status(answer: Answer, expected: number, what = 'the status'): Answer {
  if (answer.status !== expected) throw new Failure(what, `status ${expected}`, String(answer));
  return answer;
}

/** A refusal: RFC 9457's form with the contract's code (or one of them), and a status that fits. */
export function refused(answer: Answer, expected: number, code: string | readonly string[], what = 'the refusal'): void {
  status(answer, expected, what);
  if (answer.type !== 'application/problem+json') throw new Failure(`${what}: its type`, 'application/problem+json', String(answer));
  const body = answer.json as Record<string, unknown>;
  const texts = ['type', 'title', 'detail', 'code'].every((name) => typeof body[name] === 'string' && body[name] !== '');
  if (!texts || body.status !== expected) throw new Failure(`${what}: its members`, 'type, title, status, detail, code', String(answer));
  if (![code].flat().includes(String(body.code))) throw new Failure(`${what}: its code`, code, String(answer));
  if (/\bat .*\.ts:|node_modules|\/home\/|\/root\/|\/work\//.test(answer.text))
    throw new Failure(`${what}: nothing of the inside`, 'no path, no stack', answer.text);
}

export function alike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b) || a instanceof Uint8Array !== b instanceof Uint8Array) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && alike((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

function shown(value: unknown): string {
  const text =
    typeof value === 'string'
      ? value
      : value instanceof Uint8Array
        ? `${value.length} bytes: ${value.slice(0, 64).join(' ')}`
        : JSON.stringify(value);
  return text === undefined ? String(value) : text.length > 800 ? `${text.slice(0, 800)} … (${text.length} letters)` : text;
}
