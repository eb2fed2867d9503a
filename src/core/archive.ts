/**
 * What every archive refuses before it does anything, and the order and the pages in which one lists its names: in one place,
 * so that all of them keep to the same.
 *
 * Holds: a name that passes is safe as a key of an object store and, with its slashes replaced, as the name of a file anywhere:
 * no capitals (a folder may not tell them apart), no dot at an end of a part, none beside another.
 * Elsewhere: what the calls mean (ports.ts).
 */
import { WaysideError } from './errors.ts';

/** A file's name has 255 bytes at most; what an adapter adds to one has room beside these. */
const NAME_CHARS_MAX = 200;
/** Names of one page; an object store gives no more at a time. */
const PAGE_NAMES_MAX = 1_000;

const PART = '[a-z0-9_-]+(?:\\.[a-z0-9_-]+)*';
const NAME = new RegExp(`^${PART}(?:/${PART})*$`);
const BEGINNING = new RegExp(`^(?:${PART}/)*(?:${PART}\\.?)?$`);
const RULE =
  `Names have 1 to ${NAME_CHARS_MAX} of a-z 0-9 _ - . and / between parts; ` +
  'no part is empty, begins or ends with a dot, or has two dots side by side.';

export function isArchiveName(name: string): boolean {
  return name.length <= NAME_CHARS_MAX && NAME.test(name);
}

/** @throws INVALID_NAME */
export function checkArchiveName(name: string): void {
  if (!isArchiveName(name)) throw refused(name, 'is no name of an object in an archive');
}

/** @throws TypeError names the number that is none of a range */
export function checkArchiveRange(from: number, length: number): void {
  if (!isCount(from)) throw new TypeError(`from is ${from}; it must be a whole number of bytes, 0 or more.`);
  if (!isCount(length) && length !== Infinity) throw new TypeError(`length is ${length}; it must be a whole number of bytes, 0 or more.`);
}

/** @throws INVALID_NAME for what no name can begin with · TypeError for a limit */
export function checkArchivePage(prefix: string, after: string, limit: number): void {
  for (const text of [prefix, after]) {
    if (text.length > NAME_CHARS_MAX || !BEGINNING.test(text)) throw refused(text, 'is no beginning of a name in an archive');
  }
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_NAMES_MAX)
    throw new TypeError(`limit is ${limit}; it must be a whole number from 1 to ${PAGE_NAMES_MAX}.`);
}

/** One page of `names`, which come in any order; what is no name of an object is passed over. */
export function archivePage(names: Iterable<string>, prefix: string, after: string, limit: number): string[] {
  const found: string[] = [];
  for (const name of names) if (name.startsWith(prefix) && name > after && isArchiveName(name)) found.push(name);
  return found.sort().slice(0, limit);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function refused(text: string, what: string): WaysideError {
  const shown = text.length > NAME_CHARS_MAX ? `${text.slice(0, NAME_CHARS_MAX)}… (${text.length} characters)` : text;
  return new WaysideError('INVALID_NAME', `${JSON.stringify(shown)} ${what}. ${RULE}`);
}
