/**
 * Tickets in the catalog's SQLite: any Worker may give one out, and any other take it. Giving one out is a row written, and so is
 * taking it. Elsewhere: what a ticket is (gateway/rest/tickets.ts).
 */
import type { TicketShelf } from '../../gateway/rest/tickets.ts';
import type { SqlStorage } from './platform.ts';

export class SqlShelf implements TicketShelf {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec('CREATE TABLE IF NOT EXISTS tickets (ticket TEXT PRIMARY KEY, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID');
  }

  get size(): number {
    return this.#sql.exec<{ count: number }>('SELECT count(*) AS count FROM tickets').toArray()[0]?.count ?? 0;
  }

  put(ticket: string, end: number): void {
    this.#sql.exec('INSERT INTO tickets (ticket, ends) VALUES (?, ?)', ticket, end);
  }

  take(ticket: string): number | undefined {
    return this.#sql.exec<{ ends: number }>('DELETE FROM tickets WHERE ticket = ? RETURNING ends', ticket).toArray()[0]?.ends;
  }

  forgetEnded(now: number): void {
    this.#sql.exec('DELETE FROM tickets WHERE ends <= ?', now);
  }
}
