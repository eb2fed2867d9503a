/**
 * Rows in IndexedDB.
 *
 * Holds: the promises of `Rows`. A write is one strict transaction, which asks for the epoch first: an opener that has been followed by
 * another writes nothing any more, whatever it believes. What the browser takes away (site data cleared, the database deleted)
 * is told at once: its own requests might never end.
 * Facts behind it: without `strict` a browser reports a transaction complete before it is written; the quota that it tells is no
 * promise; a full one aborts the transaction, and what was there stays. Bytes used are not told either.
 */
import type { DBSchema, IDBPDatabase } from 'idb';
import { openDB, unwrap } from 'idb';
import { WaysideError } from '../../core/errors.ts';
import type { Durability, Row, RowChange, RowMark, RowRange, Rows, RowTable } from '../../core/ports.ts';
import { DiskFullError, joined } from '../../core/ports.ts';
import { heldLock } from './lock.ts';
import { own } from './messages.ts';

const LAYOUT = 1;
/** One blob a row: browsers write longer values as files of their own, shorter ones one by one are slow. */
const ROW_BYTES_MAX = 8 * 1024 * 1024;
const PLACE = 'place';
const TABLES: readonly RowTable[] = ['data', 'state', 'parts', 'sections', 'actors'];
const WAIT_MS = 5_000;
/** A part of a row from here on is stored beside the others, not copied into one with them. */
const PIECE_BYTES = 16 * 1024;

/** What is known of a row stands in its key, so that it is read without the bytes. */
type Key = [id: number, sequence: number, time: number, begin: number, end: number];

/** The bytes of a row: whole, or in pieces. */
type Value = Uint8Array | readonly Uint8Array[];

interface Schema extends DBSchema {
  place: { key: 'place'; value: { readonly layout: number; readonly epoch: number } };
  // Each table has the epoch too, as a key that is a number: so a write asks nothing of another one, and no value.
  data: { key: Key | number; value: Value };
  state: { key: Key | number; value: Value };
  parts: { key: Key | number; value: Value };
  sections: { key: Key | number; value: Value };
  actors: { key: Key | number; value: Value };
}

export class IndexedDbRows implements Rows {
  readonly durability: Durability = 'local';
  readonly rowBytesMax = ROW_BYTES_MAX;
  readonly #name: string;
  readonly #waitMs: number;
  #database: IDBPDatabase<Schema> | undefined;
  /** Lets the lock go; undefined where it is not held. */
  #release: (() => void) | undefined;
  #epoch = 0;
  /** Why nothing can be asked any more. */
  #lost: Error | undefined;
  /** Told when it is lost, so that no request waits for an answer that never comes. */
  readonly #waiting = new Set<(error: Error) => void>();

  /** @param waitMs for whoever has the place to let it go */
  constructor(name: string, waitMs = WAIT_MS) {
    this.#name = name;
    this.#waitMs = waitMs;
  }

  async open(lost: (error: Error) => void): Promise<number> {
    // Opened again after a failure it keeps the lock: others would take it for gone.
    this.#database?.close();
    this.#release ??= await heldLock(ownerLock(this.#name), this.#waitMs);
    this.#lost = undefined;
    try {
      const end = (why: string) => {
        if (this.#lost !== undefined) return;
        this.#lost = new Error(why);
        for (const tell of this.#waiting) tell(this.#lost);
        lost(this.#lost);
      };
      this.#database = await openDB<Schema>(databaseName(this.#name), LAYOUT, {
        upgrade: (database) => {
          for (const table of [PLACE, ...TABLES] as const) database.createObjectStore(table);
        },
        // Another context wants to delete it, or to upgrade it: as long as it is open here, that waits.
        blocking: () => {
          this.#database?.close();
          end('The database is being deleted, or upgraded by another version.');
        },
        terminated: () => end('The browser has closed the database: its data was cleared, or could not be kept.'),
      });
      this.#epoch = await this.#raiseEpoch(this.#database);
      return this.#epoch;
    } catch (error) {
      await this.close();
      throw isVersion(error) ? newer() : error;
    }
  }

  async #raiseEpoch(database: IDBPDatabase<Schema>): Promise<number> {
    const transaction = database.transaction([PLACE, ...TABLES], 'readwrite', { durability: 'strict' });
    const place = transaction.objectStore(PLACE);
    const epoch = ((await place.get(PLACE))?.epoch ?? 0) + 1;
    const asked: Promise<unknown>[] = [place.put({ layout: LAYOUT, epoch }, PLACE)];
    for (const table of TABLES) {
      const store = transaction.objectStore(table);
      // Numbers come before lists: these are the earlier epochs, and no rows.
      asked.push(store.delete(IDBKeyRange.upperBound(epoch)), store.put(new Uint8Array(0), epoch));
    }
    await Promise.all([...asked, transaction.done]);
    return epoch;
  }

  write(changes: readonly RowChange[], asked: readonly RowRange[] = []): Promise<readonly (RowMark | undefined)[]> {
    return this.#bounded((database) => this.#transact(unwrap(database), changes, asked));
  }

  /** Without the wrapper, whose promises and proxies of each request are a tenth of what a write costs. */
  #transact(database: IDBDatabase, changes: readonly RowChange[], asked: readonly RowRange[]): Promise<readonly (RowMark | undefined)[]> {
    return new Promise((resolve, reject) => {
      const tables = [...new Set([...changes, ...asked].map(({ table }) => table))];
      const [first] = tables;
      if (first === undefined) throw new TypeError('There is nothing to write.');
      const transaction = database.transaction(tables, 'readwrite', { durability: 'strict' });
      let isTaken = false;
      transaction.onabort = () => {
        const { error } = transaction;
        if (isTaken) reject(new Error('Another one has taken the place.'));
        else if (isQuota(error)) reject(new DiskFullError('The browser gives this site no more room.'));
        else reject(error ?? new Error('The transaction was aborted.'));
      };
      // All is asked at once. The commit alone waits for the epoch, and comes sooner than the browser would see that nothing follows.
      const held = transaction.objectStore(first).getKey(this.#epoch);
      held.onsuccess = () => {
        isTaken = held.result === undefined;
        if (isTaken) transaction.abort();
        else transaction.commit();
      };
      try {
        for (const change of changes) {
          const store = transaction.objectStore(change.table);
          if (change.do === 'remove') store.delete(between(change.from, change.to));
          else store.put(packed(change.row.parts), keyOf(change.row));
        }
        const cursors = asked.map(({ table, from, to }) => transaction.objectStore(table).openKeyCursor(between(from, to)));
        transaction.oncomplete = () => resolve(cursors.map(({ result }) => (result === null ? undefined : markOf(result.key as Key))));
      } catch (error) {
        // What was asked before it must not be carried out.
        transaction.abort();
        throw error;
      }
    });
  }

  async list(table: RowTable, from: number, to: number, bytesMax: number): Promise<readonly Row[]> {
    return this.#bounded(async (database) => {
      const found: Row[] = [];
      let bytes = 0;
      const { store } = database.transaction(table);
      for (let cursor = await store.openCursor(between(from, to)); cursor !== null; cursor = await cursor.continue()) {
        const row = unpacked(cursor.value);
        bytes += row.length;
        if (found.length > 0 && bytes > bytesMax) break;
        found.push({ ...markOf(cursor.key as Key), bytes: row });
      }
      return found;
    });
  }

  async mark(table: RowTable, from: number, to: number, which: 'first' | 'last'): Promise<RowMark | undefined> {
    return this.#bounded(async (database) => {
      const { store } = database.transaction(table);
      const cursor = await store.openKeyCursor(between(from, to), which === 'first' ? 'next' : 'prev');
      return cursor === null ? undefined : markOf(cursor.key as Key);
    });
  }

  space(): { readonly used: number; readonly max: number } {
    return { used: 0, max: Infinity };
  }

  async close(): Promise<void> {
    this.#lost ??= new Error('The database is closed.');
    this.#database?.close();
    this.#database = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** Ends with the place, whatever becomes of the request. */
  #bounded<T>(ask: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    const database = this.#database;
    if (this.#lost !== undefined || database === undefined) return Promise.reject(this.#lost ?? new Error('The database is not open.'));
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      ask(database)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }
}

export function databaseName(name: string): string {
  return `wayside:${name}`;
}

/** Whoever has the place holds this lock: others learn by it that the place is free. */
export function ownerLock(name: string): string {
  return `wayside-owner:${name}`;
}

/** The parts as they are stored: small ones as one, large ones beside them without a copy. */
function packed(parts: readonly Uint8Array[]): Value {
  const pieces: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  const close = () => {
    if (small.length > 0) pieces.push(joined(small));
    small = [];
  };
  for (const part of parts) {
    if (part.length < PIECE_BYTES) {
      small.push(part);
      continue;
    }
    close();
    pieces.push(own(part));
  }
  close();
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined ? only : pieces;
}

function unpacked(value: Value): Uint8Array {
  return value instanceof Uint8Array ? value : joined(value);
}

function between(from: number, to: number): IDBKeyRange {
  return IDBKeyRange.bound([from], [to], false, true);
}

function keyOf({ id, sequence, time, begin, end }: RowMark): Key {
  return [id, sequence, time, begin, end];
}

function markOf([id, sequence, time, begin, end]: Key): RowMark {
  return { id, sequence, time, begin, end };
}

function isQuota(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

function isVersion(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'VersionError';
}

function newer(): WaysideError {
  return new WaysideError('UNAVAILABLE', 'The data was written by a newer version of Wayside. Load that version (reload the page).');
}
