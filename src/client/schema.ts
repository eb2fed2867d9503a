/**
 * Standard Schema v1 (https://standardschema.dev), as much of it as the SDK uses: any library that offers `~standard` fits,
 * zod, valibot and ArkType among them.
 */
import { WaysideError } from './errors.ts';

/** A schema of any library. `Output` is what a validated payload is. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  /** Version, maker, and the function that validates. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a validation gives: the value, or what is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** What is wrong with a value. */
export interface StandardIssue {
  /** For people. */
  readonly message: string;
  /** Where in the value, from the outside in. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** @returns the value as the schema gives it; a promise where the schema takes its time. @throws SCHEMA_REFUSED */
export function validate<T>(schema: StandardSchemaV1<unknown, T>, value: unknown): T | Promise<T> {
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(accepted) : accepted(result);
}

function accepted<T>(result: StandardResult<T>): T {
  if (result.issues === undefined) return result.value;
  throw new WaysideError('SCHEMA_REFUSED', `The schema refuses the payload: ${result.issues.map(shown).join('; ')}`);
}

function shown({ message, path }: StandardIssue): string {
  const keys = path?.map((part) => String(typeof part === 'object' ? part.key : part)) ?? [];
  return keys.length === 0 ? message : `${keys.join('.')}: ${message}`;
}
