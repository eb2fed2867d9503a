/**
 * Parameters in a query: declared once, read by this, described in /openapi.json from the same declaration.
 *
 * Holds: what is not declared is refused, and so is a parameter that is there twice; numbers are plain decimal digits.
 */
import { parsePlace } from '../../core/broker.ts';
import { WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import { isName } from '../../core/limits.ts';

export type Parameter =
  | { readonly kind: 'whole'; readonly about: string; readonly min: number; readonly max: number; readonly required?: boolean }
  | { readonly kind: 'text'; readonly about: string; readonly required?: boolean }
  | { readonly kind: 'name'; readonly about: string; readonly required?: boolean }
  | { readonly kind: 'place'; readonly about: string; readonly required?: boolean }
  | { readonly kind: 'choice'; readonly about: string; readonly choices: readonly string[]; readonly required?: boolean };

export type Parameters = Readonly<Record<string, Parameter>>;

/** What a declaration gives: numbers for `whole`, texts for the others. */
export type Values<P extends Parameters> = { [name in keyof P]?: P[name] extends { kind: 'whole' } ? number : string };

export function whole(about: string, min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return { kind: 'whole', about, min, max } as const;
}

export function text(about: string) {
  return { kind: 'text', about } as const;
}

export function choice(about: string, ...choices: string[]) {
  return { kind: 'choice', about, choices } as const;
}

/** The two of every list. */
export function pageParameters(limits: Limits) {
  return {
    limit: whole(`Items at most; ${limits.listLimitDefault} unless said.`, 1, limits.listLimitMax),
    after: text('The `next` of the page before.'),
  };
}

export const AS = choice("`base64`: every message's bytes as base64.", 'base64');

/** @throws INVALID_REQUEST names the parameter */
export function readQuery<P extends Parameters>(url: string, parameters: P): Values<P> {
  const values: Record<string, string | number> = {};
  const mark = url.indexOf('?');
  if (mark >= 0 && mark + 1 < url.length) {
    for (const [name, value] of new URLSearchParams(url.slice(mark + 1))) {
      if (!Object.hasOwn(parameters, name)) throw refuse(name, 'is unknown here');
      if (Object.hasOwn(values, name)) throw refuse(name, 'is there twice');
      values[name] = readValue(name, value, parameters[name]!);
    }
  }
  for (const name in parameters) {
    if (parameters[name]!.required && !Object.hasOwn(values, name)) throw refuse(name, 'is missing');
  }
  return values as Values<P>;
}

/** @throws INVALID_REQUEST names what was given, with its bounds */
export function readWhole(name: string, value: string, min: number, max: number): number {
  const number = /^(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw refuse(name, `is a whole number from ${min} to ${max}`);
}

function readValue(name: string, value: string, parameter: Parameter): string | number {
  switch (parameter.kind) {
    case 'whole':
      return readWhole(name, value, parameter.min, parameter.max);
    case 'place':
      if (parsePlace(value) === undefined) throw refuse(name, 'is none of: a sequence from 1, start, end, time:MS');
      return value;
    case 'choice':
      if (!parameter.choices.includes(value)) throw refuse(name, `is one of: ${parameter.choices.join(', ')}`);
      return value;
    case 'name':
      if (!isName(value))
        throw new WaysideError('INVALID_NAME', `${name} is no name: 1 to 128 of a-z A-Z 0-9 . _ -, not starting with a dot.`, {
          field: name,
        });
      return value;
    case 'text':
      return value;
  }
}

function refuse(name: string, what: string): WaysideError {
  const field = name.slice(0, 64);
  return new WaysideError('INVALID_REQUEST', `${field} ${what}.`, { field });
}
