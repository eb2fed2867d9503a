/**
 * Tickets in the catalog's SQLite: any Worker may give one out, and any other take it, once.
 *
 * Holds: as gateway/rest/tickets.ts. Giving one out is a row written, and so is taking it.
 */
import { WaysideError } from '../../core/errors.ts';
import type { Random } from '../../core/ports.ts';
import type { SqlStorage } from './platform.ts';

const TICKETS_MAX = 10_000;

export class StoredTickets {
  readonly #sql: SqlStorage;
  readonly #random: Random;
  readonly #lifeMs: number;

  /** @param random must be one that nobody can guess */
  constructor(sql: SqlStorage, random: Random, lifeMs: number) {
    this.#sql = sql;
    this.#random = random;
    this.#lifeMs = lifeMs;
    sql.exec('CREATE TABLE IF NOT EXISTS tickets (ticket TEXT PRIMARY KEY, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID');
  }

  issue(): { ticket: string; expiresAt: number } {
    const now = Date.now();
    this.#sql.exec('DELETE FROM tickets WHERE ends <= ?', now);
    const [{ count } = { count: 0 }] = this.#sql.exec<{ count: number }>('SELECT count(*) AS count FROM tickets').toArray();
    if (count >= TICKETS_MAX)
      throw new WaysideError('LIMIT_EXCEEDED', `${TICKETS_MAX} tickets are waiting to be used. Use them, or try again later.`, {
        retryAfterMs: this.#lifeMs,
      });
    const ticket = Array.from({ length: 5 }, () => this.#random.u32().toString(36).padStart(7, '0')).join('');
    this.#sql.exec('INSERT INTO tickets (ticket, ends) VALUES (?, ?)', ticket, now + this.#lifeMs);
    return { ticket, expiresAt: now + this.#lifeMs };
  }

  /** @returns whether it was good; it is good no more */
  redeem(ticket: string): boolean {
    const [found] = this.#sql.exec<{ ends: number }>('DELETE FROM tickets WHERE ticket = ? RETURNING ends', ticket).toArray();
    return found !== undefined && found.ends > Date.now();
  }
}
