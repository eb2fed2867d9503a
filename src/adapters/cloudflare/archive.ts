/**
 * An archive in a bucket of R2.
 *
 * Holds: the promises of `Archive`. The bucket decides who is first: a put carries the condition that there is no object yet. It
 * is consistent and durable by itself; nothing is kept here. Keys that are no names (the bucket may have other things) are not seen.
 * Facts: R2 takes a write a second to one key; what comes faster it may refuse, which is thrown on. Names are sorted as R2 sorts
 * keys. A page may have fewer keys than were asked for, though more are behind it.
 */
import type { Archive } from '../../core/ports.ts';
import { checkArchiveName, checkArchivePage, checkArchiveRange, isArchiveName } from '../../core/ports.ts';
import type { Bucket } from './platform.ts';

export class R2Archive implements Archive {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  async put(name: string, bytes: Uint8Array): Promise<boolean> {
    checkArchiveName(name);
    return (await this.#bucket.put(name, bytes, { onlyIf: { etagDoesNotMatch: '*' } })) !== null;
  }

  async get(name: string, from = 0, length = Infinity): Promise<Uint8Array | undefined> {
    checkArchiveName(name);
    checkArchiveRange(from, length);
    // R2 knows no range of nothing.
    if (length === 0) return (await this.#bucket.head(name)) === null ? undefined : new Uint8Array(0);
    try {
      const object = await this.#bucket.get(name, rangeOf(from, length));
      return object === null ? undefined : new Uint8Array(await object.arrayBuffer());
    } catch (error) {
      // R2 refuses a range that begins at the end or beyond it, in words that are no contract: whether it was that, the size tells.
      const head = await this.#bucket.head(name);
      if (head !== null && from < head.size) throw error;
      return head === null ? undefined : new Uint8Array(0);
    }
  }

  async list(prefix: string, after = '', limit = 1_000): Promise<string[]> {
    checkArchivePage(prefix, after, limit);
    const names: string[] = [];
    let begin: { startAfter?: string; cursor?: string } | undefined = after === '' ? {} : { startAfter: after };
    while (begin !== undefined && names.length < limit) {
      const page = await this.#bucket.list({ prefix, limit: limit - names.length, ...begin });
      for (const { key } of page.objects) if (isArchiveName(key)) names.push(key);
      begin = page.truncated && page.cursor !== undefined ? { cursor: page.cursor } : undefined;
    }
    return names;
  }

  async remove(name: string): Promise<void> {
    checkArchiveName(name);
    await this.#bucket.delete(name);
  }
}

function rangeOf(from: number, length: number): Parameters<Bucket['get']>[1] {
  if (length !== Infinity) return { range: { offset: from, length } };
  return from === 0 ? undefined : { range: { offset: from } };
}
