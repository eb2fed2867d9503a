/**
 * An archive in a folder, for Node, Deno and Bun: a file an object, all in one folder.
 *
 * Holds: the promises of `Archive`. An object is written and synced under a name of its own first, and only then linked to its
 * own: a link is made by one, refuses to replace, and shows the whole at once. So a crash between any two steps leaves the whole
 * object or nothing but a temporary file, which the next opening removes. Answers wait until the folder is synced with
 * all that they may have seen of it.
 * One process has the folder: another one that opens it takes away what this one is writing, whose `put` then throws, having
 * put nothing. The file system must have hard links.
 * Slashes become `+`, which no name has: so a name may be the beginning of another, and one sync is enough for all of them.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Archive, File, Files } from '../../core/ports.ts';
import { archivePage, checkArchiveName, checkArchivePage, checkArchiveRange } from '../../core/ports.ts';
import { nodeFiles, translated } from './files.ts';

/** No name begins with a dot. */
const TEMPORARY = '.putting-';

export class FolderArchive implements Archive {
  readonly #folder: string;
  readonly #files: Files;
  /** Names that have appeared or gone, counted; and how many of these changes are durable. */
  #changed = 0;
  #durable = 0;
  #syncing: Promise<void> | undefined;

  /** Makes the folder if it is not there, and removes what a crash has left of a `put`. */
  static async open(folder: string): Promise<FolderArchive> {
    const files = nodeFiles(folder);
    await makeFolder(path.resolve(folder));
    for (const file of await files.list()) if (file.startsWith(TEMPORARY)) await files.remove(file);
    // Names that the process before had linked, and not synced any more, are seen from here on.
    await files.syncFolder();
    return new FolderArchive(folder, files);
  }

  private constructor(folder: string, files: Files) {
    this.#folder = folder;
    this.#files = files;
  }

  async put(name: string, bytes: Uint8Array): Promise<boolean> {
    checkArchiveName(name);
    const temporary = `${TEMPORARY}${randomUUID()}`;
    let isNew: boolean;
    try {
      await this.#write(temporary, bytes);
      isNew = this.#change(name, 'EEXIST', (file) => fs.linkSync(path.join(this.#folder, temporary), file));
    } finally {
      // What cannot be removed now is at the next opening. It must not hide what went wrong, nor that nothing did.
      await this.#files.remove(temporary).catch(() => {});
    }
    await this.#settled();
    return isNew;
  }

  async get(name: string, from = 0, length = Infinity): Promise<Uint8Array | undefined> {
    checkArchiveName(name);
    checkArchiveRange(from, length);
    const file = await this.#opened(name);
    try {
      const bytes = await file?.read(from, length);
      await this.#settled();
      return bytes;
    } finally {
      await file?.close();
    }
  }

  async list(prefix: string, after = '', limit = 1_000): Promise<string[]> {
    checkArchivePage(prefix, after, limit);
    const files = await this.#files.list();
    await this.#settled();
    return archivePage(files.map(nameOf), prefix, after, limit);
  }

  async remove(name: string): Promise<void> {
    checkArchiveName(name);
    this.#change(name, 'ENOENT', (file) => fs.unlinkSync(file));
    await this.#settled();
  }

  async #write(temporary: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#files.open(temporary, true);
    try {
      await file.writeAhead(0, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /**
   * Makes a name appear or go, in one turn with its being counted: whoever sees it waits for its sync. It is counted also where
   * nothing was to be changed, since another process may have done that a moment ago.
   */
  #change(name: string, done: 'EEXIST' | 'ENOENT', act: (file: string) => void): boolean {
    try {
      act(path.join(this.#folder, fileOf(name)));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === done) return false;
      throw translated(name, error);
    } finally {
      this.#changed += 1;
    }
  }

  async #opened(name: string): Promise<File | undefined> {
    try {
      return await this.#files.open(fileOf(name), false);
    } catch (error) {
      if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Resolves when every change up to now is durable; all who wait share a sync. */
  async #settled(): Promise<void> {
    const changed = this.#changed;
    while (this.#durable < changed) {
      this.#syncing ??= this.#sync();
      await this.#syncing;
    }
  }

  async #sync(): Promise<void> {
    const changed = this.#changed;
    try {
      await this.#files.syncFolder();
      this.#durable = changed;
    } finally {
      this.#syncing = undefined;
    }
  }
}

function fileOf(name: string): string {
  return name.replaceAll('/', '+');
}

function nameOf(file: string): string {
  return file.replaceAll('+', '/');
}

/** With those above it, each durable in the one that it is in. */
async function makeFolder(folder: string): Promise<void> {
  if (fs.existsSync(folder)) return;
  await makeFolder(path.dirname(folder));
  fs.mkdirSync(folder, { recursive: true });
  await nodeFiles(path.dirname(folder)).syncFolder();
}
