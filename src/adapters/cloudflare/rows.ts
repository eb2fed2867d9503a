/**
 * Rows in the SQLite of a Durable Object.
 *
 * Holds: the promises of `Rows`. A write is one transaction, and resolves when the platform says that it is stored. The runtime
 * has one instance of an object at a time: nobody else can have the place.
 * Facts behind the layout: a row written is billed whatever its size, up to 2 MB; local runs do not enforce that limit, so it is
 * enforced here. What is wanted of a row without its bytes stands before them, so that SQLite need not read those.
 */
import { WaysideError } from '../../core/errors.ts';
import type { Row, RowChange, RowMark, RowRange, Rows, RowTable } from '../../core/ports.ts';
import { DiskFullError, joined } from '../../core/ports.ts';
import type { ObjectStorage, SqlStorage } from './platform.ts';

const LAYOUT = 1;
/** A value and a row have 2 MB at most (developers.cloudflare.com/durable-objects/platform/limits). */
const ROW_BYTES_MAX = 1_900_000;
/** An object has 10 GB (same page); what the platform counts may be somewhat more than what it tells. */
const BYTES_MAX = 9_500_000_000;

/** The size is asked for so often at most; where less than `NEAR_BYTES` is left, after each write. */
const ASK_MS = 200;
const NEAR_BYTES = 64 * 1024 * 1024;
/** What a row takes beside its bytes, at most: a page of SQLite's that is not full. */
const PAGE_BYTES = 4096;

const TABLES: readonly RowTable[] = ['data', 'state', 'parts', 'sections', 'actors'];
/** Rows of one list, where their bytes are not counted: parts of an entry, pieces of a section, records of actors. */
const ROWS_MAX = 64;
const COLUMNS = 'id, sequence, time, before, upto';

export interface SqliteOptions {
  /** Bytes that the database may have; 9.5 GB unless said. */
  readonly bytesMax?: number | undefined;
  /** The storage has failed in a way that only a new instance can mend. */
  readonly abort: (reason: string) => void;
}

type Mark = { id: number; sequence: number; time: number; before: number; upto: number };

export class SqliteRows implements Rows {
  readonly durability = 'synced';
  readonly rowBytesMax = ROW_BYTES_MAX;
  readonly #storage: ObjectStorage;
  readonly #sql: SqlStorage;
  readonly #bytesMax: number;
  readonly #abort: (reason: string) => void;
  /** The size as it was told last, when, and what may have come on top since; it may be less by what was removed. */
  #told = 0;
  #toldAt = -Infinity;
  #since = 0;

  constructor(storage: ObjectStorage, { bytesMax = BYTES_MAX, abort }: SqliteOptions) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#bytesMax = bytesMax;
    this.#abort = abort;
  }

  async open(): Promise<number> {
    const epoch = this.#storage.transactionSync(() => {
      this.#sql.exec('CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, layout INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT');
      const [place] = this.#sql.exec<{ layout: number; epoch: number }>('SELECT layout, epoch FROM place WHERE id = 1').toArray();
      if (place !== undefined && place.layout !== LAYOUT)
        throw new WaysideError(
          'UNAVAILABLE',
          `The object's data has layout ${place.layout}, and this version knows ${LAYOUT}. Deploy the version that wrote it.`,
        );
      if (place === undefined) for (const table of TABLES) this.#make(table);
      const next = (place?.epoch ?? 0) + 1;
      this.#sql.exec('INSERT OR REPLACE INTO place (id, layout, epoch) VALUES (1, ?, ?)', LAYOUT, next);
      return next;
    });
    await this.#storage.sync();
    return epoch;
  }

  #make(table: RowTable): void {
    this.#sql.exec(
      `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, time INTEGER NOT NULL, ` +
        'before INTEGER NOT NULL, upto INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    );
  }

  async write(changes: readonly RowChange[], asked: readonly RowRange[] = []): Promise<readonly (RowMark | undefined)[]> {
    let firsts: readonly (RowMark | undefined)[] = [];
    try {
      this.#storage.transactionSync(() => {
        for (const change of changes) this.#apply(change);
        firsts = asked.map(({ table, from, to }) => this.mark(table, from, to, 'first'));
      });
    } catch (error) {
      if (/\bfull\b|SQLITE_FULL/i.test(String(error))) throw new DiskFullError('The object has no more room.');
      throw error;
    }
    this.#grown(changes);
    try {
      await this.#storage.sync();
    } catch (error) {
      this.#abort(`The storage could not be synced: ${String(error)}`);
      throw error;
    }
    return firsts;
  }

  #apply(change: RowChange): void {
    if (change.do === 'remove') {
      this.#sql.exec(`DELETE FROM ${change.table} WHERE id >= ? AND id < ?`, change.from, change.to);
      return;
    }
    const { id, sequence, time, begin, end, parts } = change.row;
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : joined(parts);
    if (bytes.length > ROW_BYTES_MAX) throw new TypeError(`A row of ${bytes.length} bytes is too large: ${ROW_BYTES_MAX} are allowed.`);
    this.#sql.exec(
      `INSERT OR REPLACE INTO ${change.table} (${COLUMNS}, bytes) VALUES (?, ?, ?, ?, ?, ?)`,
      id,
      sequence,
      time,
      begin,
      end,
      bytes,
    );
  }

  list(table: RowTable, from: number, to: number, bytesMax: number): readonly Row[] {
    const range = `FROM ${table} WHERE id >= ?1 AND id < ?2`;
    const isJournal = table === 'data' || table === 'state';
    // A cursor that is not read to its end keeps its table locked: what is asked for is no more than what is taken.
    const end = isJournal && bytesMax < Infinity ? `AND before <= (SELECT before ${range} ORDER BY id LIMIT 1) + ?3` : 'AND ?3 > 0';
    const most = isJournal ? '' : `LIMIT ${ROWS_MAX}`;
    const query = `SELECT ${COLUMNS}, bytes ${range} ${end} ORDER BY id ${most}`;
    const rows = this.#sql.exec<Mark & { bytes: ArrayBuffer }>(query, from, to, Math.min(bytesMax, BYTES_MAX)).toArray();
    return rows.map((row) => ({ ...markOf(row), bytes: new Uint8Array(row.bytes) }));
  }

  mark(table: RowTable, from: number, to: number, which: 'first' | 'last'): RowMark | undefined {
    const order = which === 'first' ? 'ASC' : 'DESC';
    const query = `SELECT ${COLUMNS} FROM ${table} WHERE id >= ? AND id < ? ORDER BY id ${order} LIMIT 1`;
    const [row] = this.#sql.exec<Mark>(query, from, to).toArray();
    return row && markOf(row);
  }

  space(): { readonly used: number; readonly max: number } {
    // It is asked for with each produce, and the engine takes longer to tell it than to write a small row.
    if (performance.now() - this.#toldAt > ASK_MS) {
      this.#told = this.#sql.databaseSize;
      this.#toldAt = performance.now();
      this.#since = 0;
    }
    return { used: this.#told + this.#since, max: this.#bytesMax };
  }

  #grown(changes: readonly RowChange[]): void {
    for (const change of changes) {
      if (change.do === 'remove') continue;
      this.#since += PAGE_BYTES;
      for (const { length } of change.row.parts) this.#since += length;
    }
    if (this.#told + this.#since > this.#bytesMax - NEAR_BYTES) this.#toldAt = -Infinity;
  }

  async close(): Promise<void> {}
}

function markOf({ id, sequence, time, before, upto }: Mark): RowMark {
  return { id, sequence, time, begin: before, end: upto };
}
