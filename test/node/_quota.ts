/**
 * A broker process whose files may hold QUOTA_BYTES in all: real files, and a write beyond it fails as a full disk does,
 * with the part written that still fits. Wired like host.ts; nothing else differs.
 */

import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeFiles } from '../../src/adapters/node/files.ts';
import { stderrJournal } from '../../src/adapters/node/journal.ts';
import { startServer } from '../../src/adapters/node/server.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import { openBroker } from '../../src/core/broker.ts';
import { makeLimits } from '../../src/core/limits.ts';
import type { File, Files } from '../../src/core/ports.ts';
import { DiskFullError } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { createGateway } from '../../src/gateway/gateway.ts';

const { WAYSIDE_DATA: data = '', QUOTA_BYTES = '' } = process.env;

class Quota {
  readonly #max: number;
  readonly sizes = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** How many of the bytes still fit in the file. */
  room(name: string, end: number, length: number): number {
    const others = [...this.sizes].reduce((sum, [other, size]) => (other === name ? sum : sum + size), 0);
    const over = others + Math.max(end, this.sizes.get(name) ?? 0) - this.#max;
    return end <= (this.sizes.get(name) ?? 0) ? length : Math.max(0, length - Math.max(0, over));
  }
}

function limited(files: Files, quota: Quota): Files {
  const wrap = (name: string, file: File): File => {
    const noted = <T>(value: T): T => {
      quota.sizes.set(name, file.size);
      return value;
    };
    const full = () => new DiskFullError(`a write of ${name}: ENOSPC`);
    noted(undefined);
    return {
      get size() {
        return file.size;
      },
      read: (at, length) => file.read(at, length),
      write(at, bytes) {
        const fits = quota.room(name, at + bytes.length, bytes.length);
        noted(file.write(at, bytes.subarray(0, fits)));
        if (fits < bytes.length) throw full();
      },
      async writeAhead(at, bytes) {
        const fits = quota.room(name, at + bytes.length, bytes.length);
        noted(await file.writeAhead(at, bytes.subarray(0, fits)));
        if (fits < bytes.length) throw full();
      },
      sync: () => file.sync(),
      truncate: async (size) => noted(await file.truncate(size)),
      close: () => file.close(),
    };
  };
  return {
    ...files,
    open: async (name, create) => wrap(name, await files.open(name, create)),
    async remove(name) {
      await files.remove(name);
      quota.sizes.delete(name);
    },
    async rename(from, to) {
      await files.rename(from, to);
      quota.sizes.set(to, quota.sizes.get(from) ?? 0);
      quota.sizes.delete(from);
    },
  };
}

const [clock, random, timers, journal, limits] = [nodeClock, nodeRandom(), nodeTimers(), stderrJournal(), makeLimits()];
const volume = new LogVolume({ files: limited(nodeFiles(data), new Quota(Number(QUOTA_BYTES))), clock, timers, random, journal });
const broker = await openBroker({ volume, memory: new MemoryVolume(timers), clock, timers, random, journal, limits });
const gateway = createGateway(broker, { runtime: 'node', version: 'test', limits, clock, timers, random, journal });
const server = await startServer({ fetch: gateway.fetch, host: '127.0.0.1', port: 0, refusal: () => ({ headers: {}, body: '' }) });
process.stdout.write(`Address ${server.url} \n`);
process.on('SIGTERM', async () => {
  const ended = server.close(2_000);
  await broker.close();
  await ended;
  process.exit(0);
});
