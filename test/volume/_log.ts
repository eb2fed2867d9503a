/** Small things that the volume's tests share. */
import type { File, Files, Journal } from '../../src/core/ports.ts';

export const quiet: Journal = { info() {}, warn() {}, error() {} };

/** The next write, or the next sync, of any file fails once. */
export function failingFiles(files: Files, faults: { next: 'write' | 'sync' | undefined }): Files {
  const fails = (what: 'write' | 'sync'): boolean => {
    if (faults.next !== what) return false;
    faults.next = undefined;
    return true;
  };
  const wrap = (file: File): File => ({
    get size() {
      return file.size;
    },
    read: (at, length) => file.read(at, length),
    write(at, bytes) {
      if (fails('write')) throw new Error('EIO');
      file.write(at, bytes);
    },
    writeAhead: (at, bytes) => file.writeAhead(at, bytes),
    async sync() {
      if (fails('sync')) throw new Error('EIO');
      await file.sync();
    },
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  return {
    lock: () => files.lock(),
    unlock: () => files.unlock(),
    list: () => files.list(),
    open: async (name, create) => wrap(await files.open(name, create)),
    remove: (name) => files.remove(name),
    rename: (from, to) => files.rename(from, to),
    syncFolder: () => files.syncFolder(),
  };
}
