/**
 * The contract of an archive, every sentence of `Archive` in ports.ts as a check. Whoever brings one (a folder, R2, memory) runs
 * this list with a factory of theirs.
 *
 * Holds: imports nothing of a runtime or a test framework.
 * Elsewhere: what a crash leaves of a folder (test/node/archive.test.ts).
 */

import type { Archive } from '../../src/core/ports.ts';
import type { Check, Checkable } from './checks.ts';
import { assert, equal, refusal } from './checks.ts';
import { bytesOf } from './volume/subject.ts';

export type ArchiveTrait =
  /** An archive finds what an earlier one left on its place, and what another one does there meanwhile. */
  'persistent';

export interface ArchiveFactory extends Checkable<ArchiveTrait> {
  /** An empty place. */
  place(): Promise<ArchivePlace>;
}

export interface ArchivePlace {
  /** An archive on this place. Each call is another opener. */
  open(): Promise<Archive>;
  cleanUp?(): Promise<void>;
}

export type ArchiveCheck = Check<ArchiveFactory, ArchiveTrait>;

/** Checks there are. Whoever adds or removes one says so here, so that none goes missing. */
export const ARCHIVE_CHECKS = 24;

const LARGE_BYTES = 6 * 1024 * 1024;
const NAME_CHARS_MAX = 200;
const NO_NAMES = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  '../a',
  'a/../b',
  'a/..',
  './a',
  '.a',
  'a.',
  'a..b',
  'a/.b',
  'a./b',
  'A',
  'a b',
  'a\\b',
  'a+b',
  'a%2fb',
  'a\nb',
  'a\n',
  'a\0',
  'ä',
  'a'.repeat(NAME_CHARS_MAX + 1),
];
const NO_BEGINNINGS = NO_NAMES.filter((name) => !['', 'a/', 'a.'].includes(name));

async function withPlace(make: ArchiveFactory, use: (place: ArchivePlace) => Promise<void>): Promise<void> {
  const place = await make.place();
  try {
    await use(place);
  } finally {
    await place.cleanUp?.();
  }
}

/** A check of one archive on an empty place. */
function check(name: string, use: (archive: Archive) => Promise<void>): ArchiveCheck {
  return { name, run: (make) => withPlace(make, async (place) => use(await place.open())) };
}

/** Puts all of them, some at a time. */
async function fill(archive: Archive, names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += 100) {
    const some = names.slice(at, at + 100);
    const are = await Promise.all(some.map((name) => archive.put(name, bytesOf(3, name.length))));
    assert(are.every(Boolean), 'each name is given');
  }
}

async function refusedAs(act: () => unknown, code: string, what: string): Promise<void> {
  const { name, code: actual } = await refusal(act, what);
  equal([name, actual], ['WaysideError', code], what);
}

async function mistaken(act: () => unknown, what: string): Promise<void> {
  equal((await refusal(act, what)).name, 'TypeError', what);
}

export const archiveChecks: readonly ArchiveCheck[] = [
  check('put gives a name once; the bytes are there as they were', async (archive) => {
    equal(await archive.put('a/b/0001.segment', bytesOf(5_000, 1)), true, 'put');
    equal(await archive.get('a/b/0001.segment'), bytesOf(5_000, 1), 'bytes');
  }),
  check('put of a name that is given changes nothing, and says so', async (archive) => {
    await archive.put('a', bytesOf(500, 1));
    for (const bytes of [bytesOf(500, 2), bytesOf(5_000, 3), new Uint8Array(0), bytesOf(500, 1)])
      equal(await archive.put('a', bytes), false, 'put again');
    equal(await archive.get('a'), bytesOf(500, 1), 'bytes');
    equal(await archive.list(''), ['a'], 'names');
  }),
  check('put of one name, many at a time: one is told true, and its bytes are there', async (archive) => {
    for (let round = 0; round < 5; round += 1) {
      const name = `round-${round}`;
      const are = await Promise.all(Array.from({ length: 20 }, (_, i) => archive.put(name, bytesOf(20_000 + i, i))));
      const first = are.indexOf(true);
      equal(are.filter(Boolean).length, 1, 'told true');
      equal(await archive.get(name), bytesOf(20_000 + first, first), 'bytes of the one');
    }
  }),
  check('put of many names at a time: all are there', async (archive) => {
    const names = Array.from({ length: 50 }, (_, i) => `many/${i}`);
    equal(
      await Promise.all(names.map((name, i) => archive.put(name, bytesOf(100 + i, i)))),
      names.map(() => true),
      'put',
    );
    for (const [i, name] of names.entries()) equal(await archive.get(name), bytesOf(100 + i, i), name);
  }),
  check('put of no bytes is an object too', async (archive) => {
    equal(await archive.put('empty', new Uint8Array(0)), true, 'put');
    equal(await archive.get('empty'), new Uint8Array(0), 'bytes');
    equal(await archive.list(''), ['empty'], 'names');
    equal(await archive.put('empty', bytesOf(1, 1)), false, 'put again');
    equal(await archive.get('empty'), new Uint8Array(0), 'bytes after that');
  }),
  check('put of 6 MiB, and parts of it', async (archive) => {
    const bytes = bytesOf(LARGE_BYTES, 6);
    equal(await archive.put('large', bytes), true, 'put');
    equal(await archive.get('large'), bytes, 'bytes');
    equal(await archive.get('large', 3_000_001, 2_000_003), bytes.slice(3_000_001, 5_000_004), 'a part');
    equal(await archive.get('large', LARGE_BYTES - 7), bytes.slice(-7), 'the end');
  }),
  check('put of a part of a buffer puts that part', async (archive) => {
    await archive.put('view', bytesOf(1_000, 1).subarray(100, 300));
    equal(await archive.get('view'), bytesOf(1_000, 1).slice(100, 300), 'bytes');
  }),
  check('put is seen whole or not at all', async (archive) => {
    const bytes = bytesOf(LARGE_BYTES, 7);
    let done = false;
    const put = archive.put('whole', bytes).finally(() => {
      done = true;
    });
    while (!done) {
      const [names, seen] = [await archive.list(''), await archive.get('whole')];
      assert(seen === undefined || seen.length === LARGE_BYTES, `all or nothing, not ${seen?.length} bytes`);
      assert(seen !== undefined || names.length === 0, 'what is listed is there');
    }
    equal(await put, true, 'put');
    equal(await archive.get('whole'), bytes, 'bytes');
  }),
  check('get of a name that was not put gives nothing, whatever the range', async (archive) => {
    await archive.put('a/b', bytesOf(9, 1));
    for (const name of ['a', 'a/b/c', 'a-b', 'b'])
      for (const range of [[], [0], [5], [0, 5], [5, 0], [100, 100]]) equal(await archive.get(name, ...range), undefined, name);
  }),
  check('get of a range', async (archive) => {
    const bytes = bytesOf(1_000, 1);
    await archive.put('a', bytes);
    for (const [from, length] of [
      [0, 1],
      [0, 1_000],
      [999, 1],
      [10, 20],
      [500, 500],
      [0, 0],
      [7, 0],
    ] as const)
      equal(await archive.get('a', from, length), bytes.slice(from, from + length), `${length} from ${from}`);
    for (const from of [0, 1, 500, 999]) equal(await archive.get('a', from), bytes.slice(from), `from ${from}`);
    equal(await archive.get('a', undefined, 9), bytes.slice(0, 9), 'the first 9');
  }),
  check('get of a range over the end gives what there is', async (archive) => {
    const bytes = bytesOf(1_000, 1);
    await archive.put('a', bytes);
    for (const [from, length] of [
      [0, 1_001],
      [999, 2],
      [990, 1_000_000_000],
      [0, Number.MAX_SAFE_INTEGER],
    ] as const)
      equal(await archive.get('a', from, length), bytes.slice(from), `${length} from ${from}`);
  }),
  check('get of a range at the end or beyond gives no bytes', async (archive) => {
    await archive.put('a', bytesOf(1_000, 1));
    await archive.put('empty', new Uint8Array(0));
    for (const from of [1_000, 1_001, 10_000_000])
      for (const length of [undefined, 0, 1, 5_000])
        equal(await archive.get('a', from, length), new Uint8Array(0), `${length} from ${from}`);
    for (const [from, length] of [
      [0, 1],
      [0, 0],
      [1, undefined],
      [5, 5],
    ] as const)
      equal(await archive.get('empty', from, length), new Uint8Array(0), `${length} from ${from} of nothing`);
  }),
  check('bytes are copies: of what was put, and of what is got', async (archive) => {
    const bytes = bytesOf(1_000, 1);
    await archive.put('a', bytes);
    bytes.fill(0);
    for (const range of [[], [0, 1_000], [100, 50]]) {
      const got = await archive.get('a', ...range);
      assert(got !== undefined, 'there is one');
      got.fill(255);
    }
    equal(await archive.get('a'), bytesOf(1_000, 1), 'bytes');
  }),
  check('list is in the order of bytes; a name may be the beginning of another', async (archive) => {
    const names = ['0', 'a', 'a-b', 'a.b', 'a/0', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'a_b', 'aa', 'b', 'b/0009', 'b/001', 'b/0010'];
    await fill(archive, [...names].reverse());
    equal(await archive.list(''), [...names].sort(), 'names');
    for (const name of names) equal((await archive.get(name))?.length, 3, name);
  }),
  check('list gives what begins with the prefix', async (archive) => {
    await fill(archive, ['a', 'a/1', 'a/2', 'a/20', 'a.b', 'ab', 'b/a/1']);
    const prefixes = { a: ['a', 'a.b', 'a/1', 'a/2', 'a/20', 'ab'], 'a/': ['a/1', 'a/2', 'a/20'], 'a/2': ['a/2', 'a/20'], 'a.': ['a.b'] };
    for (const [prefix, names] of Object.entries(prefixes)) equal(await archive.list(prefix), names, prefix);
    for (const prefix of ['c', 'b/a/1/', '0']) equal(await archive.list(prefix), [], prefix);
  }),
  check('list in pages gives each name once', async (archive) => {
    const names = Array.from({ length: 23 }, (_, i) => `page/${String(i).padStart(3, '0')}`);
    await fill(archive, ['pag', 'page', ...names, 'pages']);
    for (const limit of [1, 7, 22, 23, 24]) {
      const all: string[] = [];
      for (let last = limit; last === limit; ) {
        const page = await archive.list('page/', all.at(-1), limit);
        assert(page.length <= limit, `at most ${limit}`);
        all.push(...page);
        last = page.length;
      }
      equal(all, names, `pages of ${limit}`);
    }
  }),
  check('list after what is not there, before the prefix, and behind it', async (archive) => {
    await fill(archive, ['a', 'm/1', 'm/3', 'z']);
    equal(await archive.list('', 'm/2'), ['m/3', 'z'], 'after m/2');
    equal(await archive.list('', 'm/'), ['m/1', 'm/3', 'z'], 'after m/');
    equal(await archive.list('m/', 'm/1'), ['m/3'], 'm/ after m/1');
    equal(await archive.list('m/', 'a'), ['m/1', 'm/3'], 'm/ after a');
    equal(await archive.list('m/', 'm/3'), [], 'm/ after its last');
    equal(await archive.list('m/', 'z'), [], 'm/ after z');
    equal(await archive.list('', '', 2), ['a', 'm/1'], 'after nothing');
  }),
  check('list gives 1,000 names unless said', async (archive) => {
    const names = Array.from({ length: 1_100 }, (_, i) => `n/${String(i).padStart(4, '0')}`);
    await fill(archive, names);
    equal(await archive.list('n/'), names.slice(0, 1_000), 'first page');
    equal(await archive.list('n/', names[999]), names.slice(1_000), 'second page');
  }),
  check('remove frees a name, and no other', async (archive) => {
    await fill(archive, ['a', 'a/1', 'a/2']);
    await archive.remove('a/1');
    equal(await archive.get('a/1'), undefined, 'bytes');
    equal(await archive.list(''), ['a', 'a/2'], 'names');
    await archive.remove('a/1');
    await archive.remove('never');
    equal(await archive.put('a/1', bytesOf(40, 9)), true, 'put again');
    equal(await archive.get('a/1'), bytesOf(40, 9), 'bytes after that');
    equal(await archive.put('a/1', bytesOf(41, 9)), false, 'put once more');
  }),
  check('names of every allowed character, and as long as they may be', async (archive) => {
    const names = ['abcdefghijklmnopqrstuvwxyz/0123456789_-.x', '-', '_', '-/-', 'a'.repeat(NAME_CHARS_MAX), `${'a/'.repeat(99)}aa`];
    await fill(archive, names);
    equal(await archive.list(''), [...names].sort(), 'names');
    for (const name of names) equal((await archive.get(name))?.length, 3, name);
  }),
  check('names that are none are refused by every call', async (archive) => {
    for (const name of NO_NAMES) {
      const shown = JSON.stringify(name.slice(0, 20));
      await refusedAs(() => archive.put(name, bytesOf(3, 3)), 'INVALID_NAME', `put of ${shown}`);
      await refusedAs(() => archive.get(name), 'INVALID_NAME', `get of ${shown}`);
      await refusedAs(() => archive.remove(name), 'INVALID_NAME', `remove of ${shown}`);
    }
    for (const text of NO_BEGINNINGS) {
      await refusedAs(() => archive.list(text), 'INVALID_NAME', `list of ${JSON.stringify(text)}`);
      await refusedAs(() => archive.list('', text), 'INVALID_NAME', `list after ${JSON.stringify(text)}`);
    }
    equal(await archive.list(''), [], 'names');
  }),
  check('numbers out of their range are refused', async (archive) => {
    await archive.put('a', bytesOf(9, 1));
    for (const number of [-1, 0.5, Number.NaN, 2 ** 53]) {
      await mistaken(() => archive.get('a', number), `get from ${number}`);
      await mistaken(() => archive.get('a', 0, number), `get of ${number}`);
    }
    await mistaken(() => archive.get('a', Infinity), 'get from Infinity');
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN, Infinity]) await mistaken(() => archive.list('', '', limit), `list of ${limit}`);
  }),
  {
    name: 'opened again it has all, and gives no name twice',
    needs: ['persistent'],
    run: (make) =>
      withPlace(make, async (place) => {
        const first = await place.open();
        await fill(first, ['a', 'b/c', 'd']);
        await first.remove('d');
        const second = await place.open();
        equal(await second.list(''), ['a', 'b/c'], 'names');
        equal(await second.get('b/c'), bytesOf(3, 3), 'bytes');
        equal(await second.put('b/c', bytesOf(9, 9)), false, 'put again');
      }),
  },
  {
    name: 'put of one name by two that have it open: one is told true',
    needs: ['persistent'],
    run: (make) =>
      withPlace(make, async (place) => {
        const both = [await place.open(), await place.open()];
        for (let round = 0; round < 10; round += 1) {
          const name = `round/${round}`;
          const are = await Promise.all(both.map((archive, i) => archive.put(name, bytesOf(10_000 + i, i))));
          const first = are.indexOf(true);
          equal(are.filter(Boolean).length, 1, 'told true');
          for (const archive of both) equal(await archive.get(name), bytesOf(10_000 + first, first), 'bytes of the one');
        }
      }),
  },
];
