/**
 * What work takes, counted rather than timed: CPU time of this process, and what it writes.
 *
 * A machine that is busy with something else changes neither much, so small differences can be told.
 */
import type { File, Files } from '../src/core/ports.ts';

export interface Taken {
  /** Microseconds of CPU, in all threads of the process. */
  readonly micros: number;
  /** Bytes given to `write`: what is filled with zeros ahead is not among them. */
  readonly bytes: number;
  readonly writes: number;
  readonly syncs: number;
}

export class Meter {
  #bytes = 0;
  #writes = 0;
  #syncs = 0;

  readonly through = (files: Files): Files => ({
    ...files,
    open: async (name, create) => this.#counted(await files.open(name, create)),
  });

  #counted(file: File): File {
    return {
      get size() {
        return file.size;
      },
      read: (at, length) => file.read(at, length),
      write: (at, bytes) => {
        this.#bytes += bytes.length;
        this.#writes++;
        file.write(at, bytes);
      },
      writeAhead: (at, bytes) => file.writeAhead(at, bytes),
      sync: () => {
        this.#syncs++;
        return file.sync();
      },
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  }

  async of(run: () => Promise<unknown>): Promise<Taken> {
    globalThis.gc?.();
    const before = { bytes: this.#bytes, writes: this.#writes, syncs: this.#syncs };
    const cpu = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(cpu);
    return {
      micros: user + system,
      bytes: this.#bytes - before.bytes,
      writes: this.#writes - before.writes,
      syncs: this.#syncs - before.syncs,
    };
  }
}
