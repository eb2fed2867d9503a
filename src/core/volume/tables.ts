/**
 * The entry tables of sealed segments, unpacked when needed and kept while they are in use.
 *
 * Holds: at most about `tableBytes` of unpacked tables; the least recently used go first.
 * Elsewhere: how a table is packed (table.ts), where it lies (footer.ts).
 */
import type { Range } from './actors.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';
import type { Rows } from './table.ts';
import { unpackRows } from './table.ts';

const ROW_BYTES = 48;

export class Tables {
  readonly #store: Store;
  readonly #kept = new Map<Range, Rows>();
  readonly #loading = new Map<Range, Promise<Rows>>();
  #bytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The rows where they are in memory. */
  now(range: Range): Rows | undefined {
    const { table } = range.segment;
    if (range.rows && table) return { table, rows: range.rows, count: range.rows.length };
    const rows = this.#kept.get(range);
    if (rows) {
      this.#kept.delete(range);
      this.#kept.set(range, rows);
    }
    return rows;
  }

  /** @throws CORRUPTION the table is damaged · Dropped the segment is gone */
  async load(range: Range): Promise<Rows> {
    let loading = this.#loading.get(range);
    if (!loading) {
      loading = this.#read(range).finally(() => this.#loading.delete(range));
      this.#loading.set(range, loading);
    }
    return loading;
  }

  forget(range: Range): void {
    const rows = this.#kept.get(range);
    if (!rows) return;
    this.#kept.delete(range);
    this.#bytes -= rows.count * ROW_BYTES;
  }

  async #read(range: Range): Promise<Rows> {
    const { segment, at, bytes, crc, count } = range;
    const packed = await this.#store.reading(segment, (file) => file.read(at, bytes));
    if (packed.length < bytes || this.#store.ports.crc32c(packed) !== crc) throw corruption(segment.name, at, at + bytes, 'a table of entries is damaged');
    const rows = unpackRows(packed, count);
    if (!segment.dropped) {
      this.#kept.set(range, rows);
      this.#bytes += count * ROW_BYTES;
      for (const oldest of this.#kept.keys()) {
        if (this.#bytes <= this.#store.settings.tableBytes || oldest === range) break;
        this.forget(oldest);
      }
    }
    return rows;
  }
}
