/**
 * The entry tables of sealed segments, unpacked when needed and kept while they are in use.
 *
 * Holds: at most about `tableBytes` of unpacked tables; the least recently used go first.
 * Elsewhere: how a table is packed (table.ts), where it lies (footer.ts).
 */
import type { Range } from './actors.ts';
import { FLAG_DATA, RECORD_ENTRY, SEGMENT_HEADER_BYTES } from './format.ts';
import { keyOf } from './replay.ts';
import { scanBlocks } from './scan.ts';
import type { Store } from './store.ts';
import { corruption } from './store.ts';
import type { Rows } from './table.ts';
import { EntryTable, unpackRows } from './table.ts';

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

  /**
   * A footer may be damaged where the blocks are not: it may even never have been synced, when the process was killed
   * behind it and the power went later. All that it says is in the blocks.
   */
  async #rebuild(range: Range): Promise<Rows> {
    const store = this.#store;
    const { segment, actor, first, last } = range;
    const bytes = await store.reading(segment, (file) => file.read(0, segment.end));
    const table = new EntryTable();
    const end = scanBlocks(
      segment.name,
      bytes,
      segment.id,
      SEGMENT_HEADER_BYTES,
      segment.end,
      store.ports.crc32c,
      (record, _body, offset) => {
        if (record.type !== RECORD_ENTRY || record.index < first || record.index > last || keyOf(record) !== actor.key) return;
        const data = (record.flags & FLAG_DATA) !== 0;
        const { index, kind, version, epoch, count, time, crc, bodyBytes } = record;
        table.add(offset, index, kind, version, epoch, record.first, count, time, data, crc, bodyBytes);
      },
    );
    if (end !== segment.end)
      throw corruption(segment.name, end, segment.end, 'a block is damaged, and so is the table that would step over it');
    store.ports.journal.warn(`${segment.name}: a table of its footer is damaged and was read from the blocks instead.`);
    const rows = Array.from({ length: table.count }, (_, row) => row).sort((one, other) => table.index[one]! - table.index[other]!);
    return { table, rows, count: rows.length };
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
    const whole = packed.length === bytes && this.#store.ports.crc32c(packed) === crc;
    const rows = whole ? unpackRows(packed, count) : await this.#rebuild(range);
    if (!segment.dropped) {
      this.#kept.set(range, rows);
      this.#bytes += rows.count * ROW_BYTES;
      for (const oldest of this.#kept.keys()) {
        if (this.#bytes <= this.#store.settings.tableBytes || oldest === range) break;
        this.forget(oldest);
      }
    }
    return rows;
  }
}
