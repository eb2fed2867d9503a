/**
 * One call under way: the request, what the host knows of it beyond that, and the names in its path.
 *
 * Holds: names are judged as they stand in the path, once decoded, and never twice; a name that is none is INVALID_NAME.
 * Elsewhere: the body (body.ts), the query (query.ts), whether the caller may (access.ts).
 */
import type { Broker } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { isName } from '../../core/limits.ts';

/**
 * The request as it stood on the wire, where a host has it. A `Request` has resolved `..` in its URL already, so what
 * was meant as a name could be taken for a step upwards; and its headers cannot be walked without building an object.
 */
export interface WireRequest {
  /** The request target: path and query. */
  readonly url?: string | undefined;
  /** Names and values by turns, in the order sent. */
  readonly rawHeaders: readonly string[];
}

export class Call {
  readonly broker: Broker;
  readonly request: Request;
  readonly wire: WireRequest | undefined;
  /** Whether the whole body has been taken from the wire, or there was none. */
  bodyRead = false;
  readonly #parameter: (name: string) => string | undefined;
  readonly #home: string;
  readonly #headersAreText: boolean;

  constructor(broker: Broker, request: Request, parameter: (name: string) => string | undefined, known: CallKnown = {}) {
    this.broker = broker;
    this.request = request;
    this.wire = known.wire;
    this.#parameter = parameter;
    this.#home = known.home ?? 'default';
    this.#headersAreText = known.headersAreText ?? false;
  }

  get namespace(): string {
    return this.#parameter('namespace') === undefined ? this.#home : this.name('namespace');
  }

  get station(): string {
    return this.name('station');
  }

  get group(): string {
    return this.name('group');
  }

  /** @throws INVALID_NAME */
  name(parameter: string): string {
    const name = this.text(parameter);
    if (isName(name)) return name;
    throw new WaysideError(
      'INVALID_NAME',
      `The ${parameter} in the path is no name: 1 to 128 of a-z A-Z 0-9 . _ -, not starting with a dot.`,
      { field: parameter },
    );
  }

  /** A part of the path, decoded as far as it can be: half an escape stays, and is no part of any name. */
  text(parameter: string): string {
    return this.#parameter(parameter) ?? '';
  }

  /** A letter a byte, as it stood on the wire. */
  header(name: string): string | null {
    const value = this.request.headers.get(name);
    return value === null ? null : this.#asBytes(value);
  }

  /** Names and values of all of them. */
  *headers(): Iterable<readonly [name: string, value: string]> {
    const raw = this.wire?.rawHeaders;
    if (raw !== undefined) for (let i = 0; i + 1 < raw.length; i += 2) yield [raw[i]!, raw[i + 1]!];
    else for (const [name, value] of this.request.headers) yield [name, this.#asBytes(value)];
  }

  #asBytes(value: string): string {
    if (!this.#headersAreText || /^[\0-\x7f]*$/.test(value)) return value;
    // What was no UTF-8 has been replaced, and is none here either.
    return Array.from(value, (letter) => (letter === '\ufffd' ? '\xff' : bytesOf(letter))).join('');
  }
}

/** What is known of a call beyond its request. */
export interface CallKnown {
  readonly wire?: WireRequest | undefined;
  /** The namespace of a path that names none. */
  readonly home?: string | undefined;
  /** The host has decoded the headers' bytes as UTF-8. */
  readonly headersAreText?: boolean | undefined;
}

const encoder = new TextEncoder();

function bytesOf(text: string): string {
  return String.fromCharCode(...encoder.encode(text));
}

/** The path on which routes are matched: raw, so that `%2f` and `%2e` stay inside of the name that they are part of. */
export function rawPath(request: Request, wire: WireRequest | undefined): string {
  const target = wire?.url?.startsWith('/') ? wire.url : afterAuthority(request.url);
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

function afterAuthority(url: string): string {
  const path = url.indexOf('/', url.indexOf('://') + 3);
  return path < 0 ? '/' : url.slice(path);
}
