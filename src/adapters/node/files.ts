/**
 * A folder as the volume's `Files`, for Node, Deno and Bun.
 *
 * Holds: `write` is done when it returns; `sync` is fdatasync, which also makes a file's size durable; a name is durable
 * after `syncFolder`. ENOSPC and EDQUOT become DiskFullError. No path leaves in an error's text, only the file's name.
 * Elsewhere: what is written where (core/volume).
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { WaysideError } from '../../core/errors.ts';
import type { File, Files } from '../../core/ports.ts';
import { DiskFullError } from '../../core/ports.ts';

const LOCK_NAME = 'lock';

const fdatasync = promisify(fs.fdatasync);
const ftruncate = promisify(fs.ftruncate);

export function nodeFiles(folder: string): Files {
  let lock: number | undefined;
  let owned = false;
  const at = (name: string): string => path.join(folder, name);

  return {
    async lock() {
      fs.mkdirSync(folder, { recursive: true });
      if (lock !== undefined) throw inUse(folder);
      const fd = fs.openSync(at(LOCK_NAME), 'a+');
      try {
        owned = takeLock(fd, folder);
        lock = fd;
      } catch (error) {
        fs.closeSync(fd);
        throw error;
      }
    },
    async unlock() {
      if (lock === undefined) return;
      if (owned) fs.ftruncateSync(lock, 0);
      if (owned) HELD.delete(path.resolve(folder));
      fs.closeSync(lock);
      lock = undefined;
      owned = false;
    },
    list: () => fs.promises.readdir(folder),
    async open(name, create) {
      const fd = await guarded(name, () => fs.promises.open(at(name), create ? 'wx+' : 'r+'));
      return new NodeFile(name, fd, (await fd.stat()).size);
    },
    remove: (name) => guarded(name, () => fs.promises.unlink(at(name))),
    rename: (from, to) => guarded(from, () => fs.promises.rename(at(from), at(to))),
    async syncFolder() {
      // Windows has no handle of a folder to sync; NTFS journals names by itself.
      if (process.platform === 'win32') return;
      const handle = await fs.promises.open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

class NodeFile implements File {
  size: number;
  readonly #name: string;
  // Kept besides the descriptor: a FileHandle that is collected closes it.
  readonly #handle: fs.promises.FileHandle;
  readonly #fd: number;
  #closed = false;

  constructor(name: string, handle: fs.promises.FileHandle, size: number) {
    this.#name = name;
    this.#handle = handle;
    this.#fd = handle.fd;
    this.size = size;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - at));
    const bytes = new Uint8Array(wanted);
    let done = 0;
    while (done < wanted) {
      const { bytesRead } = await guarded(this.#name, () => this.#handle.read(bytes, done, wanted - done, at + done));
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    let done = 0;
    try {
      while (done < bytes.length) done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
    } catch (error) {
      throw translated(this.#name, error);
    } finally {
      this.size = Math.max(this.size, at + done);
    }
  }

  async writeAhead(at: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    try {
      while (done < bytes.length) done += (await this.#handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    } catch (error) {
      throw translated(this.#name, error);
    } finally {
      this.size = Math.max(this.size, at + done);
    }
  }

  async sync(): Promise<void> {
    await guarded(this.#name, () => fdatasync(this.#fd));
  }

  async truncate(size: number): Promise<void> {
    await guarded(this.#name, () => ftruncate(this.#fd, size));
    this.size = size;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }
}

async function guarded<T>(name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translated(name, error);
  }
}

/** What the system has thrown, with the file's name for its path, and a full disk as what it is. */
export function translated(name: string, error: unknown): Error {
  const { code, syscall } = error as NodeJS.ErrnoException;
  const text = `${syscall ?? 'a call'} of ${name}: ${code ?? String(error)}`;
  return code === 'ENOSPC' || code === 'EDQUOT' ? new DiskFullError(text) : new Error(text, { cause: error });
}

function inUse(folder: string): WaysideError {
  return new WaysideError(
    'UNAVAILABLE',
    `The data folder ${path.basename(folder)} is in use by another process. Stop that one, or give this one a folder of its own.`,
  );
}

/**
 * Locks the open file for this process with the system's `flock`, whose lock belongs to the descriptor that the child
 * inherits: it outlives the child and ends with this process, however that dies.
 *
 * Where there is no such program (macOS, Windows) the lock file holds the number of the process; that of a process which
 * runs no more is taken over. That is weaker: a number may be used again by another
 * process after a crash, which then has to be told by a person (the file may be deleted), and two that start in the same
 * moment over a dead one's file could both take it.
 *
 * @returns whether the file's text is the lock
 */
function takeLock(fd: number, folder: string): boolean {
  const done = spawnSync('flock', ['-xn', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  if (!done.error) {
    if (done.status !== 0) throw inUse(folder);
    return false;
  }
  const text = fs.readFileSync(fd, 'utf8');
  const other = Number.parseInt(text, 10);
  const taken = other === process.pid ? HELD.has(path.resolve(folder)) : Number.isInteger(other) && runs(other);
  if (taken) throw inUse(folder);
  HELD.add(path.resolve(folder));
  fs.ftruncateSync(fd, 0);
  fs.writeSync(fd, `${process.pid}\n`);
  fs.fsyncSync(fd);
  return true;
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Folders that this process has: a lock file with our own number that is not among them is from a former process of that number. */
const HELD = new Set<string>();
