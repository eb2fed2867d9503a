/**
 * What is known of each origin, kept in a SQLite file that both consumers share.
 *
 * The one idea: which messages were counted and what they add up to change in one transaction. So a message that comes
 * again, because a consumer or the broker died before its ack, is known and not counted twice.
 */
import { DatabaseSync } from 'node:sqlite';
import type { Flight } from './flights.ts';

export interface Origin {
  readonly origin: string;
  readonly flights: number;
  readonly delay: number;
  readonly latest: number;
  readonly distance: number;
}

export interface Counted {
  readonly partition: number;
  readonly sequence: number;
  readonly payload: Flight;
}

export class Statistics {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 10_000 });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS counted (partition INTEGER, sequence INTEGER, row INTEGER, PRIMARY KEY (partition, sequence)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS origins (origin TEXT PRIMARY KEY, flights INTEGER, delay INTEGER, latest INTEGER, distance INTEGER);
    `);
  }

  /** @returns how many of them had been counted before */
  count(messages: readonly Counted[]): number {
    const mark = this.#database.prepare('INSERT OR IGNORE INTO counted VALUES (?, ?, ?)');
    const add = this.#database.prepare(`
      INSERT INTO origins VALUES (?, 1, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET
        flights = flights + 1, delay = delay + excluded.delay, latest = max(latest, excluded.latest), distance = distance + excluded.distance`);
    let known = 0;
    this.#database.exec('BEGIN IMMEDIATE');
    for (const { partition, sequence, payload } of messages) {
      if (mark.run(partition, sequence, payload.row).changes === 0) known += 1;
      else add.run(payload.origin, payload.delay, payload.delay, payload.distance);
    }
    this.#database.exec('COMMIT');
    return known;
  }

  /** How many messages were counted, and how many rows of the file they are: the same number, if none was stored twice. */
  counted(): { messages: number; rows: number } {
    const row = this.#database.prepare('SELECT count(*) AS messages, count(DISTINCT row) AS rows FROM counted').get();
    return { ...row } as { messages: number; rows: number };
  }

  origins(): Origin[] {
    const rows = this.#database.prepare('SELECT * FROM origins ORDER BY flights DESC, origin').all();
    return rows.map((row) => ({ ...row }) as unknown as Origin);
  }

  close(): void {
    this.#database.close();
  }
}

/** The same straight from the input, to compare with. */
export function computed(flights: readonly Flight[]): Origin[] {
  const origins = new Map<string, Origin>();
  for (const { origin, delay, distance } of flights) {
    const so = origins.get(origin) ?? { origin, flights: 0, delay: 0, latest: -Infinity, distance: 0 };
    origins.set(origin, {
      origin,
      flights: so.flights + 1,
      delay: so.delay + delay,
      latest: Math.max(so.latest, delay),
      distance: so.distance + distance,
    });
  }
  return [...origins.values()].sort((a, b) => b.flights - a.flights || (a.origin < b.origin ? -1 : 1));
}
