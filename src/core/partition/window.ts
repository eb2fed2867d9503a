/**
 * What was read from the disk last, so that a step that had to wait finds its bytes when it is done again, and so that a
 * consumer that catches up reads many small entries at once.
 *
 * Holds: bounded in entries and bytes; what was added last stays, the longest unused goes first.
 */
import type { StoredEntry } from '../ports.ts';

const ENTRIES_MAX = 4096;
const BYTES_MAX = 16 * 1024 * 1024;

export class Window {
  /** By index, the longest unused first. */
  readonly #entries = new Map<number, StoredEntry>();
  readonly #byFirst = new Map<number, StoredEntry>();
  #last: StoredEntry | undefined;
  #bytes = 0;

  at(index: number): StoredEntry | undefined {
    return this.#entries.get(index);
  }

  /** The entry with the message `sequence`: nearly always the one that was asked for last, or the one behind it. */
  holding(sequence: number): StoredEntry | undefined {
    if (this.#last !== undefined && contains(this.#last, sequence)) return this.#last;
    const found = this.#byFirst.get(sequence) ?? [...this.#entries.values()].find((entry) => contains(entry, sequence));
    this.#last = found ?? this.#last;
    return found;
  }

  /** @param entries the first of them is what is waited for: it stays, whatever has to go */
  add(entries: readonly StoredEntry[]): void {
    let bytes = 0;
    for (const entry of entries.slice(0, ENTRIES_MAX)) {
      bytes += entry.bodyBytes;
      if (bytes > BYTES_MAX && entry !== entries[0]) break;
      this.#drop(entry.index);
      this.#entries.set(entry.index, entry);
      if (entry.count > 0) this.#byFirst.set(entry.first, entry);
      this.#bytes += entry.bodyBytes;
    }
    for (const index of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES_MAX && this.#bytes <= BYTES_MAX) break;
      if (this.#entries.size > 1) this.#drop(index);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#byFirst.clear();
    this.#last = undefined;
    this.#bytes = 0;
  }

  #drop(index: number): void {
    const entry = this.#entries.get(index);
    if (entry === undefined) return;
    this.#entries.delete(index);
    if (this.#byFirst.get(entry.first) === entry) this.#byFirst.delete(entry.first);
    if (this.#last === entry) this.#last = undefined;
    this.#bytes -= entry.bodyBytes;
  }
}

function contains({ first, count }: StoredEntry, sequence: number): boolean {
  return count > 0 && first <= sequence && sequence < first + count;
}
