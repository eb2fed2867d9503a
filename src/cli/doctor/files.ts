/**
 * A data folder opened for reading only, as the log's `Files`.
 *
 * Holds: nothing on the disk is ever written, cut, renamed or removed. What the log does when it opens (cut a torn tail,
 * seal, remove what lies behind its end) it does to these files in memory, so that what a broker would find after its
 * next start can be looked at.
 * Elsewhere: who has the folder (owner.ts).
 */
import type { FileHandle } from 'node:fs/promises';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { File, Files } from '../../core/ports.ts';

export function readOnlyFiles(folder: string): Files {
  const removed = new Set<string>();
  const refuse = () => Promise.reject(new TypeError('Opening a log makes and renames no file.'));
  return {
    lock: () => Promise.resolve(),
    unlock: () => Promise.resolve(),
    list: async () => (await readdir(folder)).filter((name) => !removed.has(name)),
    async open(name, create) {
      if (create || removed.has(name)) return refuse();
      const handle = await open(join(folder, name), 'r');
      return new ReadOnlyFile(handle, (await handle.stat()).size);
    },
    async remove(name) {
      removed.add(name);
    },
    rename: refuse,
    syncFolder: () => Promise.resolve(),
  };
}

interface Patch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

class ReadOnlyFile implements File {
  size: number;
  readonly #handle: FileHandle;
  /** As much of the file on the disk as is still part of this one. */
  #kept: number;
  readonly #patches: Patch[] = [];

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
    this.#kept = size;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - at));
    const bytes = new Uint8Array(wanted);
    const fromDisk = Math.max(0, Math.min(wanted, this.#kept - at));
    let done = 0;
    while (done < fromDisk) {
      const { bytesRead } = await this.#handle.read(bytes, done, fromDisk - done, at + done);
      // Cut since: a broker has it.
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    for (const { at: from, bytes: patch } of this.#patches) {
      const start = Math.max(from, at);
      const end = Math.min(from + patch.length, at + wanted);
      if (start < end) bytes.set(patch.subarray(start - from, end - from), start - at);
    }
    return bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#patches.push({ at, bytes: bytes.slice() });
    this.size = Math.max(this.size, at + bytes.length);
  }

  async writeAhead(at: number, bytes: Uint8Array): Promise<void> {
    this.write(at, bytes);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  async truncate(size: number): Promise<void> {
    this.#kept = Math.min(this.#kept, size);
    this.size = size;
    for (const [nth, { at, bytes }] of this.#patches.entries()) {
      if (at + bytes.length > size) this.#patches[nth] = { at, bytes: bytes.subarray(0, Math.max(0, size - at)) };
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
