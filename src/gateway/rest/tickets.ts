/**
 * Tickets: a credential for one call, where a browser cannot send a header (server-sent events, a WebSocket).
 *
 * Holds: a ticket is good once, and for `ticketMs`; their number is bounded; none survives the process, unless it lies elsewhere.
 */

import { WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { Clock, Random, Soon } from '../../core/ports.ts';
import type { Schemas } from '../../protocol/schemas.ts';
import { json } from './answer.ts';
import { readJson } from './body.ts';
import type { Route } from './route.ts';

const TICKETS_MAX = 10_000;

/** Who gives tickets out, and knows them again. */
export interface TicketBook {
  issue(): Soon<{ ticket: string; expiresAt: number }>;
  /** @returns whether it was good; it is good no more */
  redeem(ticket: string): boolean;
}

/** Where tickets lie, with the time of their end by the clock that they were given by. */
export interface TicketShelf {
  readonly size: number;
  put(ticket: string, end: number): void;
  /** @returns its end, where it lay there; it lies there no more */
  take(ticket: string): number | undefined;
  forgetEnded(now: number): void;
}

export class Tickets implements TicketBook {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lifeMs: number;
  readonly #shelf: TicketShelf;

  /**
   * @param random must be one that nobody can guess
   * @param shelf in memory unless given
   */
  constructor(clock: Clock, random: Random, lifeMs: number, shelf: TicketShelf = new MemoryShelf()) {
    this.#clock = clock;
    this.#random = random;
    this.#lifeMs = lifeMs;
    this.#shelf = shelf;
  }

  issue(): { ticket: string; expiresAt: number } {
    const now = this.#clock.monotonic();
    this.#shelf.forgetEnded(now);
    if (this.#shelf.size >= TICKETS_MAX) {
      throw new WaysideError('LIMIT_EXCEEDED', `${TICKETS_MAX} tickets are waiting to be used. Use them, or try again later.`, {
        retryAfterMs: this.#lifeMs,
      });
    }
    const ticket = Array.from({ length: 5 }, () => this.#random.u32().toString(36).padStart(7, '0')).join('');
    this.#shelf.put(ticket, now + this.#lifeMs);
    return { ticket, expiresAt: this.#clock.now() + this.#lifeMs };
  }

  redeem(ticket: string): boolean {
    const end = this.#shelf.take(ticket);
    return end !== undefined && end > this.#clock.monotonic();
  }
}

class MemoryShelf implements TicketShelf {
  /** In the order made, which is the order in which they end. */
  readonly #ends = new Map<string, number>();

  get size(): number {
    return this.#ends.size;
  }

  put(ticket: string, end: number): void {
    this.#ends.set(ticket, end);
  }

  take(ticket: string): number | undefined {
    const end = this.#ends.get(ticket);
    this.#ends.delete(ticket);
    return end;
  }

  forgetEnded(now: number): void {
    for (const [ticket, end] of this.#ends) {
      if (end > now) return;
      this.#ends.delete(ticket);
    }
  }
}

export function ticketRoutes(schemas: Schemas, tickets: TicketBook, limits: Limits): Route[] {
  return [
    {
      method: 'POST',
      path: '/tickets',
      where: 'version',
      topic: 'Service',
      id: 'createTicket',
      summary: 'Get a ticket',
      about: 'A credential for one call, good once and for a minute: give it as `?ticket=` where a browser cannot send headers.',
      body: { json: schemas.nothing, optional: true },
      answers: { 201: { about: 'The ticket.', json: schemas.ticket, example: { ticket: '0u3mz8k1c9x2p', expiresAt: 1_760_000_060_000 } } },
      codes: ['LIMIT_EXCEEDED'],
      run: async (call) => {
        await readJson(call, schemas.nothing, limits.controlBytesMax, 'optional');
        return json(await tickets.issue(), 201);
      },
    },
  ];
}
