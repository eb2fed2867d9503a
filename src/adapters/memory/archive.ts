/**
 * An archive in memory, for tests and for what need not outlive the process.
 *
 * Holds: the contract of `Archive`, but that nothing is more durable than the process. Bytes are copied on their way in and out.
 */
import type { Archive } from '../../core/ports.ts';
import { archivePage, checkArchiveName, checkArchivePage, checkArchiveRange } from '../../core/ports.ts';

export class MemoryArchive implements Archive {
  readonly #objects = new Map<string, Uint8Array>();

  async put(name: string, bytes: Uint8Array): Promise<boolean> {
    checkArchiveName(name);
    if (this.#objects.has(name)) return false;
    this.#objects.set(name, copyOf(bytes));
    return true;
  }

  async get(name: string, from = 0, length = Infinity): Promise<Uint8Array | undefined> {
    checkArchiveName(name);
    checkArchiveRange(from, length);
    const bytes = this.#objects.get(name);
    return bytes && copyOf(bytes.subarray(from, from + length));
  }

  async list(prefix: string, after = '', limit = 1_000): Promise<string[]> {
    checkArchivePage(prefix, after, limit);
    return archivePage(this.#objects.keys(), prefix, after, limit);
  }

  async remove(name: string): Promise<void> {
    checkArchiveName(name);
    this.#objects.delete(name);
  }
}

/** Not `slice`: that of Node's Buffer, which is a Uint8Array too, copies nothing. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
