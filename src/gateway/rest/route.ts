/**
 * A route: what is served, said once. The gateway matches it, and /openapi.json describes it.
 */
import type * as z from 'zod';
import type { Code } from '../../core/errors.ts';
import type { Call } from './call.ts';
import type { Parameters } from './query.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

export interface AnswerForm {
  readonly about: string;
  readonly json?: z.ZodType;
  /** Other media types, with a sentence each. */
  readonly types?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly example?: unknown;
}

export interface BodyForm {
  readonly json?: z.ZodType;
  /** Nothing is the same as an empty object. */
  readonly optional?: boolean;
  readonly types?: Readonly<Record<string, string>>;
  readonly example?: unknown;
}

export interface Route {
  readonly method: Method;
  /** With `:name` for a part that is a name. */
  readonly path: string;
  /** `namespace`: below `/v1` and `/v1/namespaces/:namespace`; `version`: below `/v1`; `root`: as it is. */
  readonly where: 'namespace' | 'version' | 'root';
  readonly topic: string;
  readonly id: string;
  readonly summary: string;
  readonly about?: string;
  readonly query?: Parameters;
  /** Headers of the request, with a sentence each. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyForm;
  readonly answers: Readonly<Record<number, AnswerForm>>;
  /** Of a refusal, beside those that any call may get. */
  readonly codes: readonly Code[];
  /** Needs no credential. */
  readonly open?: boolean;
  /** Takes a ticket instead of a credential. */
  readonly ticketed?: boolean;
  /** @throws WaysideError a refusal */
  run(call: Call): Response | Promise<Response>;
}
