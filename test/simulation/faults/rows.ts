/**
 * A database of rows in memory that fails when it is told to: what a volume over rows is tested on without an engine.
 *
 * Holds: the promises of `Rows` (ports.ts). A write is there whole or not at all; one that fails may have been carried out all the same,
 * as a transaction whose answer was lost. Reads answer now or later, by turns. A later opener takes the place away.
 */
import type { NewRow, Row, RowChange, RowMark, RowRange, Rows, RowTable, Soon, Timers } from '../../../src/core/ports.ts';
import { DiskFullError, joined } from '../../../src/core/ports.ts';

type Tables = Record<RowTable, Map<number, Row>>;

export class RowPlace {
  readonly tables: Tables = { data: new Map(), state: new Map(), parts: new Map(), sections: new Map(), actors: new Map() };
  epoch = 0;
  owner: SimRows | undefined;
  fails: 'write' | 'sync' | undefined;
  bytesMax = Infinity;

  get used(): number {
    let bytes = 0;
    for (const table of Object.values(this.tables)) for (const row of table.values()) bytes += row.bytes.length;
    return bytes;
  }
}

export interface SimRowsOptions {
  readonly place: RowPlace;
  readonly timers: Timers;
  /** A second opener is refused; else it takes the place from the first. */
  readonly exclusive?: boolean;
  readonly rowBytesMax?: number;
}

export class SimRows implements Rows {
  readonly durability = 'synced';
  readonly rowBytesMax: number;
  readonly #place: RowPlace;
  readonly #timers: Timers;
  readonly #exclusive: boolean;
  #lost: (error: Error) => void = () => undefined;
  #turn = 0;
  #underway: readonly RowChange[] = [];

  constructor({ place, timers, exclusive = true, rowBytesMax = 1_900_000 }: SimRowsOptions) {
    this.#place = place;
    this.#timers = timers;
    this.#exclusive = exclusive;
    this.rowBytesMax = rowBytesMax;
  }

  async open(lost: (error: Error) => void): Promise<number> {
    const { owner } = this.#place;
    if (owner !== undefined && owner !== this) {
      if (this.#exclusive) throw Object.assign(new Error('Another has the place.'), { code: 'UNAVAILABLE' });
      owner.#lost(new Error('Another one has taken the place.'));
    }
    this.#place.owner = this;
    this.#lost = lost;
    this.#place.epoch++;
    return this.#place.epoch;
  }

  async write(changes: readonly RowChange[], asked: readonly RowRange[] = []): Promise<readonly (RowMark | undefined)[]> {
    this.#underway = changes;
    await this.#later();
    this.#underway = [];
    if (this.#place.owner !== this) throw new Error('Another one has taken the place.');
    const { fails } = this.#place;
    this.#place.fails = undefined;
    if (fails === 'write') throw new Error('The write fails.');
    const grows = changes.reduce((sum, change) => sum + (change.do === 'put' ? bytesOf(change.row) : 0), 0);
    if (this.#place.used + grows > this.#place.bytesMax) throw new DiskFullError('No room.');
    for (const change of changes) this.#apply(change);
    if (fails === 'sync') throw new Error('The sync fails.');
    return asked.map(({ table, from, to }) => this.#sorted(table, from, to)[0]);
  }

  /** Its process is gone. @param isWritten what was under way is carried out all the same */
  cut(isWritten: boolean): void {
    if (isWritten) for (const change of this.#underway) this.#apply(change);
    this.#underway = [];
  }

  #apply(change: RowChange): void {
    const table = this.#place.tables[change.table];
    if (change.do === 'put') {
      const { parts, ...mark } = change.row;
      if (!Number.isSafeInteger(mark.id) || bytesOf(change.row) > this.rowBytesMax) throw new TypeError(`The row ${mark.id} is none.`);
      table.set(mark.id, { ...mark, bytes: joined(parts) });
      return;
    }
    if (change.from >= change.to) throw new TypeError('The range is empty.');
    for (const id of table.keys()) if (id >= change.from && id < change.to) table.delete(id);
  }

  list(table: RowTable, from: number, to: number, bytesMax: number): Soon<readonly Row[]> {
    const found: Row[] = [];
    let bytes = 0;
    for (const row of this.#sorted(table, from, to)) {
      bytes += row.bytes.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push({ ...row, bytes: row.bytes.slice() });
    }
    return this.#soon(found);
  }

  mark(table: RowTable, from: number, to: number, which: 'first' | 'last'): Soon<RowMark | undefined> {
    return this.#soon(this.#sorted(table, from, to).at(which === 'first' ? 0 : -1));
  }

  space(): { used: number; max: number } {
    return { used: this.#place.used, max: this.#place.bytesMax };
  }

  async close(): Promise<void> {
    if (this.#place.owner === this) this.#place.owner = undefined;
  }

  #sorted(table: RowTable, from: number, to: number): Row[] {
    return [...this.#place.tables[table].values()].filter(({ id }) => id >= from && id < to).sort((a, b) => a.id - b.id);
  }

  #soon<T>(value: T): Soon<T> {
    return this.#turn++ % 3 === 0 ? value : this.#later().then(() => value);
  }

  #later(): Promise<void> {
    return new Promise((resolve) => this.#timers.endOfTurn(resolve));
  }
}

function bytesOf({ parts }: NewRow): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
