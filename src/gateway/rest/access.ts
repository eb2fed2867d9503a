/**
 * Who may call: the bearer token, or, where none is configured, whoever is on this machine.
 *
 * Holds: this is asked before anything of a call is read or told; a token is compared in a time that says nothing about
 * it. Without a token, names that resolve to this machine are no proof (a page elsewhere can point one here), so the
 * `Host` must be loopback itself, and a page's `Origin` must be ours or one that is set.
 * Elsewhere: tickets, which stand for a credential once (tickets.ts).
 */
import { WaysideError } from '../../core/errors.ts';
import type { TicketBook } from './tickets.ts';

export interface AccessOptions {
  readonly token?: string | undefined;
  /** Origins whose pages may call, as `https://example.org`; none unless set. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** There is no network to the broker: whoever reaches it is of its own origin, and may do everything. */
  readonly isPrivate?: boolean | undefined;
}

/** A request, as far as it is judged here. */
export interface Asked {
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}

export class Access {
  readonly #token: string | undefined;
  readonly #origins: ReadonlySet<string>;
  readonly #tickets: TicketBook;
  readonly #isPrivate: boolean;

  constructor({ token, corsOrigins = [], isPrivate = false }: AccessOptions, tickets: TicketBook) {
    this.#isPrivate = isPrivate;
    this.#token = token;
    this.#origins = new Set(corsOrigins);
    this.#tickets = tickets;
  }

  /**
   * @param open the call needs no credential
   * @param ticketed a ticket in the query does as well, once
   * @throws UNAUTHENTICATED · FORBIDDEN
   */
  check(request: Asked, open: boolean, ticketed: boolean): void {
    if (this.#token === undefined) this.#checkLocal(request);
    else if (!open && this.#given(request, ticketed) !== 'good')
      throw new WaysideError('UNAUTHENTICATED', 'Send Authorization: Bearer with a valid token.');
  }

  /**
   * Of an upgrade, whose credential may also come later, in the first frame.
   *
   * @returns whether it was given now; a wrong one counts as none
   * @throws FORBIDDEN
   */
  judge(request: Asked): 'given' | 'later' {
    if (this.#token === undefined) {
      this.#checkLocal(request);
      return 'given';
    }
    return this.#given(request, true) === 'good' ? 'given' : 'later';
  }

  /** Is it the token? Where none is configured, any is. */
  admits(token: string): boolean {
    return this.#token === undefined || same(token, this.#token);
  }

  #given(request: Asked, ticketed: boolean): 'good' | 'wrong' {
    const header = request.headers.get('authorization');
    if (header !== null) {
      const [, given] = /^Bearer +(\S+)$/i.exec(header) ?? [];
      return given !== undefined && this.admits(given) ? 'good' : 'wrong';
    }
    const ticket = ticketed ? queryValue(request.url, 'ticket') : null;
    return ticket !== null && this.#tickets.redeem(ticket) ? 'good' : 'wrong';
  }

  /** The origin that the answer may name, if the caller is a page of an origin that is set. */
  allowedOrigin(request: Asked): string | undefined {
    if (this.#origins.size === 0) return undefined;
    const origin = request.headers.get('origin');
    return origin !== null && this.#origins.has(origin) ? origin : undefined;
  }

  #checkLocal(request: Asked): void {
    if (this.#isPrivate) return;
    const host = request.headers.get('host') ?? new URL(request.url).host;
    if (!isLoopback(host)) {
      throw new WaysideError(
        'FORBIDDEN',
        'Without a token this server answers calls to loopback addresses only (127.0.0.1, localhost, [::1]). Set WAYSIDE_TOKEN to serve others.',
      );
    }
    const origin = request.headers.get('origin');
    if (origin === null || this.#origins.has(origin) || origin === `http://${host}` || origin === `https://${host}`) return;
    throw new WaysideError('FORBIDDEN', 'Pages of this origin may not call. Allow the origin, or call from a program.');
  }
}

/** A `Host`, with or without a port. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host);
}

/**
 * Are both the same text? Takes a time that depends on the given text's length alone: each of its letters is compared,
 * with some letter of the secret, whatever came before.
 */
export function same(given: string, secret: string): boolean {
  let difference = given.length ^ secret.length;
  for (let at = 0; at < given.length; at++) difference |= given.charCodeAt(at) ^ secret.charCodeAt(at % secret.length);
  return difference === 0;
}

function queryValue(url: string, name: string): string | null {
  const mark = url.indexOf('?');
  return mark < 0 ? null : new URLSearchParams(url.slice(mark + 1)).get(name);
}
