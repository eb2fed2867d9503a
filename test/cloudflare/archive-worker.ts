/** The contract of an archive in a Worker, over a bucket of R2: answers with what came out. */
import { R2Archive } from '../../src/adapters/cloudflare/archive.ts';
import type { Bucket } from '../../src/adapters/cloudflare/platform.ts';
import { systemTimers } from '../../src/adapters/memory/timers.ts';
import type { ArchiveFactory } from '../contract/archive.ts';
import { archiveChecks } from '../contract/archive.ts';
import { runChecks } from '../contract/checks.ts';

/** What a bucket may have besides, and no archive sees. */
const FOREIGN = ['A', 'a//b', 'n/0500 (copy)', 'page/..', '~'];

const PAGE_KEYS = 40;

function factory(bucket: Bucket): ArchiveFactory {
  return {
    name: 'an archive in a bucket of R2',
    timers: systemTimers(),
    traits: { persistent: true },
    async place() {
      await empty(bucket);
      for (const key of FOREIGN) await bucket.put(key, new Uint8Array(1), { onlyIf: { etagDoesNotMatch: '*' } });
      return { open: async () => new R2Archive(inShortPages(bucket)) };
    },
  };
}

/** As R2 may answer: with fewer keys than there is room for, although there are more. */
function inShortPages(bucket: Bucket): Bucket {
  return {
    put: (key, bytes, options) => bucket.put(key, bytes, options),
    get: (key, options) => bucket.get(key, options),
    head: (key) => bucket.head(key),
    list: (options) => bucket.list({ ...options, limit: Math.min(options.limit, PAGE_KEYS) }),
    delete: (key) => bucket.delete(key),
  };
}

async function empty(bucket: Bucket): Promise<void> {
  for (;;) {
    const { objects } = await bucket.list({ prefix: '', limit: 1_000 });
    if (objects.length === 0) return;
    await Promise.all(objects.map(({ key }) => bucket.delete(key)));
  }
}

export default {
  async fetch(_: Request, env: { ARCHIVE: Bucket }): Promise<Response> {
    const { passed, skipped, failed } = await runChecks(archiveChecks, factory(env.ARCHIVE));
    const told = failed.map(({ name, error }) => `${name}: ${error instanceof Error ? error.stack : String(error)}`);
    return Response.json({ passed, skipped: skipped.length, failed: told });
  },
};
